//! `/me/profile`: somebody who is signed in changes their names, asks for another e-mail address, or sets their phone
//! number.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::invite::sentence;
use super::me::{Posted, enter};
use super::view::account::{LanguageChoice, ProfilePage};
use super::{error, my, page};
use crate::app::App;
use crate::domain::change::{Mode, Origin, Receipt};
use crate::domain::language::Language;
use crate::domain::oauth::params::Params;
use crate::flows::Fault;
use crate::flows::change_access::Refusal;
use crate::flows::own_account::{self, Names, NotChanged};
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::store::users;
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;

/// What was done, by its word in the address.
const DONE: [(&str, &str); 3] = [
    ("profile", "Your profile was saved."),
    ("email", "We sent a link to the new address. It becomes yours when you open the link and confirm."),
    ("phone", "Your phone number was saved."),
];

/// What the page says besides what is kept: what was typed, what was done, what is to be mended.
#[derive(Default)]
struct Told {
    status: StatusCode,
    typed: Params,
    done: Option<String>,
    fault: Option<String>,
    /// When to come back.
    seconds: Option<i64>,
}

/// `GET /me/profile`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let done = DONE.iter().find(|(word, _)| params.get("done") == Some(*word)).map(|(_, text)| (*text).to_owned());
    show(&app, &browser, &facts.user, Told { done, ..Told::default() }).await
}

/// `POST /me/profile`.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let Some((done, _)) = DONE.iter().find(|(word, _)| form.get("act") == Some(*word)) else {
        return browser.answer(error::not_found().await);
    };
    // The address and the number are ways into the account.
    if *done != "profile"
        && let Some(response) = my::stronger(&app, &browser, &facts, "/me/profile").await
    {
        return response;
    }
    let Err(fault) = save(&app, &browser, &facts.user, &form, &origin).await else {
        return browser.answer(reply::see_other(&format!("/me/profile?done={done}")));
    };
    let (status, seconds, text) = match fault {
        NotChanged::Fault(fault) => return browser.answer(error::of_fault(fault)),
        NotChanged::Locked(reason) => (StatusCode::FORBIDDEN, None, reason),
        NotChanged::WrongPassword => {
            let text = "That isn't your password. Check it and try again.";
            (StatusCode::BAD_REQUEST, None, text.to_owned())
        }
        NotChanged::Paused { seconds } => {
            let text = "Too many links were sent already. Look into your mail, or try again in an hour.";
            (StatusCode::TOO_MANY_REQUESTS, Some(seconds), text.to_owned())
        }
        NotChanged::Refused(Refusal::Stale | Refusal::Denied { .. }) => {
            let text = "Somebody changed your account meanwhile. Look at it, and save again.";
            (StatusCode::CONFLICT, None, text.to_owned())
        }
        NotChanged::Refused(Refusal::Conflict(_)) => {
            (StatusCode::CONFLICT, None, "Somebody else here has this already.".to_owned())
        }
        NotChanged::Refused(Refusal::Limit(text)) => (StatusCode::TOO_MANY_REQUESTS, None, text),
        NotChanged::Refused(refusal) => (StatusCode::BAD_REQUEST, None, sentence(&refusal)),
        NotChanged::Dead(_) => return browser.answer(error::dead_link()),
    };
    show(&app, &browser, &facts.user, Told { status, typed: form, fault: Some(text), seconds, done: None }).await
}

async fn save(
    app: &App,
    browser: &Browser,
    user: &UserId,
    form: &Params,
    origin: &Origin,
) -> Result<Receipt, NotChanged> {
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let password = Secret::presented(form.sent("password").unwrap_or_default());
    let shown = (&password, browser.device_cookie());
    match form.get("act") {
        Some("email") => own_account::ask_for_email(app, user, &text("email"), shown, origin, Mode::Act).await,
        Some("phone") => own_account::set_phone(app, user, &text("phone"), shown, origin, Mode::Act).await,
        Some(_) | None => {
            let names = Names {
                name: text("name"),
                given_name: text("given_name"),
                family_name: text("family_name"),
                locale: text("locale"),
                zoneinfo: text("zoneinfo"),
            };
            own_account::set_names(app, user, names, origin, Mode::Act).await
        }
    }
}

async fn show(app: &App, browser: &Browser, user: &UserId, told: Told) -> Response {
    let (status, seconds) = (told.status, told.seconds);
    let mut response = match view(app, browser, user, told).await {
        Ok(Some(view)) => page(status, &view),
        Ok(None) => reply::see_other("/login"),
        Err(fault) => error::of_fault(fault),
    };
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    browser.answer(response)
}

async fn view(app: &App, browser: &Browser, user: &UserId, told: Told) -> Result<Option<ProfilePage>, Fault> {
    let mut conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, user).await? else { return Ok(None) };
    let locks = own_account::locks(&mut conn, &user).await?;
    let profile = user.profile;
    let typed = |name: &str| told.typed.get(name).unwrap_or_default().to_owned();
    // What was typed stays in the form that was sent; the others show what is kept.
    let names = told.typed.get("act") == Some("profile");
    let kept = |name: &str, kept: Option<&String>| {
        if names { typed(name) } else { kept.cloned().unwrap_or_default() }
    };
    Ok(Some(ProfilePage {
        csrf: browser.csrf(),
        user_name: user.user_name,
        name: kept("name", profile.name.as_ref()),
        given_name: kept("given_name", profile.given_name.as_ref()),
        family_name: kept("family_name", profile.family_name.as_ref()),
        zoneinfo: kept("zoneinfo", profile.zoneinfo.as_ref()),
        languages: languages(&kept("locale", profile.locale.as_ref())),
        email: profile.email.unwrap_or_default(),
        phone: profile.phone_number.unwrap_or_default(),
        typed_email: typed("email"),
        typed_phone: typed("phone"),
        profile_locked: locks.profile,
        email_locked: locks.email,
        phone_locked: locks.phone,
        error: told.fault,
        done: told.done,
    }))
}

/// The languages that Muster writes, none, and the one that is set.
fn languages(set: &str) -> Vec<LanguageChoice> {
    let mut choices = vec![(String::new(), "No preference".to_owned())];
    let known = |language: Language| match language {
        Language::En => "English",
        Language::Ko => "한국어",
    };
    choices.extend(Language::ALL.map(|language| (language.as_str().to_owned(), known(language).to_owned())));
    if !choices.iter().any(|(tag, _)| tag == set) {
        choices.push((set.to_owned(), set.to_owned()));
    }
    choices.into_iter().map(|(tag, label)| LanguageChoice { chosen: tag == set, tag, label }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_is_set_stays_to_be_chosen() {
        let chosen = |set: &str| -> Vec<(String, bool)> {
            languages(set).into_iter().map(|choice| (choice.tag, choice.chosen)).collect()
        };
        assert_eq!(chosen("ko"), [(String::new(), false), ("en".to_owned(), false), ("ko".to_owned(), true)]);
        assert_eq!(chosen("").first(), Some(&(String::new(), true)));
        assert_eq!(chosen("de-DE").last(), Some(&("de-DE".to_owned(), true)));
    }
}
