//! The page behind the link for a new password. Looking uses nothing up; setting the password ends at the sign-in page.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::me::date;
use super::password_change::{faults, origin, private, typed};
use super::view::passwords::{LinkDeadPage, PasswordFaults, ResetPage};
use super::{error, page, sign_in};
use crate::app::App;
use crate::flows::forgotten;
use crate::flows::links::Dead;
use crate::flows::set_password::NotSet;
use crate::kernel::secret::Secret;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::RequestId;
use crate::web::oidc::reply;

/// `GET /reset/{secret}`.
pub async fn get(State(app): State<App>, browser: Browser, Path(link): Path<String>) -> Response {
    let response = show(&app, &browser, &Secret::presented(link), PasswordFaults::default()).await;
    browser.answer(private(response))
}

async fn show(app: &App, browser: &Browser, link: &Secret, faults: PasswordFaults) -> Response {
    let rules = match forgotten::seen(app, link).await {
        Ok(Ok(rules)) => rules.sentences(),
        Ok(Err(why)) => return dead(&why),
        Err(fault) => return error::of_fault(fault),
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    page(status, &ResetPage { csrf: browser.csrf(), link: link.expose().to_owned(), rules, faults })
}

/// `POST /reset/{secret}`.
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
    let link = Secret::presented(link);
    let new = match typed(&form) {
        Ok(new) => new,
        Err(faults) => return browser.answer(private(show(&app, &browser, &link, faults).await)),
    };
    let response = match forgotten::set(&app, &link, new, &origin(&browser, id)).await {
        Ok(slug) => reply::see_other(&sign_in::address(slug.as_deref(), sign_in::PASSWORD_CHANGED)),
        Err(NotSet::Short(found)) => show(&app, &browser, &link, faults(&found)).await,
        Err(NotSet::Dead(why)) => dead(&why),
        Err(NotSet::Fault(fault)) => error::of_fault(fault),
    };
    browser.answer(private(response))
}

/// A link that leads nowhere: of a secret that nobody was sent nothing is said.
fn dead(why: &Dead) -> Response {
    let (title, message) = match why {
        Dead::Unknown => return error::dead_link(),
        Dead::Used => ("This link was used", "A link for a new password works once. Ask for a new one.".to_owned()),
        Dead::Replaced => {
            ("There is a newer link", "This link was replaced. Use the one in the newest message.".to_owned())
        }
        Dead::Withdrawn => {
            ("This link doesn't work any more", "Ask for a new one, or ask an administrator.".to_owned())
        }
        Dead::Expired { at, .. } => {
            ("This link expired", format!("This link expired on {}. Ask for a new one.", date(*at)))
        }
    };
    let to = Some(("Ask for a new link", "/forgot"));
    let view = LinkDeadPage { good: false, title, message, csrf: String::new(), renew: None, to };
    page(StatusCode::GONE, &view)
}
