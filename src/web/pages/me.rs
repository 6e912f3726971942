//! `GET /me`: who is signed in, and with which roles; and what the other pages of a person's own account begin with.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use time::OffsetDateTime;
use time::macros::format_description;

use super::view::{ErrorPage, MePage, OrgAccess};
use super::{error, page};
use crate::app::App;
use crate::domain::access::Holder;
use crate::domain::access::claims::role_claims;
use crate::domain::access::reach::Reach;
use crate::domain::change::Origin;
use crate::domain::oauth::params::Params;
use crate::domain::people::user::Kind;
use crate::flows::federation::speaks_for_the_person;
use crate::flows::{Fault, accept_invitation};
use crate::kernel::id::UserId;
use crate::kernel::time::UnixMillis;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::memberships::Entrance;
use crate::store::{memberships, picture, sessions, sign_ins, users};
use crate::web::extract::browser::{Browser, device};
use crate::web::extract::caller;
use crate::web::layers::RequestId;
use crate::web::oidc::reply;

/// `GET /me`.
pub async fn get(State(app): State<App>, browser: Browser) -> Response {
    let Some(facts) = browser.facts.clone() else {
        return browser.answer(reply::see_other("/login"));
    };
    match read(&app, &facts).await {
        Ok(Seen::Page(view)) => browser.answer(page(StatusCode::OK, &*view)),
        Ok(Seen::Restricted) => browser.answer(restricted()),
        Ok(Seen::Nobody) => browser.answer(reply::see_other("/login")),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

/// `GET /`: to one's own page, or to sign-in.
pub async fn root() -> Response {
    reply::see_other("/me")
}

/// A form that one of our own pages sent in this browser; anything else is refused before it is looked at.
pub struct Posted {
    /// The browser.
    pub browser: Browser,
    /// What was sent.
    pub form: Params,
    /// Where it came from, for the record.
    pub origin: Origin,
}

impl<S> FromRequest<S> for Posted
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let browser = Browser::from_request_parts(&mut parts, state).await?;
        let id = RequestId::from_request_parts(&mut parts, state).await.unwrap_or_default();
        let headers: HeaderMap = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let Ok(form) = caller::form(&headers, &body) else {
            return Err(error::forbidden());
        };
        if !browser.posted_here(&headers, &form) {
            return Err(error::forbidden());
        }
        let origin = Origin { address: browser.address.clone(), request_id: id.to_string(), repeatable: None };
        Ok(Self { browser, form, origin })
    }
}

/// Whoever is signed in, has pages here, and may change their account; else what they are answered with. An own account
/// is the person's, and no organisation's provider speaks for them.
pub(super) async fn enter(app: &App, browser: &Browser) -> Result<Facts, Response> {
    let facts = enter_any(app, browser).await?;
    match is_only_a_guest(app, &facts).await {
        Ok(false) => Ok(facts),
        Ok(true) => Err(browser.answer(not_from_there())),
        Err(fault) => Err(browser.answer(error::of_fault(fault))),
    }
}

/// Whoever is signed in and has pages here, whichever way they came; else what they are answered with.
pub(super) async fn enter_any(app: &App, browser: &Browser) -> Result<Facts, Response> {
    let Some(facts) = browser.facts.clone() else {
        return Err(browser.answer(reply::see_other("/login")));
    };
    match is_kept_out(app, &facts).await {
        Ok(false) => Ok(facts),
        Ok(true) => Err(browser.answer(restricted())),
        Err(fault) => Err(browser.answer(error::of_fault(fault))),
    }
}

/// What a person sees of their account.
enum Seen {
    Page(Box<MePage>),
    /// The account is for some applications only.
    Restricted,
    Nobody,
}

/// An account that each of its organisations restricts to some applications has no pages here.
fn is_restricted(entrances: &[Entrance]) -> bool {
    !entrances.is_empty() && entrances.iter().all(|entrance| entrance.restricted_to.is_some())
}

async fn is_kept_out(app: &App, facts: &Facts) -> Result<bool, Fault> {
    let mut conn = app.db.read().await?;
    Ok(is_restricted(&memberships::entrances(&mut conn, &facts.user).await?))
}

