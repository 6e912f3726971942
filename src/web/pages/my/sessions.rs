//! `/me/sessions`: where somebody is signed in, and ending it: one session, or all but the one that asks.

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{Told, shown};
use crate::app::App;
use crate::flows::{Fault, my_sessions};
use crate::store::cookies::Facts;
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;
use crate::web::pages::error;
use crate::web::pages::me::{Posted, date, enter};
use crate::web::pages::view::my::{SessionRow, SessionsPage};

/// What was done, by its word in the address.
const DONE: [(&str, &str); 2] = [
    ("ended", "The session is over. The applications that were used in it are told."),
    ("others", "You are signed out everywhere else. The applications that were used there are told."),
];

/// `GET /me/sessions`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let told = Told::done(query.as_deref(), &DONE);
    shown(&browser, told.status, view(&app, &browser, &facts, told).await.map(Some))
}

/// `POST /me/sessions`: ends one of the person's sessions, or all but this one. Somebody else's is not found.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, .. } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let which = form.get("session").unwrap_or_default();
    let (ended, done) = match (which, which.parse()) {
        ("others", _) => {
            let device = browser.device_cookie();
            let ended = my_sessions::end_others(&app, &facts.user, Some(&facts.id), device).await;
            (ended.map(|_| true), "others")
        }
        (_, Ok(id)) => (my_sessions::end(&app, &facts.user, &id).await, "ended"),
        (_, Err(_)) => (Ok(false), ""),
    };
    match ended {
        Ok(true) => browser.answer(reply::see_other(&format!("/me/sessions?done={done}"))),
        Ok(false) => browser.answer(error::not_found().await),
        Err(fault) => browser.answer(error::of_fault(fault.into())),
    }
}

async fn view(app: &App, browser: &Browser, facts: &Facts, told: Told) -> Result<SessionsPage, Fault> {
    let sessions = my_sessions::all(app, &mut app.db.read().await?, &facts.user).await?;
    let others = sessions.iter().any(|session| session.id != facts.id);
    let row = |session: my_sessions::Seen| SessionRow {
        current: session.id == facts.id,
        id: session.id.into_string(),
        device: session.device,
        address: session.address,
        place: session.place.unwrap_or_default(),
        through: session.connection.unwrap_or_default(),
        started: date(session.created_at),
        last_used: date(session.last_used_at),
        applications: session.applications,
    };
    let sessions = sessions.into_iter().map(row).collect();
    Ok(SessionsPage { csrf: browser.csrf(), sessions, others, done: told.done, error: told.fault })
}
