//! `GET /me`: who is signed in, where, with which roles, and on which devices.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use time::OffsetDateTime;
use time::macros::format_description;

use super::view::{MePage, OrgAccess, SessionLine};
use super::{error, page};
use crate::app::App;
use crate::domain::access::Holder;
use crate::domain::access::claims::role_claims;
use crate::domain::people::user::Kind;
use crate::flows::{Fault, sign_out};
use crate::kernel::time::UnixMillis;
use crate::store::cookies::Facts;
use crate::store::{memberships, picture, sessions, users};
use crate::web::extract::browser::{Browser, device, is_current};
use crate::web::extract::caller;
use crate::web::oidc::reply;

/// `GET /me`.
pub async fn get(State(app): State<App>, browser: Browser) -> Response {
    let Some(facts) = browser.facts.clone() else {
        return browser.answer(reply::see_other("/login"));
    };
    match read(&app, &facts, browser.csrf()).await {
        Ok(Some(view)) => browser.answer(page(StatusCode::OK, &view)),
        Ok(None) => browser.answer(reply::see_other("/login")),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

/// `POST /me/sessions`: ends one of the person's sessions, or all but this one. Somebody else's is not found.
pub async fn end_session(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Some(facts) = browser.facts.clone() else { return browser.answer(reply::see_other("/login")) };
    let Ok(form) = caller::form(&headers, &body) else { return error::forbidden() };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let which = form.get("session").unwrap_or_default();
    let ended = match (which, which.parse()) {
        ("others", _) => sign_out::others(&app, &facts).await.map(|_| true),
        (_, Ok(id)) => sign_out::one_of(&app, &facts.user, &id).await,
        (_, Err(_)) => Ok(false),
    };
    match ended {
        Ok(true) => browser.answer(reply::see_other("/me")),
        Ok(false) => browser.answer(error::not_found().await),
        Err(fault) => browser.answer(error::of_fault(fault.into())),
    }
}

/// `GET /`: to one's own page, or to sign-in.
pub async fn root() -> Response {
    reply::see_other("/me")
}

async fn read(app: &App, facts: &Facts, csrf: String) -> Result<Option<MePage>, Fault> {
    let mut conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, &facts.user).await? else {
        return Ok(None);
    };
    let mut organisations = Vec::new();
    for entrance in memberships::entrances(&mut conn, &facts.user).await? {
        let mut holder = Holder {
            id: entrance.member.clone(),
            user: facts.user.clone(),
            active: true,
            owner: entrance.owner,
            groups: BTreeSet::new(),
        };
        let held = picture::of_member(&mut conn, &entrance.org, &mut holder, app.now()).await?;
        let claims = role_claims(&held.grants, &held.projects);
        organisations.push(OrgAccess {
            name: entrance.name,
            slug: entrance.slug,
            roles: claims.org_roles.into_iter().collect(),
            projects: claims.project_roles.into_iter().map(|(key, roles)| (key, roles.into_iter().collect())).collect(),
        });
    }
    let listed = sessions::of_user(&mut conn, &facts.user, app.now()).await?;
    let sessions = listed
        .iter()
        .map(|session| SessionLine {
            id: session.id.as_str().to_owned(),
            device: device(&session.user_agent),
            started: date(session.created_at),
            last_used: date(session.last_used_at),
            current: is_current(session, facts),
        })
        .collect();
    Ok(Some(MePage {
        operator: user.kind == Kind::Operator,
        user_name: user.user_name,
        name: user.name,
        email: user.profile.email.unwrap_or_default(),
        csrf,
        organisations,
        sessions,
    }))
}

fn date(at: UnixMillis) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(at.seconds())
        .ok()
        .and_then(|moment| moment.format(&format).ok())
        .unwrap_or_default()
}
