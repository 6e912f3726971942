//! `/o/{slug}/admin/identity-providers/{connection}/sign-in`: the whole set-up of a connection's sign-in, secrets
//! aside.
//!
//! As by the API, an issuer that is new is read before it is kept, and only after the door has said that it would take
//! the rest. What ends something, or closes what people use, is asked about first; what was typed goes along sealed.

use axum::http::StatusCode;
use axum::response::Response;

use super::place::{self, Part, Place};
use super::review::{self, Deed, Done};
use super::settings_form::{self, field};
use crate::domain::federation::settings::Core;
use crate::domain::federation::{ClientAuth, Preset, SignInSettings};
use crate::flows::change_access::Refusal;
use crate::flows::federation::set_up::{SetUp, read_issuer};
use crate::kernel::time::HOUR;
use crate::store::db::Result;
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::groups::place::{go, shown};
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_providers::{Posted, Seeing, sets_up};
use crate::web::pages::error;
use crate::web::pages::view::admin::Errors;
use crate::web::pages::view::identity_providers::ProviderSettingsPage;

/// What a set-up is sealed for while it is asked about, with the connection's id: a secret may be among it.
const PURPOSE: &str = "console.sign-in";
/// How long it can be answered, in milliseconds.
const LIFE: i64 = HOUR;

/// What the page says besides.
#[derive(Default)]
struct Words {
    errors: Errors,
    alert: String,
    /// What stands in the fields instead of the saved set-up.
    form: Option<Form>,
}

impl Words {
    fn wrong(errors: Errors, form: Form) -> Self {
        Self { errors, form: Some(form), alert: String::new() }
    }
}

/// The tab "Sign-in".
pub async fn get(Seeing(desk): Seeing) -> Response {
    show(&desk, StatusCode::OK, Words::default()).await
}

/// Sets the sign-in up, or fills in what is usual for a kind of provider.
pub async fn post(Posted { desk, form }: Posted) -> Response {
    let place = match place::here(&desk).await {
        Ok(place) => place,
        Err(page) => return page,
    };
    if form.sent("act") == "begin" {
        return begin(&desk, form).await;
    }
    let is_answer = review::is_answer(&form);
    let Some(form) = (if is_answer { kept(&desk, &place, &form) } else { Some(form) }) else {
        return desk.answer(error::expired());
    };
    let settings = match settings_form::read(&form) {
        Ok(settings) => settings,
        Err(errors) => return show(&desk, StatusCode::BAD_REQUEST, Words::wrong(errors, form)).await,
    };
    let secrets = match settings_form::secrets(&form, &settings) {
        Ok(secrets) => secrets,
        Err(errors) => return show(&desk, StatusCode::BAD_REQUEST, Words::wrong(errors, form)).await,
    };
    let is_another = is_another(&place, &settings);
    let (org, connection) = (desk.org.clone(), place.connection.id.clone());
    let set_up = SetUp::of(&desk.app, (org, connection), settings, secrets);
    let deed = deed(&desk, &place, (&set_up, is_another), &form);
    if let Err(page) = readable(&desk, &place, (&set_up, &deed), &form).await {
        return *page;
    }
    match review::go(&desk, &deed, is_answer).await {
        Done::Acted if is_another => go(&desk, &format!("{}?done=set-up", place.path(""))),
        Done::Acted => go(&desk, &place.path("sign-in?done=saved")),
        Done::Asked(page) => *page,
        Done::Refused(why) => refused(&desk, why, form).await,
    }
}

/// For what the fields of a connection's form are sealed: those of one are no answer about another.
fn purpose(place: &Place) -> String {
    format!("{PURPOSE} {}", place.connection.id)
}

/// The fields of an answered review, as they were typed.
fn kept(desk: &Desk, place: &Place, form: &Form) -> Option<Form> {
    let typed: String = desk.open(&purpose(place), form.sent("kept"), LIFE)?;
    Form::parse(typed.as_bytes()).ok()
}

/// Fills in what is usual for the kind of provider that was chosen. Nothing is saved.
async fn begin(desk: &Desk, form: Form) -> Response {
    match settings_form::begun(&form) {
        Ok(usual) => {
            let words = Words { form: Some(settings_form::of(&usual)), ..Words::default() };
            show(desk, StatusCode::OK, words).await
        }
        Err(errors) => show(desk, StatusCode::BAD_REQUEST, Words::wrong(errors, form)).await,
    }
}

/// Whether it says anew who the provider is: then it wants a test of its own.
fn is_another(place: &Place, settings: &SignInSettings) -> bool {
    place.sign_in.as_ref().is_none_or(|before| before.settings.core != settings.core)
}

