//! The checker: given a history, which promises were broken. Pure, and certain: what could have been in time is no fault.
//!
//! The promises, each a [`Rule`]. A request whose answer was lost counts as done at any moment until it was settled, or
//! never, whichever explains what was seen.

use std::collections::{BTreeMap, HashMap};

use super::record::{Deed, Event, Micros, Outcome, Text};

/// A refresh token whose answer was lost is repeated within this time; later it may count as reuse. Two seconds less than
/// the promise, for the server's clock begins later than the client's.
const REPEAT: Micros = 8_000_000;
/// An access token is not judged as lost later than this after it was asked for: it may have run out.
const LIFE: Micros = 540_000_000;
/// The same of a code.
const CODE_LIFE: Micros = 50_000_000;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// After the answer to a revocation, what it revoked is honoured nowhere.
    Stale,
    /// Once anything of a sign-in was refused, nothing of it is honoured again.
    Revived,
    /// What was given out is honoured until somebody takes it away.
    Lost,
    /// A code and a link are good once.
    Twice,
    /// A refresh token has one successor, whoever asks how often.
    Forked,
    /// A refresh token whose successor was used is refused.
    Reused,
    /// What is read, and what stands in new tokens, is what was written last.
    Misread,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which one.
    pub rule: Rule,
    /// By what.
    pub told: String,
}

/// What is known of a code, an access token or a refresh token.
struct Known {
    person: usize,
    /// The code that its sign-in began with: all that comes from one code lives and dies together.
    family: Text,
    /// When it was asked for, and when it was surely there.
    asked: Micros,
    born: Micros,
    is_code: bool,
}

/// Something that gives the role or takes it.
struct Write {
    gives: bool,
    began: Micros,
    /// When it was done at the latest.
    latest: Micros,
    acknowledged: bool,
}

struct Checker<'e> {
    events: Vec<&'e Event>,
    known: HashMap<Text, Known>,
    writes: BTreeMap<usize, Vec<Write>>,
    /// The attempts to use a code, a refresh token or a link, in the order in which they were begun.
    attempts: HashMap<Text, Vec<&'e Event>>,
    /// When something of a family was refused for the first time, and when something was asked that may end it.
    dead: HashMap<Text, Micros>,
    spoiled: HashMap<Text, Micros>,
    faults: Vec<Fault>,
}

/// Every broken promise of a history.
pub fn check(events: &[Event]) -> Vec<Fault> {
    let mut sorted: Vec<&Event> = events.iter().filter(|event| event.outcome != Outcome::Nothing).collect();
    sorted.sort_by_key(|event| event.ended);
    let mut checker = Checker {
        events: sorted,
        known: HashMap::new(),
        writes: BTreeMap::new(),
        attempts: HashMap::new(),
        dead: HashMap::new(),
        spoiled: HashMap::new(),
        faults: Vec::new(),
    };
    checker.learn();
    checker.find_spoiled();
    checker.find_dead();
    for event in checker.events.clone() {
        checker.honoured(event);
        checker.refused(event);
        checker.read(event);
    }
    checker.single_uses();
    checker.faults.sort_by_key(|fault| fault.rule);
    checker.faults
}

/// What an event shows to be judged.
const fn shown(event: &Event) -> Option<&Text> {
    match &event.deed {
        Deed::Redeem(text) | Deed::Refresh(text) | Deed::Look(text) => Some(text),
        Deed::Grant | Deed::Revoke | Deed::Authorize | Deed::Read | Deed::Mint | Deed::UseLink(_) => None,
    }
}

/// What an event uses up.
const fn used(event: &Event) -> Option<&Text> {
    match &event.deed {
        Deed::Redeem(text) | Deed::Refresh(text) | Deed::UseLink(text) => Some(text),
        Deed::Grant | Deed::Revoke | Deed::Authorize | Deed::Read | Deed::Mint | Deed::Look(_) => None,
    }
}

