//! The shop's own sessions: who sits at which browser, and what became of those whom Muster signed out.
//!
//! They live in memory, bounded, under the digest of a 256-bit cookie. A logout token turns a person's session into
//! one that has [`Ended`]: the browser keeps its cookie, so that its next page can say what happened and when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernel::secret::{Chance, Digest, Secret, same};
use crate::kernel::time::{HOUR, MINUTE, UnixMillis};

use super::ReceiptText;
use super::oidc::Pending;
use super::person::SignedIn;

/// The most browsers the shop remembers.
const LIMIT: usize = 10_000;
/// The most sign-ins one browser may have begun (one a tab).
const PENDING_LIMIT: usize = 4;
/// How long a begun sign-in may take; Muster forgets its side after the same time.
const PENDING_LIFE: i64 = 30 * MINUTE;
/// How long the shop remembers a browser that does not come back.
const IDLE: i64 = 12 * HOUR;
/// How long a logout token is remembered, for a sign-in that it overtook.
const OVERTAKING: i64 = 15 * MINUTE;

/// Who sits at a browser.
#[derive(Clone)]
pub enum Who {
    /// Nobody has signed in.
    Stranger,
    /// Somebody has.
    Person(Arc<SignedIn>),
    /// Somebody had, until Muster took it back.
    Ended(Ended),
}

/// A sign-in that Muster ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose it was.
    pub name: String,
    /// When the shop learnt of it.
    pub at: UnixMillis,
    /// How the shop learnt of it.
    pub how: HowEnded,
}

/// How the shop learnt that a sign-in is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowEnded {
    /// Muster sent a logout token.
    LogoutToken,
    /// Muster refused the refresh token.
    RefreshRefused,
}

/// What came of an act on the roles board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done(ReceiptText),
    /// It was refused, in words for people.
    Refused(String),
}

/// What a page needs to know of its visitor.
#[derive(Clone)]
pub struct Glance {
    /// What the forms of this browser must carry.
    pub csrf: String,
    /// Who sits there.
    pub who: Who,
    /// What came of the last act on the roles board.
    pub outcome: Option<Outcome>,
}

struct Visit {
    csrf: String,
    who: Who,
    pending: Vec<Pending>,
    leaving: Option<String>,
    outcome: Option<Outcome>,
    notice: Option<String>,
    seen: UnixMillis,
}

#[derive(Default)]
struct Inner {
    visits: HashMap<Digest, Visit>,
    ended_sids: HashMap<String, UnixMillis>,
}

/// All sessions of the shop.
pub struct Sessions {
    inner: Mutex<Inner>,
    chance: Arc<dyn Chance>,
}

impl Sessions {
    /// No sessions yet.
    pub fn new(chance: Arc<dyn Chance>) -> Self {
        Self { inner: Mutex::default(), chance }
    }

    /// Who sits at the browser with this cookie; `None` for a browser the shop does not know.
    pub fn look(&self, cookie: Option<&str>, now: UnixMillis) -> Option<Glance> {
        let mut inner = self.inner();
        let visit = inner.visit(cookie, now)?;
        Some(Glance { csrf: visit.csrf.clone(), who: visit.who.clone(), outcome: visit.outcome.clone() })
    }

    /// Remembers a begun sign-in. A browser without a known cookie gets the new one that is returned.
    pub fn begin(&self, cookie: Option<&str>, pending: Pending, now: UnixMillis) -> Option<String> {
        let mut inner = self.inner();
        if let Some(visit) = inner.visit(cookie, now) {
            if visit.pending.len() >= PENDING_LIMIT {
                visit.pending.remove(0);
            }
            visit.pending.push(pending);
            return None;
        }
        let mut visit = self.visit_of(Who::Stranger, now);
        visit.pending.push(pending);
        Some(self.admit(&mut inner, visit, now))
    }

