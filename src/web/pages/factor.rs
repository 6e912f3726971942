//! The page that asks for a second factor, or for the password once more: between the password and the session, where an
//! organisation or an application asks for more than the session has, and before what is sensitive.
//!
//! # Why
//! Half signed in is nothing but what this page carries, sealed ([`super::sealed::AtFactor`]). Each post is judged anew from
//! the database, so that an empty one, one twice, or one out of order leads nowhere but here.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::password_change::origin;
use super::sealed::{self, Asked, AtFactor, Sealed, Waiting};
use super::view::factors::{CodeField, FactorPage};
use super::view::passwords::PasswordFaults;
use super::{error, factor_setup, locked, page, passkey, password_change, sign_in};
use crate::app::App;
use crate::domain::oauth::params::Params;
use crate::domain::people::assurance::{Level, Method};
use crate::domain::people::factor::FactorKind;
use crate::flows::Fault;
use crate::flows::entering::Ask;
use crate::flows::factors::{self, NotDone, PasskeyAnswer, Presented};
use crate::flows::halfway::{self, After, Halfway};
use crate::flows::step_up::{self, Again};
use crate::kernel::secret::Secret;
use crate::kernel::time::SECOND;
use crate::store::cookies::Facts;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::{FormAction, RequestId};
use crate::web::oidc::reply;

const WRONG: &str = "That isn't right, or it was used already. Check it and try again.";
const WRONG_PASSWORD: &str = "That isn't your password. Check it and try again.";
const EMPTY: &str = "Enter the code.";
/// A pause that is shorter is told on the page itself, in milliseconds.
const SHORT: i64 = 60 * SECOND;

/// What the page says besides the form.
#[derive(Default)]
struct Told {
    error: Option<String>,
    sent: Option<String>,
}

impl Told {
    fn wrong(text: impl Into<String>) -> Self {
        Self { error: Some(text.into()), sent: None }
    }
}

/// The page that asks for what is owed: for a factor that there is, or for one to be made.
pub(super) async fn ask(app: &App, browser: &Browser, at: &AtFactor) -> Response {
    if at.ask.prove.is_empty() && !at.ask.password {
        factor_setup::show(app, browser, at, None).await
    } else {
        show(browser, at, Told::default())
    }
}

/// The page for half a sign-in.
pub(super) async fn of_halfway(app: &App, browser: &Browser, content: Sealed, half: Halfway) -> Response {
    match halfway::ask(app, &half).await {
        // Whoever owes nothing any more begins again, and is let in.
        Ok(Some(wanted)) if wanted != Ask::default() => {
            let at = AtFactor { content, made: half.at, who: Asked::Halfway(half), ask: wanted };
            ask(app, browser, &at).await
        }
        Ok(_) => error::expired(),
        Err(fault) => error::of_fault(fault),
    }
}

/// The page for somebody who is signed in.
pub async fn of_session(app: &App, browser: &Browser, content: Sealed, wanted: Ask) -> Response {
    let Some(facts) = &browser.facts else { return error::expired() };
    let who = Asked::Session(facts.id.clone(), facts.user.clone());
    ask(app, browser, &AtFactor { content, made: app.now(), who, ask: wanted }).await
}

fn show(browser: &Browser, at: &AtFactor, told: Told) -> Response {
    let status = if told.error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let has = |kind: FactorKind| at.ask.prove.contains(&kind);
    let fields = [
        (FactorKind::Totp, "Code from your authenticator app"),
        (FactorKind::Email, "Code from the e-mail"),
        (FactorKind::Sms, "Code from the text message"),
    ];
    let codes = fields.into_iter().filter(|(kind, _)| has(*kind));
    let view = FactorPage {
        request: sealed::seal_factor(browser, at),
        csrf: browser.csrf(),
        signed_in: matches!(at.who, Asked::Session(..)),
        error: told.error,
        sent: told.sent,
        password: at.ask.password,
        codes: codes.map(|(kind, label)| CodeField { kind: kind.as_str(), label }).collect(),
        passkey: has(FactorKind::Passkey),
        email: has(FactorKind::Email),
        sms: has(FactorKind::Sms),
        recovery: at.ask.recovery,
        remember_days: at.ask.remember_days,
        can_cancel: matches!(at.content, Sealed::Authorize(_)),
    };
    allowing(page(status, &view), &at.content)
}

/// Lets a page's form end at the application that waits, if one does.
pub(super) fn allowing(mut response: Response, content: &Sealed) -> Response {
    if let Sealed::Authorize(pending) = content {
        response.extensions_mut().insert(FormAction(pending.request.redirect.form_action()));
    }
    response
}

