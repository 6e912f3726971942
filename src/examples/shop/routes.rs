//! The shop's pages for a visitor: the first page, the way in, the way out, and new tokens.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;

use crate::kernel::secret::same;
use crate::kernel::time::UnixMillis;

use super::oidc::{Standing, Trouble};
use super::pages::{
    ClaimLine, EndedNote, HomePage, ProjectRoles, StandingNote, WelcomePage, ago, machine, message, moment, page,
};
use super::person::SignedIn;
use super::sessions::{Ended, HowEnded, Who};
use super::{Desk, Fields, cookie_of, fields};

/// After how many seconds a signed-in person's page reloads itself, so that a change is seen when it comes.
const RELOAD: u8 = 3;
/// The same when the page has something to say.
const RELOAD_AFTER_NOTICE: u8 = 10;

/// Why a sign-in did not end in a session.
#[derive(Debug, thiserror::Error)]
enum SignInFault {
    /// A parameter came twice, or one is missing.
    #[error("the answer is malformed")]
    Malformed,
    /// No sign-in of this browser has that `state`.
    #[error("no sign-in of this browser has that state")]
    NotBegunHere,
    /// `iss` is not Muster (RFC 9207 §2.4: a mix-up).
    #[error("iss is not the issuer that was asked")]
    OtherIssuer,
    /// Muster answered with an error.
    #[error("the authorization was refused: {0}")]
    Declined(String),
    /// The code could not be changed for a checked ID token.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// A logout token for this very sign-in came first.
    #[error("the session ended before the sign-in was finished")]
    Overtaken,
}

impl IntoResponse for SignInFault {
    fn into_response(self) -> Response {
        tracing::warn!(fault = %self, "the shop refused a sign-in");
        let detail = Some(self.to_string());
        let (status, text) = match &self {
            Self::Malformed | Self::NotBegunHere => (
                StatusCode::BAD_REQUEST,
                "This answer belongs to no sign-in that began in this browser, or it was used already. Please try again.",
            ),
            Self::OtherIssuer => {
                (StatusCode::BAD_REQUEST, "This answer did not come from Muster, so the shop did not use it.")
            }
            Self::Declined(_) => {
                (StatusCode::BAD_REQUEST, "Muster did not let you in here. You can try again, or as somebody else.")
            }
            Self::Overtaken => {
                (StatusCode::FORBIDDEN, "Your access changed while you were signing in. Please try again.")
            }
            Self::Trouble(Trouble::Unreachable(_)) => {
                (StatusCode::BAD_GATEWAY, "Muster did not answer. Please try again in a moment.")
            }
            Self::Trouble(Trouble::Refused(_)) => {
                (StatusCode::BAD_REQUEST, "Muster refused to finish the sign-in. Please try again.")
            }
            Self::Trouble(Trouble::Untrusted(_)) => {
                (StatusCode::BAD_REQUEST, "What Muster answered failed a check, so the shop did not sign you in.")
            }
        };
        message(status, "You are not signed in", text, detail)
    }
}

/// Why the shop does not do what a form asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotActing {
    /// Nobody is signed in.
    SignedOut,
    /// The form did not come from a page of this session.
    Forged,
}

impl IntoResponse for NotActing {
    fn into_response(self) -> Response {
        match self {
            Self::SignedOut => Redirect::to("/").into_response(),
            Self::Forged => message(
                StatusCode::FORBIDDEN,
                "Nothing was done",
                "This form is too old, or it did not come from the shop. Please try again.",
                None,
            ),
        }
    }
}

/// Who sends a form: the signed-in person, if the form carries their session's CSRF token.
pub fn acting(desk: &Desk, cookie: Option<&str>, form: &Fields, now: UnixMillis) -> Result<Arc<SignedIn>, NotActing> {
    let glance = desk.sessions.look(cookie, now).ok_or(NotActing::SignedOut)?;
    let Who::Person(person) = glance.who else {
        return Err(NotActing::SignedOut);
    };
    let shown = form.get("csrf").map(String::as_str).unwrap_or_default();
    if same(shown.as_bytes(), glance.csrf.as_bytes()) { Ok(person) } else { Err(NotActing::Forged) }
}

/// `GET /`
pub async fn home(State(desk): State<Arc<Desk>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let now = desk.clock.now();
    let cookie = cookie_of(&headers);
    let still = query.is_some_and(|query| query.split('&').any(|pair| pair == "still=1"));
    match desk.sessions.look(cookie, now) {
        Some(glance) => match glance.who {
            Who::Person(person) => {
                let standing = desk.oidc.standing(&person, now).await;
                let notice = desk.sessions.take_notice(cookie, now);
                let pace = if notice.is_some() { RELOAD_AFTER_NOTICE } else { RELOAD };
                let reload = (!still).then_some(pace);
                page(StatusCode::OK, &HomePage { reload, notice, ..home_page(&person, glance.csrf, standing, now) })
            }
            Who::Ended(ended) => welcome(&desk, Some(&ended), now).await,
            Who::Stranger => welcome(&desk, None, now).await,
        },
        None => welcome(&desk, None, now).await,
    }
}

