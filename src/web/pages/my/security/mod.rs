//! `/me/security`: the password, the passkeys, the other factors and the recovery codes of somebody who is signed in.
//!
//! Every change asks for a proof at most ten minutes old, of the strongest kind that the person has, or for a recovery code,
//! which stands in for what was lost; whoever lacks it is led through [`factor::may_keep`] and comes back to the page.

pub mod codes;
pub mod passkey;
pub mod totp;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{Told, asked, shown};
use crate::app::App;
use crate::domain::change::{Mode, Origin};
use crate::domain::oauth::params::Params;
use crate::domain::people::assurance::Method;
use crate::domain::people::factor::{FactorKind, Which};
use crate::flows::factors::{self, Enrolled, NotDone, Who};
use crate::flows::{Fault, own_account};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::factors::Stored;
use crate::store::users;
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;
use crate::web::pages::invite::sentence;
use crate::web::pages::me::{Posted, date, enter};
use crate::web::pages::view::my_security::{AskPage, FactorCard, PasskeyRow, SecurityPage};
use crate::web::pages::{error, factor, page};

const PAGE: &str = "/me/security";

/// What was done, by its word in the address.
const DONE: [(&str, &str); 6] = [
    ("totp", "Your authenticator app is set up. From now on we ask for its code."),
    ("moved", "Your authenticator app is set up anew. The codes of the one before don't work any more."),
    ("passkey", "The passkey is yours. From now on you can sign in with it."),
    ("on", "It's switched on. From now on we ask for a code."),
    ("removed", "It's removed. We told you by mail, too."),
    ("renamed", "The passkey has its new name."),
];

/// `GET /me/security`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    show(&app, &browser, &facts, Told::done(query.as_deref(), &DONE)).await
}

/// `POST /me/security`: switches a factor on, removes one, renames a passkey, or makes recovery codes anew.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    match form.get("act") {
        Some("switch_on") => switch_on(&app, &browser, &facts, (&form, &origin)).await,
        Some("remove") => remove(&app, &browser, &facts, (&form, &origin)).await,
        Some("rename") => rename(&app, &browser, &facts, (&form, &origin)).await,
        Some("codes") => codes::renew(&app, &browser, &facts, &origin).await,
        Some(_) | None => browser.answer(error::not_found().await),
    }
}

/// `GET /me/security/remove`: the question before a factor is removed.
pub async fn ask(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let which = asked(query.as_deref(), "which").unwrap_or_default();
    if which_of(&which).is_none() {
        return browser.answer(error::not_found().await);
    }
    if let Some(response) = factor::may_keep(&app, &browser, &facts, &format!("{PAGE}/remove?which={which}")).await {
        return response;
    }
    let view = AskPage {
        csrf: browser.csrf(),
        title: "Remove it?".to_owned(),
        text: "It confirms no sign-in of yours any more. We tell you by mail that it was removed. With your last one, \
               your recovery codes go too."
            .to_owned(),
        act: "remove",
        which,
        button: "Remove",
    };
    browser.answer(page(StatusCode::OK, &view))
}

async fn switch_on(app: &App, browser: &Browser, facts: &Facts, (form, origin): (&Params, &Origin)) -> Response {
    let kind = match form.get("which").and_then(which_of) {
        Some(Which::Email) => FactorKind::Email,
        Some(Which::Sms) => FactorKind::Sms,
        Some(Which::Totp | Which::Passkey(_)) | None => return browser.answer(error::not_found().await),
    };
    match factors::codes::switch_on(app, Who::SignedIn(facts), kind, origin).await {
        Ok(enrolled) => browser.answer(after(app, browser, enrolled, "on")),
        Err(why) => again(app, browser, facts, why, "").await,
    }
}

async fn remove(app: &App, browser: &Browser, facts: &Facts, (form, origin): (&Params, &Origin)) -> Response {
    let Some(which) = form.get("which").and_then(which_of) else {
        return browser.answer(error::not_found().await);
    };
    match factors::remove(app, facts, &which, origin, Mode::Act).await {
        Ok(_) => browser.answer(reply::see_other(&format!("{PAGE}?done=removed"))),
        Err(why) => again(app, browser, facts, why, "").await,
    }
}

async fn rename(app: &App, browser: &Browser, facts: &Facts, (form, origin): (&Params, &Origin)) -> Response {
    let Some(Which::Passkey(id)) = form.get("which").and_then(which_of) else {
        return browser.answer(error::not_found().await);
    };
    match factors::passkey::rename(app, facts, &id, form.get("name").unwrap_or_default(), origin).await {
        Ok(_) => browser.answer(reply::see_other(&format!("{PAGE}?done=renamed"))),
        Err(why) => again(app, browser, facts, why, "").await,
    }
}

/// The factor that a form names.
fn which_of(text: &str) -> Option<Which> {
    match text {
        "totp" => Some(Which::Totp),
        "email" => Some(Which::Email),
        "sms" => Some(Which::Sms),
        other => other.parse().ok().map(Which::Passkey),
    }
}

/// What follows on a factor that was added: the recovery codes, where some came with it; else the list.
fn after(app: &App, browser: &Browser, enrolled: Enrolled, done: &'static str) -> Response {
    if enrolled.codes.is_empty() {
        return reply::see_other(&format!("{PAGE}?done={done}"));
    }
    let said = DONE.iter().find(|(word, _)| *word == done).map_or("", |(_, text)| *text);
    codes::shown_once(app, browser, enrolled.codes, said)
}

