//! `/email/{secret}`: a new e-mail address is confirmed by whoever reads at it. GET shows, POST confirms.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::invite::sentence;
use super::me::{self, Posted};
use super::password_change::private;
use super::view::account::{DonePage, EmailConfirmPage};
use super::view::passwords::LinkDeadPage;
use super::{error, page};
use crate::app::App;
use crate::flows::change_access::Refusal;
use crate::flows::links::Dead;
use crate::flows::own_account::{self, NotChanged};
use crate::kernel::secret::Secret;
use crate::web::extract::browser::Browser;

/// `GET /email/{secret}`.
pub async fn get(State(app): State<App>, browser: Browser, Path(link): Path<String>) -> Response {
    show(&app, &browser, &link, (StatusCode::OK, None)).await
}

/// `POST /email/{secret}`.
pub async fn post(State(app): State<App>, Path(link): Path<String>, posted: Posted) -> Response {
    let Posted { browser, origin, .. } = posted;
    let fault = match own_account::confirm_email(&app, &Secret::presented(link.as_str()), &origin).await {
        Ok(new) => {
            let done = DonePage {
                title: "Your address is confirmed".to_owned(),
                message: format!("{} is your address now. Sign in again.", new.email),
                to: Some(("Sign in".to_owned(), "/login".to_owned())),
            };
            return browser.answer(private(page(StatusCode::OK, &done)));
        }
        Err(fault) => fault,
    };
    let text = match fault {
        NotChanged::Fault(fault) => return browser.answer(private(error::of_fault(fault))),
        NotChanged::Dead(_) => return show(&app, &browser, &link, (StatusCode::OK, None)).await,
        NotChanged::Refused(Refusal::Conflict(_)) => "Another account has this address already.".to_owned(),
        NotChanged::Refused(refusal) => sentence(&refusal),
        NotChanged::Locked(_) | NotChanged::WrongPassword | NotChanged::Paused { .. } => {
            "This address can't be confirmed now.".to_owned()
        }
    };
    show(&app, &browser, &link, (StatusCode::CONFLICT, Some(text))).await
}

async fn show(app: &App, browser: &Browser, link: &str, told: (StatusCode, Option<String>)) -> Response {
    let (status, fault) = told;
    let response = match own_account::seen(app, &Secret::presented(link)).await {
        Ok(Ok(new)) => {
            let (csrf, link) = (browser.csrf(), link.to_owned());
            let view = EmailConfirmPage { csrf, link, email: new.email, user_name: new.user_name, error: fault };
            page(status, &view)
        }
        Ok(Err(dead)) => gone(&dead, "Ask for a new one where you changed your address."),
        Err(fault) => error::of_fault(fault),
    };
    browser.answer(private(response))
}

/// What has become of a link; `advice` is what to do. What is unknown is told nothing.
pub(super) fn gone(dead: &Dead, advice: &str) -> Response {
    let (title, message) = match dead {
        Dead::Unknown => return error::dead_link(),
        Dead::Used => ("This link was used", "It did what it was for, and works once.".to_owned()),
        Dead::Replaced => ("There is a newer link", "A newer link was sent. Use that one.".to_owned()),
        Dead::Withdrawn => ("This link doesn't work any more", "It was taken back.".to_owned()),
        Dead::Expired { at, .. } => ("This link is over", format!("This link expired on {}. {advice}", me::date(*at))),
    };
    let to = Some(("Go to the sign-in page", "/login"));
    let view = LinkDeadPage { good: false, title, message, csrf: String::new(), renew: None, to };
    page(StatusCode::GONE, &view)
}
