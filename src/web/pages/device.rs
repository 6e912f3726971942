//! Where people type the code of a device, see who asks for what from where, and say yes or no (RFC 8628 §3.3, §5.4).
//!
//! No address allows anything: one with a code in it (`verification_uri_complete`) shows the code to be compared, and
//! goes on as if it had been typed.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::sealed::{self, Sealed};
use super::view::{ApplicationView, ScopeLine};
use super::{consent, error, me, page, sign_in};
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::device::UserCode;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::flows::authorize::{Asked, Pending};
use crate::flows::device::decide::{self, Typed};
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::oidc::authorize;

const WRONG: &str = "That code isn't right, or it has expired. Check your device and try again.";

/// `GET /device`: the field for the code, or the code of the address to be compared. Posts to `/device`.
#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    /// The token against cross-site posts.
    csrf: String,
    /// The code that came with the address, to be compared.
    given: Option<String>,
    /// What was typed.
    typed: String,
    /// Why the last try failed, in the words of the house.
    error: Option<String>,
}

/// Who asks for what from where. Posts to `/device/confirm`, `act` is `allow` or `deny`.
#[derive(Template)]
#[template(path = "device_confirm.html")]
struct DeviceConfirmPage {
    /// The sealed request.
    request: String,
    /// The token against cross-site posts.
    csrf: String,
    /// The code, to be compared once more.
    code: String,
    /// The application that asks.
    application: ApplicationView,
    /// Where the device asked from.
    address: String,
    /// Whether that is another address than the person's own.
    elsewhere: bool,
    /// When it asked, in words.
    asked_at: String,
    /// The organisation the person acts for.
    organisation: Option<String>,
    /// Who is signed in.
    user: String,
    /// What is asked for.
    scopes: Vec<ScopeLine>,
    /// The roles that would be disclosed.
    roles: Vec<String>,
}

/// How it ended.
#[derive(Template)]
#[template(path = "device_done.html")]
struct DeviceDonePage {
    /// Whether the device is let in.
    allowed: bool,
    /// The heading.
    title: &'static str,
    /// What happened, what to do.
    message: String,
}

/// `GET /device`.
pub async fn get(browser: Browser, RawQuery(query): RawQuery) -> Response {
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let given = params.get("user_code").and_then(UserCode::parse).map(|code| code.shown());
    let form = DevicePage { csrf: browser.csrf(), given, typed: String::new(), error: None };
    browser.answer(page(StatusCode::OK, &form))
}

