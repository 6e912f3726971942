//! `/me/invitations`: what somebody who is signed in is invited to, and their yes or no.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::invite::{offer, sentence};
use super::me::{Posted, enter};
use super::view::invitations::{InboxPage, InvitationLine, InviteDeclinePage};
use super::{error, page};
use crate::app::App;
use crate::domain::change::Mode;
use crate::domain::oauth::params::Params;
use crate::flows::accept_invitation::{self, Open};
use crate::flows::change_access::Refusal;
use crate::kernel::id::{OrgId, UserId};
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;

/// What was done, by its word in the address.
const DONE: [(&str, &str); 2] = [
    (
        "accepted",
        "You're a member now. What the invitation brought counts from your next sign-in to an application on.",
    ),
    ("declined", "You said no, and nothing was changed."),
];

/// `GET /me/invitations`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let done = DONE.iter().find(|(word, _)| params.get("done") == Some(*word)).map(|(_, text)| (*text).to_owned());
    let search = params.get("q").unwrap_or_default().trim().to_owned();
    list(&app, &browser, &facts.user, search, (done, None)).await
}

/// `POST /me/invitations`.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let Some(Ok(org)) = form.get("org").map(str::parse::<OrgId>) else {
        return browser.answer(error::not_found().await);
    };
    let (outcome, done) = match form.get("act") {
        Some("accept") => {
            (accept_invitation::by_account(&app, &facts.user, &org, &origin, Mode::Act).await, "accepted")
        }
        Some("decline") => return ask(&app, &browser, &facts.user, &org).await,
        Some("decline_for_good") => {
            (accept_invitation::decline_by_account(&app, &facts.user, &org, &origin, Mode::Act).await, "declined")
        }
        Some(_) | None => return browser.answer(error::not_found().await),
    };
    match outcome {
        Ok(_) => browser.answer(reply::see_other(&format!("/me/invitations?done={done}"))),
        Err(Refusal::NotFound(_)) => browser.answer(error::not_found().await),
        Err(Refusal::Store(fault)) => browser.answer(error::of_fault(fault.into())),
        Err(Refusal::Denied { .. }) => {
            let text = "Whoever invited you may not give this access any more, so the invitation has ended. Ask to be \
                        invited again.";
            list(&app, &browser, &facts.user, String::new(), (None, Some(text.to_owned()))).await
        }
        Err(other) => list(&app, &browser, &facts.user, String::new(), (None, Some(sentence(&other)))).await,
    }
}

/// The question before an invitation is declined.
async fn ask(app: &App, browser: &Browser, user: &UserId, org: &OrgId) -> Response {
    let waiting = match inbox(app, user).await {
        Ok(waiting) => waiting,
        Err(fault) => return browser.answer(error::of_fault(fault.into())),
    };
    let Some(open) = waiting.into_iter().find(|open| open.invitation.org == *org) else {
        return browser.answer(error::not_found().await);
    };
    let form = InviteDeclinePage {
        csrf: browser.csrf(),
        action: "/me/invitations".to_owned(),
        org: org.to_string(),
        organisation: open.org_name,
    };
    browser.answer(page(StatusCode::OK, &form))
}

async fn inbox(app: &App, user: &UserId) -> Result<Vec<Open>, sqlx::Error> {
    accept_invitation::inbox(app, &mut app.db.read().await?, user).await
}

/// The list; `told` is what was done and what was not.
async fn list(
    app: &App,
    browser: &Browser,
    user: &UserId,
    search: String,
    told: (Option<String>, Option<String>),
) -> Response {
    let waiting = match inbox(app, user).await {
        Ok(waiting) => waiting,
        Err(fault) => return browser.answer(error::of_fault(fault.into())),
    };
    let (any, (done, error)) = (!waiting.is_empty(), told);
    let found = waiting.iter().filter(|open| fits(open, &search));
    let invitations = found.map(|open| InvitationLine { org: open.invitation.org.to_string(), offer: offer(open) });
    let status = if error.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    let view = InboxPage { csrf: browser.csrf(), any, invitations: invitations.collect(), search, done, error };
    browser.answer(page(status, &view))
}

/// Whether an invitation is one that is searched for: by the organisation, or by who invites.
fn fits(open: &Open, search: &str) -> bool {
    let search = search.to_lowercase();
    [&open.org_name, &open.org_slug, &open.inviter].iter().any(|text| text.to_lowercase().contains(&search))
}
