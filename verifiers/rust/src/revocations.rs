//! What the feed has said so far: bounded in time, and only ever narrower.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::claims::Claims;
use crate::message::{Entry, Message};
use crate::refusal::Kind;

/// What no longer counts, and how far the feed was read.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    generation: Option<String>,
    position: Option<u64>,
    /// When the feed was last heard to its end.
    heard: Option<Instant>,
    /// The same by the calendar, in seconds since 1970.
    heard_on: i64,
    kept: HashMap<Key, Kept>,
    /// What is kept, in the order in which it may be forgotten. One that was renewed stands here twice.
    ends: VecDeque<(Instant, Key)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Member(String),
    Family(String),
    Token(String),
    Application(String),
    All,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    /// A version, a time, or nothing of meaning: what is below it no longer counts.
    least: i64,
    until: Instant,
}

/// That a message does not follow the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// Something between is missing.
    #[error("the message does not continue the one before")]
    Gap,
    /// It is of another generation, and does not begin anew.
    #[error("the message is of another generation")]
    Generation,
}

/// When a message came, and how long what it says is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// By a clock that only goes forward.
    pub at: Instant,
    /// By the calendar, in seconds since 1970.
    pub now: i64,
    /// How far its time of signing may be from ours, in seconds.
    pub leeway: i64,
    /// No token that it speaks of lives longer.
    pub keep: Duration,
}

fn member(subject: &str, org: &str) -> Key {
    Key::Member(format!("{subject} {org}"))
}

impl Revocations {
    /// Takes a message in; whether it was the end of the feed at this moment.
    pub fn apply(&mut self, message: Message, arrival: Arrival) -> Result<bool, Broken> {
        let anew = message.reset;
        let same = self.generation.as_deref().is_none_or(|generation| generation == message.generation);
        if !same && !anew {
            return Err(Broken::Generation);
        }
        if !anew && self.position != Some(message.from) {
            return Err(Broken::Gap);
        }
        if anew {
            self.heard = None;
        }
        if !same {
            // Versions began again, so what was kept says nothing of them.
            self.kept.clear();
            self.ends.clear();
        }
        self.generation = Some(message.generation);
        self.position = Some(message.to);
        self.forget(arrival.at);
        let until = arrival.at + arrival.keep;
        for entry in message.entries {
            self.keep(entry, until);
        }
        // An old message, sent again by somebody on the way, is true and still no sign of life.
        let fresh = message.head && (arrival.now - message.issued_at).abs() <= arrival.leeway;
        if fresh {
            (self.heard, self.heard_on) = (Some(arrival.at), arrival.now);
        }
        Ok(fresh)
    }

    fn keep(&mut self, entry: Entry, until: Instant) {
        let (key, least) = match entry {
            Entry::Member { subject, org, least } => (member(&subject, &org), least),
            Entry::Family(family) => (Key::Family(family), 0),
            Entry::Token(token) => (Key::Token(token), 0),
            Entry::Application { client_id, before } => (Key::Application(client_id), before),
            Entry::All { before } => (Key::All, before),
        };
        self.ends.push_back((until, key.clone()));
        let kept = self.kept.entry(key).or_insert(Kept { least, until });
        kept.least = kept.least.max(least);
        kept.until = kept.until.max(until);
    }

    fn forget(&mut self, at: Instant) {
        while self.ends.front().is_some_and(|(until, _)| *until <= at) {
            if let Some((_, key)) = self.ends.pop_front()
                && self.kept.get(&key).is_some_and(|kept| kept.until <= at)
            {
                self.kept.remove(&key);
            }
        }
    }

    /// Judges a token: what is known to be over is over, even where the feed is silent; all else needs the feed.
    pub fn judge(&self, claims: &Claims, at: Instant, max_silence: Duration) -> Result<(), Kind> {
        if self.is_revoked(claims) {
            return Err(Kind::Revoked);
        }
        if self.is_fresh(at, max_silence) { Ok(()) } else { Err(Kind::StaleFeed) }
    }

    fn is_revoked(&self, claims: &Claims) -> bool {
        let least = |key: &Key| self.kept.get(key).map(|kept| kept.least);
        let issued = claims.issued_at();
        if let (Some(org), Some(version)) = (claims.org_id(), claims.access_version())
            && least(&member(claims.subject(), org)).is_some_and(|least| version < least)
        {
            return true;
        }
        self.kept.contains_key(&Key::Family(claims.family().to_owned()))
            || self.kept.contains_key(&Key::Token(claims.token_id().to_owned()))
            || least(&Key::Application(claims.client_id().to_owned())).is_some_and(|before| issued < before)
            || least(&Key::All).is_some_and(|before| issued < before)
    }

    /// Whether the feed was heard to its end not too long ago.
    pub fn is_fresh(&self, at: Instant, max_silence: Duration) -> bool {
        self.silence(at).is_some_and(|silence| silence <= max_silence)
    }

