//! What a history is made of: who did what, when it was asked, when the answer was there, and what it said.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Microseconds since the history began, by the one clock of the process that records it.
pub type Micros = u64;
/// A token, a code or a link.
pub type Text = Arc<str>;

/// After an answer that was lost, whatever the request did is done within this time: the process that did it is gone, or
/// its database has finished what it was told last.
pub const SETTLED: Micros = 3_000_000;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A role is given to the person.
    Grant,
    /// It is taken away, which ends whatever the person is signed in to.
    Revoke,
    /// An authorization request of the person.
    Authorize,
    /// A code is exchanged.
    Redeem(Text),
    /// A refresh token is used.
    Refresh(Text),
    /// An access token is shown at a place that judges it.
    Look(Text),
    /// It is read whether the person has the role.
    Read,
    /// A mailed link is made.
    Mint,
    /// A mailed link is used.
    UseLink(Text),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, or the token was honoured.
    Done,
    /// A code, or a link.
    Given(Text),
    /// Tokens, and whether the role stands in them.
    Issued {
        /// The access token.
        access: Text,
        /// The refresh token.
        refresh: Text,
        /// Whether the role is among its claims.
        role: bool,
    },
    /// Whether the person has the role.
    Saw(bool),
    /// No, in so many words.
    Refused,
    /// Nothing was done for certain, and nothing is learnt: nobody listened, or it was too much at once.
    Nothing,
    /// The answer was lost. It may have been done: by this moment, if at all.
    Unknown(Micros),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Event {
    /// Whom it is about.
    pub person: usize,
    /// What was asked.
    pub deed: Deed,
    /// When.
    pub began: Micros,
    /// When the answer was there, or was known to be lost.
    pub ended: Micros,
    /// What came of it.
    pub outcome: Outcome,
}

/// Who found nobody there waits so long before the next request.
const PAUSE: Duration = Duration::from_millis(20);

/// The record that all clients write; clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    zero: Instant,
    events: Arc<Mutex<Vec<Event>>>,
    nothing: Arc<AtomicUsize>,
}

impl Log {
    /// An empty one.
    pub fn new() -> Self {
        Self { zero: Instant::now(), events: Arc::default(), nothing: Arc::default() }
    }

    /// The time.
    pub fn now(&self) -> Micros {
        u64::try_from(self.zero.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Does something and notes it. What came to nothing is only counted.
    pub async fn note(&self, person: usize, deed: Deed, work: impl Future<Output = Outcome>) -> Outcome {
        let began = self.now();
        let outcome = work.await;
        let ended = self.now();
        if outcome == Outcome::Nothing {
            self.nothing.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
            return outcome;
        }
        let outcome = match outcome {
            Outcome::Unknown(after) => Outcome::Unknown(ended.saturating_add(after)),
            other => other,
        };
        self.events.lock().unwrap().push(Event { person, deed, began, ended, outcome: outcome.clone() });
        outcome
    }

    /// How many requests found nobody there.
    pub fn nothing(&self) -> usize {
        self.nothing.load(Ordering::Relaxed)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

/// Dice that fall the same way for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one of several players of a run.
    pub const fn new(seed: u64, player: u64) -> Self {
        Self(seed ^ player.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.roll(of.len() as u64);
        &of[usize::try_from(at).unwrap()]
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }
}
