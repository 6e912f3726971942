//! `/me/password`: somebody who is signed in changes their password. This session goes on under a new cookie; the
//! others end, unless the box is cleared.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::invite::sentence;
use super::me::{Posted, enter};
use super::view::account::PasswordPage;
use super::{error, my, page};
use crate::app::App;
use crate::domain::change::Mode;
use crate::domain::people::assurance::Method;
use crate::flows::change_password::{self, NotChanged};
use crate::flows::{Fault, new_password, own_account};
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::store::cookies::Facts;
use crate::store::users;
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;

/// The address after it is done, whose query says so.
const DONE: &str = "/me/password?done=yes";

/// What the page says besides the form.
#[derive(Default)]
struct Told {
    status: StatusCode,
    faults: Vec<String>,
    done: Option<String>,
    keep_others: bool,
}

/// `GET /me/password`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let done = (query.as_deref() == Some("done=yes")).then(|| "Your password was changed.".to_owned());
    show(&app, &browser, &facts.user, Told { done, ..Told::default() }).await
}

/// `POST /me/password`.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    if let Some(response) = my::stronger(&app, &browser, &facts, "/me/password").await {
        return response;
    }
    let end_others = form.get("end_others").is_some();
    let again = |faults: Vec<String>| Told {
        status: StatusCode::BAD_REQUEST,
        faults,
        keep_others: !end_others,
        ..Told::default()
    };
    let sent = |name: &str| form.sent(name).unwrap_or_default().to_owned();
    if sent("password") != sent("password_again") {
        let told = again(vec!["The two new passwords are not the same.".to_owned()]);
        return show(&app, &browser, &facts.user, told).await;
    }
    let (old, new) = (Secret::presented(sent("old")), Secret::presented(sent("password")));
    let typed = ((&old, browser.device_cookie()), new);
    let faults = match change_password::own(&app, &facts, typed, end_others, &origin, Mode::Act).await {
        Ok(_) => return renewed(&app, browser, facts).await,
        Err(NotChanged::WrongOld | NotChanged::Gone | NotChanged::Paused) => {
            vec!["That isn't your password of today. Check it and try again.".to_owned()]
        }
        Err(NotChanged::Short(found)) => found.iter().map(ToString::to_string).collect(),
        Err(NotChanged::NotHere) => Vec::new(),
        Err(NotChanged::Refused(refusal)) => vec![sentence(&refusal)],
        Err(NotChanged::Fault(fault)) => return browser.answer(error::of_fault(fault)),
    };
    show(&app, &browser, &facts.user, again(faults)).await
}

/// The session goes on with a new cookie: whoever has the old one has nothing.
async fn renewed(app: &App, mut browser: Browser, facts: Facts) -> Response {
    let mut facts = Facts { last_used_at: None, ..facts };
    // The person has just proved who they are; but a password freshens nothing that is stronger (F8).
    let _ = facts.show(Method::Password, app.now());
    if let Err(error) = browser.sign_in(facts).await {
        tracing::error!(%error, "a session can't be renewed");
        return browser.answer(error::unavailable());
    }
    browser.answer(reply::see_other(DONE))
}

async fn show(app: &App, browser: &Browser, user: &UserId, told: Told) -> Response {
    let status = told.status;
    match view(app, browser, user, told).await {
        Ok(Some(view)) => browser.answer(page(status, &view)),
        Ok(None) => browser.answer(reply::see_other("/login")),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

async fn view(app: &App, browser: &Browser, user: &UserId, told: Told) -> Result<Option<PasswordPage>, Fault> {
    let mut conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, user).await? else { return Ok(None) };
    let locked = own_account::locks(&mut conn, &user).await?.password;
    let rules = new_password::rules_of(app, &mut conn, &user.kind).await?.sentences();
    Ok(Some(PasswordPage {
        csrf: browser.csrf(),
        user_name: user.user_name,
        locked,
        rules,
        end_others: !told.keep_others,
        error: told.faults,
        done: told.done,
    }))
}