    /// Takes out the begun sign-in with this `state`: it can be answered once, by the browser that began it.
    pub fn claim(&self, cookie: Option<&str>, state: &str, now: UnixMillis) -> Option<Pending> {
        let mut inner = self.inner();
        let visit = inner.visit(cookie, now)?;
        let place = visit.pending.iter().position(|begun| same(begun.state.secret().as_bytes(), state.as_bytes()))?;
        let pending = visit.pending.remove(place);
        (now.since(pending.started) <= PENDING_LIFE).then_some(pending)
    }

    /// Signs a person in and returns the new cookie: a session id from before the sign-in is worth nothing after it.
    /// `None` when a logout token for this very sign-in came first.
    pub fn sign_in(&self, cookie: Option<&str>, person: SignedIn, now: UnixMillis) -> Option<String> {
        let mut inner = self.inner();
        if person.sid().is_some_and(|sid| inner.ended_sids.contains_key(sid)) {
            return None;
        }
        if let Some(cookie) = cookie {
            inner.visits.remove(&Digest::of(cookie.as_bytes()));
        }
        let visit = self.visit_of(Who::Person(Arc::new(person)), now);
        Some(self.admit(&mut inner, visit, now))
    }

    /// Puts renewed tokens in the place of the old ones, unless the session ended in the meantime.
    pub fn renew(&self, cookie: Option<&str>, person: SignedIn, now: UnixMillis) {
        let mut inner = self.inner();
        let Some(visit) = inner.visit(cookie, now) else {
            return;
        };
        let unchanged =
            matches!(&visit.who, Who::Person(old) if old.subject() == person.subject() && old.sid() == person.sid());
        if unchanged {
            visit.who = Who::Person(Arc::new(person));
        }
    }

    /// Ends the session at one browser because Muster refused to renew it.
    pub fn refused(&self, cookie: Option<&str>, now: UnixMillis) {
        let mut inner = self.inner();
        let Some(visit) = inner.visit(cookie, now) else {
            return;
        };
        visit.end(HowEnded::RefreshRefused, now);
    }

    /// Ends what a logout token names: the sign-in `sid`, or every sign-in of `sub`. Returns how many ended.
    pub fn told(&self, sid: Option<&str>, sub: Option<&str>, now: UnixMillis) -> usize {
        let mut inner = self.inner();
        if let Some(sid) = sid {
            inner.ended_sids.retain(|_, at| now.since(*at) <= OVERTAKING);
            inner.ended_sids.insert(sid.to_owned(), now);
        }
        // Back-Channel Logout 1.0 §2.7: by sid when there is one (and then a sub must fit too), else by sub.
        let named = |person: &SignedIn| match (sid, sub) {
            (Some(sid), sub) => person.sid() == Some(sid) && sub.is_none_or(|sub| sub == person.subject()),
            (None, Some(sub)) => sub == person.subject(),
            (None, None) => false,
        };
        let mut ended = 0;
        for visit in inner.visits.values_mut() {
            if matches!(&visit.who, Who::Person(person) if named(person)) {
                visit.end(HowEnded::LogoutToken, now);
                ended += 1;
            }
        }
        ended
    }

    /// The person leaves by their own will. Returns who, and the `state` with which Muster sends the browser back.
    pub fn leave(&self, cookie: Option<&str>, now: UnixMillis) -> Option<(Arc<SignedIn>, String)> {
        let state = self.token();
        let mut inner = self.inner();
        let visit = inner.visit(cookie, now)?;
        let Who::Person(person) = &visit.who else {
            return None;
        };
        let person = Arc::clone(person);
        visit.who = Who::Stranger;
        visit.outcome = None;
        visit.leaving = Some(state.clone());
        Some((person, state))
    }

    /// The browser is back from Muster's sign-out with this `state`; forgets the browser when it fits.
    pub fn left(&self, cookie: Option<&str>, state: &str, now: UnixMillis) -> bool {
        let mut inner = self.inner();
        let Some(visit) = inner.visit(cookie, now) else {
            return false;
        };
        let fits = visit.leaving.as_deref().is_some_and(|sent| same(sent.as_bytes(), state.as_bytes()));
        if let (true, Some(cookie)) = (fits, cookie) {
            inner.visits.remove(&Digest::of(cookie.as_bytes()));
        }
        fits
    }