    /// Whether the calendar went on for longer since then: a machine that was halted stops the clock that only goes
    /// forward, and revocations go on.
    pub fn was_halted(&self, now: i64, longest: Duration) -> bool {
        u64::try_from(now.saturating_sub(self.heard_on)).is_ok_and(|since| since > longest.as_secs())
    }

    /// How long ago the feed was heard to its end; `None` if it never was.
    pub fn silence(&self, at: Instant) -> Option<Duration> {
        self.heard.map(|heard| at.saturating_duration_since(heard))
    }

    /// Where to go on from: the position and its generation.
    pub fn position(&self) -> Option<(u64, &str)> {
        Some((self.position?, self.generation.as_deref()?))
    }

    /// Has the feed be read anew. What is known stays known until it is told otherwise.
    pub fn begin_anew(&mut self) {
        (self.position, self.heard) = (None, None);
    }

    /// How many entries are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::claims::tests::{a_token, check};

    const SILENCE: Duration = Duration::from_secs(15);
    const KEEP: Duration = Duration::from_hours(1);

    fn at(start: Instant, after: u64) -> Arrival {
        let now = 1000 + i64::try_from(after).expect("small");
        Arrival { at: start + Duration::from_secs(after), now, leeway: 5, keep: KEEP }
    }

    fn message(from: u64, to: u64, entries: Vec<Entry>) -> Message {
        Message { issued_at: 1000, generation: "g1".to_owned(), from, to, head: true, reset: false, entries }
    }

    fn first(entries: Vec<Entry>) -> Message {
        Message { reset: true, ..message(0, 1, entries) }
    }

    fn a_member(least: i64) -> Entry {
        Entry::Member { subject: "usr_1".to_owned(), org: "org_1".to_owned(), least }
    }

    fn judged(kept: &Revocations, at: Instant) -> Result<(), Kind> {
        kept.judge(&check(a_token(), 1100).expect("good in itself"), at, SILENCE)
    }