/// `GET /sign-in`: off to Muster.
pub async fn sign_in(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let now = desk.clock.now();
    match desk.oidc.begin(now).await {
        Ok((url, pending)) => {
            let fresh = desk.sessions.begin(cookie_of(&headers), pending, now);
            (fresh.map(|cookie| desk.cookie(&cookie)), Redirect::to(&url)).into_response()
        }
        Err(trouble) => SignInFault::Trouble(trouble).into_response(),
    }
}

/// `GET /callback`: back from Muster.
pub async fn callback(State(desk): State<Arc<Desk>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    match answered(&desk, cookie_of(&headers), query.unwrap_or_default().as_bytes()).await {
        Ok(cookie) => (desk.cookie(&cookie), Redirect::to("/")).into_response(),
        Err(fault) => fault.into_response(),
    }
}

/// The checks of an authorization response, and then the sign-in itself; returns the new cookie.
async fn answered(desk: &Desk, cookie: Option<&str>, query: &[u8]) -> Result<String, SignInFault> {
    let now = desk.clock.now();
    let mut answer = fields(query).ok_or(SignInFault::Malformed)?;
    let state = answer.get("state").ok_or(SignInFault::Malformed)?;
    let pending = desk.sessions.claim(cookie, state, now).ok_or(SignInFault::NotBegunHere)?;
    // RFC 9207 §2.4: exactly the issuer that was asked, on errors too. Muster announces that it always sends iss.
    if answer.get("iss").map(String::as_str) != Some(desk.oidc.issuer()) {
        return Err(SignInFault::OtherIssuer);
    }
    if let Some(error) = answer.get("error") {
        return Err(SignInFault::Declined(error.chars().take(64).collect()));
    }
    let code = answer.remove("code").ok_or(SignInFault::Malformed)?;
    let person = desk.oidc.finish(code, pending, now).await?;
    desk.sessions.sign_in(cookie, person, desk.clock.now()).ok_or(SignInFault::Overtaken)
}

/// `POST /refresh`: new tokens for the old.
pub async fn refresh(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = desk.clock.now();
    let cookie = cookie_of(&headers);
    let person = match acting(&desk, cookie, &fields(&body).unwrap_or_default(), now) {
        Ok(person) => person,
        Err(not_acting) => return not_acting.into_response(),
    };
    match desk.oidc.renew(&person, now).await {
        Ok(renewed) => {
            desk.sessions.renew(cookie, renewed, now);
            desk.sessions.notify(
                cookie,
                "The shop has new tokens. What you may do stands below as Muster says it now.",
                now,
            );
        }
        Err(Trouble::Refused(code)) if code == "invalid_grant" => {
            desk.sessions.refused(cookie, desk.clock.now());
        }
        Err(trouble) => {
            tracing::warn!(%trouble, "the shop could not renew its tokens");
            desk.sessions.notify(cookie, "The shop could not get new tokens. Please try again in a moment.", now);
        }
    }
    Redirect::to("/").into_response()
}

/// `GET /sign-out`: out of the shop at once, then out of Muster (RP-Initiated Logout 1.0 §2).
///
/// Our choice: a plain link may lead here. The worst that a stranger's link does is to sign a person out.
pub async fn sign_out(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let now = desk.clock.now();
    let Some((person, state)) = desk.sessions.leave(cookie_of(&headers), now) else {
        return Redirect::to("/").into_response();
    };
    match desk.oidc.farewell(&person, state, now).await {
        Ok(url) => Redirect::to(&url).into_response(),
        Err(trouble) => {
            let text = "You are signed out of the shop. Muster could not be told, so you may still be signed in there.";
            message(StatusCode::OK, "Signed out of the shop", text, Some(trouble.to_string()))
        }
    }
}

