//! `/me/access`: what somebody holds in each of their organisations, and through what.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{asked, shown};
use crate::app::App;
use crate::flows::Fault;
use crate::flows::my_access::{self, Held, Way};
use crate::kernel::id::UserId;
use crate::store::memberships;
use crate::web::extract::browser::Browser;
use crate::web::pages::me::{date, enter};
use crate::web::pages::view::my::{AccessIn, AccessPage, AccessRow};

/// `GET /me/access`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let implied = asked(query.as_deref(), "implied").as_deref() == Some("yes");
    shown(&browser, StatusCode::OK, view(&app, &facts.user, implied).await.map(Some))
}

async fn view(app: &App, user: &UserId, implied: bool) -> Result<AccessPage, Fault> {
    let mut conn = app.db.read().await?;
    let mut organisations = Vec::new();
    for entrance in memberships::entrances(&mut conn, user).await? {
        let mut held = my_access::of(app, &mut conn, user, &entrance).await?;
        held.retain(|held| implied || !held.is_implied());
        let rows = held.iter().map(|held| row(held, implied)).collect();
        organisations.push(AccessIn { name: entrance.name, slug: entrance.slug, rows });
    }
    Ok(AccessPage { implied, organisations })
}

fn row(held: &Held, implied: bool) -> AccessRow {
    let on = match &held.project {
        Some(project) => format!("Project {project}"),
        None if held.on_all => "All projects".to_owned(),
        None => "The organisation".to_owned(),
    };
    let shown = held.ways.iter().filter(|way| implied || way.implied_by.is_none());
    AccessRow { role: held.title.clone(), on, ways: shown.map(in_words).collect() }
}

/// A way as one line: through what, by which other role, and from when to when.
fn in_words(way: &Way) -> String {
    let Way { group, owned, implied_by, on_all, since, until } = way;
    let begin = match group {
        Some(group) => format!("Group {group}"),
        None if *owned => "Ownership".to_owned(),
        None => "Direct".to_owned(),
    };
    let more = [
        on_all.then(|| "on all projects".to_owned()),
        implied_by.as_ref().map(|role| format!("implied by {role}")),
        since.map(|at| format!("since {}", date(at))),
        until.map(|at| format!("until {}", date(at))),
    ];
    std::iter::once(begin).chain(more.into_iter().flatten()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::UnixMillis;

    #[test]
    fn a_way_is_said_in_one_line() {
        let direct =
            Way { group: None, owned: false, implied_by: None, on_all: false, since: Some(UnixMillis(0)), until: None };
        assert_eq!(in_words(&direct), "Direct, since 1 January 1970, 00:00 UTC");
        let wide = Way { group: Some("Devs".to_owned()), on_all: true, since: None, ..direct.clone() };
        assert_eq!(in_words(&wide), "Group Devs, on all projects");
        let owned = Way { owned: true, implied_by: Some("Owner".to_owned()), since: None, ..direct };
        assert_eq!(in_words(&owned), "Ownership, implied by Owner");
    }
}
