//! The page behind the link for a first password: what an administrator said of the person stands there and is not asked.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::me::date;
use super::password_change::{faults, origin, private, typed};
use super::view::passwords::{LinkDeadPage, PasswordFaults, WelcomePage};
use super::{error, page, sign_in};
use crate::app::App;
use crate::domain::change::Origin;
use crate::flows::forgotten::Asked;
use crate::flows::links::{Dead, masked};
use crate::flows::set_password::{self, NotSet, Welcome};
use crate::kernel::secret::Secret;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::RequestId;
use crate::web::oidc::reply;

/// `GET /welcome/{secret}`.
pub async fn get(State(app): State<App>, browser: Browser, Path(link): Path<String>) -> Response {
    let response = show(&app, &browser, &Secret::presented(link), PasswordFaults::default()).await;
    browser.answer(private(response))
}

async fn show(app: &App, browser: &Browser, link: &Secret, faults: PasswordFaults) -> Response {
    let Welcome { name, user_name, organisation, email, rules } = match set_password::seen(app, link).await {
        Ok(Ok(welcome)) => welcome,
        Ok(Err(why)) => return dead(browser, link, &why),
        Err(fault) => return error::of_fault(fault),
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let view = WelcomePage {
        csrf: browser.csrf(),
        link: link.expose().to_owned(),
        name,
        user_name,
        organisation,
        email,
        rules: rules.sentences(),
        faults,
    };
    page(status, &view)
}

/// `POST /welcome/{secret}`: the password, or the wish for a new link. Whatever else is sent is not read (N17).
pub async fn post(
    State(app): State<App>,
    browser: Browser,
    id: RequestId,
    Path(link): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let (link, origin) = (Secret::presented(link), origin(&browser, id));
    if form.get("act") == Some("renew") {
        return browser.answer(private(renew(&app, &link, &origin).await));
    }
    let new = match typed(&form) {
        Ok(new) => new,
        Err(faults) => return browser.answer(private(show(&app, &browser, &link, faults).await)),
    };
    let response = match set_password::set(&app, &link, new, &origin).await {
        Ok(slug) => reply::see_other(&sign_in::address(slug.as_deref(), sign_in::PASSWORD_SET)),
        Err(NotSet::Short(found)) => show(&app, &browser, &link, faults(&found)).await,
        Err(NotSet::Dead(why)) => dead(&browser, &link, &why),
        Err(NotSet::Fault(fault)) => error::of_fault(fault),
    };
    browser.answer(private(response))
}

async fn renew(app: &App, link: &Secret, origin: &Origin) -> Response {
    match set_password::send_again(app, link, origin).await {
        Ok(Asked::Done) => {
            let message =
                "If the account still waits for its password, a new link is on its way to the same address. A \
                           minute passes between two messages, and there are five a day at most."
                    .to_owned();
            let to = Some(("Go to the sign-in page", "/login"));
            let title = "Look for our message";
            page(StatusCode::OK, &LinkDeadPage { good: true, title, message, csrf: String::new(), renew: None, to })
        }
        Ok(Asked::Paused { seconds }) => error::too_many(seconds),
        Err(fault) => error::of_fault(fault),
    }
}

/// A link that leads nowhere: of a secret that nobody was sent nothing is said.
fn dead(browser: &Browser, link: &Secret, why: &Dead) -> Response {
    let (sign_in, forgot) = (("Go to the sign-in page", "/login"), ("Forgot password?", "/forgot"));
    let (title, message, renew, to) = match why {
        Dead::Unknown => return error::dead_link(),
        Dead::Used => ("This link was used", "The password was set with it. Sign in.".to_owned(), None, Some(sign_in)),
        Dead::Replaced => {
            let text = "This link was replaced. Use the one in the newest message.".to_owned();
            ("There is a newer link", text, None, Some(sign_in))
        }
        Dead::Withdrawn => {
            let text =
                "Sign in if you have a password. Otherwise ask an administrator of your organisation.".to_owned();
            ("This link doesn't work any more", text, None, Some(forgot))
        }
        Dead::Expired { at, address } => {
            let text = format!("This link expired on {}. We can send a new one to {}.", date(*at), masked(address));
            ("This link expired", text, Some(format!("/welcome/{}", link.expose())), None)
        }
    };
    page(StatusCode::GONE, &LinkDeadPage { good: false, title, message, csrf: browser.csrf(), renew, to })
}
