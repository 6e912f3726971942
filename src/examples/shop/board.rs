//! `/admin/roles`: an administrator of the demo takes a role away, or gives it back, and sees what that did.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::pages::{RolesPage, RowLine, message, page};
use super::routes::acting;
use super::sessions::{Outcome, Who};
use super::{Board, Desk, Fields, ReceiptText, Row, cookie_of, fields};

/// `GET /admin/roles`
pub async fn show(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let glance = desk.sessions.look(cookie_of(&headers), desk.clock.now());
    let Some((glance, person)) = glance.and_then(|glance| match glance.who.clone() {
        Who::Person(person) => Some((glance, person)),
        Who::Ended(_) | Who::Stranger => None,
    }) else {
        return Redirect::to("/").into_response();
    };
    if !person.administers() {
        return not_yours();
    }
    let (receipt, refusal) = match glance.outcome {
        Some(Outcome::Done(receipt)) => (Some(receipt), None),
        Some(Outcome::Refused(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    let (board, unreadable) = match desk.admin.roles_board().await {
        Ok(board) => (board, None),
        Err(reason) => (Board::default(), Some(reason)),
    };
    let rows = board.rows.into_iter().map(line).collect();
    page(StatusCode::OK, &RolesPage { csrf: glance.csrf, rows, receipt, refusal: unreadable.or(refusal) })
}

/// `POST /admin/roles`: `act` is `take` with a `binding`, or `give` with a `key`.
pub async fn act(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let cookie = cookie_of(&headers);
    let form = fields(&body).unwrap_or_default();
    let person = match acting(&desk, cookie, &form, desk.clock.now()) {
        Ok(person) => person,
        Err(not_acting) => return not_acting.into_response(),
    };
    if !person.administers() {
        return not_yours();
    }
    // What the shop's claims say opens the page; whether the person may is for Muster's one door to decide, now.
    let outcome = match done(&desk, person.subject(), &form).await {
        Ok(receipt) => Outcome::Done(receipt),
        Err(reason) => Outcome::Refused(reason),
    };
    desk.sessions.keep_outcome(cookie, outcome, desk.clock.now());
    Redirect::to("/admin/roles").into_response()
}

async fn done(desk: &Desk, acting_user_id: &str, form: &Fields) -> Result<ReceiptText, String> {
    let field = |name: &str| form.get(name).map(String::as_str).filter(|text| !text.is_empty());
    match (field("act"), field("binding"), field("key")) {
        (Some("take"), Some(binding), _) => desk.admin.take(acting_user_id, binding).await,
        (Some("give"), _, Some(key)) => desk.admin.give(acting_user_id, key).await,
        (Some(_) | None, _, _) => Err("The form did not say what to do. Nothing was done.".to_owned()),
    }
}

/// A row as the page shows it. A held row without a binding can't be taken away: it has no button.
fn line(row: Row) -> RowLine {
    let (state, act, target) = match (row.held, row.binding_id) {
        (true, Some(binding)) => ("held", "take", binding),
        (true, None) => ("held, can’t be taken", "", String::new()),
        (false, _) => ("taken away", "give", row.key),
    };
    let members = if row.members.is_empty() { "nobody".to_owned() } else { row.members.join(", ") };
    RowLine { holder: row.group_or_person, role: row.role, scope: row.scope, members, state, act, target }
}

fn not_yours() -> Response {
    let text =
        "Only an administrator of the organisation may take roles away here. Your claims do not say that you are one.";
    message(StatusCode::FORBIDDEN, "This page is not yours", text, None)
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;

    fn row(held: bool, binding_id: Option<&str>) -> Row {
        Row {
            binding_id: binding_id.map(str::to_owned),
            key: "Web team:project.admin:web".to_owned(),
            group_or_person: "Web team".to_owned(),
            role: "project.admin".to_owned(),
            scope: "project web".to_owned(),
            members: vec!["Ana Kim".to_owned(), "Bo Li".to_owned()],
            held,
        }
    }

    #[test]
    fn a_held_role_can_be_taken_and_a_taken_one_given_back() {
        let (held, taken, fast) = (line(row(true, Some("bnd_1"))), line(row(false, None)), line(row(true, None)));
        assert_eq!((held.act, held.target.as_str(), held.members.as_str()), ("take", "bnd_1", "Ana Kim, Bo Li"));
        assert_eq!((taken.act, taken.target.as_str()), ("give", "Web team:project.admin:web"));
        assert_eq!((fast.act, fast.target.as_str()), ("", ""));
    }

    #[test]
    fn the_board_shows_the_receipt_and_the_buttons() {
        let receipt = ReceiptText {
            title: "Took project.admin".to_owned(),
            lost: vec!["Ana Kim lost it".to_owned()],
            ..ReceiptText::default()
        };
        let rows = vec![line(row(true, Some("bnd_1"))), line(row(false, None))];
        let text = RolesPage { csrf: "the-csrf".to_owned(), rows, receipt: Some(receipt), refusal: None }
            .render()
            .expect("a page");
        for part in [
            "value=\"bnd_1\"",
            "value=\"take\"",
            "value=\"give\"",
            "Web team:project.admin:web",
            "Ana Kim lost it",
            "the-csrf",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("<h3>Gained"), "an empty list has no heading");
    }
}
