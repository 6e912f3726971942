//! `/me/identities`: who somebody is at the providers of their organisations, linking one and unlinking it.
//!
//! A link needs both sides proven in one browser: the password here, typed again, and a sign-in there. A session that came
//! through a provider can do neither: it speaks for the person in one organisation, and no further.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::invite::sentence;
use super::me::{Posted, date, enter_any};
use super::view::upstream::{IdentitiesPage, IdentityLine, LinkOffer};
use super::{error, my, page, upstream};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::oauth::params::Params;
use crate::flows::Fault;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::flows::federation::link::{self, NotBegun};
use crate::flows::federation::{NotThrough, home_realm, speaks_for_the_person};
use crate::kernel::id::{ConnectionId, IdentityId, UserId};
use crate::kernel::secret::Secret;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::federation::identities::{self, Identity};
use crate::store::users::User;
use crate::store::{connections, memberships, orgs, users};
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;

/// What was done, by its word in the address.
const DONE: [(&str, &str); 2] = [
    ("linked", "It's linked to your account. From now on you can sign in with it."),
    ("unlinked", "It's unlinked. What you opened with it has ended."),
];

/// What the page says besides what is linked.
#[derive(Default)]
struct Told {
    status: StatusCode,
    done: Option<&'static str>,
    fault: Option<String>,
    /// The connection for which a wrong password was typed.
    wrong_for: Option<ConnectionId>,
}

impl Told {
    fn fault(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, fault: Some(text.into()), ..Self::default() }
    }
}

/// `GET /me/identities`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter_any(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let done = DONE.iter().find(|(word, _)| params.get("done") == Some(*word)).map(|(_, text)| *text);
    show(&app, &browser, &facts, Told { done, ..Told::default() }).await
}

/// `POST /me/identities`.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter_any(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    if !speaks_for_the_person(&facts) {
        return show(&app, &browser, &facts, Told { status: StatusCode::FORBIDDEN, ..Told::default() }).await;
    }
    if let Some(response) = my::stronger(&app, &browser, &facts, upstream::IDENTITIES).await {
        return response;
    }
    match form.get("act") {
        Some("link") => begin(&app, &browser, &facts, &form, &origin).await,
        Some("unlink") => unlink(&app, &browser, &facts, &form, &origin).await,
        Some(_) | None => browser.answer(error::not_found().await),
    }
}

/// The way to the provider, for somebody who types their password again.
async fn begin(app: &App, browser: &Browser, facts: &Facts, form: &Params, origin: &Origin) -> Response {
    let Some(Ok(connection)) = form.get("connection").map(str::parse::<ConnectionId>) else {
        return browser.answer(error::not_found().await);
    };
    let password = Secret::presented(form.sent("password").unwrap_or_default());
    let shown = (&password, browser.device_cookie());
    let told = match link::begin(app, facts, shown, (&connection, browser.binding()), origin).await {
        Ok(to) => return browser.answer(upstream::sent(app, browser, &connection, &to, None).await),
        Err(NotBegun::WrongPassword) => {
            let text = "That isn't your password. Check it and try again.";
            Told { wrong_for: Some(connection), ..Told::fault(StatusCode::BAD_REQUEST, text) }
        }
        Err(NotBegun::NotThrough(NotThrough::Fault(fault))) => return browser.answer(error::of_fault(fault)),
        Err(NotBegun::NotThrough(NotThrough::Unreachable)) => {
            let text = "The provider can't be reached at the moment. Try again in a few minutes.";
            Told::fault(StatusCode::BAD_GATEWAY, text)
        }
        Err(NotBegun::NotThrough(NotThrough::LinkTaken)) => {
            Told::fault(StatusCode::CONFLICT, "A sign-in of this provider is linked to your account already.")
        }
        Err(NotBegun::NotThrough(_)) => {
            let text = "This can't be linked to your account. Ask an administrator of your organisation.";
            Told::fault(StatusCode::FORBIDDEN, text)
        }
    };
    show(app, browser, facts, told).await
}