/// `GET /login/mfa`: for somebody who is signed in, what the organisation asks of them that the address names by its slug.
/// Everybody else begins at the sign-in.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let Some(facts) = browser.facts.clone() else {
        return browser.answer(reply::see_other("/login"));
    };
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let (slug, back) = (params.get("org"), params.get("back").unwrap_or_default());
    let next = sealed::open_back(&app, &browser, back);
    let response = match step_up::asked_by(&app, &facts, slug).await {
        // Who is to make a factor has just shown who they are.
        Ok(Some(ask)) if ask.prove.is_empty() && !facts.is_fresh(facts.level(), app.now()) => {
            reply::see_other(&login(slug, next.as_ref().map(|_| back)))
        }
        Ok(Some(ask)) => {
            let content = Sealed::Plain { organisation: None, made: app.now(), next, anew: false };
            of_session(&app, &browser, content, ask).await
        }
        Ok(None) => reply::see_other(next.as_deref().unwrap_or("/me")),
        Err(fault) => error::of_fault(fault),
    };
    browser.answer(response)
}

/// The sign-in page of an organisation, or of everybody, which leads back.
fn login(slug: Option<&str>, back: Option<&str>) -> String {
    let plain = |slug: &&str| slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let page = match slug.filter(|slug| !slug.is_empty()).filter(plain) {
        Some(slug) => format!("/o/{slug}/login"),
        None => "/login".to_owned(),
    };
    match back {
        Some(back) => format!("{page}?back={back}"),
        None => page,
    }
}

/// The way to an organisation's provider for a proof once more: the mark has it asked for a new sign-in, and an answer that
/// doesn't tell of one is refused.
fn through(slug: &str, back: Option<&str>) -> String {
    let mark = if back.is_some() { '&' } else { '?' };
    format!("{}{mark}{}=1", login(Some(slug), back), sign_in::ANEW)
}

/// `GET /login/again`: a proof once more, from somebody who is signed in, and then back to where they came from.
pub async fn again(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let back = params.get("back").unwrap_or_default();
    let next = sealed::open_back(&app, &browser, back);
    let back = next.as_ref().map(|_| back);
    let Some(facts) = browser.facts.clone() else {
        return browser.answer(reply::see_other(&login(None, back)));
    };
    let own_factors = next.as_deref().is_some_and(keeps_factors);
    let response = match step_up::again(&app, &facts, own_factors).await {
        Ok(Again::Fresh) => reply::see_other(next.as_deref().unwrap_or("/me")),
        Ok(Again::Ask(ask)) => {
            let content = Sealed::Plain { organisation: None, made: app.now(), next, anew: false };
            of_session(&app, &browser, content, ask).await
        }
        Ok(Again::Through(slug)) => reply::see_other(&through(&slug, back)),
        Ok(Again::SignIn) => reply::see_other(&login(None, back)),
        Err(fault) => error::of_fault(fault),
    };
    browser.answer(response)
}

/// Whether a path of ours is one of the pages on which people keep their own factors: on the way there a recovery code does.
fn keeps_factors(path: &str) -> bool {
    path.strip_prefix("/me/security").is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// What somebody is answered with who wants to do what is sensitive, and has not proven lately who they are: the way to prove
/// it, which leads to `back`, a path of ours. `None` for whoever has.
pub async fn fresh(app: &App, browser: &Browser, facts: &Facts, back: &str) -> Option<Response> {
    owes(app, browser, step_up::needed(app, facts).await, back)
}

/// As [`fresh`], for a page that offers the way instead of sending people there: its path.
///
/// # Errors
/// The database's.
pub async fn way_to_prove(app: &App, browser: &Browser, facts: &Facts, back: &str) -> Result<Option<String>, Fault> {
    Ok(step_up::needed(app, facts).await?.map(|_| way(app, browser, back)))
}

fn way(app: &App, browser: &Browser, back: &str) -> String {
    let back = sealed::seal_back(app, browser, back).map(|back| format!("?back={back}")).unwrap_or_default();
    format!("/login/again{back}")
}

/// As [`fresh`], on the pages where people keep their own factors, one of which is `back`: whoever has just shown a recovery
/// code may, too.
pub async fn may_keep(app: &App, browser: &Browser, facts: &Facts, back: &str) -> Option<Response> {
    owes(app, browser, step_up::needed_to_keep_factors(app, facts).await, back)
}

fn owes(app: &App, browser: &Browser, needed: Result<Option<Level>, Fault>, back: &str) -> Option<Response> {
    match needed {
        Ok(None) => None,
        Ok(Some(_)) => Some(browser.answer(reply::see_other(&way(app, browser, back)))),
        Err(fault) => Some(browser.answer(error::of_fault(fault))),
    }
}

/// `POST /login/mfa`.
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
    match form.get("act") {
        Some("cancel") => return sign_in::cancelled(&app, &browser, &at.content),
        Some("back") => return browser.answer(ask(&app, &browser, &at).await),
        Some("send_email") => return browser.answer(send(&app, &browser, &at, FactorKind::Email).await),
        Some("send_sms") => return browser.answer(send(&app, &browser, &at, FactorKind::Sms).await),
        Some("passkey") => return browser.answer(by_passkey(&app, &browser, &at, None).await),
        Some(_) | None => {}
    }
    if form.get("kind").is_none() && at.ask.password {
        return by_password(&app, browser, at, &form, id).await;
    }
    let remember = form.get("remember").is_some() && at.ask.remember_days > 0;
    match presented(&at.ask, &form) {
        // A recovery code stands in for a device that is not at hand: on this one nothing was shown to be remembered.
        Some(shown @ Presented::Recovery(_)) => judged(&app, browser, at, shown, false).await,
        Some(shown) => judged(&app, browser, at, shown, remember).await,
        None => browser.answer(show(&browser, &at, Told::wrong(EMPTY))),
    }
}