    #[test]
    fn nothing_is_honoured_before_the_feed_was_heard_to_its_end_and_after_it_fell_silent() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        assert_eq!(judged(&kept, start), Err(Kind::StaleFeed));
        kept.apply(Message { head: false, ..first(vec![]) }, at(start, 0)).expect("it begins");
        assert_eq!(judged(&kept, start), Err(Kind::StaleFeed));
        kept.apply(message(1, 1, vec![]), at(start, 0)).expect("it follows");
        assert_eq!(judged(&kept, start + SILENCE), Ok(()));
        assert_eq!(judged(&kept, start + SILENCE + Duration::from_millis(1)), Err(Kind::StaleFeed));
    }

    #[test]
    fn what_was_taken_away_is_refused_by_whichever_entry_names_it() {
        let start = Instant::now();
        let fam = Entry::Family("fam_1".to_owned());
        let token = Entry::Token("fam_1.ab".to_owned());
        let application = |before| Entry::Application { client_id: "shop".to_owned(), before };
        for (entry, refused) in [
            (a_member(8), true),
            (a_member(7), false),
            (Entry::Member { subject: "usr_1".to_owned(), org: "org_2".to_owned(), least: 99 }, false),
            (fam, true),
            (Entry::Family("fam_2".to_owned()), false),
            (token, true),
            (Entry::Token("fam_1.cd".to_owned()), false),
            (application(1001), true),
            (application(1000), false),
            (Entry::Application { client_id: "other".to_owned(), before: 5000 }, false),
            (Entry::All { before: 1001 }, true),
            (Entry::All { before: 1000 }, false),
        ] {
            let mut kept = Revocations::default();
            kept.apply(first(vec![entry.clone()]), at(start, 0)).expect("it begins");
            let expected = if refused { Err(Kind::Revoked) } else { Ok(()) };
            assert_eq!(judged(&kept, start), expected, "{entry:?}");
        }
    }

    #[test]
    fn a_lower_version_that_comes_later_gives_nothing_back() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        kept.apply(first(vec![a_member(8), a_member(3)]), at(start, 0)).expect("it begins");
        assert_eq!(judged(&kept, start), Err(Kind::Revoked));
        // Even silent, what is known to be over is over, and not worth another try.
        assert_eq!(judged(&kept, start + Duration::from_secs(1000)), Err(Kind::Revoked));
    }

    #[test]
    fn a_gap_is_noticed_and_counts_for_nothing() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        assert_eq!(kept.apply(message(5, 6, vec![]), at(start, 0)), Err(Broken::Gap), "nothing came before it");
        kept.apply(first(vec![]), at(start, 0)).expect("it begins");
        for gap in [message(2, 3, vec![a_member(8)]), message(0, 2, vec![a_member(8)])] {
            assert_eq!(kept.apply(gap, at(start, 10)), Err(Broken::Gap));
        }
        assert_eq!(judged(&kept, start + SILENCE), Ok(()));
        assert!(!kept.is_fresh(start + SILENCE + Duration::from_secs(1), SILENCE), "a gap is no sign of life");
        assert_eq!(kept.position(), Some((1, "g1")));
    }

    #[test]
    fn another_generation_counts_only_from_its_beginning() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        kept.apply(first(vec![a_member(8)]), at(start, 0)).expect("it begins");
        let other = |reset| Message { generation: "g2".to_owned(), reset, ..message(1, 2, vec![]) };
        assert_eq!(kept.apply(other(false), at(start, 1)), Err(Broken::Generation));
        kept.apply(Message { head: false, ..other(true) }, at(start, 1)).expect("it begins anew");
        assert_eq!(judged(&kept, start), Err(Kind::StaleFeed), "not until its end was heard");
        kept.apply(Message { generation: "g2".to_owned(), ..message(2, 2, vec![]) }, at(start, 1)).expect("it follows");
        assert_eq!(judged(&kept, start), Ok(()), "what the old generation said is gone");
    }

    #[test]
    fn a_new_beginning_of_the_same_generation_forgets_nothing() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        kept.apply(first(vec![a_member(8)]), at(start, 0)).expect("it begins");
        let anew = Message { reset: true, head: false, ..message(40, 50, vec![]) };
        assert_eq!(kept.apply(anew, at(start, 1)), Ok(false));
        assert!(!kept.is_fresh(start, SILENCE), "not until its end was heard");
        assert_eq!((judged(&kept, start), kept.position()), (Err(Kind::Revoked), Some((50, "g1"))));
        kept.begin_anew();
        assert_eq!((judged(&kept, start), kept.position()), (Err(Kind::Revoked), None));
    }

    #[test]
    fn a_machine_that_was_halted_has_not_heard_the_feed_meanwhile() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        let arrival = at(start, 5);
        kept.apply(first(vec![]), arrival).expect("it begins");
        assert!(!kept.was_halted(arrival.now + 15, SILENCE));
        assert!(kept.was_halted(arrival.now + 3600, SILENCE) && !kept.was_halted(arrival.now - 3600, SILENCE));
    }

    #[test]
    fn a_message_that_was_kept_back_is_no_sign_of_life() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        assert_eq!(kept.apply(first(vec![]), at(start, 5)), Ok(true));
        assert_eq!(kept.apply(message(1, 1, vec![]), at(start, 6)), Ok(false));
        assert_eq!(kept.silence(start + Duration::from_secs(6)), Some(Duration::from_secs(1)));
        let early = Message { issued_at: 1012, ..message(1, 1, vec![]) };
        assert_eq!(kept.apply(early, at(start, 6)), Ok(false), "nor one from the future");
    }

    #[test]
    fn what_no_living_token_can_need_is_forgotten() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        kept.apply(first(vec![a_member(8), Entry::Family("fam_9".to_owned())]), at(start, 0)).expect("it begins");
        let renewed = Message { issued_at: 1100, ..message(1, 2, vec![a_member(8)]) };
        kept.apply(renewed, at(start, 100)).expect("it follows");
        assert_eq!(kept.len(), 2);
        kept.apply(Message { issued_at: 4600, ..message(2, 2, vec![]) }, at(start, 3600)).expect("it follows");
        assert_eq!(kept.len(), 1, "the renewed one stays as long as its renewal");
        kept.apply(Message { issued_at: 4700, ..message(2, 2, vec![]) }, at(start, 3700)).expect("it follows");
        assert_eq!((kept.len(), kept.ends.len()), (0, 0));
    }

    #[test]
    fn a_look_costs_microseconds_however_much_is_kept() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        let entries = (0..100_000).map(|number| Entry::Member {
            subject: format!("usr_{number}"),
            org: "org_2".to_owned(),
            least: 3,
        });
        kept.apply(first(entries.collect()), at(start, 0)).expect("it begins");
        let claims = check(a_token(), 1100).expect("good in itself");
        let began = Instant::now();
        for _ in 0..10_000 {
            assert_eq!(kept.judge(&claims, start, SILENCE), Ok(()));
        }
        let each = began.elapsed() / 10_000;
        eprintln!("{each:?} a look");
        // A few in a release build; this one may be a debug build on a busy machine.
        assert!(each < Duration::from_micros(100), "{each:?}");
    }

    #[test]
    fn an_applications_own_token_has_no_version_to_compare() {
        let start = Instant::now();
        let mut kept = Revocations::default();
        kept.apply(first(vec![a_member(8)]), at(start, 0)).expect("it begins");
        let mut own = a_token();
        for name in ["org_id", "acv"] {
            own.remove(name);
        }
        own.insert("sub".to_owned(), Value::from("shop"));
        own.insert("jti".to_owned(), json!("app_1.cd"));
        let own = check(own, 1100).expect("good in itself");
        assert_eq!(kept.judge(&own, start, SILENCE), Ok(()));
    }
}
