//! `/me/keys`: a person's own access keys, by organisation and project: making one, whose secret is shown once, and taking
//! them out of use.
//!
//! A key opens its organisation, so whoever makes one, or enables one again, must be able to enter there now: by its
//! provider where that is enforced, from its networks, with the factor that it asks for, and with a proof that is at most
//! ten minutes old. What only shuts out asks for nothing more.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Told, shown};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::oauth::params::Params;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::flows::console_entry::{self, Way};
use crate::flows::{Fault, access_key, my_access};
use crate::kernel::id::{AccessKeyId, OrgId, ProjectId};
use crate::kernel::time::{DAY, MINUTE, UnixMillis};
use crate::store::access_keys::{self, AccessKey};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::memberships::{self, Entrance};
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;
use crate::web::pages::invite::sentence;
use crate::web::pages::me::{Posted, date, enter};
use crate::web::pages::password_change::private;
use crate::web::pages::view::my::{KeyLine, KeyMadePage, KeysIn, KeysPage, ProjectChoice};
use crate::web::pages::{error, factor, page, sealed};

const PAGE: &str = "/me/keys";
const PURPOSE: &str = "my.key";
/// How long a new key can be downloaded, in milliseconds.
const LIFE: i64 = 10 * MINUTE;
/// A member has so many keys on a project at most.
const MOST: usize = 2;
/// How many days a key lives unless something else is typed.
const USUAL_DAYS: &str = "90";

/// What was done, by its word in the address.
const DONE: [(&str, &str); 3] = [
    ("disabled", "The key is disabled. The tokens that were made from it are refused."),
    ("enabled", "The key works again."),
    ("removed", "The key is removed. The tokens that were made from it are refused."),
];

/// A new key as a file, on its way through the browser.
#[derive(Serialize, Deserialize)]
struct File {
    made: UnixMillis,
    text: String,
}

/// `GET /me/keys`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    show(&app, &browser, &facts, Told::done(query.as_deref(), &DONE), &Params::default()).await
}

/// `POST /me/keys`: makes, disables, enables or removes a key.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let entrance = match entrance(&app, &facts, &form).await {
        Ok(Some(entrance)) => entrance,
        Ok(None) => return browser.answer(error::not_found().await),
        Err(fault) => return browser.answer(error::of_fault(fault.into())),
    };
    let act = form.get("act").unwrap_or_default();
    if matches!(act, "make" | "enable")
        && let Some(response) = way_in(&app, &browser, &facts, &entrance).await
    {
        return response;
    }
    match act {
        "make" => make(&app, &browser, &facts, (&form, &origin), &entrance).await,
        "disable" | "enable" | "remove" => change(&app, &browser, &facts, (&form, &origin), &entrance).await,
        _ => browser.answer(error::not_found().await),
    }
}

/// `POST /me/keys/download`: the new key as a file. It is answered as an attachment and kept by nobody on the way.
pub async fn download(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, .. } = posted;
    if let Err(response) = enter(&app, &browser).await {
        return response;
    }
    let opened = browser.open(PURPOSE, form.get("file").unwrap_or_default());
    let file: Option<File> = opened.and_then(|text| serde_json::from_str(&text).ok());
    let Some(file) = file.filter(|file| app.now().since(file.made) < LIFE) else {
        return browser.answer(error::expired());
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"access-key.json\"")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    browser.answer((StatusCode::OK, headers, file.text).into_response())
}

async fn entrance(app: &App, facts: &Facts, form: &Params) -> Result<Option<Entrance>, sqlx::Error> {
    let Some(Ok(org)) = form.get("org").map(str::parse::<OrgId>) else { return Ok(None) };
    memberships::entrance(&mut app.db.read().await?, &facts.user, &org).await
}

/// What stands before making a key; `None` for whoever may enter the organisation at this moment, and has just proved who
/// they are.
async fn way_in(app: &App, browser: &Browser, facts: &Facts, entrance: &Entrance) -> Option<Response> {
    let admitted = browser.address.parse().is_ok_and(|address| entrance.settings.admits(address));
    if !admitted {
        let text = format!("{} doesn't let you in from this network address. Use its own network.", entrance.name);
        let told = Told::fault(StatusCode::FORBIDDEN, text);
        return Some(show(app, browser, facts, told, &Params::default()).await);
    }
    if let Some(response) = factor::fresh(app, browser, facts, PAGE).await {
        return Some(response);
    }
    match console_entry::enter(app, facts, entrance).await {
        Ok(Way::In) => None,
        Ok(Way::SignIn) => Some(led(app, browser, &format!("/o/{}/login?", entrance.slug))),
        Ok(Way::Factor) => Some(led(app, browser, &format!("/login/mfa?org={}&", entrance.slug))),
        Err(fault) => Some(browser.answer(error::of_fault(fault.into()))),
    }
}