/// Takes into the session what the person has just shown, under a new cookie.
async fn take_over(app: &App, browser: &mut Browser, facts: Facts, method: Method) -> Result<(), Response> {
    let mut facts = Facts { last_used_at: None, ..facts };
    if !facts.show(method, app.now()) {
        return Ok(());
    }
    browser.sign_in(facts).await.map_err(|error| {
        tracing::error!(%error, "a session can't be renewed");
        error::unavailable()
    })
}

/// Why something was not done, for the page; or what stands in the page's place. `wrong` is what is said of a code that is
/// none, `back` where a proof leads.
async fn told(
    app: &App,
    browser: &Browser,
    facts: &Facts,
    why: NotDone,
    (wrong, back): (&str, &str),
) -> Result<Told, Response> {
    match why {
        NotDone::Proof(_) => match factor::may_keep(app, browser, facts, back).await {
            Some(response) => Err(response),
            None => Ok(Told::fault(StatusCode::CONFLICT, "Your proof was renewed meanwhile. Try again.")),
        },
        NotDone::Wrong => Ok(Told::fault(StatusCode::BAD_REQUEST, wrong)),
        NotDone::Gone => {
            let text = "This took too long, or was begun in another browser. Begin again.";
            Ok(Told::fault(StatusCode::BAD_REQUEST, text))
        }
        NotDone::NotHere(reason) => Ok(Told::fault(StatusCode::CONFLICT, reason)),
        NotDone::Limit { seconds } => Err(browser.answer(error::too_many(seconds))),
        NotDone::Refused(refusal) => Ok(Told::fault(StatusCode::CONFLICT, sentence(&refusal))),
        NotDone::Fault(fault) => Err(browser.answer(error::of_fault(fault))),
    }
}

/// The list again, with why something was not done.
async fn again(app: &App, browser: &Browser, facts: &Facts, why: NotDone, wrong: &str) -> Response {
    match told(app, browser, facts, why, (wrong, PAGE)).await {
        Ok(told) => show(app, browser, facts, told).await,
        Err(response) => response,
    }
}

async fn show(app: &App, browser: &Browser, facts: &Facts, told: Told) -> Response {
    let status = told.status;
    shown(browser, status, view(app, browser, facts, told).await)
}

async fn view(app: &App, browser: &Browser, facts: &Facts, told: Told) -> Result<Option<SecurityPage>, Fault> {
    let mut conn: Conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, &facts.user).await? else { return Ok(None) };
    let password_locked = own_account::locks(&mut conn, &user).await?.password;
    let standing = factors::standing(app, &mut conn, &user.id).await?;
    let passkeys = standing.passkeys.into_iter().map(|key| PasskeyRow {
        id: key.id.into_string(),
        name: key.name,
        since: date(key.created_at),
        last_used: key.last_used_at.map(date).unwrap_or_default(),
    });
    Ok(Some(SecurityPage {
        csrf: browser.csrf(),
        password_locked,
        locked: standing.locked,
        factors: vec![
            app_card(standing.totp),
            sent_card(("email", "Codes by e-mail"), standing.email, standing.may_email),
            sent_card(("sms", "Codes by text message"), standing.sms, standing.may_sms),
        ],
        passkeys: passkeys.collect(),
        passkey_barred: standing.may_passkey.err(),
        any: standing.held.any(),
        codes_left: standing.recovery_left,
        codes_made: standing.recovery_made.map(date).unwrap_or_default(),
        done: told.done,
        error: told.fault,
    }))
}

fn card(which: &'static str, title: &'static str, text: String, stored: Option<Stored>) -> FactorCard {
    let used = stored.as_ref().and_then(|stored| stored.last_used_at);
    FactorCard {
        which,
        title,
        text,
        since: stored.map(|stored| date(stored.created_at)).unwrap_or_default(),
        last_used: used.map(date).unwrap_or_default(),
        barred: None,
    }
}

fn app_card(stored: Option<Stored>) -> FactorCard {
    let text = "Codes that an app on your phone shows, another every thirty seconds.".to_owned();
    card("totp", "Authenticator app", text, stored)
}

/// Codes that are sent; `may` is where they go, or why they can't.
fn sent_card(
    (which, title): (&'static str, &'static str),
    stored: Option<Stored>,
    may: Result<String, String>,
) -> FactorCard {
    const BOTH: &str = "It needs both your e-mail address and your phone number.";
    let (text, barred) = match may {
        Ok(to) => (format!("A code that we send to {to}. {BOTH}"), None),
        Err(reason) => (format!("A code that we send. {BOTH}"), Some(reason)),
    };
    FactorCard { barred, ..card(which, title, text, stored) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::id::PasskeyId;

    #[test]
    fn a_form_names_a_factor_or_a_passkey_and_nothing_else() {
        let passkey = PasskeyId::from_u128(1);
        assert_eq!(which_of(passkey.as_str()), Some(Which::Passkey(passkey.clone())));
        for (text, which) in [("totp", Which::Totp), ("email", Which::Email), ("sms", Which::Sms)] {
            assert_eq!(which_of(text), Some(which));
        }
        assert!(which_of("password").is_none() && which_of("").is_none());
    }
}