async fn unlink(app: &App, browser: &Browser, facts: &Facts, form: &Params, origin: &Origin) -> Response {
    let identity = match mine(app, &facts.user, form.get("identity")).await {
        Ok(Some(identity)) => identity,
        Ok(None) => return browser.answer(error::not_found().await),
        Err(fault) => return browser.answer(error::of_fault(fault)),
    };
    let change = Change::UnlinkIdentity { org: identity.org, user: facts.user.clone(), identity: identity.id };
    let told = match change_access_from(app, &Actor::User(facts.user.clone()), origin, vec![change], Mode::Act).await {
        Ok(_) => return browser.answer(reply::see_other("/me/identities?done=unlinked")),
        Err(Refusal::Store(fault)) => return browser.answer(error::of_fault(fault.into())),
        Err(Refusal::NotFound(_)) => return browser.answer(error::not_found().await),
        Err(Refusal::Denied { .. }) => {
            let text = "Your organisation looks after this. Ask an administrator to unlink it.";
            Told::fault(StatusCode::FORBIDDEN, text)
        }
        Err(other) => Told::fault(StatusCode::CONFLICT, sentence(&other)),
    };
    show(app, browser, facts, told).await
}

/// The person's identity of this id; somebody else's is not there.
async fn mine(app: &App, user: &UserId, id: Option<&str>) -> Result<Option<Identity>, Fault> {
    let Some(Ok(id)) = id.map(str::parse::<IdentityId>) else { return Ok(None) };
    let all = identities::of_user(&mut app.db.read().await?, user).await?;
    Ok(all.into_iter().find(|identity| identity.id == id))
}

async fn show(app: &App, browser: &Browser, facts: &Facts, told: Told) -> Response {
    let status = told.status;
    match view(app, browser, facts, told).await {
        Ok(Some(view)) => browser.answer(page(status, &view)),
        Ok(None) => browser.answer(reply::see_other("/login")),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

async fn view(app: &App, browser: &Browser, facts: &Facts, told: Told) -> Result<Option<IdentitiesPage>, Fault> {
    let mut conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, &facts.user).await? else { return Ok(None) };
    let locked = locked(&mut conn, facts, &user).await?;
    let linked = seen(facts, identities::of_user(&mut conn, &facts.user).await?);
    let mut offers = if locked.is_none() { offers(&mut conn, &facts.user, &linked).await? } else { Vec::new() };
    for offer in &mut offers {
        offer.wrong = told.wrong_for.as_ref().is_some_and(|wrong| wrong.as_str() == offer.connection);
    }
    let mut lines = Vec::new();
    for identity in linked {
        let connection = identity.connection.as_str();
        lines.push(IdentityLine {
            id: identity.id.to_string(),
            name: connections::name_of(&mut conn, connection).await?.unwrap_or_else(|| connection.to_owned()),
            organisation: orgs::find(&mut conn, &identity.org).await?.map(|org| org.name).unwrap_or_default(),
            linked: date(identity.linked_at),
            last_used: identity.last_sign_in_at.map(date).unwrap_or_default(),
        });
    }
    Ok(Some(IdentitiesPage {
        csrf: browser.csrf(),
        user_name: user.user_name,
        identities: lines,
        offers,
        locked,
        error: told.fault,
        done: told.done.map(str::to_owned),
    }))
}

/// A session that came through a connection sees what is of its own organisation.
fn seen(facts: &Facts, mut all: Vec<Identity>) -> Vec<Identity> {
    if let Some(through) = &facts.through {
        all.retain(|identity| identity.org == through.org);
    }
    all
}

/// Why nothing can be changed here, if nothing can.
async fn locked(conn: &mut Conn, facts: &Facts, user: &User) -> Result<Option<String>, Fault> {
    if let Some(connection) = user.source.connection() {
        let name = connections::name_of(conn, connection).await?;
        return Ok(Some(format!("Managed by {}. Change it there.", name.as_deref().unwrap_or(connection))));
    }
    Ok((!speaks_for_the_person(facts)).then(|| {
        "You came here through your organisation's provider. Sign in with your password to change this.".to_owned()
    }))
}

/// The open sign-ins of the person's organisations that aren't linked yet.
async fn offers(conn: &mut Conn, user: &UserId, linked: &[Identity]) -> Result<Vec<LinkOffer>, Fault> {
    let mut offers = Vec::new();
    for entrance in memberships::entrances(conn, user).await? {
        for offer in home_realm::of_org(conn, &entrance.org).await? {
            if !linked.iter().any(|identity| identity.connection == offer.connection) {
                let connection = offer.connection.into_string();
                let organisation = entrance.name.clone();
                offers.push(LinkOffer { connection, name: offer.name, organisation, wrong: false });
            }
        }
    }
    Ok(offers)
}