/// What was shown, if it is of a kind that is asked for. A recovery code is taken where it does, and used up nowhere else.
fn presented<'a>(ask: &Ask, form: &'a Params) -> Option<Presented<'a>> {
    let code = form.get("code");
    match form.get("kind")? {
        "recovery" if ask.recovery => code.map(Presented::Recovery),
        word => match word.parse::<FactorKind>().ok().filter(|kind| ask.prove.contains(kind))? {
            FactorKind::Totp => code.map(Presented::Totp),
            FactorKind::Email => code.map(Presented::Email),
            FactorKind::Sms => code.map(Presented::Sms),
            FactorKind::Passkey => {
                let (challenge, response) = (form.get("challenge")?, form.get("response")?);
                Some(Presented::Passkey(PasskeyAnswer { challenge, response }))
            }
        },
    }
}

/// Sends a code to the address that the account has, and shows the page again.
async fn send(app: &App, browser: &Browser, at: &AtFactor, kind: FactorKind) -> Response {
    if !at.ask.prove.contains(&kind) {
        return error::expired();
    }
    match factors::codes::send(app, at.user(), kind, &browser.address).await {
        Ok(sent) => {
            let text = format!("We sent a code to {}. It is good for ten minutes.", sent.to);
            show(browser, at, Told { sent: Some(text), error: None })
        }
        Err(NotDone::Limit { seconds }) => error::too_many(seconds),
        Err(NotDone::NotHere(reason)) => show(browser, at, Told::wrong(reason)),
        Err(NotDone::Fault(fault)) => error::of_fault(fault),
        Err(NotDone::Proof(_) | NotDone::Wrong | NotDone::Gone | NotDone::Refused(_)) => error::expired(),
    }
}

/// The page that asks the browser for a passkey of the account.
async fn by_passkey(app: &App, browser: &Browser, at: &AtFactor, wrong: Option<&str>) -> Response {
    if !at.ask.prove.contains(&FactorKind::Passkey) {
        return error::expired();
    }
    match factors::passkey::begin_proof(app, at.user(), browser.binding()).await {
        Ok(Some(challenge)) => {
            let request = sealed::seal_factor(browser, at);
            let response = passkey::asked(browser, "/login/mfa", (request, at.ask.remember_days), challenge, wrong);
            allowing(response, &at.content)
        }
        Ok(None) | Err(NotDone::Wrong | NotDone::Gone | NotDone::Proof(_) | NotDone::Refused(_)) => error::expired(),
        Err(NotDone::NotHere(reason)) => show(browser, at, Told::wrong(reason)),
        Err(NotDone::Limit { seconds }) => error::too_many(seconds),
        Err(NotDone::Fault(fault)) => error::of_fault(fault),
    }
}

