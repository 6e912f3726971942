//! `/o/{slug}/admin/identity-providers/{connection}`: how a connection fares, how far its sign-in is open, its name,
//! and whether it works at all.

use axum::http::StatusCode;
use axum::response::Response;

use super::place::{self, Part, Place};
use super::review::{self, Deed, Done};
use crate::domain::change::{Change, Mode};
use crate::domain::connection::{ConnectionSettings, ConnectionState, NewConnection};
use crate::domain::federation::Stage;
use crate::flows::change_access::Refusal;
use crate::flows::federation::trial;
use crate::kernel::time::UnixMillis;
use crate::store::connections::Connection;
use crate::store::db::{Conn, Result};
use crate::store::federation::upstreams::SignIn;
use crate::store::scim::health;
use crate::web::oidc::reply;
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::groups::place::{go, shown};
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_providers::{Posted, Seeing, sets_up};
use crate::web::pages::me::date;
use crate::web::pages::view::admin::Errors;
use crate::web::pages::view::identity_providers::{OverviewPage, Step};
use crate::web::pages::view::person::Fact;

/// What the page says besides.
#[derive(Default)]
struct Words {
    errors: Errors,
    alert: String,
    /// What was posted, so that it stays typed.
    form: Option<Form>,
}

/// The tab "Overview".
pub async fn get(Seeing(desk): Seeing) -> Response {
    show(&desk, StatusCode::OK, Words::default()).await
}

/// Offers a trial of the sign-in, and leads to it.
pub async fn test(Posted { desk, .. }: Posted) -> Response {
    let place = match place::here(&desk).await {
        Ok(place) => place,
        Err(page) => return page,
    };
    match trial::offer(&desk.app, &desk.actor, &desk.org, &place.connection.id).await {
        Ok((url, _)) => desk.answer(reply::see_other(url.strip_prefix(desk.app.issuer()).unwrap_or(&url))),
        Err(why) => {
            desk.note_denial(&why).await;
            refused(&desk, why).await
        }
    }
}

/// Opens the sign-in to people, or closes it. Enforcing it is asked about in any case.
pub async fn stage(Posted { desk, form }: Posted) -> Response {
    let place = match place::here(&desk).await {
        Ok(place) => place,
        Err(page) => return page,
    };
    let (name, org, connection) = (&place.connection.name, desk.org.clone(), place.connection.id.clone());
    let Ok(stage) = form.sent("stage").parse::<Stage>() else {
        let alert = "Choose how far it is open.".to_owned();
        return show(&desk, StatusCode::BAD_REQUEST, Words { alert, ..Words::default() }).await;
    };
    let (title, line, done) = match stage {
        Stage::Draft | Stage::Tested => (format!("Close {name}"), "Nobody can sign in through it any more.", "closed"),
        Stage::Optional => {
            (format!("Let people choose {name}"), "People may choose it beside their password.", "optional")
        }
        Stage::Enforced => (
            format!("Enforce {name}"),
            "The organisation lets nobody in otherwise. What is open in it and did not come through it ends.",
            "enforced",
        ),
    };
    let deed = Deed {
        name: name.clone(),
        title,
        lines: vec![line.to_owned()],
        button: if stage == Stage::Enforced { "Enforce it" } else { "Do it" },
        always_ask: stage == Stage::Enforced,
        shows_break_glass: stage == Stage::Enforced,
        pages: (place.path("stage"), place.path("")),
        fields: review::fields(&form),
        taken: Vec::new(),
        seen: Some((Part::Stage, form.sent("seen").to_owned())),
        changes: vec![Change::SetSignInStage { org, connection, stage }],
    };
    finish(&desk, &place, review::go(&desk, &deed, review::is_answer(&form)).await, done).await
}

