//! `/me/applications`: what applications have of somebody, and taking it back.

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{Told, shown};
use crate::app::App;
use crate::flows::my_applications::Mine;
use crate::flows::{Fault, my_applications};
use crate::kernel::id::{ApplicationId, UserId};
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;
use crate::web::pages::consent::line;
use crate::web::pages::error;
use crate::web::pages::me::{Posted, date, enter};
use crate::web::pages::view::my::{ApplicationLine, ApplicationsPage};

/// What was done, by its word in the address.
const DONE: [(&str, &str); 1] = [("withdrawn", "It has nothing of you any more. It is told to sign you out.")];

/// `GET /me/applications`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let told = Told::done(query.as_deref(), &DONE);
    shown(&browser, told.status, view(&app, &browser, &facts.user, told).await.map(Some))
}

/// `POST /me/applications`: takes back what an application has. One that has nothing of the person is not found.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let Some(Ok(application)) = form.get("application").map(str::parse::<ApplicationId>) else {
        return browser.answer(error::not_found().await);
    };
    browser.answer(match my_applications::withdraw(&app, &facts.user, &application, &origin).await {
        Ok(Some(_)) => reply::see_other("/me/applications?done=withdrawn"),
        Ok(None) => error::not_found().await,
        Err(fault) => error::of_fault(fault.into()),
    })
}

async fn view(app: &App, browser: &Browser, user: &UserId, told: Told) -> Result<ApplicationsPage, Fault> {
    let all = my_applications::all(app, &mut app.db.read().await?, user).await?;
    let applications = all.into_iter().map(in_words).collect();
    Ok(ApplicationsPage { csrf: browser.csrf(), applications, done: told.done, error: told.fault })
}

fn in_words(mine: Mine) -> ApplicationLine {
    let (scopes, at) = mine.allowed.unzip();
    ApplicationLine {
        id: mine.application.id.into_string(),
        name: mine.application.name,
        allowed: at.map(date).unwrap_or_default(),
        scopes: scopes.unwrap_or_default().iter().map(|word| line(word).text).collect(),
        used: mine.used_at.map(date).unwrap_or_default(),
        signed_in: mine.signed_in,
        offline: mine.offline,
    }
}
