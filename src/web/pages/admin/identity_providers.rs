//! `/o/{slug}/admin/identity-providers`: an organisation's connections, how each fares, and connecting one more.

pub mod log;
pub mod mapping;
mod mapping_form;
pub mod overview;
mod place;
mod review;
pub mod settings;
mod settings_form;
pub mod tester;

use axum::http::StatusCode;
use axum::response::Response;

use self::place::{Place, is_there};
use super::form::Form;
use super::groups::place::{ask, go};
use super::moments::moment;
use super::shell::Desk;
use super::shell::of_providers::{Posted, Seeing, sets_up};
use crate::domain::change::{Change, Mode};
use crate::domain::connection::{ConnectionSettings, Guard, NewConnection, ScimProfile};
use crate::domain::federation::Preset;
use crate::kernel::id::ConnectionId;
use crate::kernel::time::UnixMillis;
use crate::store::connections;
use crate::store::db::Result;
use crate::web::pages::view::admin::{Choice, Errors, Here};
use crate::web::pages::view::identity_providers::{ProviderRow, ProvidersPage, Trouble};

/// The list.
pub async fn get(Seeing(desk): Seeing) -> Response {
    show(&desk, StatusCode::OK, Errors::default(), &Form::default()).await
}

/// Makes a connection: a name, and where its administrators change things. Its sign-in is set up on the page that
/// follows, from the kind of provider that was chosen.
pub async fn create(Posted { desk, form }: Posted) -> Response {
    let Ok(preset) = form.sent("preset").parse::<Preset>() else {
        let errors = Errors::one("preset", "Choose the kind of provider.");
        return show(&desk, StatusCode::BAD_REQUEST, errors, &form).await;
    };
    let id = ConnectionId::fresh();
    let new = NewConnection {
        id: id.clone(),
        org: desk.org.clone(),
        name: form.text("name").to_owned(),
        profile: ScimProfile::default(),
        local_grants: false,
        settings: ConnectionSettings {
            guard: Guard::default(),
            patch_answers_body: None,
            admin_url: form.given("admin_url"),
        },
    };
    match ask(&desk, vec![Change::PutConnection(Box::new(new))], Mode::Act).await {
        Ok(_) => go(&desk, &place::path(&id, &format!("sign-in?preset={preset}&done=created"))),
        Err(why) => match place::refused(why, "name", overview::field) {
            Ok(said) => show(&desk, said.status, said.errors, &form).await,
            Err(page) => desk.answer(*page),
        },
    }
}

async fn show(desk: &Desk, status: StatusCode, errors: Errors, typed: &Form) -> Response {
    match read(desk, errors, typed).await {
        Ok(view) => desk.show(status, &view),
        Err(fault) => desk.failed(fault),
    }
}

async fn read(desk: &Desk, errors: Errors, typed: &Form) -> Result<ProvidersPage> {
    let mut conn = desk.app.db.read().await?;
    let mut rows = Vec::new();
    for connection in connections::of_org(&mut conn, &desk.org).await?.into_iter().filter(is_there) {
        rows.push(row(&Place::of(&mut conn, connection).await?));
    }
    let chosen = typed.sent("preset");
    Ok(ProvidersPage {
        shell: desk.shell(Here::IdentityProviders, &[]),
        errors,
        rows,
        may_change: sets_up(desk),
        name: typed.text("name").to_owned(),
        presets: presets(chosen),
        admin_url: typed.text("admin_url").to_owned(),
    })
}

/// The kinds of providers.
fn presets(chosen: &str) -> Vec<Choice> {
    let choice = |preset: &Preset| Choice {
        value: preset.as_str().to_owned(),
        label: preset.label().to_owned(),
        chosen: preset.as_str() == chosen,
    };
    Preset::ALL.iter().map(choice).collect()
}

fn row(place: &Place) -> ProviderRow {
    let connection = &place.connection;
    let health = place.sign_in.as_ref().map(|sign_in| &sign_in.health);
    let error = |at: Option<UnixMillis>, why: &Option<String>| at.map(|at| (at, why.clone().unwrap_or_default()));
    let of_scim = error(connection.last_error_at, &connection.last_error);
    let of_sign_in = health.and_then(|health| error(health.last_error_at, &health.last_error));
    let last = of_scim.into_iter().chain(of_sign_in).max_by_key(|(at, _)| at.0);
    ProviderRow {
        id: connection.id.to_string(),
        name: connection.name.clone(),
        kind: place.kind(),
        stage: place.stage(),
        preset: place.preset(),
        last_sign_in: health.and_then(|health| health.last_sign_in_at).map(moment),
        last_error: last.map(|(at, why)| Trouble { at: moment(at), why }),
        last_sync: connection.last_sync_at.map(moment),
    }
}
