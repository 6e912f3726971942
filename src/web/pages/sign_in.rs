//! The sign-in page: user name and password on one page, and where it leads.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::sealed::{self, Sealed, Waiting};
use super::view::passwords::PasswordFaults;
use super::view::upstream::OfferView;
use super::view::{ApplicationView, SignInPage};
use super::{error, factor, page, password_change, upstream};
use crate::app::App;
use crate::domain::federation::Stage;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::authorization_request::AuthorizationRequest;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::flows::factors::passkey;
use crate::flows::federation::home_realm::{self, Wish};
use crate::flows::sign_in::{Answer, Attempt, Context, OPERATOR_SLUG, context, with_password};
use crate::flows::{Fault, find_application};
use crate::kernel::id::ConnectionId;
use crate::kernel::secret::Secret;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::federation::upstreams::Offer;
use crate::store::orgs;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::FormAction;
use crate::web::oidc::{authorize, reply};

const REFUSED: &str = "That sign-in didn't work. Check the details and try again.";
const NOWHERE: &str = "No company sign-in is known for this address. Check the address, or sign in with a password.";

/// What somebody typed that is kept when the page is shown again.
#[derive(Debug)]
pub struct Typed {
    identifier: String,
    organisation: String,
    local: bool,
}

impl Typed {
    fn of(form: &Params) -> Self {
        let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
        let local = form.get("local").is_some();
        Self { identifier: text("username"), organisation: text("organization"), local }
    }
}