/// To where the organisation asks for more, and back to this page from there.
fn led(app: &App, browser: &Browser, to: &str) -> Response {
    let back = sealed::seal_back(app, browser, PAGE).map(|back| format!("back={back}")).unwrap_or_default();
    browser.answer(reply::see_other(&format!("{to}{back}")))
}

async fn make(
    app: &App,
    browser: &Browser,
    facts: &Facts,
    (form, origin): (&Params, &Origin),
    entrance: &Entrance,
) -> Response {
    let days =
        form.get("days").and_then(|days| days.trim().parse::<i64>().ok()).filter(|days| (1..=365).contains(days));
    let Some(days) = days else {
        let told = Told::fault(StatusCode::BAD_REQUEST, "A key lives for 1 to 365 days.");
        return show(app, browser, facts, told, form).await;
    };
    let Some(Ok(project)) = form.get("project").map(str::parse::<ProjectId>) else {
        let told = Told::fault(StatusCode::BAD_REQUEST, "Choose a project.");
        return show(app, browser, facts, told, form).await;
    };
    let name = form.get("name").unwrap_or_default().to_owned();
    let expires_at = app.now().plus(days * DAY);
    let (key, secret) = access_key::mint(app, entrance.member.clone(), project, name, expires_at);
    let id = key.id.clone();
    let create = Change::CreateAccessKey { org: entrance.org.clone(), key: Box::new(key) };
    if let Err(refusal) = send(app, facts, origin, create).await {
        return refused(app, browser, facts, (refusal, form)).await;
    }
    let found = match found(app, &entrance.org, &id).await {
        Ok(Some(found)) => found,
        Ok(None) => return browser.answer(error::not_found().await),
        Err(fault) => return browser.answer(error::of_fault(fault.into())),
    };
    let text = serde_json::json!({
        "client_id": found.id,
        "client_secret": secret.expose(),
        "token_endpoint": app.url("/token"),
        "project": found.project_key,
        "name": found.name,
    });
    let file = serde_json::to_string(&File { made: app.now(), text: format!("{text:#}\n") }).unwrap_or_default();
    let view = KeyMadePage {
        csrf: browser.csrf(),
        name: found.name,
        project: found.project_key,
        id: found.id.into_string(),
        secret: secret.expose().to_owned(),
        expires: date(found.expires_at),
        file: browser.seal(PURPOSE, &file),
    };
    browser.answer(private(page(StatusCode::OK, &view)))
}

async fn change(
    app: &App,
    browser: &Browser,
    facts: &Facts,
    (form, origin): (&Params, &Origin),
    entrance: &Entrance,
) -> Response {
    let Some(Ok(id)) = form.get("key").map(str::parse::<AccessKeyId>) else {
        return browser.answer(error::not_found().await);
    };
    let key = match found(app, &entrance.org, &id).await {
        // Somebody else's is not there.
        Ok(Some(key)) if key.user == facts.user => key,
        Ok(_) => return browser.answer(error::not_found().await),
        Err(fault) => return browser.answer(error::of_fault(fault.into())),
    };
    let org = entrance.org.clone();
    let (change, done) = match form.get("act") {
        Some("remove") => (Change::RemoveAccessKey { org, key: id }, "removed"),
        Some("enable") => (Change::SetAccessKey { org, key: id, name: key.name, active: true }, "enabled"),
        Some(_) | None => (Change::SetAccessKey { org, key: id, name: key.name, active: false }, "disabled"),
    };
    match send(app, facts, origin, change).await {
        Ok(()) => browser.answer(reply::see_other(&format!("{PAGE}?done={done}"))),
        Err(refusal) => refused(app, browser, facts, (refusal, form)).await,
    }
}

async fn send(app: &App, facts: &Facts, origin: &Origin, change: Change) -> Result<(), Refusal> {
    let actor = Actor::User(facts.user.clone());
    change_access_from(app, &actor, origin, vec![change], Mode::Act).await.map(|_| ())
}

async fn found(app: &App, org: &OrgId, id: &AccessKeyId) -> Result<Option<AccessKey>, sqlx::Error> {
    access_keys::find(&mut app.db.read().await?, org, id).await
}

