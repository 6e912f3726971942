//! The sign-in page: user name and password on one page, and where it leads.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::sealed::{self, Sealed, Waiting};
use super::view::passwords::PasswordFaults;
use super::view::{ApplicationView, SignInPage};
use super::{error, page, password_change};
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::authorization_request::AuthorizationRequest;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::flows::sign_in::{Answer, Attempt, Context, OPERATOR_SLUG, context, with_password};
use crate::flows::{Fault, find_application};
use crate::kernel::secret::Secret;
use crate::store::cookies::Facts;
use crate::store::orgs;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::FormAction;
use crate::web::oidc::{authorize, reply};

const REFUSED: &str = "That sign-in didn't work. Check the details and try again.";

/// What somebody typed that is kept when the page is shown again.
#[derive(Debug)]
pub struct Typed {
    identifier: String,
    organisation: String,
}

/// Why the page is shown to somebody who was on the way in already.
#[derive(Debug)]
pub enum Again {
    /// The last try was refused.
    Refused(Typed),
    /// Something was done elsewhere that ends here.
    After(&'static str),
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

/// The page; `again` for somebody who was on the way in already.
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
    let organisation = match name_of(app, place.clone()).await {
        Ok(name) => name,
        Err(fault) => return error::of_fault(fault),
    };
    let (typed, notice) = match again {
        Some(Again::Refused(typed)) => (Some(typed), None),
        Some(Again::After(text)) => (None, Some(text.to_owned())),
        None => (None, None),
    };
    let refused = typed.is_some();
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
        error: refused.then(|| REFUSED.to_owned()),
        show_organisation_field: fixed.is_none(),
        organisation_slug: typed_slug.or(slug).unwrap_or_default(),
    };
    let status = if refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let mut response = page(status, &form);
    if let Sealed::Authorize(pending) = content {
        response.extensions_mut().insert(FormAction(pending.request.redirect.form_action()));
    }
    response
}

async fn name_of(app: &App, org: Option<String>) -> Result<Option<String>, Fault> {
    let Some(text) = org else { return Ok(None) };
    let mut conn = app.db.read().await?;
    Ok(match context(&mut conn, &text).await? {
        Context::Org(id) => orgs::find(&mut conn, &id).await?.map(|org| org.name),
        Context::Operator => Some("Operators of this instance".to_owned()),
        Context::None | Context::Unknown => None,
    })
}

/// `GET /login`: without an application.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    plain(&app, browser, None, query).await
}

/// `GET /o/{slug}/login`: in an organisation's context. A slug that isn't there looks no different.
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
    let again = after.map(|&(_, text)| Again::After(text));
    let next = params.get("back").and_then(|back| sealed::open_back(app, &browser, back));
    let content = Sealed::Plain { organisation, made: app.now(), next };
    let response = show(app, &browser, &content, None, again).await;
    browser.answer(response)
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
    if form.get("act") == Some("cancel") {
        return cancelled(&app, &browser, &content);
    }
    // Whoever would wait in vain is told so before anything is read for them.
    let _place = match app.hasher.enter() {
        Ok(place) => place,
        Err(busy) => return browser.answer(error::of_fault(busy.into())),
    };
    match attempt(&app, &browser, &content, &form).await {
        Ok((Answer::SignedIn(facts), _)) => signed_in(&app, browser, content, facts).await,
        Ok((Answer::ChangeFirst(first), _)) => {
            let waiting = Waiting { content, first };
            let response = password_change::show(&app, &browser, &waiting, PasswordFaults::default()).await;
            browser.answer(response)
        }
        Ok((Answer::Refused, application)) => {
            let typed = Typed {
                identifier: form.get("username").unwrap_or_default().to_owned(),
                organisation: form.get("organization").unwrap_or_default().to_owned(),
            };
            let again = Some(Again::Refused(typed));
            let response = show(&app, &browser, &content, application.as_deref(), again).await;
            browser.answer(response)
        }
        Err(fault) => browser.answer(error::of_fault(fault.in_a_crowd())),
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

type Attempted = (Answer, Option<std::sync::Arc<Application>>);

/// The organisation that was typed, else the application's, else the request's, says in whose name space to look.
async fn attempt(app: &App, browser: &Browser, content: &Sealed, form: &Params) -> Result<Attempted, Fault> {
    let mut conn = app.db.read().await?;
    let (application, asked) = match content {
        Sealed::Authorize(pending) => {
            let found = find_application::active(app, &mut conn, &pending.request.client_id).await?;
            (found, pending.request.organization.clone())
        }
        Sealed::Plain { organisation, .. } => (None, organisation.clone()),
    };
    let own = application.as_ref().and_then(|a| a.org.clone());
    let context = match (form.get("organization"), own) {
        (Some(typed), _) => context(&mut conn, typed).await?,
        (None, Some(org)) => Context::Org(org),
        (None, None) => context(&mut conn, asked.as_deref().unwrap_or_default()).await?,
    };
    drop(conn);
    let attempt = Attempt {
        identifier: form.get("username").unwrap_or_default().to_owned(),
        // As it was sent: an empty password is one that is wrong, not one that is missing (K4).
        password: Secret::presented(form.sent("password").unwrap_or_default()),
        context,
        user_agent: browser.user_agent.clone(),
        address: browser.address.clone(),
    };
    Ok((with_password(app, attempt).await?, application))
}

/// Keeps the session, and goes on to where the sign-in leads.
pub(super) async fn signed_in(app: &App, mut browser: Browser, content: Sealed, facts: Facts) -> Response {
    if let Err(error) = browser.sign_in(facts).await {
        tracing::error!(%error, "a session can't be kept");
        return browser.answer(error::unavailable());
    }
    match content {
        Sealed::Authorize(pending) => authorize::proceed(app, browser, *pending).await,
        Sealed::Plain { next, .. } => browser.answer(reply::see_other(next.as_deref().unwrap_or("/me"))),
    }
}
