//! `/me/organisations`: where somebody is a member, and leaving it.
//!
//! Whose account is their own leaves when they like. One that belongs to an organisation, or that a provider keeps, ends
//! where it is kept; an owner hands the organisation over first.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{Told, asked, shown};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::people::user::Kind;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::flows::{Fault, accept_invitation, my_access};
use crate::kernel::id::{OrgId, UserId};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::memberships::{self, Entrance};
use crate::store::users::{self, User};
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;
use crate::web::pages::invite::sentence;
use crate::web::pages::me::{Posted, date, enter};
use crate::web::pages::view::my::{LeavePage, OrganisationLine, OrganisationsPage};
use crate::web::pages::{error, page};

/// What was done, by its word in the address.
const DONE: [(&str, &str); 1] = [("left", "You are no member any more. What you had open there is over.")];
/// Why an owner stays.
const OWNER: &str = "You own this organisation. Hand it over to somebody else before you leave.";
/// Why somebody stays whose account is the organisation's.
const MANAGED: &str = "Your account belongs to this organisation. Ask an administrator to remove it.";
/// Why somebody stays whom a provider brought.
const PROVIDED: &str = "Your membership is managed by the organisation's provider, and ends there.";

/// `GET /me/organisations`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let told = Told::done(query.as_deref(), &DONE);
    shown(&browser, told.status, view(&app, &facts.user, told).await)
}

/// `GET /me/organisations/leave`: what it would end, before it is done.
pub async fn ask(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let Some(Ok(org)) = asked(query.as_deref(), "org").map(|org| org.parse::<OrgId>()) else {
        return browser.answer(error::not_found().await);
    };
    question(&app, &browser, &facts, &org, Told::default()).await
}

/// `POST /me/organisations/leave`.
pub async fn leave(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let Some(Ok(org)) = form.get("org").map(str::parse::<OrgId>) else {
        return browser.answer(error::not_found().await);
    };
    let entrance = match leavable(&app, &browser, &facts, &org).await {
        Ok(entrance) => entrance,
        Err(response) => return response,
    };
    if form.get("confirm").unwrap_or_default().trim() != entrance.slug {
        let told = Told::fault(StatusCode::BAD_REQUEST, format!("Type {} exactly as it stands here.", entrance.slug));
        return question(&app, &browser, &facts, &org, told).await;
    }
    let (actor, changes) = (Actor::User(facts.user.clone()), vec![removal(&entrance)]);
    match change_access_from(&app, &actor, &origin, changes, Mode::Act).await {
        Ok(_) => browser.answer(reply::see_other("/me/organisations?done=left")),
        Err(Refusal::Store(fault)) => browser.answer(error::of_fault(fault.into())),
        Err(Refusal::NotFound(_)) => browser.answer(error::not_found().await),
        Err(other) => {
            let told = Told::fault(StatusCode::CONFLICT, sentence(&other));
            shown(&browser, told.status, view(&app, &facts.user, told).await)
        }
    }
}

/// The membership that is to be left. Where it can't be, the list says why.
async fn leavable(app: &App, browser: &Browser, facts: &Facts, org: &OrgId) -> Result<Entrance, Response> {
    let found: Result<Option<(Entrance, Option<String>)>, sqlx::Error> = async {
        let mut conn = app.db.read().await?;
        let Some(user) = users::find(&mut conn, &facts.user).await? else { return Ok(None) };
        let Some(entrance) = memberships::entrance(&mut conn, &facts.user, org).await? else { return Ok(None) };
        let kept = kept(&mut conn, &user, &entrance).await?;
        Ok(Some((entrance, kept)))
    }
    .await;
    match found {
        Ok(Some((entrance, None))) => Ok(entrance),
        Ok(Some((_, Some(_)))) => {
            let told = Told { status: StatusCode::CONFLICT, ..Told::default() };
            Err(shown(browser, told.status, view(app, &facts.user, told).await))
        }
        Ok(None) => Err(browser.answer(error::not_found().await)),
        Err(fault) => Err(browser.answer(error::of_fault(fault.into()))),
    }
}

fn removal(entrance: &Entrance) -> Change {
    Change::RemoveMember { org: entrance.org.clone(), member: entrance.member.clone() }
}

