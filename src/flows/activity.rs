//! What somebody did, and what was done to their account, in one list: the newest first, in every organisation.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use crate::app::App;
use crate::domain::people::activity::{By, said_of};
use crate::domain::people::browser::device;
use crate::kernel::id::{ApplicationId, AuditId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::audit::{self, EventRow, Row};
use crate::store::db::Conn;
use crate::store::{memberships, my_sessions, orgs};

/// So many organisations are named by a page at most.
const MOST_NAMED: usize = 200;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: UnixMillis,
    /// The machine's words for it.
    pub kinds: Vec<String>,
    /// The same for people.
    pub text: String,
    /// Who did it.
    pub by: By,
    /// The organisation that it concerned, by its id.
    pub org: Option<OrgId>,
    /// That organisation's name.
    pub org_name: Option<String>,
    /// The name of the application that it concerned.
    pub application: Option<String>,
    /// The address that it came from; empty when none is known, or it was somebody else's.
    pub address: String,
    /// Where that is, as far as a file of the operator says.
    pub place: Option<String>,
    /// The browser and system, if they were written down.
    pub device: Option<String>,
}

/// How far both records were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The act that was shown last.
    pub act: Option<AuditId>,
    /// The event that was shown last.
    pub event: Option<(UnixMillis, AuditId)>,
}

impl Place {
    /// The parts of a cursor.
    #[must_use]
    pub fn parts(&self) -> [String; 3] {
        let act = self.act.as_ref().map(ToString::to_string).unwrap_or_default();
        let (at, event) = match &self.event {
            Some((at, id)) => (at.to_string(), id.to_string()),
            None => (String::new(), String::new()),
        };
        [act, at, event]
    }

    /// Reads what [`Place::parts`] wrote; `None` for anything else.
    #[must_use]
    pub fn read(parts: &[String]) -> Option<Self> {
        let [act, at, event] = parts else { return None };
        let act = if act.is_empty() { None } else { Some(act.parse().ok()?) };
        let event = if event.is_empty() { None } else { Some((UnixMillis(at.parse().ok()?), event.parse().ok()?)) };
        Some(Self { act, event })
    }
}

/// A page of somebody's log.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The newest first.
    pub lines: Vec<Line>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Place>,
}

/// A row of either record.
enum Found {
    Act(Box<Row>),
    Event(EventRow),
}

/// A page of what somebody did and what was done to their account, from behind `place` on; ten statements at most and one
/// for each organisation that is named.
///
/// # Errors
/// The database's.
pub async fn page(app: &App, conn: &mut Conn, user: &UserId, place: Place, limit: usize) -> Result<Page, sqlx::Error> {
    let mut targets = vec![user.to_string()];
    targets.extend(memberships::all_of_user(conn, user).await?.into_iter().map(|(_, member)| member.into_string()));
    targets.truncate(crate::store::db::LIST);
    let acts = audit::acts_on(conn, &targets, place.act.as_ref(), limit + 1).await?;
    let before = place.event.as_ref().map(|(at, id)| (*at, id.as_str()));
    let events = audit::events_of_oneself(conn, user, before, limit + 1).await?;
    let (found, next) = merge(acts, events, limit, place);
    let names = Names::read(conn, &found).await?;
    let lines = found.into_iter().map(|one| names.line(app, user, one)).collect();
    Ok(Page { lines, next })
}

/// Whether the next row is an act; `None` when both lists are at their end.
fn act_is_next(
    acts: &mut Peekable<impl Iterator<Item = Row>>,
    events: &mut Peekable<impl Iterator<Item = EventRow>>,
) -> Option<bool> {
    match (acts.peek(), events.peek()) {
        (Some(act), Some(event)) => Some(act.at >= event.at),
        (Some(_), None) => Some(true),
        (None, Some(_)) => Some(false),
        (None, None) => None,
    }
}

/// So many rows of two lists, each with the newest row first and read with one row more than the limit.
fn merge(acts: Vec<Row>, events: Vec<EventRow>, limit: usize, mut place: Place) -> (Vec<Found>, Option<Place>) {
    let (mut acts, mut events) = (acts.into_iter().peekable(), events.into_iter().peekable());
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(is_act) = act_is_next(&mut acts, &mut events) else { break };
        if is_act {
            let Some(act) = acts.next() else { break };
            place.act = Some(act.id.clone());
            found.push(Found::Act(Box::new(act)));
        } else {
            let Some(event) = events.next() else { break };
            place.event = Some((event.at, AuditId::trusted(event.id.clone())));
            found.push(Found::Event(event));
        }
    }
    let more = act_is_next(&mut acts, &mut events).is_some();
    (found, more.then_some(place))
}