/// The password once more, from somebody who is signed in.
async fn by_password(app: &App, browser: Browser, at: AtFactor, form: &Params, id: RequestId) -> Response {
    let typed = Secret::presented(form.sent("password").unwrap_or_default());
    let shown = (&typed, browser.device_cookie());
    match step_up::password(app, at.user(), shown, &origin(&browser, id)).await {
        Ok(true) => done(app, browser, at, Method::Password, false).await,
        Ok(false) => browser.answer(show(&browser, &at, Told::wrong(WRONG_PASSWORD))),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

/// Judges what was shown, and goes on.
async fn judged(app: &App, browser: Browser, at: AtFactor, shown: Presented<'_>, remember: bool) -> Response {
    let is_passkey = matches!(shown, Presented::Passkey(_));
    match factors::verify(app, at.user(), shown, browser.binding(), browser.caller()).await {
        Ok(Some(method)) => done(app, browser, at, method, remember).await,
        Ok(None) => browser.answer(refused(app, &browser, &at, is_passkey).await),
        Err(fault) => browser.answer(error::of_fault(fault.in_a_crowd())),
    }
}

/// The page once more. Whoever knew the password is told of a pause.
async fn refused(app: &App, browser: &Browser, at: &AtFactor, is_passkey: bool) -> Response {
    let until = match &at.who {
        Asked::Halfway(half) => halfway::locked_until(app, half).await,
        Asked::Session(..) => Ok(None),
    };
    match until {
        Ok(Some(until)) if until.since(app.now()) > SHORT => locked::show(until),
        Ok(Some(until)) => {
            let seconds = (until.since(app.now()) + SECOND - 1).div_euclid(SECOND).max(1);
            let unit = if seconds == 1 { "a second".to_owned() } else { format!("{seconds} seconds") };
            show(browser, at, Told::wrong(format!("That isn't right. Wait {unit}, then try again.")))
        }
        Ok(None) if is_passkey => by_passkey(app, browser, at, Some(WRONG)).await,
        Ok(None) => show(browser, at, Told::wrong(WRONG)),
        Err(fault) => error::of_fault(fault),
    }
}

/// Goes on with somebody who has shown, or made, a factor, or typed their password once more.
async fn done(app: &App, browser: Browser, at: AtFactor, method: Method, remember: bool) -> Response {
    let AtFactor { content, who, .. } = at;
    match advanced(app, &browser, &who, method).await {
        Ok(After::SignedIn(facts)) => sign_in::enter(app, browser, content, facts, remember).await,
        Ok(After::ChangeFirst(first)) => {
            let waiting = Waiting { content, first };
            let response = password_change::show(app, &browser, &waiting, PasswordFaults::default()).await;
            browser.answer(response)
        }
        Ok(After::Factor(half)) => {
            let response = of_halfway(app, &browser, content, half).await;
            browser.answer(response)
        }
        Ok(After::Gone) => browser.answer(error::expired()),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

/// What a proof leads to: for half a sign-in the rest of it, for a session its renewal under a new cookie.
pub(super) async fn advanced(app: &App, browser: &Browser, who: &Asked, method: Method) -> Result<After, Fault> {
    match (who, &browser.facts) {
        (Asked::Halfway(half), _) => halfway::go_on(app, half, method, browser.caller()).await,
        (Asked::Session(..), Some(facts)) => {
            Ok(step_up::renewed(app, facts, method).map_or(After::Gone, After::SignedIn))
        }
        (Asked::Session(..), None) => Ok(After::Gone),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn asks(kinds: &[FactorKind]) -> Ask {
        Ask { prove: kinds.iter().copied().collect(), ..Ask::default() }
    }

    // F4
    #[test]
    fn only_what_is_asked_for_is_looked_at_and_nothing_is_never_something() {
        let totp = Ask { recovery: true, ..asks(&[FactorKind::Totp]) };
        let is = |ask: &Ask, text: &str| presented(ask, &Params::from_query(text).unwrap()).is_some();
        assert!(is(&totp, "kind=totp&code=123456") && is(&totp, "kind=recovery&code=abcd"));
        let nothings =
            ["", "kind=totp", "kind=totp&code=", "code=123456", "kind=recovery", "kind=&code=1", "kind=x&code=1"];
        for nothing in nothings {
            assert!(!is(&totp, nothing), "{nothing}");
        }
        assert!(!is(&totp, "kind=sms&code=123456") && !is(&totp, "kind=passkey&challenge=c&response=r"));
        assert!(!is(&asks(&[FactorKind::Totp]), "kind=recovery&code=abcd"), "it would be used up in vain");
        let passkey = asks(&[FactorKind::Passkey]);
        assert!(is(&passkey, "kind=passkey&challenge=c&response=r") && !is(&passkey, "kind=passkey&challenge=c"));
        let none = Ask { enrol: BTreeSet::from([FactorKind::Totp]), ..Ask::default() };
        assert!(!is(&none, "kind=totp&code=123456") && !is(&none, "kind=recovery&code=abcd"));
    }

    #[test]
    fn a_recovery_code_leads_to_ones_own_factors_and_nowhere_else() {
        for own in ["/me/security", "/me/security/codes", "/me/security?done=on", "/me/security/remove?which=totp"] {
            assert!(keeps_factors(own), "{own}");
        }
        for other in ["", "/me", "/me/password", "/me/securityx", "/me/keys", "/o/acme/admin", "/x/me/security"] {
            assert!(!keeps_factors(other), "{other}");
        }
    }

    #[test]
    fn the_way_to_the_sign_in_takes_nothing_along_but_the_way_back() {
        assert_eq!(login(Some("acme"), Some("x")), "/o/acme/login?back=x");
        assert_eq!(login(Some("a/b"), None), "/login");
        assert_eq!(login(None, Some("x")), "/login?back=x");
        assert_eq!(through("acme", Some("x")), "/o/acme/login?back=x&again=1");
        assert_eq!(through("acme", None), "/o/acme/login?again=1");
    }
}
