//! `/me/activity`: what somebody did, and what was done to their account.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{asked, shown};
use crate::app::App;
use crate::domain::people::activity::By;
use crate::flows::Fault;
use crate::flows::activity::{self, Line, Place};
use crate::kernel::id::UserId;
use crate::web::extract::browser::Browser;
use crate::web::pages::me::{date, enter};
use crate::web::pages::view::my::{ActivityLine, ActivityPage};

/// So many lines a page.
const PAGE: usize = 50;

/// `GET /me/activity`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let after = asked(query.as_deref(), "after");
    shown(&browser, StatusCode::OK, view(&app, &facts.user, after.as_deref()).await.map(Some))
}

/// A place that can't be read is the beginning.
async fn view(app: &App, user: &UserId, after: Option<&str>) -> Result<ActivityPage, Fault> {
    let parts: Vec<String> = after.unwrap_or_default().split('.').map(str::to_owned).collect();
    let place = Place::read(&parts);
    let later = place.is_some();
    let page = activity::page(app, &mut app.db.read().await?, user, place.unwrap_or_default(), PAGE).await?;
    let next = page.next.map(|place| format!("/me/activity?after={}", place.parts().join(".")));
    Ok(ActivityPage { lines: page.lines.into_iter().map(in_words).collect(), next: next.unwrap_or_default(), later })
}

fn in_words(line: Line) -> ActivityLine {
    let about: Vec<String> = [line.application, line.org_name].into_iter().flatten().collect();
    let from = [line.device, Some(line.address), line.place].into_iter().flatten();
    let from: Vec<String> = from.filter(|text| !text.is_empty()).collect();
    ActivityLine {
        text: line.text,
        about: about.join(", "),
        at: date(line.at),
        by: match line.by {
            By::You => "You",
            By::Administrator => "An administrator",
            By::Provider => "Your organisation's provider",
            By::Muster => "Muster",
        },
        from: from.join(", "),
    }
}
