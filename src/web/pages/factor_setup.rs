//! Where somebody makes a second factor because what they enter demands one: inside the sign-in, before there is a session,
//! or in a session that was enough so far.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::factor::{self, advanced, allowing};
use super::invite::sentence;
use super::password_change::origin;
use super::sealed::{self, Asked, AtFactor, Sealed};
use super::view::factors::{FirstCodesPage, NewPasskeyPage, SetupPage, TotpPage};
use super::{error, page, sign_in};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::oauth::params::Params;
use crate::domain::people::assurance::Method;
use crate::domain::people::factor::FactorKind;
use crate::flows::factors::totp::Begun;
use crate::flows::factors::{self, Enrolled, NotDone, PasskeyAnswer, Standing, Who};
use crate::flows::halfway::{self, After};
use crate::web::extract::browser::{Browser, device};
use crate::web::extract::caller;
use crate::web::layers::RequestId;
use crate::web::oidc::reply;

const WRONG_CODES: &str = "Those two codes aren't right. Type the one that your app shows now, and then the next one.";
const WRONG_PASSKEY: &str = "That didn't work. Try again.";

/// The page that asks which kind of factor.
pub(super) async fn show(app: &App, browser: &Browser, at: &AtFactor, wrong: Option<String>) -> Response {
    let found = match app.db.read().await {
        Ok(mut conn) => factors::standing(app, &mut conn, at.user()).await,
        Err(fault) => Err(fault),
    };
    let standing = match found {
        Ok(standing) => standing,
        Err(fault) => return error::of_fault(fault.into()),
    };
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    allowing(page(status, &view(browser, at, standing, wrong)), &at.content)
}

fn view(browser: &Browser, at: &AtFactor, standing: Standing, wrong: Option<String>) -> SetupPage {
    let counts = |kind: FactorKind| at.ask.enrol.contains(&kind);
    let (mut not_here, mut asked) = (Vec::new(), Vec::new());
    let may = [
        (FactorKind::Passkey, standing.may_passkey.map(|()| String::new())),
        (FactorKind::Email, standing.may_email),
        (FactorKind::Sms, standing.may_sms),
    ];
    for (kind, may) in may.into_iter().filter(|(kind, _)| counts(*kind)) {
        match may {
            Ok(to) => asked.push((kind, to)),
            Err(reason) if not_here.contains(&reason) => {}
            Err(reason) => not_here.push(reason),
        }
    }
    not_here.extend(standing.locked);
    let to = |wanted: FactorKind| asked.iter().find(|(kind, _)| *kind == wanted).map(|(_, to)| to.clone());
    SetupPage {
        request: sealed::seal_factor(browser, at),
        csrf: browser.csrf(),
        error: wrong,
        totp: counts(FactorKind::Totp),
        passkey: to(FactorKind::Passkey).is_some(),
        email: to(FactorKind::Email),
        sms: to(FactorKind::Sms),
        not_here,
        can_cancel: matches!(at.content, Sealed::Authorize(_)),
    }
}

/// `GET /login/mfa/setup`: the page belongs to a sign-in, which begins elsewhere.
pub async fn get() -> Response {
    reply::see_other("/login")
}

/// `POST /login/mfa/setup`.
pub async fn post(
    State(app): State<App>,
    browser: Browser,
    id: RequestId,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let Some(at) = sealed::open_factor(&app, &browser, form.get("request").unwrap_or_default()) else {
        return browser.answer(error::expired());
    };
    let act = form.get("act").unwrap_or_default();
    match act {
        "cancel" => return sign_in::cancelled(&app, &browser, &at.content),
        // What is owed is found out anew, for a factor may have been made meanwhile.
        "back" => return browser.answer(again(&app, &browser, at).await),
        _ => {}
    }
    let Some(kind) = kind_of(act).filter(|kind| at.ask.enrol.contains(kind)) else {
        return browser.answer(factor::ask(&app, &browser, &at).await);
    };
    match act {
        "totp" => browser.answer(begin_totp(&app, &browser, &at).await),
        "passkey" => browser.answer(begin_passkey(&app, &browser, &at, None).await),
        _ => made(&app, browser, at, (kind, &form), id).await,
    }
}

