//! The page between a right password that must be changed and the session; and what all pages with a new password share.
//!
//! Until it was changed nobody is signed in: what the page carries is sealed, bound to the browser and to the stored hash,
//! good for ten minutes and for one change, and opens nowhere else (H26).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::sealed::{self, Sealed, Waiting};
use super::view::passwords::{PasswordChangePage, PasswordFaults};
use super::{error, factor, page, sign_in};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::oauth::params::Params;
use crate::domain::people::password::Shortfall;
use crate::flows::change_password::{self, NotChanged};
use crate::flows::halfway::After;
use crate::flows::sign_in::Reason;
use crate::kernel::secret::Secret;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::{FormAction, RequestId};
use crate::web::oidc::reply;

/// The page; `faults` after a try that failed.
pub async fn show(app: &App, browser: &Browser, waiting: &Waiting, faults: PasswordFaults) -> Response {
    let rules = match change_password::rules_for(app, &waiting.first).await {
        Ok(Some(rules)) => rules.sentences(),
        Ok(None) => return error::expired(),
        Err(fault) => return error::of_fault(fault),
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let form = PasswordChangePage {
        request: sealed::seal_waiting(browser, waiting),
        csrf: browser.csrf(),
        reason: match waiting.first.reason {
            Reason::Given => "Your password was given to you by somebody else. Choose one that only you know.",
            Reason::Expired => "Your password is older than your organisation allows. Choose a new one.",
        },
        rules,
        faults,
        can_cancel: matches!(waiting.content, Sealed::Authorize(_)),
    };
    let mut response = page(status, &form);
    if let Sealed::Authorize(pending) = &waiting.content {
        response.extensions_mut().insert(FormAction(pending.request.redirect.form_action()));
    }
    response
}

/// `GET /login/password-change`: the page belongs to a sign-in, which begins elsewhere.
pub async fn get() -> Response {
    reply::see_other("/login")
}

/// `POST /login/password-change`.
pub async fn post(
    State(app): State<App>,
    browser: Browser,
    id: RequestId,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let Some(waiting) = sealed::open_waiting(&app, &browser, form.get("request").unwrap_or_default()) else {
        return browser.answer(error::expired());
    };
    if form.get("act") == Some("cancel") {
        return sign_in::cancelled(&app, &browser, &waiting.content);
    }
    let new = match typed(&form) {
        Ok(new) => new,
        Err(faults) => return browser.answer(show(&app, &browser, &waiting, faults).await),
    };
    let changed = change_password::forced(&app, &waiting.first, new, browser.caller(), &origin(&browser, id)).await;
    match changed {
        Ok(After::SignedIn(facts)) => sign_in::signed_in(&app, browser, waiting.content, facts).await,
        Ok(After::Factor(half)) => {
            let response = factor::of_halfway(&app, &browser, waiting.content, half).await;
            browser.answer(response)
        }
        Ok(After::ChangeFirst(_) | After::Gone) => browser.answer(error::expired()),
        Err(NotChanged::Short(found)) => {
            let response = show(&app, &browser, &waiting, faults(&found)).await;
            browser.answer(response)
        }
        Err(NotChanged::Paused) => browser.answer(reply::see_other(&sign_in::address(None, sign_in::PASSWORD_CHANGED))),
        Err(NotChanged::Fault(fault)) => browser.answer(error::of_fault(fault)),
        Err(NotChanged::Gone | NotChanged::WrongOld | NotChanged::NotHere | NotChanged::Refused(_)) => {
            browser.answer(error::expired())
        }
    }
}

/// The new password of a form that has it twice.
///
/// # Errors
/// The two are not the same, or there is none.
pub(super) fn typed(form: &Params) -> Result<Secret, PasswordFaults> {
    let new = form.sent("password").unwrap_or_default();
    if new.is_empty() {
        let password = vec!["Enter a new password.".to_owned()];
        return Err(PasswordFaults { password, ..PasswordFaults::default() });
    }
    if form.sent("password_again").unwrap_or_default() != new {
        let again = Some("The two passwords are not the same.".to_owned());
        return Err(PasswordFaults { again, ..PasswordFaults::default() });
    }
    Ok(Secret::presented(new))
}

/// Each rule that a password breaks, as the page tells it.
pub(super) fn faults(found: &[Shortfall]) -> PasswordFaults {
    PasswordFaults { password: found.iter().map(ToString::to_string).collect(), again: None }
}

/// Where a form came from, for the audit record.
pub(super) fn origin(browser: &Browser, id: RequestId) -> Origin {
    Origin { address: browser.address.clone(), request_id: id.to_string(), repeatable: None }
}

/// A page whose address holds a secret: no other page hears of that address. Nobody keeps it, as with every page.
pub(super) fn private(mut response: Response) -> Response {
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_typed_twice_and_every_character_counts() {
        let read = |text: &str| typed(&Params::from_query(text).unwrap());
        assert_eq!(read("password=a+b%20&password_again=a+b%20").unwrap().expose(), "a b ");
        for other in ["password=a&password_again=A", "password=a", "password=a&password_again=a%20"] {
            let faults = read(other).unwrap_err();
            assert!(faults.password.is_empty() && faults.again.is_some(), "{other}");
        }
        for none in ["", "password=", "password=&password_again=", "password_again=a"] {
            assert_eq!(read(none).unwrap_err().password, ["Enter a new password."], "{none}");
        }
    }
}