/// `GET /signed-out`: back from Muster's sign-out.
pub async fn signed_out(State(desk): State<Arc<Desk>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answer = fields(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let state = answer.get("state").map(String::as_str).unwrap_or_default();
    if desk.sessions.left(cookie_of(&headers), state, desk.clock.now()) {
        let page = message(StatusCode::OK, "You are signed out", "You are signed out of the shop and of Muster.", None);
        return (desk.no_cookie(), page).into_response();
    }
    message(
        StatusCode::OK,
        "Nothing to sign out of",
        "This browser did not ask the shop to sign it out, or did so already.",
        None,
    )
}

/// Any other address.
pub async fn nothing_here() -> Response {
    message(StatusCode::NOT_FOUND, "Nothing here", "The shop has no page at this address.", None)
}

async fn welcome(desk: &Desk, ended: Option<&Ended>, now: UnixMillis) -> Response {
    let people = match desk.admin.roles_board().await {
        Ok(board) => board.people,
        Err(reason) => {
            tracing::warn!(%reason, "the shop could not read the demo people");
            Vec::new()
        }
    };
    page(StatusCode::OK, &WelcomePage { ended: ended.map(|ended| ended_note(ended, now)), people })
}

fn ended_note(ended: &Ended, now: UnixMillis) -> EndedNote {
    EndedNote {
        name: ended.name.clone(),
        text: match ended.how {
            HowEnded::LogoutToken => "Muster told the shop that this sign-in is over.",
            HowEnded::RefreshRefused => "Muster refused to renew this sign-in when the shop asked.",
        },
        at: moment(ended.at),
        machine: machine(ended.at),
        ago: ago(ended.at, now),
    }
}

/// The page of a person, without what depends on the request.
fn home_page(person: &SignedIn, csrf: String, standing: Standing, now: UnixMillis) -> HomePage {
    let roles = person.roles();
    let with_ago = |at: UnixMillis| format!("{} ({})", moment(at), ago(at, now));
    let about: Vec<&str> = [person.user_name(), person.email()].into_iter().flatten().collect();
    HomePage {
        name: person.name().to_owned(),
        about: about.join(" · "),
        org: roles.org_slug.clone().or_else(|| roles.org_id.clone()).unwrap_or_else(|| "none".to_owned()),
        org_roles: roles.org_roles.clone(),
        projects: roles
            .project_roles
            .iter()
            .map(|(project, roles)| ProjectRoles { project: project.clone(), roles: roles.clone() })
            .collect(),
        acv: roles.acv.map(|acv| acv.to_string()),
        sid: person.sid().unwrap_or("none").to_owned(),
        since: with_ago(person.since()),
        renewed: with_ago(person.renewed()),
        standing: match standing {
            Standing::Accepted => StandingNote { class: "good", text: "accepted by Muster" },
            Standing::Refused => {
                StandingNote { class: "bad", text: "refused by Muster: your access changed, or ten minutes are over" }
            }
            Standing::Unknown => StandingNote { class: "unsure", text: "Muster did not say" },
        },
        claims: person.raw().iter().map(|(name, value)| claim_line(name, value)).collect(),
        csrf,
        can_renew: person.can_renew(),
        administers: person.administers(),
        reload: None,
        notice: None,
    }
}

/// A claim as it came; the moments among them also as people read them.
fn claim_line(name: &str, value: &Value) -> ClaimLine {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = match (name, value.as_i64()) {
        ("iat" | "exp" | "auth_time" | "nbf" | "updated_at", Some(seconds)) => {
            format!("{text} ({})", moment(UnixMillis::from_seconds(seconds)))
        }
        (_, Some(_) | None) => text,
    };
    ClaimLine { name: name.to_owned(), value }
}

#[cfg(test)]
mod tests {
    use askama::Template;
    use serde_json::json;

    use super::super::person::example::person;
    use super::*;

    #[test]
    fn the_page_of_a_person_shows_roles_claims_and_what_muster_says() {
        let now = UnixMillis(1_800_000_000_000);
        let mut shown = home_page(&person("usr_1", "sid_1"), "the-csrf".to_owned(), Standing::Refused, now);
        shown.reload = Some(RELOAD);
        let text = shown.render().expect("a page");
        for part in [
            "Ana Kim",
            "acme",
            "org.admin",
            "project.admin",
            "1874",
            "sid_1",
            "the-csrf",
            "refused by Muster",
            "content=\"3\"",
            "/admin/roles",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        shown.reload = None;
        assert!(!shown.render().expect("a page").contains("http-equiv"));
    }

    #[test]
    fn an_ended_session_says_so_and_when() {
        let now = UnixMillis(1_800_000_000_000);
        let ended = Ended { name: "Ana Kim".to_owned(), at: now, how: HowEnded::LogoutToken };
        let text = WelcomePage { ended: Some(ended_note(&ended, now.plus(4_000))), people: Vec::new() }
            .render()
            .expect("a page");
        assert!(text.contains("Your access changed, so the shop signed you out"), "{text}");
        assert!(text.contains("2027-01-15 08:00:00 UTC") && text.contains("4 seconds ago"), "{text}");
    }

    #[test]
    fn moments_among_the_claims_are_readable() {
        assert_eq!(claim_line("exp", &json!(1_800_000_000)).value, "1800000000 (2027-01-15 08:00:00 UTC)");
        assert_eq!(claim_line("acv", &json!(7)).value, "7");
        assert_eq!(claim_line("org_roles", &json!(["a"])).value, "[\"a\"]");
        assert_eq!(claim_line("sub", &json!("usr_1")).value, "usr_1");
    }
}
