//! The log of one person: what was done to them, and when and where they signed in, in one list.

use std::iter::Peekable;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup::no_cursor;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::words;
use crate::app::App;
use crate::kernel::id::{AuditId, ChangeId};
use crate::kernel::time::UnixMillis;
use crate::store::audit::{self, EventRow, Filter, Row};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Org("users.read"), routes!(log))
}

/// Something that a person's log tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogRow {
    /// When (RFC 3339).
    pub at: String,
    /// `act` for what somebody did that concerned the person, `event` for a sign-in or a token.
    pub of: &'static str,
    /// The machine's words: for an act such as `member.set_state`, for an event such as `sign_in.accepted`.
    pub kinds: Vec<String>,
    /// Who; null for an event, which is the person's own.
    pub actor: Option<String>,
    /// What, for people; null for an event.
    pub action: Option<String>,
    /// `accepted` or `denied`; null for an event.
    pub outcome: Option<String>,
    /// The change that an act became.
    pub change: Option<String>,
    /// The application that an event concerned, by its id.
    pub application: Option<String>,
}

/// How far both lists were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    act: Option<i64>,
    event: Option<(UnixMillis, AuditId)>,
}

impl Place {
    fn read(cursor: Option<&str>) -> Result<Self, Problem> {
        let Some(parts) = paging::after(cursor, 3)? else {
            return Ok(Self::default());
        };
        let [act, at, event] = parts.as_slice() else { return Err(no_cursor()) };
        let number = |text: &String| text.parse::<i64>().map_err(|_| no_cursor());
        let act = if act.is_empty() { None } else { Some(number(act)?) };
        let event = if event.is_empty() {
            None
        } else {
            Some((UnixMillis(number(at)?), event.parse::<AuditId>().map_err(|_| no_cursor())?))
        };
        Ok(Self { act, event })
    }

    fn cursor(&self) -> String {
        let act = self.act.map(|seq| seq.to_string()).unwrap_or_default();
        let (at, event) = match &self.event {
            Some((at, id)) => (at.to_string(), id.to_string()),
            None => (String::new(), String::new()),
        };
        paging::cursor(&[&act, &at, &event])
    }
}

fn of_act(row: Row) -> LogRow {
    LogRow {
        at: words::moment(row.at),
        of: "act",
        kinds: row.kinds,
        actor: Some(row.actor),
        action: Some(row.action),
        outcome: Some(row.outcome),
        change: row.change.map(ChangeId::into_string),
        application: None,
    }
}

fn of_event(row: EventRow) -> LogRow {
    LogRow {
        at: words::moment(row.at),
        of: "event",
        kinds: vec![row.kind],
        actor: None,
        action: None,
        outcome: None,
        change: None,
        application: row.application,
    }
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

/// One page of two lists, each with the newest row first and read with one row more than the limit.
fn merge(acts: Vec<Row>, events: Vec<EventRow>, limit: usize, mut place: Place) -> Page<LogRow> {
    let (mut acts, mut events) = (acts.into_iter().peekable(), events.into_iter().peekable());
    let mut items = Vec::new();
    while items.len() < limit {
        let Some(is_act) = act_is_next(&mut acts, &mut events) else { break };
        if is_act {
            let Some(act) = acts.next() else { break };
            place.act = act.seq;
            items.push(of_act(act));
        } else {
            let Some(event) = events.next() else { break };
            place.event = Some((event.at, AuditId::trusted(event.id.clone())));
            items.push(of_event(event));
        }
    }
    let more = act_is_next(&mut acts, &mut events).is_some();
    Page { items, next: more.then(|| place.cursor()) }
}

/// What was done to a person, and when they signed in, the newest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}/log", tag = "users", params(PageQuery),
    responses((status = 200, description = "A page of the log.", body = Page<LogRow>)))]
async fn log(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<LogRow>>, Problem> {
    let (org, member) = (&asked.room()?.id, asked.member()?);
    let (limit, place) = (paging::limit(query.limit)?, Place::read(query.cursor.as_deref())?);
    let targets = vec![member.id.to_string(), member.user.to_string()];
    let filter = Filter { targets, ..Filter::default() };
    let mut conn = app.db.read().await?;
    let acts = audit::page(&mut conn, org, &filter, place.act, limit + 1).await?;
    let before = place.event.as_ref().map(|(at, id)| (*at, id.as_str()));
    let events = audit::events_of_user(&mut conn, org, &member.user, before, limit + 1).await?;
    Ok(axum::Json(merge(acts, events, limit, place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(seq: i64, at: i64) -> Row {
        Row {
            id: AuditId::from_u128(1),
            org: None,
            seq: Some(seq),
            at: UnixMillis(at),
            actor: "command_line".to_owned(),
            action: String::new(),
            outcome: "accepted".to_owned(),
            change: None,
            detail: serde_json::Value::Null,
            kinds: vec![format!("act {at}")],
            address: String::new(),
            request_id: String::new(),
            targets: Vec::new(),
            hash: None,
        }
    }

    fn event(at: i64) -> EventRow {
        let id = AuditId::fresh().into_string();
        let kind = format!("event {at}");
        EventRow { id, at: UnixMillis(at), kind, org: None, application: None, detail: serde_json::Value::Null }
    }

    #[test]
    fn pages_of_both_lists_follow_each_other_with_nothing_twice_and_nothing_missing() {
        let (mut seen, mut cursor) = (Vec::new(), None);
        let (acts, events) = ([(3, 90), (2, 50), (1, 10)], [80, 70, 20, 5]);
        loop {
            let place = Place::read(cursor.as_deref()).unwrap();
            let rest = acts.iter().filter(|(seq, _)| place.act.is_none_or(|before| *seq < before));
            let acts: Vec<Row> = rest.take(3).map(|(seq, at)| act(*seq, *at)).collect();
            let rest = events.iter().filter(|at| place.event.as_ref().is_none_or(|(before, _)| **at < before.0));
            let events: Vec<EventRow> = rest.take(3).map(|at| event(*at)).collect();
            let page = merge(acts, events, 2, place);
            seen.extend(page.items.into_iter().flat_map(|row| row.kinds));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["act 90", "event 80", "event 70", "act 50", "event 20", "act 10", "event 5"]);
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        assert!(Place::read(Some(&paging::cursor(&["7"]))).is_err());
        assert!(Place::read(Some(&paging::cursor(&["x", "", ""]))).is_err());
        assert!(Place::read(Some(&paging::cursor(&["", "1", "grp_1"]))).is_err());
        let place = Place { act: Some(3), event: Some((UnixMillis(7), AuditId::from_u128(1))) };
        assert_eq!(Place::read(Some(&place.cursor())).unwrap(), place);
    }
}