fn deed(desk: &Desk, place: &Place, (set_up, is_another): (&SetUp, bool), form: &Form) -> Deed {
    let before = place.sign_in.as_ref();
    let closes = is_another && before.is_some_and(|before| before.stage.is_open());
    let mut lines = vec![format!("Sign-in through {} is set up anew.", place.connection.name)];
    if closes {
        lines.push(
            "It says anew who the provider is: nobody can use it until somebody came through in a test.".to_owned(),
        );
    }
    let mut typed = form_urlencoded::Serializer::new(String::new());
    typed.extend_pairs(form.pairs().filter(|(name, _)| !["csrf", "act"].contains(name)));
    Deed {
        name: place.connection.name.clone(),
        title: format!("Set {} up anew", place.connection.name),
        lines,
        button: "Set it up anew",
        always_ask: closes,
        shows_break_glass: false,
        pages: (place.path("sign-in"), place.path("sign-in")),
        fields: vec![("kept".to_owned(), desk.seal(&purpose(place), typed.finish()))],
        taken: Vec::new(),
        seen: Some((Part::SignIn, form.sent("seen").to_owned())),
        changes: vec![set_up.change(before)],
    }
}

/// Reads an issuer that is new, once the door would take the rest. What the door refuses, it refuses and records when
/// it is asked in earnest.
async fn readable(
    desk: &Desk,
    place: &Place,
    (set_up, deed): (&SetUp, &Deed),
    form: &Form,
) -> std::result::Result<(), Box<Response>> {
    let known = place.sign_in.as_ref().is_some_and(|before| before.settings.core.issuer == set_up.issuer());
    if known || review::rehearse(desk, deed).await.is_err() {
        return Ok(());
    }
    match read_issuer(&desk.app, set_up.issuer()).await {
        Ok(()) => Ok(()),
        Err(reason) => {
            let words = Words::wrong(Errors::one("issuer", reason), form.clone());
            Err(Box::new(show(desk, StatusCode::BAD_REQUEST, words).await))
        }
    }
}

async fn refused(desk: &Desk, why: Refusal, form: Form) -> Response {
    // What somebody else has set up meanwhile is shown as it stands.
    if matches!(why, Refusal::Stale | Refusal::Denied { .. }) {
        return match place::alert(why) {
            Ok((status, alert)) => show(desk, status, Words { alert, ..Words::default() }).await,
            Err(page) => desk.answer(*page),
        };
    }
    match place::refused(why, "preset", field) {
        Ok(said) => show(desk, said.status, Words::wrong(said.errors, form)).await,
        Err(page) => desk.answer(*page),
    }
}

async fn show(desk: &Desk, status: StatusCode, words: Words) -> Response {
    shown(desk, status, read(desk, words).await).await
}

async fn read(desk: &Desk, words: Words) -> Result<Option<ProviderSettingsPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await?.filter(Place::stands) else {
        return Ok(None);
    };
    let may_change = sets_up(desk);
    let mut head = place.head(desk, "sign-in", words.alert);
    if words.errors.any() {
        head.notice = String::new();
    }
    let saved = place.sign_in.as_ref().map(|sign_in| settings_form::of(&sign_in.settings));
    let is_set_up = saved.is_some();
    let form = words.form.or(saved).unwrap_or_else(|| settings_form::of(&usual(desk.asked("preset"))));
    let preset = form.sent("preset").parse::<Preset>().unwrap_or(Preset::Generic);
    let has_secret = place.sign_in.as_ref().is_some_and(|sign_in| sign_in.has_secret);
    Ok(Some(ProviderSettingsPage {
        shell: Place::shell(desk),
        head,
        errors: words.errors,
        seen: place.tag(Part::SignIn),
        may_change,
        guide: preset.guide(),
        console: preset.console(),
        addresses: place.addresses(desk),
        parts: if may_change { settings_form::parts(&form, has_secret) } else { Vec::new() },
        facts: if is_set_up { settings_form::facts(&form, has_secret) } else { Vec::new() },
    }))
}

/// What stands in the fields before anything is set up.
fn usual(preset: Option<&str>) -> SignInSettings {
    let preset = preset.and_then(|word| word.parse::<Preset>().ok()).unwrap_or(Preset::Generic);
    let issuer = match preset {
        Preset::Google => preset.issuer_hint().to_owned(),
        Preset::Okta | Preset::Entra | Preset::Keycloak | Preset::Generic => String::new(),
    };
    SignInSettings::begun_from(preset, Core { issuer, client_id: String::new(), client_auth: ClientAuth::SecretBasic })
}
