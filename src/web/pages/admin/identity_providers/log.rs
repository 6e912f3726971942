//! `/o/{slug}/admin/identity-providers/{connection}/sign-ins`: what sign-ins through a connection came to, without
//! values.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::place::Place;
use crate::domain::federation::LoggedSignIn;
use crate::flows::federation::notes::{ACCEPTED, LINKED, TESTED};
use crate::kernel::id::{MembershipId, SignInLogId, UserId};
use crate::store::db::{Conn, Result};
use crate::store::federation::log;
use crate::store::{memberships, people_read};
use crate::web::pages::admin::groups::place::shown;
use crate::web::pages::admin::moments::moment;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_providers::Seeing;
use crate::web::pages::view::admin::Badge;
use crate::web::pages::view::identity_providers::{LogRow, SignInsPage};

/// So many sign-ins a page.
const PAGE: usize = 50;

/// Somebody as the log shows them: what they are called, and their page.
type Person = (String, String);

/// The tab "Sign-ins".
pub async fn get(Seeing(desk): Seeing) -> Response {
    shown(&desk, StatusCode::OK, read(&desk).await).await
}

async fn read(desk: &Desk) -> Result<Option<SignInsPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let before = desk.asked("before").and_then(|id| id.parse::<SignInLogId>().ok());
    let most = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut found = log::page(&mut conn, &place.connection.id, before.as_ref(), most).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let page = place.path("sign-ins");
    let next = found.last().filter(|_| more).map(|(id, _)| desk.path(&format!("{page}?before={id}")));
    let people = people(&mut conn, desk, &found).await?;
    Ok(Some(SignInsPage {
        shell: Place::shell(desk),
        head: place.head(desk, "sign-ins", String::new()),
        rows: found.into_iter().map(|(id, logged)| row(id, logged, &people)).collect(),
        first: desk.path(&page),
        next: next.unwrap_or_default(),
        later: before.is_some(),
    }))
}

/// Whose accounts those are: names are told to whoever may see people, and ids to the others.
async fn people(
    conn: &mut Conn,
    desk: &Desk,
    found: &[(SignInLogId, LoggedSignIn)],
) -> Result<BTreeMap<UserId, Person>> {
    let mut people: BTreeMap<UserId, Person> = BTreeMap::new();
    let mut members: Vec<MembershipId> = Vec::new();
    for user in found.iter().filter_map(|(_, logged)| logged.user.as_ref()) {
        if people.contains_key(user) {
            continue;
        }
        people.insert(user.clone(), (user.to_string(), String::new()));
        if desk.may("users.read")
            && let Some(membership) = memberships::of_user(conn, &desk.org, user).await?
        {
            members.push(membership.id);
        }
    }
    for one in people_read::names_of(conn, &members).await? {
        people.insert(one.user, (one.user_name, desk.path(&format!("people/{}", one.member))));
    }
    Ok(people)
}

fn row(id: SignInLogId, logged: LoggedSignIn, people: &BTreeMap<UserId, Person>) -> LogRow {
    let person = logged.user.as_ref().and_then(|user| people.get(user));
    let (person, href) = person.cloned().unwrap_or_default();
    LogRow {
        id: id.into_string(),
        at: moment(logged.at),
        badge: badge(&logged.outcome),
        person,
        href,
        claims: logged.claims.iter().map(|(name, value)| (name.clone(), said(value))).collect(),
        outcome: logged.outcome,
    }
}

/// What a sign-in came to, in a word.
fn badge(outcome: &str) -> Badge {
    match outcome {
        ACCEPTED => Badge { word: "Let in", class: "good" },
        TESTED => Badge { word: "Tested", class: "good" },
        LINKED => Badge { word: "Linked", class: "good" },
        _ => Badge { word: "Refused", class: "off" },
    }
}

/// A value as far as it may be shown.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_no_success_is_a_refusal() {
        assert_eq!((badge("accepted").word, badge("tested").word), ("Let in", "Tested"));
        assert_eq!((badge("account_unknown").word, badge("").word), ("Refused", "Refused"));
        assert_eq!((said(&Value::from("…")), said(&Value::from(vec![1]))), ("…".to_owned(), "[1]".to_owned()));
    }
}