/// What organisations and applications are called.
struct Names {
    orgs: BTreeMap<OrgId, String>,
    applications: BTreeMap<ApplicationId, String>,
}

impl Names {
    async fn read(conn: &mut Conn, found: &[Found]) -> Result<Self, sqlx::Error> {
        let (mut wanted, mut used) = (BTreeSet::new(), BTreeSet::new());
        for one in found {
            let org = match one {
                Found::Act(row) => row.org.clone(),
                Found::Event(row) => {
                    used.extend(row.application.clone().map(ApplicationId::trusted));
                    row.org.clone()
                }
            };
            wanted.extend(org);
        }
        let mut names = BTreeMap::new();
        for org in wanted.into_iter().take(MOST_NAMED) {
            if let Some(found) = orgs::find(conn, &org).await? {
                names.insert(org, found.name);
            }
        }
        let applications = my_sessions::applications(conn, &used).await?;
        let applications = applications.into_iter().map(|(id, application)| (id, application.name)).collect();
        Ok(Self { orgs: names, applications })
    }

    fn line(&self, app: &App, user: &UserId, found: Found) -> Line {
        let (at, kinds, by, org, application, address, agent) = match found {
            Found::Act(row) => {
                let by = By::of(&row.actor, user.as_str());
                // Where somebody else was when they did it is theirs.
                let address = if by == By::You { row.address } else { String::new() };
                (row.at, row.kinds, by, row.org, None, address, None)
            }
            Found::Event(row) => {
                let said = |name: &str| row.detail[name].as_str().unwrap_or_default().to_owned();
                let (address, agent) = (said("address"), said("user_agent"));
                let application = row.application.map(ApplicationId::trusted);
                let agent = Some(agent).filter(|agent| !agent.is_empty());
                (row.at, vec![row.kind], By::You, row.org, application, address, agent)
            }
        };
        Line {
            at,
            text: said_of(kinds.iter().map(String::as_str)),
            kinds,
            by,
            org_name: org.as_ref().and_then(|org| self.orgs.get(org)).cloned(),
            org,
            application: application.and_then(|id| self.applications.get(&id).cloned()),
            place: app.places.of(&address),
            address,
            device: agent.as_deref().map(device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> AuditId {
        AuditId::from_u128(number)
    }

    fn act(number: u128, at: i64) -> Row {
        Row {
            id: id(number),
            org: None,
            seq: None,
            at: UnixMillis(at),
            actor: "command_line".to_owned(),
            action: String::new(),
            outcome: "accepted".to_owned(),
            change: None,
            detail: serde_json::Value::Null,
            kinds: vec!["member.add".to_owned()],
            address: String::new(),
            request_id: String::new(),
            targets: Vec::new(),
            hash: None,
        }
    }

    fn event(number: u128, at: i64) -> EventRow {
        let (id, kind) = (id(number).into_string(), "sign_in.accepted".to_owned());
        EventRow { id, at: UnixMillis(at), kind, org: None, application: None, detail: serde_json::Value::Null }
    }

    #[test]
    fn pages_of_both_records_follow_each_other_with_nothing_twice_and_nothing_missing() {
        let (acts, events) = ([(3, 90), (2, 50), (1, 10)], [(7, 80), (6, 70), (5, 20), (4, 5)]);
        let (mut seen, mut place) = (Vec::new(), Place::default());
        loop {
            let below = |number: u128| place.act.as_ref().is_none_or(|last| id(number) < *last);
            let left = acts.iter().filter(|(number, _)| below(*number));
            let left: Vec<Row> = left.take(3).map(|(number, at)| act(*number, *at)).collect();
            let below = |at: i64| place.event.as_ref().is_none_or(|(last, _)| at < last.0);
            let right = events.iter().filter(|(_, at)| below(*at));
            let right: Vec<EventRow> = right.take(3).map(|(number, at)| event(*number, *at)).collect();
            let (found, next) = merge(left, right, 2, place.clone());
            seen.extend(found.iter().map(|one| match one {
                Found::Act(row) => row.at.0,
                Found::Event(row) => row.at.0,
            }));
            let Some(next) = next else { break };
            assert_eq!(Place::read(&next.parts()), Some(next.clone()));
            place = next;
        }
        assert_eq!(seen, [90, 80, 70, 50, 20, 10, 5]);
    }

    #[test]
    fn a_place_of_another_list_is_none() {
        let text = |parts: [&str; 3]| parts.map(str::to_owned);
        assert!(Place::read(&text(["x", "", ""])).is_none() && Place::read(&text(["", "y", "z"])).is_none());
        assert!(Place::read(&["a".to_owned()]).is_none());
        assert_eq!(Place::read(&text(["", "", ""])), Some(Place::default()));
    }
}