/// Disables the connection, or enables it again. It never waits for others: what shuts out must not.
pub async fn state(Posted { desk, form }: Posted) -> Response {
    let place = match place::here(&desk).await {
        Ok(place) => place,
        Err(page) => return page,
    };
    let (name, org, connection) = (&place.connection.name, desk.org.clone(), place.connection.id.clone());
    let (state, title, line, button, done) = match form.sent("state").parse::<ConnectionState>() {
        Ok(ConnectionState::Active) => {
            let line = "Its requests are accepted again, and its sign-in is as open as it was before.";
            (ConnectionState::Active, format!("Enable {name}"), line, "Enable it", "enabled")
        }
        Ok(ConnectionState::Disabled) => {
            let line = "Its requests are refused, nobody signs in through it, and what came through it ends.";
            (ConnectionState::Disabled, format!("Disable {name}"), line, "Disable it", "disabled")
        }
        Ok(ConnectionState::Deleted) | Err(_) => {
            let alert = "Choose whether it works.".to_owned();
            return show(&desk, StatusCode::BAD_REQUEST, Words { alert, ..Words::default() }).await;
        }
    };
    let deed = Deed {
        name: name.clone(),
        title,
        lines: vec![line.to_owned()],
        button,
        always_ask: state == ConnectionState::Disabled,
        shows_break_glass: false,
        pages: (place.path("state"), place.path("")),
        fields: review::fields(&form),
        taken: Vec::new(),
        seen: None,
        changes: vec![Change::SetConnectionState { org, connection, state }],
    };
    finish(&desk, &place, review::go(&desk, &deed, review::is_answer(&form)).await, done).await
}

/// Renames the connection, and says where its administrators change things.
pub async fn name(Posted { desk, form }: Posted) -> Response {
    let place = match place::here(&desk).await {
        Ok(place) => place,
        Err(page) => return page,
    };
    let page = format!("{}?done=saved", place.path(""));
    let Connection { id, org, profile, settings, .. } = place.connection;
    let new = NewConnection {
        id,
        org,
        name: form.text("name").to_owned(),
        profile,
        local_grants: form.has("local_grants"),
        settings: ConnectionSettings { admin_url: form.given("admin_url"), ..settings },
    };
    let change = [Change::PutConnection(Box::new(new))];
    match place::send(&desk, (Part::Name, form.sent("seen")), &change, Mode::Act).await {
        Ok(_) => go(&desk, &page),
        Err(why @ (Refusal::Stale | Refusal::Denied { .. })) => refused(&desk, why).await,
        Err(why) => match place::refused(why, "name", field) {
            Ok(said) => {
                let words = Words { errors: said.errors, form: Some(form), ..Words::default() };
                show(&desk, said.status, words).await
            }
            Err(page) => desk.answer(*page),
        },
    }
}

/// The field of the form that a word of the door's is about.
pub(super) fn field(word: &str) -> &'static str {
    match word {
        "settings.admin_url" => "admin_url",
        _ => "name",
    }
}

async fn finish(desk: &Desk, place: &Place, outcome: Done, done: &str) -> Response {
    match outcome {
        Done::Acted => go(desk, &format!("{}?done={done}", place.path(""))),
        Done::Asked(page) => *page,
        Done::Refused(why) => refused(desk, why).await,
    }
}

/// The tab with why something was not done.
async fn refused(desk: &Desk, why: Refusal) -> Response {
    match place::alert(why) {
        Ok((status, alert)) => show(desk, status, Words { alert, ..Words::default() }).await,
        Err(page) => desk.answer(*page),
    }
}

async fn show(desk: &Desk, status: StatusCode, words: Words) -> Response {
    shown(desk, status, read(desk, words).await).await
}