/// Why the page is shown to somebody who was on the way in already.
#[derive(Debug)]
pub enum Again {
    /// The last try came to nothing: what was typed, and why.
    Tried(Typed, &'static str),
    /// Something was done elsewhere that ends here.
    After(&'static str),
    /// A password is to be typed, whatever provider there is.
    Local,
}

/// What was done elsewhere and ends at the sign-in page: its word in the address, and what the page says.
static AFTER: [(&str, &str); 2] = [
    (PASSWORD_CHANGED, "Your password was changed. Sign in."),
    (PASSWORD_SET, "Your password is set. Sign in with it."),
];
/// A new password was set with a link.
pub const PASSWORD_CHANGED: &str = "password_changed";
/// The first password was set with a link.
pub const PASSWORD_SET: &str = "password_set";
/// What in the address marks the way of somebody who is signed in and is to prove anew who they are.
pub const ANEW: &str = "again";

/// The sign-in page of an organisation, by its slug, of the operators, or of everybody, after something was done.
#[must_use]
pub fn address(slug: Option<&str>, after: &'static str) -> String {
    match slug {
        Some(OPERATOR_SLUG) => format!("/instance/login?after={after}"),
        Some(slug) => format!("/o/{slug}/login?after={after}"),
        None => format!("/login?after={after}"),
    }
}

/// What the page shows of an application.
#[must_use]
pub fn view_of(application: &Application) -> ApplicationView {
    ApplicationView {
        name: application.name.clone(),
        logo_uri: application.logo_uri.clone(),
        policy_uri: application.policy_uri.clone(),
        tos_uri: application.tos_uri.clone(),
    }
}

/// The page where somebody asks for a new password, in the same context.
fn forgot(slug: Option<&str>) -> String {
    let plain = |slug: &&str| slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    match slug.filter(|slug| !slug.is_empty()).filter(plain) {
        Some(slug) => format!("/forgot?organization={slug}"),
        None => "/forgot".to_owned(),
    }
}

/// The page; `again` for somebody who was on the way in already. Without it, whoever is at an organisation that enforces
/// a provider goes there at once.
pub async fn show(
    app: &App,
    browser: &Browser,
    content: &Sealed,
    application: Option<&Application>,
    again: Option<Again>,
) -> Response {
    let (slug, hint) = match content {
        Sealed::Authorize(pending) => (pending.request.organization.clone(), pending.request.login_hint.clone()),
        Sealed::Plain { organisation, .. } => (organisation.clone(), None),
    };
    let fixed = application.and_then(|application| application.org.as_ref());
    let place = fixed.map(|id| id.as_str().to_owned()).or_else(|| slug.clone());
    let (organisation, offers) = match look(app, place.as_deref(), again.as_ref()).await {
        Ok(seen) => seen,
        Err(fault) => return error::of_fault(fault),
    };
    if let Some(offer) = enforced(&offers).filter(|_| again.is_none()) {
        return upstream::go(app, browser, content, &offer.connection, hint.as_deref()).await;
    }
    let (typed, error, notice, local) = match again {
        Some(Again::Tried(typed, why)) => {
            let local = typed.local;
            (Some(typed), Some(why.to_owned()), None, local)
        }
        Some(Again::After(text)) => (None, None, Some(text.to_owned()), true),
        Some(Again::Local) => (None, None, None, true),
        None => (None, None, None, false),
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let (identifier, typed_slug) =
        typed.map_or((hint.unwrap_or_default(), None), |t| (t.identifier, Some(t.organisation)));
    let form = SignInPage {
        forgot: forgot(typed_slug.as_deref().filter(|typed| !typed.is_empty()).or(place.as_deref())),
        notice,
        request: sealed::seal(browser, content),
        csrf: browser.csrf(),
        identifier,
        application: application.map(view_of),
        organisation,
        error,
        show_organisation_field: fixed.is_none(),
        organisation_slug: typed_slug.or(slug).unwrap_or_default(),
        discover: place.is_none(),
        offers: offers.into_iter().map(shown).collect(),
        local,
        passkeys: passkey::available(app),
    };
    let mut response = page(status, &form);
    if let Sealed::Authorize(pending) = content {
        response.extensions_mut().insert(FormAction(pending.request.redirect.form_action()));
    }
    response
}

fn shown(offer: Offer) -> OfferView {
    OfferView { connection: offer.connection.into_string(), name: offer.name }
}

fn enforced(offers: &[Offer]) -> Option<&Offer> {
    offers.iter().find(|offer| offer.stage == Stage::Enforced)
}

/// The name of the place, and the providers that the place, or else what was typed, leads to.
async fn look(app: &App, place: Option<&str>, again: Option<&Again>) -> Result<(Option<String>, Vec<Offer>), Fault> {
    let typed = match again {
        Some(Again::Tried(typed, _)) => Some(typed),
        Some(Again::After(_) | Again::Local) | None => None,
    };
    if place.is_none() && typed.is_none() {
        return Ok((None, Vec::new()));
    }
    let mut conn = app.db.read().await?;
    let here = context(&mut conn, place.unwrap_or_default()).await?;
    let name = match &here {
        Context::Org(id) => orgs::find(&mut conn, id).await?.map(|org| org.name),
        Context::Operator => Some("Operators of this instance".to_owned()),
        Context::None | Context::Unknown => None,
    };
    let meant = match typed.map(|typed| typed.organisation.as_str()).filter(|slug| !slug.is_empty()) {
        Some(slug) => context(&mut conn, slug).await?,
        None => here,
    };
    let identifier = typed.map(|typed| typed.identifier.as_str()).unwrap_or_default();
    Ok((name, offers(&mut conn, &meant, identifier).await?))
}

/// The providers that somebody may be led to: an organisation's own, where one is known; else that of the address's
/// domain. Operators have none.
async fn offers(conn: &mut Conn, context: &Context, identifier: &str) -> Result<Vec<Offer>, sqlx::Error> {
    match context {
        Context::Org(org) => home_realm::of_org(conn, org).await,
        Context::None => {
            let found = home_realm::of_typed(conn, identifier).await?;
            Ok(found.map(|found| found.offer).into_iter().collect())
        }
        Context::Operator | Context::Unknown => Ok(Vec::new()),
    }
}

/// `GET /login`: without an application.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    plain(&app, browser, None, query).await
}

/// `GET /o/{slug}/login`: in an organisation's context. A slug that isn't there looks no different. An organisation that
/// enforces a provider sends there, unless a password is asked for (`local=1`).
pub async fn get_in_org(
    State(app): State<App>,
    browser: Browser,
    Path(slug): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    plain(&app, browser, Some(slug), query).await
}

/// `GET /instance/login`: for operators.
pub async fn get_as_operator(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    plain(&app, browser, Some(OPERATOR_SLUG.to_owned()), query).await
}

async fn plain(app: &App, browser: Browser, organisation: Option<String>, query: Option<String>) -> Response {
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let after = AFTER.iter().find(|(word, _)| params.get("after") == Some(*word));
    let local = (params.get("local") == Some("1")).then_some(Again::Local);
    let again = after.map(|&(_, text)| Again::After(text)).or(local);
    let next = params.get("back").and_then(|back| sealed::open_back(app, &browser, back));
    let content = Sealed::Plain { organisation, made: app.now(), next, anew: params.get(ANEW) == Some("1") };
    if again.is_none()
        && let Some(hint) = params.get("idp_hint")
    {
        match hinted(app, &content, hint).await {
            Ok(Some(connection)) => {
                let response = upstream::go(app, &browser, &content, &connection, None).await;
                return browser.answer(response);
            }
            Ok(None) => {}
            Err(fault) => return browser.answer(error::of_fault(fault)),
        }
    }
    let response = show(app, &browser, &content, None, again).await;
    browser.answer(response)
}

/// The open connection that an address hints at.
async fn hinted(app: &App, content: &Sealed, hint: &str) -> Result<Option<ConnectionId>, Fault> {
    let org = upstream::org_of(app, content).await?;
    let wish = Wish { org: org.as_ref(), idp_hint: Some(hint), login_hint: None };
    Ok(home_realm::of_wish(&mut app.db.read().await?, &wish).await?)
}

/// `POST /login`.
pub async fn post(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let Some(content) = sealed::open(&app, &browser, form.get("request").unwrap_or_default()) else {
        return browser.answer(error::expired());
    };
    match form.get("act") {
        Some("cancel") => return cancelled(&app, &browser, &content),
        Some("upstream") => return browser.answer(upstream::chosen(&app, &browser, &content, &form).await),
        Some("local") => return browser.answer(show_again(&app, &browser, &content, Again::Local).await),
        Some(_) | None => {}
    }
    // Whoever would wait in vain is told so before anything is read for them.
    let place = match app.hasher.enter() {
        Ok(place) => place,
        Err(busy) => return browser.answer(error::of_fault(busy.into())),
    };
    let outcome = attempt(&app, &browser, &content, &form).await;
    drop(place);
    match outcome {
        Ok(Outcome::Elsewhere(connection)) => {
            let hint = form.get("username");
            browser.answer(upstream::go(&app, &browser, &content, &connection, hint).await)
        }
        Ok(Outcome::Nowhere) => {
            let again = Again::Tried(Typed::of(&form), NOWHERE);
            browser.answer(show_again(&app, &browser, &content, again).await)
        }
        Ok(Outcome::Answer(answer)) => answered(&app, browser, content, &form, *answer).await,
        Err(fault) => browser.answer(error::of_fault(fault.in_a_crowd())),
    }
}

/// What a password was good for.
async fn answered(app: &App, browser: Browser, content: Sealed, form: &Params, answer: Answer) -> Response {
    match answer {
        Answer::SignedIn(facts) => signed_in(app, browser, content, facts).await,
        Answer::ChangeFirst(first) => {
            let waiting = Waiting { content, first };
            let response = password_change::show(app, &browser, &waiting, PasswordFaults::default()).await;
            browser.answer(response)
        }
        Answer::Factor(half) => {
            let response = factor::of_halfway(app, &browser, content, half).await;
            browser.answer(response)
        }
        Answer::Refused => {
            let again = Again::Tried(Typed::of(form), REFUSED);
            browser.answer(show_again(app, &browser, &content, again).await)
        }
    }
}

/// The page once more, with the application that waits.
async fn show_again(app: &App, browser: &Browser, content: &Sealed, again: Again) -> Response {
    let application = match app.db.read().await {
        Ok(mut conn) => waiting(app, &mut conn, content).await,
        Err(fault) => Err(fault),
    };
    match application {
        Ok(application) => show(app, browser, content, application.as_deref(), Some(again)).await,
        Err(fault) => error::of_fault(fault.into()),
    }
}

/// The page once more, for somebody who comes back to it.
pub(super) async fn show_page(app: &App, browser: &Browser, content: &Sealed) -> Response {
    show_again(app, browser, content, Again::Local).await
}

/// The application that waits, if one does.
async fn waiting(app: &App, conn: &mut Conn, content: &Sealed) -> Result<Option<Arc<Application>>, sqlx::Error> {
    match content {
        Sealed::Authorize(pending) => find_application::active(app, conn, &pending.request.client_id).await,
        Sealed::Plain { .. } => Ok(None),
    }
}

/// The person gave up: back to the application, if there is one.
pub(super) fn cancelled(app: &App, browser: &Browser, content: &Sealed) -> Response {
    match content {
        Sealed::Authorize(pending) => {
            let AuthorizationRequest { redirect, response_mode, state, .. } = &pending.request;
            let error = OAuthError::new(ErrorCode::AccessDenied, "the person cancelled the sign-in");
            browser.answer(reply::refusal(app, (redirect, *response_mode), &error, state.as_deref()))
        }
        Sealed::Plain { .. } => browser.answer(reply::see_other("/login")),
    }
}

/// What a form comes to.
enum Outcome {
    /// To a provider, whatever password was typed.
    Elsewhere(ConnectionId),
    /// A provider was asked for, and what was typed leads to none.
    Nowhere,
    /// What the password is good for.
    Answer(Box<Answer>),
}

/// Whether somebody is led to a provider instead of having their password looked at: by the organisation that they sign
/// in to, or, where none is known, by the domain of their address. No account is read for it.
async fn led(conn: &mut Conn, context: &Context, form: &Params) -> Result<Option<Outcome>, sqlx::Error> {
    let asked = form.get("act") == Some("discover");
    if form.get("local").is_some() && !asked {
        return Ok(None);
    }
    let found = offers(conn, context, form.get("username").unwrap_or_default()).await?;
    let to = enforced(&found).or_else(|| found.first().filter(|_| asked));
    Ok(match to {
        Some(offer) => Some(Outcome::Elsewhere(offer.connection.clone())),
        None => asked.then_some(Outcome::Nowhere),
    })
}

/// The organisation that was typed, else the application's, else the request's, says in whose name space to look.
pub(super) async fn context_of(
    app: &App,
    conn: &mut Conn,
    content: &Sealed,
    form: &Params,
) -> Result<Context, sqlx::Error> {
    let asked = match content {
        Sealed::Authorize(pending) => pending.request.organization.clone(),
        Sealed::Plain { organisation, .. } => organisation.clone(),
    };
    let own = waiting(app, conn, content).await?.and_then(|application| application.org.clone());
    match (form.get("organization"), own) {
        (Some(typed), _) => context(conn, typed).await,
        (None, Some(org)) => Ok(Context::Org(org)),
        (None, None) => context(conn, asked.as_deref().unwrap_or_default()).await,
    }
}

async fn attempt(app: &App, browser: &Browser, content: &Sealed, form: &Params) -> Result<Outcome, Fault> {
    let mut conn = app.db.read().await?;
    let context = context_of(app, &mut conn, content, form).await?;
    if let Some(elsewhere) = led(&mut conn, &context, form).await? {
        return Ok(elsewhere);
    }
    drop(conn);
    let attempt = Attempt {
        identifier: form.get("username").unwrap_or_default().to_owned(),
        // As it was sent: an empty password is one that is wrong, not one that is missing (K4).
        password: Secret::presented(form.sent("password").unwrap_or_default()),
        context,
        user_agent: browser.user_agent.clone(),
        address: browser.address.clone(),
        device: browser.device_cookie().cloned(),
    };
    Ok(Outcome::Answer(Box::new(with_password(app, attempt).await?)))
}

/// Keeps the session, and goes on to where the sign-in leads.
pub(super) async fn signed_in(app: &App, browser: Browser, content: Sealed, facts: Facts) -> Response {
    enter(app, browser, content, facts, false).await
}

/// As [`signed_in`]; `remember` is the wish not to be asked for a second factor here again for a while.
pub(super) async fn enter(app: &App, mut browser: Browser, content: Sealed, facts: Facts, remember: bool) -> Response {
    if let Err(error) = browser.sign_in(facts).await {
        tracing::error!(%error, "a session can't be kept");
        return browser.answer(error::unavailable());
    }
    if remember && let Err(error) = browser.remember_factor().await {
        tracing::warn!(%error, "a device is not remembered");
    }
    go_on(app, browser, content).await
}

/// Goes on to where a sign-in leads.
pub(super) async fn go_on(app: &App, browser: Browser, content: Sealed) -> Response {
    match content {
        Sealed::Authorize(pending) => authorize::proceed(app, browser, *pending).await,
        Sealed::Plain { next, .. } => browser.answer(reply::see_other(next.as_deref().unwrap_or("/me"))),
    }
}