    /// Keeps what came of an act on the roles board, until the next one.
    pub fn keep_outcome(&self, cookie: Option<&str>, outcome: Outcome, now: UnixMillis) {
        if let Some(visit) = self.inner().visit(cookie, now) {
            visit.outcome = Some(outcome);
        }
    }

    /// Keeps a line for the person's next page.
    pub fn notify(&self, cookie: Option<&str>, notice: &str, now: UnixMillis) {
        if let Some(visit) = self.inner().visit(cookie, now) {
            visit.notice = Some(notice.to_owned());
        }
    }

    /// Takes the line that was kept for this page.
    pub fn take_notice(&self, cookie: Option<&str>, now: UnixMillis) -> Option<String> {
        self.inner().visit(cookie, now)?.notice.take()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> String {
        Secret::mint(self.chance.as_ref(), "").expose().to_owned()
    }

    fn visit_of(&self, who: Who, now: UnixMillis) -> Visit {
        Visit { csrf: self.token(), who, pending: Vec::new(), leaving: None, outcome: None, notice: None, seen: now }
    }

    fn admit(&self, inner: &mut Inner, visit: Visit, now: UnixMillis) -> String {
        let cookie = self.token();
        inner.make_room(now);
        inner.visits.insert(Digest::of(cookie.as_bytes()), visit);
        cookie
    }
}

impl Visit {
    /// Turns a person's visit into one that Muster ended; any other stays what it is.
    fn end(&mut self, how: HowEnded, now: UnixMillis) {
        if let Who::Person(person) = &self.who {
            let name = person.name().to_owned();
            self.who = Who::Ended(Ended { name, at: now, how });
            self.outcome = None;
            self.notice = None;
        }
    }
}

impl Inner {
    fn visit(&mut self, cookie: Option<&str>, now: UnixMillis) -> Option<&mut Visit> {
        let key = Digest::of(cookie?.as_bytes());
        if self.visits.get(&key).is_some_and(|visit| now.since(visit.seen) > IDLE) {
            self.visits.remove(&key);
        }
        let visit = self.visits.get_mut(&key)?;
        visit.seen = now;
        Some(visit)
    }

