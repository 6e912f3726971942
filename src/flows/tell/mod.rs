//! Which security events arise from what was done, and into which streams they go (SSF 1.0, CAEP 1.0).
//!
//! Whatever ends a session or a family of tokens is told as `session-revoked` to the application that had it, a change
//! after which tokens say something else as `token-claims-change` (`claims.rs`), a password's as `credential-change`
//! (`credential.rs`). The rows are written in the transaction of what they tell of; how they are delivered is the streams'
//! own matter.

mod claims;
mod credential;

use std::collections::{BTreeMap, BTreeSet};

use crate::app::App;
use crate::domain::change::Actor;
use crate::domain::ssf::caep::{self, Facts, Initiator};
use crate::domain::ssf::event::{EventType, SecurityEvent};
use crate::kernel::id::{ApplicationId, ChangeId, EntryId, FamilyId, OutboxId, StreamId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::access_edit::Settled;
use crate::store::concerned;
use crate::store::db::{LIST, Result, Tx};
use crate::store::outbox::{self, Message, NewRow};
use crate::store::sessions::Farewell;
use crate::store::streams::{self, Receiving};

/// What Muster does by itself because a rule says so; the rest is its own housekeeping.
const RULES: [&str; 2] = ["window_over", "unused"];

/// Who did it, because of which change, and why: what is said beside the fact itself.
#[derive(Clone)]
pub struct By {
    app: App,
    initiator: Initiator,
    /// Whoever asked, if it was somebody: what people do to themselves no administrator did.
    person: Option<UserId>,
    change: Option<ChangeId>,
    why: String,
}

impl By {
    /// What is no change of access: a sign-out, a limit, a time that is over.
    #[must_use]
    pub fn new(app: &App, initiator: Initiator, why: &str) -> Self {
        Self { app: app.clone(), initiator, person: None, change: None, why: why.to_owned() }
    }

    /// A change that somebody asked for, with its line as the reason.
    #[must_use]
    pub fn of_change(app: &App, actor: &Actor, change: &ChangeId, acts: &[String]) -> Self {
        let (initiator, person) = asked_by(actor);
        let why = reason(acts);
        Self { app: app.clone(), initiator, person, change: Some(change.clone()), why }
    }

    /// The change that it comes from, if it is one.
    #[must_use]
    pub const fn change(&self) -> Option<&ChangeId> {
        self.change.as_ref()
    }

    fn facts(&self, about: &UserId, at: UnixMillis) -> Facts<'_> {
        let initiator = towards(self.initiator, self.person.as_ref(), about);
        Facts { at, initiator, reason: Some(self.why.as_str()) }
    }
}

/// Why it was done. One of several lines may name other people, or another organisation, of whom the application is to
/// know nothing.
fn reason(acts: &[String]) -> String {
    match acts {
        [] => String::new(),
        [only] => only.clone(),
        several => format!("one change of {} acts", several.len()),
    }
}

/// What sort of actor somebody is, and who, if it is a person.
fn asked_by(actor: &Actor) -> (Initiator, Option<UserId>) {
    match actor {
        Actor::System(why) if RULES.contains(why) => (Initiator::Policy, None),
        Actor::System(_) | Actor::Connection { .. } => (Initiator::System, None),
        Actor::CommandLine => (Initiator::Admin, None),
        Actor::Operator(id) | Actor::User(id) => (Initiator::Admin, Some(id.clone())),
        Actor::Tool(tool) => (Initiator::Admin, Some(tool.user.clone())),
        // Whoever holds a mailed link is the person whom it was mailed to.
        Actor::Link(_) => (Initiator::User, None),
    }
}

/// What somebody did to themself no administrator did.
fn towards(initiator: Initiator, person: Option<&UserId>, about: &UserId) -> Initiator {
    if person == Some(about) { Initiator::User } else { initiator }
}

/// How many events an application gets, with its client id.
pub type Count = (String, u64);