async fn refused(app: &App, browser: &Browser, facts: &Facts, (refusal, form): (Refusal, &Params)) -> Response {
    let told = match refusal {
        Refusal::Store(fault) => return browser.answer(error::of_fault(fault.into())),
        Refusal::NotFound(_) => return browser.answer(error::not_found().await),
        Refusal::Denied { .. } => {
            let text = "Only an administrator of this organisation makes keys. Ask one.";
            Told::fault(StatusCode::FORBIDDEN, text)
        }
        other => Told::fault(StatusCode::CONFLICT, sentence(&other)),
    };
    show(app, browser, facts, told, form).await
}

async fn show(app: &App, browser: &Browser, facts: &Facts, told: Told, form: &Params) -> Response {
    shown(browser, told.status, view(app, browser, facts, told, form).await.map(Some))
}

async fn view(app: &App, browser: &Browser, facts: &Facts, told: Told, form: &Params) -> Result<KeysPage, Fault> {
    let mut conn = app.db.read().await?;
    let mut organisations = Vec::new();
    for entrance in memberships::entrances(&mut conn, &facts.user).await? {
        organisations.push(keys_in(app, &mut conn, facts, entrance, form).await?);
    }
    Ok(KeysPage { csrf: browser.csrf(), organisations, done: told.done, error: told.fault })
}

/// The keys in an organisation; what was typed for it stays typed.
async fn keys_in(
    app: &App,
    conn: &mut Conn,
    facts: &Facts,
    entrance: Entrance,
    form: &Params,
) -> Result<KeysIn, sqlx::Error> {
    let keys = access_keys::of_member(conn, &entrance.org, &entrance.member).await?;
    let mut projects = Vec::new();
    let (by_admins, restricted) = (entrance.settings.keys_by_admins_only, entrance.restricted_to.is_some());
    let may = !by_admins && !restricted;
    let held = my_access::projects_for_keys(app, conn, &facts.user, &entrance).await?;
    let open = form.get("act") == Some("make") && form.get("org") == Some(entrance.org.as_str());
    let typed = |name: &str| form.get(name).filter(|_| open).unwrap_or_default();
    for project in held.into_iter().filter(|_| may) {
        let used = keys.iter().filter(|key| key.project == project.id && key.state != "ended").count();
        let (id, label) = (project.id.into_string(), format!("{}: {used} of {MOST} keys used", project.key));
        projects.push(ProjectChoice { chosen: typed("project") == id, id, label });
    }
    let days = typed("days").to_owned();
    Ok(KeysIn {
        why_none: if by_admins {
            "Only administrators make keys here. Ask one."
        } else if restricted {
            "Your account is for some applications only, and makes no keys."
        } else {
            "You hold no role on a project here, so there is nothing that a key could open."
        },
        typed_name: typed("name").to_owned(),
        typed_days: if days.is_empty() { USUAL_DAYS.to_owned() } else { days },
        open,
        projects,
        keys: keys.into_iter().map(|key| line(key, app.now())).collect(),
        org: entrance.org.into_string(),
        name: entrance.name,
        slug: entrance.slug,
    })
}

fn line(key: AccessKey, now: UnixMillis) -> KeyLine {
    let over = key.expires_at <= now;
    KeyLine {
        state: match key.state.as_str() {
            "ended" => "Ended",
            "disabled" => "Disabled",
            _ if over => "Expired",
            _ => "",
        },
        may_disable: key.state == "active" && !over,
        may_enable: key.state == "disabled" && !over,
        id: key.id.into_string(),
        name: key.name,
        project: key.project_key,
        last_used: key.last_used_at.map(date).unwrap_or_default(),
        expires: date(key.expires_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::id::{MembershipId, UserId};

    fn key(state: &str, expires_at: i64) -> AccessKey {
        AccessKey {
            id: AccessKeyId::from_u128(1),
            project: ProjectId::from_u128(1),
            project_key: "web".to_owned(),
            member: MembershipId::from_u128(1),
            user: UserId::from_u128(1),
            user_name: "ana".to_owned(),
            service: false,
            name: "laptop".to_owned(),
            state: state.to_owned(),
            expires_at: UnixMillis(expires_at),
            last_used_at: None,
            created_by: String::new(),
            created_at: UnixMillis(0),
            end_reason: None,
        }
    }

    #[test]
    fn what_can_be_done_with_a_key_follows_from_its_state() {
        let seen = |state, expires_at| {
            let line = line(key(state, expires_at), UnixMillis(10));
            (line.state, line.may_disable, line.may_enable)
        };
        assert_eq!(seen("active", 11), ("", true, false));
        assert_eq!(seen("active", 10), ("Expired", false, false));
        assert_eq!(seen("disabled", 11), ("Disabled", false, true));
        assert_eq!(seen("ended", 11), ("Ended", false, false));
    }
}