    /// Forgets the idle, and if that is not enough the longest unseen, strangers before persons.
    fn make_room(&mut self, now: UnixMillis) {
        if self.visits.len() < LIMIT {
            return;
        }
        self.visits.retain(|_, visit| now.since(visit.seen) <= IDLE);
        while self.visits.len() >= LIMIT {
            let rank = |visit: &Visit| (matches!(visit.who, Who::Person(_)), visit.seen);
            let Some(least) = self.visits.iter().min_by_key(|(_, visit)| rank(visit)).map(|(key, _)| *key) else {
                return;
            };
            self.visits.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use openidconnect::{CsrfToken, Nonce, PkceCodeVerifier};

    use super::super::person::example::person;
    use super::*;
    use crate::outside::chance::SystemChance;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn sessions() -> Sessions {
        Sessions::new(Arc::new(SystemChance))
    }

    fn pending(state: &str) -> Pending {
        Pending {
            state: CsrfToken::new(state.to_owned()),
            nonce: Nonce::new("n".to_owned()),
            verifier: PkceCodeVerifier::new("v".repeat(43)),
            started: NOW,
        }
    }

    fn ended(sessions: &Sessions, cookie: &str) -> Option<Ended> {
        match sessions.look(Some(cookie), NOW)?.who {
            Who::Ended(ended) => Some(ended),
            Who::Person(_) | Who::Stranger => None,
        }
    }

    #[test]
    fn a_logout_token_ends_the_sign_in_it_names_and_no_other() {
        let sessions = sessions();
        let first = sessions.sign_in(None, person("usr_1", "sid_1"), NOW).expect("a cookie");
        let second = sessions.sign_in(None, person("usr_1", "sid_2"), NOW).expect("a cookie");
        assert_eq!(sessions.told(Some("sid_1"), Some("usr_2"), NOW), 0, "sid and sub must fit both");
        assert_eq!(sessions.told(Some("sid_1"), Some("usr_1"), NOW), 1);
        assert_eq!(ended(&sessions, &first).map(|ended| ended.how), Some(HowEnded::LogoutToken));
        assert_eq!(ended(&sessions, &second), None);
        assert_eq!(sessions.told(None, Some("usr_1"), NOW), 1, "a sub alone ends what is left");
        assert_eq!(sessions.told(None, None, NOW), 0);
    }

    #[test]
    fn a_logout_token_that_overtakes_its_sign_in_still_ends_it() {
        let sessions = sessions();
        assert_eq!(sessions.told(Some("sid_1"), None, NOW), 0);
        assert!(sessions.sign_in(None, person("usr_1", "sid_1"), NOW).is_none());
        assert!(sessions.sign_in(None, person("usr_1", "sid_2"), NOW).is_some());
    }

    #[test]
    fn a_begun_sign_in_is_answered_once_in_time_and_by_its_own_browser() {
        let sessions = sessions();
        let cookie = sessions.begin(None, pending("a"), NOW).expect("a cookie");
        assert!(sessions.begin(Some(&cookie), pending("b"), NOW).is_none(), "a known browser keeps its cookie");
        assert!(sessions.claim(None, "a", NOW).is_none());
        assert!(sessions.claim(Some("other"), "a", NOW).is_none());
        assert!(sessions.claim(Some(&cookie), "a", NOW).is_some());
        assert!(sessions.claim(Some(&cookie), "a", NOW).is_none());
        assert!(sessions.claim(Some(&cookie), "b", NOW.plus(PENDING_LIFE + 1)).is_none());
    }

    #[test]
    fn the_cookie_from_before_the_sign_in_is_worth_nothing_after_it() {
        let sessions = sessions();
        let before = sessions.begin(None, pending("a"), NOW).expect("a cookie");
        let after = sessions.sign_in(Some(&before), person("usr_1", "sid_1"), NOW).expect("a cookie");
        assert_ne!(before, after);
        assert!(sessions.look(Some(&before), NOW).is_none());
        assert!(sessions.look(Some(&after), NOW.plus(IDLE + 1)).is_none(), "nor is any after half a day");
    }

    #[test]
    fn renewed_tokens_do_not_bring_an_ended_session_back() {
        let sessions = sessions();
        let cookie = sessions.sign_in(None, person("usr_1", "sid_1"), NOW).expect("a cookie");
        sessions.told(Some("sid_1"), None, NOW);
        sessions.renew(Some(&cookie), person("usr_1", "sid_1"), NOW);
        assert!(ended(&sessions, &cookie).is_some());
    }

    #[test]
    fn who_leaves_comes_back_with_the_state_and_is_forgotten() {
        let sessions = sessions();
        let cookie = sessions.sign_in(None, person("usr_1", "sid_1"), NOW).expect("a cookie");
        let (_, state) = sessions.leave(Some(&cookie), NOW).expect("somebody leaves");
        assert!(!sessions.left(Some(&cookie), "another", NOW));
        assert!(sessions.left(Some(&cookie), &state, NOW));
        assert!(sessions.look(Some(&cookie), NOW).is_none());
    }

    #[test]
    fn a_crowd_of_strangers_pushes_no_person_out() {
        let sessions = sessions();
        let cookie = sessions.sign_in(None, person("usr_1", "sid_1"), NOW).expect("a cookie");
        for _ in 0..=LIMIT {
            sessions.begin(None, pending("a"), NOW.plus(1));
        }
        assert!(sessions.look(Some(&cookie), NOW.plus(2)).is_some());
        assert!(sessions.inner().visits.len() <= LIMIT);
    }
}