const fn is_honoured(event: &Event) -> bool {
    matches!(event.outcome, Outcome::Done | Outcome::Issued { .. })
}

impl<'e> Checker<'e> {
    fn fault(&mut self, rule: Rule, event: &Event, why: &str) {
        let told = format!("{why}: {event:?}");
        self.faults.push(Fault { rule, told });
    }

    /// What was given out, what was written, and what was used.
    fn learn(&mut self) {
        for event in self.events.clone() {
            if let Some(text) = used(event) {
                self.attempts.entry(text.clone()).or_default().push(event);
            }
            match (&event.deed, &event.outcome) {
                (Deed::Grant | Deed::Revoke, Outcome::Done) => self.write(event, event.ended, true),
                (Deed::Grant | Deed::Revoke, Outcome::Unknown(settled)) => self.write(event, *settled, false),
                (Deed::Authorize, Outcome::Given(code)) => self.give(event, code, code.clone(), true),
                (Deed::Redeem(from) | Deed::Refresh(from), Outcome::Issued { access, refresh, .. }) => {
                    let family = self.known.get(from).map_or_else(|| from.clone(), |known| known.family.clone());
                    self.give(event, access, family.clone(), false);
                    self.give(event, refresh, family, false);
                }
                _ => {}
            }
        }
        for attempts in self.attempts.values_mut() {
            attempts.sort_by_key(|event| event.began);
        }
    }

    fn write(&mut self, event: &Event, latest: Micros, acknowledged: bool) {
        let gives = event.deed == Deed::Grant;
        let write = Write { gives, began: event.began, latest, acknowledged };
        self.writes.entry(event.person).or_default().push(write);
    }

    fn give(&mut self, event: &Event, text: &Text, family: Text, is_code: bool) {
        // The first to bring it: a repeat brings the same refresh token again.
        let known = Known { person: event.person, family, asked: event.began, born: event.ended, is_code };
        self.known.entry(text.clone()).or_insert(known);
    }