fn restricted() -> Response {
    let view = ErrorPage {
        title: "Go to your application".to_owned(),
        message: "This account is for the applications that your organisation has chosen, and has no pages here. Open \
                  the application and sign in from there."
            .to_owned(),
        code: None,
        trace: None,
        status: StatusCode::FORBIDDEN.as_u16(),
    };
    page(StatusCode::FORBIDDEN, &view)
}

/// Whether somebody came through an organisation's provider to an account that is their own.
async fn is_only_a_guest(app: &App, facts: &Facts) -> Result<bool, Fault> {
    if speaks_for_the_person(facts) {
        return Ok(false);
    }
    let user = users::find(&mut app.db.read().await?, &facts.user).await?;
    Ok(user.is_none_or(|user| user.kind == Kind::Own))
}

fn not_from_there() -> Response {
    let view = ErrorPage {
        title: "Sign in with your password".to_owned(),
        message: "You came through your organisation's provider, which opens that organisation alone. This page is \
                  about your own account. Sign out, then sign in with your password."
            .to_owned(),
        code: None,
        trace: None,
        status: StatusCode::FORBIDDEN.as_u16(),
    };
    page(StatusCode::FORBIDDEN, &view)
}

async fn last_sign_in(conn: &mut Conn, facts: &Facts) -> Result<Option<String>, Fault> {
    let found = sign_ins::before(conn, &facts.user, &facts.id).await?;
    Ok(found.map(|at| format!("{}, {}, from {}", date(at.at), device(&at.user_agent), at.address)))
}

async fn access(app: &App, conn: &mut Conn, user: &UserId, entrances: Vec<Entrance>) -> Result<Vec<OrgAccess>, Fault> {
    let mut organisations = Vec::new();
    for entrance in entrances {
        let mut holder = Holder {
            id: entrance.member.clone(),
            user: user.clone(),
            active: true,
            owner: entrance.owner,
            groups: BTreeSet::new(),
        };
        let held = picture::of_member(conn, &entrance.org, &mut holder, app.now()).await?;
        let claims = role_claims(&held.grants, &held.projects);
        let reach = Reach::Member { grants: held.grants, own: picture::own_roles(conn, &entrance.org).await? };
        organisations.push(OrgAccess {
            // As the console judges whom it shows people.
            console: entrance.restricted_to.is_none() && reach.allows("users.read"),
            name: entrance.name,
            slug: entrance.slug,
            welcome: entrance.settings.welcome_text.lines().map(str::to_owned).collect(),
            roles: claims.org_roles.into_iter().collect(),
            projects: claims.project_roles.into_iter().map(|(key, roles)| (key, roles.into_iter().collect())).collect(),
        });
    }
    Ok(organisations)
}

async fn read(app: &App, facts: &Facts) -> Result<Seen, Fault> {
    let mut conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, &facts.user).await? else {
        return Ok(Seen::Nobody);
    };
    let mut entrances = memberships::entrances(&mut conn, &facts.user).await?;
    if let Some(through) = &facts.through {
        entrances.retain(|entrance| entrance.org == through.org);
    }
    if is_restricted(&entrances) {
        return Ok(Seen::Restricted);
    }
    let shown = entrances.iter().any(|entrance| entrance.settings.show_last_sign_in);
    let last_sign_in = if shown { last_sign_in(&mut conn, facts).await? } else { None };
    let organisations = access(app, &mut conn, &facts.user, entrances).await?;
    let mut listed = sessions::of_user(&mut conn, &facts.user, app.now()).await?.len();
    let mut invitations = accept_invitation::inbox(app, &mut conn, &facts.user).await?.len();
    if !speaks_for_the_person(facts) && user.kind == Kind::Own {
        (listed, invitations) = (1, 0);
    }
    Ok(Seen::Page(Box::new(MePage {
        operator: user.kind == Kind::Operator,
        user_name: user.user_name,
        name: user.name,
        email: user.profile.email.unwrap_or_default(),
        organisations,
        invitations,
        sessions: listed,
        last_sign_in: last_sign_in.unwrap_or_default(),
    })))
}

pub(super) fn date(at: UnixMillis) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(at.seconds())
        .ok()
        .and_then(|moment| moment.format(&format).ok())
        .unwrap_or_default()
}