/// Writes the events of what ended, and of what an edit changed besides; how many each application gets.
///
/// Where there is no stream at all this costs one statement, and none where there would be nothing to tell.
///
/// # Errors
/// The database's.
pub async fn events(
    tx: &mut Tx,
    by: &By,
    farewells: &BTreeSet<Farewell>,
    settled: &Settled,
    now: UnixMillis,
) -> Result<BTreeMap<ApplicationId, Count>> {
    let nothing = farewells.is_empty() && settled.credentials.is_empty() && !settled.outcomes.iter().any(claims::go_on);
    if nothing || !streams::any(tx).await? {
        return Ok(BTreeMap::new());
    }
    let mut desk = Desk::new(tx, by, now);
    desk.sessions(farewells).await?;
    claims::tell(&mut desk, settled).await?;
    credential::tell(&mut desk, farewells, &settled.credentials).await?;
    desk.close().await
}

/// Writes the events of a family of tokens that was ended by itself; how many.
///
/// # Errors
/// The database's.
pub async fn family_ended(tx: &mut Tx, by: &By, family: &FamilyId, now: UnixMillis) -> Result<u64> {
    if !streams::any(tx).await? {
        return Ok(0);
    }
    let farewells: BTreeSet<Farewell> = concerned::of_family(tx, family).await?.into_iter().collect();
    let mut desk = Desk::new(tx, by, now);
    desk.sessions(&farewells).await?;
    Ok(desk.close().await?.values().map(|(_, count)| count).sum())
}

/// Has events go out that were committed, if there are any.
pub fn ring(app: &App, events: u64) {
    if events > 0 {
        app.outbox_bell.notify_waiters();
        app.outbox_bell.notify_one();
    }
}

/// Where the events of one deed are written.
struct Desk<'t> {
    tx: &'t mut Tx,
    by: &'t By,
    now: UnixMillis,
    /// The streams of the applications that were looked up, those that are disabled aside.
    streams: BTreeMap<ApplicationId, Vec<Receiving>>,
    looked_up: BTreeSet<ApplicationId>,
    /// Whom these streams leave out.
    excluded: BTreeSet<(StreamId, UserId)>,
    /// Rows that are not written yet: those that are sent, and those that wait until somebody fetches them, or until the
    /// stream goes on.
    due: Vec<NewRow>,
    held: Vec<NewRow>,
    told: BTreeMap<ApplicationId, Count>,
}