    /// The refresh token that a use of this one surely brought.
    fn successor(&self, presented: &Text) -> Option<&'e Text> {
        self.attempts.get(presented)?.iter().find_map(|event| match &event.outcome {
            Outcome::Issued { refresh, .. } => Some(refresh),
            _ => None,
        })
    }

    /// A second use of a code ends what came of it, and so does a use of a refresh token that comes too late.
    fn find_spoiled(&mut self) {
        let mut spoiled = Vec::new();
        for (text, attempts) in &self.attempts {
            let Some(known) = self.known.get(text) else { continue };
            let went_on = self.successor(text).and_then(|next| self.attempts.get(next)).and_then(|of| of.first());
            for later in attempts.iter().skip(1) {
                let too_late = later.ended > attempts[0].began.saturating_add(REPEAT);
                if known.is_code || too_late || went_on.is_some_and(|next| next.began < later.ended) {
                    spoiled.push((known.family.clone(), later.began));
                }
            }
        }
        for (family, at) in spoiled {
            let first = self.spoiled.entry(family).or_insert(at);
            *first = at.min(*first);
        }
    }

    fn find_dead(&mut self) {
        for event in self.events.iter().filter(|event| event.outcome == Outcome::Refused) {
            let Some(known) = shown(event).and_then(|text| self.known.get(text)) else { continue };
            if !runs_out(known, event) {
                let first = self.dead.entry(known.family.clone()).or_insert(event.ended);
                *first = event.ended.min(*first);
            }
        }
    }

    fn honoured(&mut self, event: &Event) {
        let Some(known) = shown(event).filter(|_| is_honoured(event)).and_then(|text| self.known.get(text)) else {
            return;
        };
        let revoked =
            self.writes.get(&known.person).into_iter().flatten().any(|write| {
                !write.gives && write.acknowledged && write.began >= known.born && write.latest < event.began
            });
        let died = self.dead.get(&known.family).is_some_and(|at| *at < event.began);
        if revoked {
            self.fault(Rule::Stale, event, "honoured after the answer to its revocation");
        }
        if died {
            self.fault(Rule::Revived, event, "honoured after something of the same sign-in was refused");
        }
    }

    fn refused(&mut self, event: &Event) {
        let Some(known) = shown(event).and_then(|text| self.known.get(text)) else { return };
        if event.outcome != Outcome::Refused || runs_out(known, event) {
            return;
        }
        let taken = self
            .writes
            .get(&known.person)
            .into_iter()
            .flatten()
            .any(|write| !write.gives && write.began < event.ended && write.latest > known.asked);
        let spoiled = self.spoiled.get(&known.family).is_some_and(|at| *at < event.ended);
        if !taken && !spoiled {
            self.fault(Rule::Lost, event, "refused though nobody took it away");
        }
    }

    /// The role that was seen must be what some write left that nothing acknowledged came after.
    fn read(&mut self, event: &Event) {
        let (Outcome::Saw(seen) | Outcome::Issued { role: seen, .. }) = &event.outcome else { return };
        let writes = self.writes.get(&event.person).map_or(&[][..], Vec::as_slice);
        let overwritten = |latest: Micros| {
            writes.iter().any(|write| write.acknowledged && write.began > latest && write.latest < event.began)
        };
        let at_first = !seen && !overwritten(0);
        let explained = at_first
            || writes
                .iter()
                .any(|write| write.gives == *seen && write.began < event.ended && !overwritten(write.latest));
        if !explained {
            self.fault(Rule::Misread, event, "not what was written last");
        }
    }

    fn single_uses(&mut self) {
        let mut faults = Vec::new();
        let mut came_from: HashMap<&Text, &Text> = HashMap::new();
        for (text, attempts) in &self.attempts {
            let good: Vec<&&Event> = attempts.iter().filter(|event| is_honoured(event)).collect();
            match &attempts[0].deed {
                Deed::Refresh(_) => {
                    let mut next: Vec<&Text> = good.iter().filter_map(|event| successor_of(event)).collect();
                    next.sort_unstable();
                    next.dedup();
                    if next.len() > 1 {
                        faults.push((Rule::Forked, *good[1], "it has two successors"));
                    }
                    for next in next {
                        if came_from.insert(next, text).is_some() {
                            faults.push((Rule::Forked, *good[0], "two tokens have the same successor"));
                        }
                    }
                    let moved_on = self
                        .successor(text)
                        .and_then(|next| self.attempts.get(next))
                        .and_then(|of| of.iter().filter(|event| is_honoured(event)).map(|event| event.ended).min());
                    let late = good.iter().find(|event| moved_on.is_some_and(|at| at < event.began));
                    faults.extend(late.map(|event| (Rule::Reused, **event, "used after its successor was")));
                }
                Deed::UseLink(_) => {
                    if good.len() > 1 {
                        faults.push((Rule::Twice, *good[1], "a link was good twice"));
                    }
                    let first = attempts[0];
                    let alone = attempts[1..].iter().all(|other| other.began > first.ended);
                    if first.outcome == Outcome::Refused && alone {
                        faults.push((Rule::Lost, first, "a link was refused that nobody used"));
                    }
                }
                _ if good.len() > 1 => faults.push((Rule::Twice, *good[1], "a code was good twice")),
                _ => {}
            }
        }
        for (rule, event, why) in faults {
            self.fault(rule, event, why);
        }
    }
}

const fn successor_of(event: &Event) -> Option<&Text> {
    match &event.outcome {
        Outcome::Issued { refresh, .. } => Some(refresh),
        _ => None,
    }
}

/// Whether what was shown may have been refused for its age alone.
const fn runs_out(known: &Known, event: &Event) -> bool {
    event.ended > known.asked.saturating_add(if known.is_code { CODE_LIFE } else { LIFE })
}