/// Which kind of factor an act is about.
fn kind_of(act: &str) -> Option<FactorKind> {
    match act {
        "totp" | "totp_confirm" => Some(FactorKind::Totp),
        "passkey" | "passkey_confirm" => Some(FactorKind::Passkey),
        "email" => Some(FactorKind::Email),
        "sms" => Some(FactorKind::Sms),
        _ => None,
    }
}

async fn again(app: &App, browser: &Browser, at: AtFactor) -> Response {
    match at.who {
        Asked::Halfway(half) => factor::of_halfway(app, browser, at.content, half).await,
        Asked::Session(..) => factor::ask(app, browser, &at).await,
    }
}

async fn begin_totp(app: &App, browser: &Browser, at: &AtFactor) -> Response {
    match factors::totp::begin(app, at.user(), browser.binding()).await {
        Ok(begun) => totp_page(browser, at, begun, None),
        Err(why) => not_done(app, browser, at, why).await,
    }
}

fn totp_page(browser: &Browser, at: &AtFactor, begun: Begun, wrong: Option<&str>) -> Response {
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let Begun { sealed, secret, uri, svg, .. } = begun;
    let view = TotpPage {
        request: sealed::seal_factor(browser, at),
        csrf: browser.csrf(),
        begun: sealed,
        svg,
        secret,
        uri,
        error: wrong.map(str::to_owned),
    };
    allowing(page(status, &view), &at.content)
}

async fn begin_passkey(app: &App, browser: &Browser, at: &AtFactor, wrong: Option<(&str, &str)>) -> Response {
    match factors::passkey::begin(app, at.user(), browser.binding()).await {
        Ok(challenge) => {
            let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            let name = wrong.map_or_else(|| device(&browser.user_agent), |(name, _)| name.to_owned());
            let view = NewPasskeyPage {
                request: sealed::seal_factor(browser, at),
                csrf: browser.csrf(),
                challenge: challenge.id.into_string(),
                options: challenge.options,
                name,
                error: wrong.map(|(_, text)| text.to_owned()),
            };
            allowing(page(status, &view), &at.content)
        }
        Err(why) => not_done(app, browser, at, why).await,
    }
}

/// Makes the factor, and goes on.
async fn made(
    app: &App,
    browser: Browser,
    at: AtFactor,
    (kind, form): (FactorKind, &Params),
    id: RequestId,
) -> Response {
    let origin = origin(&browser, id);
    match enrol(app, &browser, &at, (kind, form), &origin).await {
        Ok(enrolled) => enrolled_now(app, browser, at, enrolled).await,
        Err(NotDone::Wrong) if kind == FactorKind::Totp => {
            let sealed = form.get("begun").unwrap_or_default();
            let response = match factors::totp::reopen(app, at.user(), sealed, browser.binding()) {
                Some(begun) => totp_page(&browser, &at, begun, Some(WRONG_CODES)),
                None => error::expired(),
            };
            browser.answer(response)
        }
        Err(NotDone::Wrong | NotDone::Gone) if kind == FactorKind::Passkey => {
            let name = form.get("name").unwrap_or_default();
            browser.answer(begin_passkey(app, &browser, &at, Some((name, WRONG_PASSKEY))).await)
        }
        Err(why) => browser.answer(not_done(app, &browser, &at, why).await),
    }
}

async fn enrol(
    app: &App,
    browser: &Browser,
    at: &AtFactor,
    (kind, form): (FactorKind, &Params),
    origin: &Origin,
) -> Result<Enrolled, NotDone> {
    let who = match (&at.who, &browser.facts) {
        (Asked::Halfway(half), _) => {
            // The page may be older than the password, or than a factor that was made elsewhere.
            let owed = halfway::ask(app, half).await?;
            if !owed.is_some_and(|owed| owed.enrol.contains(&kind)) {
                return Err(NotDone::Gone);
            }
            Who::Enrolling { user: &half.user, methods: half.methods() }
        }
        (Asked::Session(..), Some(facts)) => Who::SignedIn(facts),
        (Asked::Session(..), None) => return Err(NotDone::Gone),
    };
    let text = |name: &str| form.get(name).unwrap_or_default();
    match kind {
        FactorKind::Totp => {
            let codes = (text("code"), text("next_code"));
            factors::totp::confirm(app, who, text("begun"), codes, browser.binding(), origin).await
        }
        FactorKind::Passkey => {
            let answer = PasskeyAnswer { challenge: text("challenge"), response: text("response") };
            factors::passkey::confirm(app, who, answer, text("name"), browser.binding(), origin).await
        }
        FactorKind::Email | FactorKind::Sms => factors::codes::switch_on(app, who, kind, origin).await,
    }
}