impl<'t> Desk<'t> {
    fn new(tx: &'t mut Tx, by: &'t By, now: UnixMillis) -> Self {
        Self {
            tx,
            by,
            now,
            streams: BTreeMap::new(),
            looked_up: BTreeSet::new(),
            excluded: BTreeSet::new(),
            due: Vec::new(),
            held: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    /// Reads the streams of those among some applications of which nothing is known yet, in two statements.
    async fn look_up(&mut self, applications: &BTreeSet<ApplicationId>) -> Result<()> {
        let new: BTreeSet<ApplicationId> = applications.difference(&self.looked_up).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let found = streams::of_applications(self.tx, &new).await?;
        let ids: Vec<StreamId> = found.iter().map(|one| one.stream.clone()).collect();
        if !ids.is_empty() {
            self.excluded.extend(streams::excluded(self.tx, &ids).await?);
        }
        for one in found {
            self.streams.entry(one.application.clone()).or_default().push(one);
        }
        self.looked_up.extend(new);
        Ok(())
    }

    /// Those among some applications of which a stream asks for a sort of event.
    fn wanting(&self, applications: &BTreeSet<ApplicationId>, kind: EventType) -> BTreeSet<ApplicationId> {
        let wants = |id: &ApplicationId| {
            self.streams.get(id).is_some_and(|streams| streams.iter().any(|one| one.events.contains(&kind)))
        };
        applications.iter().filter(|id| wants(id)).cloned().collect()
    }

    /// Writes an event about a person for each stream of an application that asks for it and leaves the person in.
    async fn put(&mut self, application: &ApplicationId, about: &UserId, event: SecurityEvent) -> Result<()> {
        let Some(streams) = self.streams.get(application) else {
            return Ok(());
        };
        for one in streams {
            let left_out = !self.excluded.is_empty() && self.excluded.contains(&(one.stream.clone(), about.clone()));
            if left_out || !one.events.contains(&event.kind) {
                continue;
            }
            let row = NewRow {
                id: OutboxId::fresh(),
                receiver: one.stream.as_str().to_owned(),
                change: self.by.change.clone(),
                message: Message::SecurityEvent(Box::new(event.clone())),
            };
            let rows = if one.holds() { &mut self.held } else { &mut self.due };
            rows.push(row);
            self.told.entry(application.clone()).or_insert_with(|| (one.client_id.clone(), 0)).1 += 1;
        }
        if self.due.len() + self.held.len() >= LIST {
            self.write().await?;
        }
        Ok(())
    }

    /// Writes what is left; how many events each application gets.
    async fn close(mut self) -> Result<BTreeMap<ApplicationId, Count>> {
        self.write().await?;
        Ok(self.told)
    }

    async fn write(&mut self) -> Result<()> {
        outbox::put_many_held(self.tx, &std::mem::take(&mut self.held), self.now).await?;
        outbox::put_many(self.tx, &std::mem::take(&mut self.due), self.now).await
    }

    /// The sessions that are over, for each application that had a part in them.
    async fn sessions(&mut self, farewells: &BTreeSet<Farewell>) -> Result<()> {
        let applications: BTreeSet<ApplicationId> = farewells.iter().map(|one| one.application.clone()).collect();
        self.look_up(&applications).await?;
        let wanting = self.wanting(&applications, EventType::SessionRevoked);
        let told: Vec<&Farewell> = farewells.iter().filter(|one| wanting.contains(&one.application)).collect();
        if told.is_empty() {
            return Ok(());
        }
        let sessions: BTreeMap<EntryId, UserId> = told.iter().map(|one| (one.sid.clone(), one.user.clone())).collect();
        let orgs = concerned::orgs_of(self.tx, &sessions).await?;
        for Farewell { application, user, sid } in told {
            let sub_id = caep::session(self.by.app.issuer(), user, sid, orgs.get(sid));
            let event = caep::session_revoked(sub_id, &self.by.facts(user, self.now));
            self.put(application, user, event).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Tool;
    use crate::kernel::id::{AccessKeyId, ConnectionId, OrgId};

    fn initiator_of(actor: &Actor, about: &UserId) -> Initiator {
        let (initiator, person) = asked_by(actor);
        towards(initiator, person.as_ref(), about)
    }

    #[test]
    fn what_people_do_to_themselves_no_administrator_did() {
        let (ana, bo) = (UserId::from_u128(1), UserId::from_u128(2));
        let tool = Tool { user: ana.clone(), key: AccessKeyId::from_u128(3), within: None };
        for actor in [Actor::User(ana.clone()), Actor::Operator(ana.clone()), Actor::Tool(tool)] {
            assert_eq!(initiator_of(&actor, &ana), Initiator::User, "{actor:?}");
            assert_eq!(initiator_of(&actor, &bo), Initiator::Admin, "{actor:?}");
        }
    }

    #[test]
    fn a_change_of_several_acts_names_nobody_elses() {
        let acts = ["set user usr_1 to suspended".to_owned(), "set user usr_2 to suspended".to_owned()];
        assert_eq!(reason(&acts[1..]), "set user usr_2 to suspended");
        assert_eq!((reason(&acts), reason(&[])), ("one change of 2 acts".to_owned(), String::new()));
    }

    #[test]
    fn rules_directories_links_and_the_command_line_are_told_apart() {
        let directory = Actor::Connection { org: OrgId::from_u128(1), connection: ConnectionId::from_u128(2) };
        let ana = UserId::from_u128(1);
        for (actor, expected) in [
            (Actor::System("window_over"), Initiator::Policy),
            (Actor::System("unused"), Initiator::Policy),
            (Actor::System("deprovisioned"), Initiator::System),
            (directory, Initiator::System),
            (Actor::Link("reset"), Initiator::User),
            (Actor::CommandLine, Initiator::Admin),
        ] {
            assert_eq!(initiator_of(&actor, &ana), expected, "{actor:?}");
        }
    }
}