async fn read(desk: &Desk, words: Words) -> Result<Option<OverviewPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let mut head = place.head(desk, "", words.alert);
    if words.errors.any() {
        head.notice = String::new();
    }
    let connection = &place.connection;
    let typed = words.form.as_ref();
    let admin_url = connection.settings.admin_url.clone().unwrap_or_default();
    Ok(Some(OverviewPage {
        shell: Place::shell(desk),
        head,
        errors: words.errors,
        facts: facts(&mut conn, &place).await?,
        standing: standing(&place),
        is_set_up: place.sign_in.is_some(),
        steps: place.sign_in.as_ref().map(steps).unwrap_or_default(),
        seen_stage: place.tag(Part::Stage),
        break_glass: review::break_glass(&mut conn, desk).await?,
        addresses: place.addresses(desk),
        may_change: place.stands() && sets_up(desk),
        is_active: connection.state == ConnectionState::Active,
        seen_name: place.tag(Part::Name),
        name: typed.map_or_else(|| connection.name.clone(), |form| form.text("name").to_owned()),
        admin_url: typed.map_or(admin_url, |form| form.text("admin_url").to_owned()),
        local_grants: typed.map_or(connection.local_grants, |form| form.has("local_grants")),
    }))
}

/// How the sign-in stands, in a sentence.
fn standing(place: &Place) -> &'static str {
    let Some(sign_in) = &place.sign_in else {
        return "Nobody signs in through it: no sign-in is set up.";
    };
    match sign_in.stage {
        Stage::Draft => "Nobody can use it yet. Somebody has to come through in a test first.",
        Stage::Tested => "Somebody came through in a test. It isn't open to people.",
        Stage::Optional => "People may choose it beside their password.",
        Stage::Enforced => "The organisation lets nobody in otherwise, but for those who may come in past it.",
    }
}

/// Where a sign-in can be brought to: nowhere before somebody came through.
fn steps(sign_in: &SignIn) -> Vec<Step> {
    let step = |stage: Stage, word, class| Step { stage: stage.as_str(), word, class };
    let (optional, enforced) = (Stage::Optional, Stage::Enforced);
    if sign_in.tested_at.is_none() {
        return Vec::new();
    }
    match sign_in.stage {
        Stage::Draft | Stage::Tested => {
            vec![step(optional, "Let people choose it", ""), step(enforced, "Enforce it …", "danger")]
        }
        Stage::Optional => {
            vec![step(enforced, "Enforce it …", "danger"), step(Stage::Tested, "Close it", "quiet")]
        }
        Stage::Enforced => {
            vec![step(optional, "Make it optional", ""), step(Stage::Tested, "Close it", "quiet")]
        }
    }
}

/// How it fares.
async fn facts(conn: &mut Conn, place: &Place) -> Result<Vec<Fact>> {
    let connection = &place.connection;
    let held = health::held(conn, &connection.id).await?;
    let adoptions = health::waiting_adoptions(conn, &connection.id).await?;
    let fact = |name, value: String| Fact { name, value };
    let mut facts = Vec::new();
    if let Some(SignIn { health, tested_at, .. }) = &place.sign_in {
        facts.push(fact("Last sign-in", when(health.last_sign_in_at, None)));
        facts.push(fact("Last test", when(*tested_at, None)));
        facts.push(fact("Last error of the sign-in", when(health.last_error_at, health.last_error.as_deref())));
        if let Some(since) = health.failing_since {
            facts.push(fact("Failing since", format!("{}, {} times in a row", date(since), health.failures)));
        }
    }
    facts.push(fact("Last SCIM sync", when(connection.last_sync_at, None)));
    facts.push(fact("Last SCIM error", when(connection.last_error_at, connection.last_error.as_deref())));
    facts.push(fact("Keeps", format!("{} users, {} groups", connection.users, connection.groups)));
    if held + adoptions > 0 {
        let text = format!("{held} requests, {adoptions} accounts that stand in its way");
        facts.push(fact("Waiting for a decision", text));
    }
    Ok(facts)
}

/// A moment, and what happened then.
fn when(at: Option<UnixMillis>, why: Option<&str>) -> String {
    match (at, why) {
        (None, _) => "Never".to_owned(),
        (Some(at), None) => date(at),
        (Some(at), Some(why)) => format!("{}: {why}", date(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_said_so() {
        assert_eq!(when(None, Some("down")), "Never");
        assert_eq!(when(Some(UnixMillis(0)), None), "1 January 1970, 00:00 UTC");
        assert_eq!(when(Some(UnixMillis(0)), Some("down")), "1 January 1970, 00:00 UTC: down");
    }
}