/// The recovery codes first, where there are some, and then on. Whoever switched codes on that are sent has shown none yet.
async fn enrolled_now(app: &App, mut browser: Browser, at: AtFactor, enrolled: Enrolled) -> Response {
    let Enrolled { codes, method, .. } = enrolled;
    if matches!(method, Method::EmailCode | Method::SmsCode) {
        return to_be_shown(app, browser, at).await;
    }
    let after = match advanced(app, &browser, &at.who, method).await {
        Ok(after) => after,
        Err(fault) => return browser.answer(error::of_fault(fault)),
    };
    match after {
        After::SignedIn(facts) if codes.is_empty() => sign_in::enter(app, browser, at.content, facts, false).await,
        After::SignedIn(facts) => {
            if let Err(error) = browser.sign_in(facts).await {
                tracing::error!(%error, "a session can't be kept");
                return browser.answer(error::unavailable());
            }
            let request = sealed::seal(&browser, &at.content);
            browser.answer(first_codes(&browser, "/login/mfa/done", request, codes, &at.content))
        }
        After::Factor(half) => {
            let at = AtFactor { who: Asked::Halfway(half), ..at };
            let request = sealed::seal_factor(&browser, &at);
            browser.answer(first_codes(&browser, "/login/mfa/setup", request, codes, &at.content))
        }
        // The factor is there: whoever signs in again is asked for it.
        After::ChangeFirst(_) | After::Gone => {
            let again = Sealed::Plain { organisation: None, made: app.now(), next: None, anew: false };
            let request = sealed::seal(&browser, &again);
            browser.answer(first_codes(&browser, "/login/mfa/done", request, codes, &again))
        }
    }
}

/// On to where a code is asked for that is sent: half a sign-in is judged anew, and so is what a session enters.
async fn to_be_shown(app: &App, browser: Browser, at: AtFactor) -> Response {
    match &at.who {
        Asked::Halfway(_) => {
            let response = again(app, &browser, at).await;
            browser.answer(response)
        }
        Asked::Session(..) => sign_in::go_on(app, browser, at.content).await,
    }
}

fn first_codes(
    browser: &Browser,
    action: &'static str,
    request: String,
    codes: Vec<String>,
    content: &Sealed,
) -> Response {
    let view = FirstCodesPage { action, request, csrf: browser.csrf(), codes };
    allowing(page(StatusCode::OK, &view), content)
}

/// `POST /login/mfa/done`: on, from the recovery codes, to where the sign-in leads.
pub async fn done(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    match sealed::open(&app, &browser, form.get("request").unwrap_or_default()) {
        Some(content) => sign_in::go_on(&app, browser, content).await,
        None => browser.answer(error::expired()),
    }
}

async fn not_done(app: &App, browser: &Browser, at: &AtFactor, why: NotDone) -> Response {
    match why {
        NotDone::NotHere(reason) => show(app, browser, at, Some(reason)).await,
        NotDone::Refused(refusal) => show(app, browser, at, Some(sentence(&refusal))).await,
        NotDone::Limit { seconds } => error::too_many(seconds),
        NotDone::Fault(fault) => error::of_fault(fault),
        NotDone::Proof(_) | NotDone::Wrong | NotDone::Gone => error::expired(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_about_one_kind_of_factor_or_none() {
        assert_eq!(kind_of("totp_confirm"), Some(FactorKind::Totp));
        assert_eq!((kind_of("passkey"), kind_of("sms")), (Some(FactorKind::Passkey), Some(FactorKind::Sms)));
        assert_eq!((kind_of(""), kind_of("done"), kind_of("recovery")), (None, None, None));
    }
}