/// `POST /device`: the code that was typed, or compared.
pub async fn post(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let typed = form.get("user_code").unwrap_or_default();
    match decide::find(&app, typed, &browser.csrf(), &browser.address).await {
        Ok(Typed::Found(pending)) => authorize::proceed(&app, browser, *pending).await,
        Ok(Typed::Wrong) => browser.answer(again(&browser, typed, StatusCode::BAD_REQUEST, WRONG.to_owned())),
        Ok(Typed::Paused { seconds }) => {
            let minutes = seconds.div_euclid(60) + i64::from(seconds.rem_euclid(60) > 0);
            let unit = if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") };
            let text = format!("Too many codes were wrong. Wait {unit}, then begin again on your device.");
            let mut response = again(&browser, typed, StatusCode::TOO_MANY_REQUESTS, text);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            browser.answer(response)
        }
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

fn again(browser: &Browser, typed: &str, status: StatusCode, text: String) -> Response {
    let typed = typed.chars().take(64).collect();
    page(status, &DevicePage { csrf: browser.csrf(), given: None, typed, error: Some(text) })
}

/// The page that asks, for the person who is signed in; its form is good for that person alone.
#[must_use]
pub fn confirm(browser: &Browser, pending: &Pending, application: &Application, asked: Asked) -> Response {
    let mut pending = pending.clone();
    let (Some(facts), Some(device)) = (&browser.facts, &mut pending.device) else {
        return error::expired();
    };
    device.show_to(&facts.user);
    let (code, address, asked_at) = (device.code.shown(), device.address.clone(), me::date(device.asked_at));
    let form = DeviceConfirmPage {
        csrf: browser.csrf(),
        code,
        application: sign_in::view_of(application),
        elsewhere: address != browser.address,
        address,
        asked_at,
        organisation: asked.org,
        user: asked.user_name,
        scopes: pending.request.scope.iter().map(consent::line).collect(),
        roles: asked.roles,
        request: sealed::seal(browser, &Sealed::Authorize(Box::new(pending))),
    };
    page(StatusCode::OK, &form)
}

/// `POST /device/confirm`.
pub async fn post_confirm(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let Some(Sealed::Authorize(mut pending)) = sealed::open(&app, &browser, form.get("request").unwrap_or_default())
    else {
        return browser.answer(error::expired());
    };
    let Some(device) = &mut pending.device else {
        return browser.answer(error::expired());
    };
    if form.get("act") != Some("allow") {
        let by = browser.facts.as_ref().map(|facts| &facts.user);
        return browser.answer(match decide::deny(&app, device, by).await {
            Ok(true) => denied(),
            Ok(false) => refused(&OAuthError::new(ErrorCode::ExpiredToken, "")),
            Err(fault) => error::of_fault(fault),
        });
    }
    device.confirm();
    authorize::proceed(&app, browser, *pending).await
}

/// `GET /device/done`: where somebody ends who gives up on the way.
pub async fn done(browser: Browser) -> Response {
    let message = "Nothing was allowed. If you want to go on, open the page again and enter the code of your device.";
    browser.answer(ended(StatusCode::OK, "Not signed in", message.to_owned()))
}

/// The device may come and get its tokens.
#[must_use]
pub fn allowed(application: &Application) -> Response {
    let message = format!("{} is signed in. Go back to your device; you can close this window.", application.name);
    page(StatusCode::OK, &DeviceDonePage { allowed: true, title: "Your device is signed in", message })
}

fn denied() -> Response {
    let message = "Your device was not signed in. If you didn't begin this yourself, somebody may have tried to get your \
                   access: tell an administrator.";
    ended(StatusCode::OK, "Not signed in", message.to_owned())
}

/// It can't be allowed, whatever the person says.
#[must_use]
pub fn refused(why: &OAuthError) -> Response {
    if why.code == ErrorCode::ExpiredToken {
        let message = "This code has expired or was used already. Begin again on your device.";
        return ended(StatusCode::BAD_REQUEST, "Too late", message.to_owned());
    }
    let message = format!(
        "This account can't be used here: {}. Sign in with another one, or ask an administrator.",
        why.description
    );
    ended(StatusCode::FORBIDDEN, "Not signed in", message)
}

fn ended(status: StatusCode, title: &'static str, message: String) -> Response {
    page(status, &DeviceDonePage { allowed: false, title, message })
}

#[cfg(test)]
mod tests {
    use super::super::view::Page as _;
    use super::*;
    use crate::web::pages::view::checks::HOSTILE;

    fn text() -> String {
        HOSTILE.to_owned()
    }

    fn confirm_page(elsewhere: bool) -> String {
        let form = DeviceConfirmPage {
            request: text(),
            csrf: text(),
            code: "WDJB-MJHT".to_owned(),
            application: ApplicationView { name: text(), ..ApplicationView::default() },
            address: text(),
            elsewhere,
            asked_at: text(),
            organisation: Some(text()),
            user: text(),
            scopes: vec![ScopeLine { name: text(), text: text() }],
            roles: vec![text()],
        };
        form.render_page()
    }

    fn code_page(given: Option<&str>, error: Option<&str>) -> String {
        let given = given.map(str::to_owned);
        DevicePage { csrf: text(), given, typed: text(), error: error.map(str::to_owned) }.render_page()
    }

    #[test]
    fn what_comes_from_outside_stays_text_and_no_page_carries_a_script() {
        let ended = |allowed| DeviceDonePage { allowed, title: "Too late", message: text() }.render_page();
        for page in [
            confirm_page(true),
            code_page(None, Some(HOSTILE)),
            code_page(Some("WDJB-MJHT"), None),
            ended(true),
            ended(false),
        ] {
            assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>") && page.contains("href=\"/help\""));
        }
    }

    #[test]
    fn a_code_that_came_with_the_address_is_shown_to_be_compared_and_still_has_to_be_sent() {
        let page = code_page(Some("WDJB-MJHT"), None);
        assert!(page.contains("<code id=\"device-code\">WDJB-MJHT</code>") && page.contains("method=\"post\""));
        assert!(page.contains("id=\"device-continue\"") && page.contains("href=\"/device\""));
        assert!(!page.contains("id=\"user-code\""), "there is nothing to type");
        assert!(code_page(None, None).contains("id=\"user-code\""));
    }

    #[test]
    fn a_failed_try_marks_the_title_and_takes_the_focus() {
        let page = code_page(None, Some(WRONG));
        assert!(page.contains("<title>Error: ") && page.contains("role=\"alert\" tabindex=\"-1\" autofocus"));
        assert_eq!(page.matches("autofocus").count(), 1);
    }

    #[test]
    fn a_request_from_another_network_says_so() {
        assert!(confirm_page(true).contains("id=\"elsewhere\"") && !confirm_page(false).contains("id=\"elsewhere\""));
        let page = confirm_page(false);
        assert!(page.contains("id=\"device-allow\" name=\"act\" value=\"allow\""));
        assert!(page.contains("id=\"device-deny\" name=\"act\" value=\"deny\""));
    }
}
