//! Sign-in with a passkey, without a name: the browser offers what it has, and what it answers says whose it is.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::sealed::{self, Sealed, Waiting};
use super::view::factors::PasskeyPage;
use super::view::passwords::PasswordFaults;
use super::{error, factor, page, password_change, sign_in};
use crate::app::App;
use crate::domain::oauth::params::Params;
use crate::flows::Fault;
use crate::flows::factors::passkey::{Came, Challenge};
use crate::flows::factors::{self, NotDone, PasskeyAnswer};
use crate::flows::sign_in::{Context, may_begin_passkey, of_passkey};
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;

const ACTION: &str = "/login/passkey";
const REFUSED: &str = "That sign-in didn't work. Try again, or choose another way.";

/// The page that asks the browser for a passkey, and posts what it answers to `action`.
pub(super) fn asked(
    browser: &Browser,
    action: &'static str,
    (request, remember_days): (String, u32),
    challenge: Challenge,
    wrong: Option<&str>,
) -> Response {
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let view = PasskeyPage {
        action,
        request,
        csrf: browser.csrf(),
        challenge: challenge.id.into_string(),
        options: challenge.options,
        remember_days,
        error: wrong.map(str::to_owned),
    };
    page(status, &view)
}

/// `POST /login/passkey`.
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
    if form.get("act") == Some("back") {
        return browser.answer(sign_in::show_page(&app, &browser, &content).await);
    }
    let (Some(challenge), Some(response)) = (form.get("challenge"), form.get("response")) else {
        return browser.answer(begin(&app, &browser, &content, None).await);
    };
    match came(&app, &browser, &content, &form, PasskeyAnswer { challenge, response }).await {
        Ok(Some(Came::SignedIn(signed))) => {
            let facts = of_passkey(&app, signed, browser.caller());
            sign_in::enter(&app, browser, content, facts, false).await
        }
        Ok(Some(Came::ChangeFirst(first))) => {
            let waiting = Waiting { content, first };
            let response = password_change::show(&app, &browser, &waiting, PasswordFaults::default()).await;
            browser.answer(response)
        }
        Ok(None) => browser.answer(begin(&app, &browser, &content, Some(REFUSED)).await),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

/// A challenge for whoever comes. So many from one network, and no more.
async fn begin(app: &App, browser: &Browser, content: &Sealed, wrong: Option<&str>) -> Response {
    match may_begin_passkey(app, &browser.address).await {
        Ok(None) => {}
        Ok(Some(seconds)) => return error::too_many(seconds),
        Err(fault) => return error::of_fault(fault),
    }
    match factors::passkey::begin_sign_in(app, browser.binding()).await {
        Ok(challenge) => {
            let request = (sealed::seal(browser, content), 0);
            factor::allowing(asked(browser, ACTION, request, challenge, wrong), content)
        }
        Err(NotDone::Limit { seconds }) => error::too_many(seconds),
        Err(NotDone::Fault(fault)) => error::of_fault(fault),
        Err(NotDone::NotHere(_) | NotDone::Wrong | NotDone::Gone | NotDone::Proof(_) | NotDone::Refused(_)) => {
            error::expired()
        }
    }
}

/// What the answer leads to; `None` for every refusal.
async fn came(
    app: &App,
    browser: &Browser,
    content: &Sealed,
    form: &Params,
    answer: PasskeyAnswer<'_>,
) -> Result<Option<Came>, Fault> {
    let context: Context = sign_in::context_of(app, &mut app.db.read().await?, content, form).await?;
    match factors::passkey::sign_in(app, answer, &context, browser.caller(), browser.binding()).await {
        Ok(came) => Ok(Some(came)),
        Err(NotDone::Fault(fault)) => Err(fault),
        Err(NotDone::Limit { seconds }) => Err(Fault::Paused { seconds }),
        Err(NotDone::Wrong | NotDone::Gone | NotDone::NotHere(_) | NotDone::Proof(_) | NotDone::Refused(_)) => Ok(None),
    }
}