/// The question, with what leaving would end.
async fn question(app: &App, browser: &Browser, facts: &Facts, org: &OrgId, told: Told) -> Response {
    let entrance = match leavable(app, browser, facts, org).await {
        Ok(entrance) => entrance,
        Err(response) => return response,
    };
    let (actor, changes) = (Actor::User(facts.user.clone()), vec![removal(&entrance)]);
    let receipt = match change_access_from(app, &actor, &Origin::default(), changes, Mode::DryRun).await {
        Ok(receipt) => receipt,
        Err(Refusal::Store(fault)) => return browser.answer(error::of_fault(fault.into())),
        Err(refusal) => {
            let told = Told::fault(StatusCode::CONFLICT, sentence(&refusal));
            return shown(browser, told.status, view(app, &facts.user, told).await);
        }
    };
    let view = LeavePage {
        csrf: browser.csrf(),
        org: entrance.org.into_string(),
        name: entrance.name,
        slug: entrance.slug,
        consequences: consequences(&receipt),
        error: told.fault,
    };
    browser.answer(page(told.status, &view))
}

/// What leaving ends, a sentence each.
fn consequences(receipt: &Receipt) -> Vec<String> {
    let roles: usize = receipt.members.iter().map(|member| member.lost.len()).sum();
    let counted = [
        (roles as u64, "role that you hold there goes", "roles that you hold there go"),
        (receipt.ended.sessions, "session ends", "sessions end"),
        (receipt.ended.token_families, "application loses its tokens", "applications lose their tokens"),
        (receipt.ended.access_keys, "access key ends", "access keys end"),
    ];
    let say = |(count, one, many): (u64, &str, &str)| match count {
        0 => None,
        1 => Some(format!("1 {one}.")),
        more => Some(format!("{more} {many}.")),
    };
    let mut said = vec!["You are no member any more.".to_owned()];
    said.extend(counted.into_iter().filter_map(say));
    said
}

/// Why a membership can't be left here, if it can't.
async fn kept(conn: &mut Conn, user: &User, entrance: &Entrance) -> Result<Option<String>, sqlx::Error> {
    if user.kind != Kind::Own {
        return Ok(Some(MANAGED.to_owned()));
    }
    if entrance.owner {
        return Ok(Some(OWNER.to_owned()));
    }
    let found = memberships::find(conn, &entrance.org, &entrance.member).await?;
    let provided = found.is_some_and(|found| found.source.connection().is_some());
    Ok(provided.then(|| PROVIDED.to_owned()))
}

async fn view(app: &App, user: &UserId, told: Told) -> Result<Option<OrganisationsPage>, Fault> {
    let mut conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, user).await? else { return Ok(None) };
    let invitations = accept_invitation::inbox(app, &mut conn, &user.id).await?.len();
    let mut organisations = Vec::new();
    for entrance in memberships::entrances(&mut conn, &user.id).await? {
        let held = my_access::of(app, &mut conn, &user.id, &entrance).await?;
        let on_org = held.iter().filter(|held| held.project.is_none() && !held.is_implied());
        let roles = on_org.map(|held| held.title.as_str()).collect::<Vec<_>>().join(", ");
        let kept = kept(&mut conn, &user, &entrance).await?;
        organisations.push(OrganisationLine {
            org: entrance.org.into_string(),
            name: entrance.name,
            slug: entrance.slug,
            roles,
            last_sign_in: entrance.last_sign_in_at.map(date).unwrap_or_default(),
            kept,
        });
    }
    Ok(Some(OrganisationsPage { invitations, organisations, done: told.done, error: told.fault }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Ended;
    use crate::kernel::id::ChangeId;
    use crate::kernel::time::UnixMillis;

    #[test]
    fn what_leaving_ends_is_counted_and_what_it_does_not_is_left_out() {
        let receipt = Receipt {
            id: ChangeId::from_u128(1),
            at: UnixMillis(0),
            actor: String::new(),
            dry_run: true,
            acts: Vec::new(),
            members: Vec::new(),
            ended: Ended { sessions: 1, token_families: 2, access_keys: 0 },
            told: Vec::new(),
        };
        let said = ["You are no member any more.", "1 session ends.", "2 applications lose their tokens."];
        assert_eq!(consequences(&receipt), said);
    }
}
