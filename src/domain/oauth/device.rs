//! Sign-in on another device (RFC 8628): the code that a person types, what the device asks for, what a poll means.
//!
//! # Why
//! Whoever gets somebody to type a code gets that person's access: this flow is made for strangers' screens. So a code
//! is typed or compared, never followed; the page says who asked from where, after a fresh sign-in, and nothing
//! is allowed before the person who sees that page says so. Taking a device code so that two polls can't both have
//! its tokens is the store's part.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::oauth::application::Application;
use crate::domain::oauth::authorization_request::{AuthorizationRequest, ResponseMode};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::redirect_uri::VerifiedRedirect;
use crate::domain::oauth::scope::{PROJECT_PREFIX, Scopes, is_scope_token};
use crate::domain::oidc::claims::ClaimsRequest;
use crate::kernel::id::UserId;
use crate::kernel::secret::Chance;
use crate::kernel::time::{MINUTE, SECOND, UnixMillis};

/// What every device code begins with.
pub const PREFIX: &str = "mst_dc_";
/// How long both codes are good, in milliseconds.
pub const LIFE: i64 = 10 * MINUTE;
/// How long a device waits between two polls, in milliseconds.
pub const INTERVAL: i64 = 5 * SECOND;
/// How far back a sign-in may lie for somebody to allow a device, in seconds.
pub const FRESH_SECS: i64 = 600;

/// RFC 8628 §3.5: each `slow_down` makes the interval longer by this.
const STEP: i64 = 5 * SECOND;
/// Beyond this the interval doesn't grow.
const LONGEST: i64 = MINUTE;
/// A poll that comes earlier by less is on time: networks aren't clocks.
const LEEWAY: i64 = SECOND;

/// RFC 8628 §6.1: no vowels, so no words, and nothing that is easily taken for something else.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS: usize = 8;
const MOST_TYPED: usize = 64;
const MAX_NAME: usize = 256;

words! {
    /// How far a device's request has come.
    pub enum DeviceState {
        /// Nobody has decided.
        Pending = "pending",
        /// Somebody allowed it; the device hasn't come yet.
        Allowed = "allowed",
        /// Somebody refused it.
        Denied = "denied",
        /// The device has its tokens.
        Used = "used",
    }
}

/// A code that a person reads on the device and types here: eight letters. Printing doesn't show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UserCode(String);

impl UserCode {
    /// A new code; every letter is as likely as any other.
    #[must_use]
    pub fn mint(chance: &dyn Chance) -> Self {
        let mut letters = String::with_capacity(LETTERS);
        while letters.len() < LETTERS {
            // 240 is the largest multiple of 20 in a byte.
            let fair = chance.bytes32().into_iter().filter(|byte| *byte < 240);
            let more = fair.map(|byte| char::from(ALPHABET[usize::from(byte % 20)]));
            letters.extend(more.take(LETTERS - letters.len()));
        }
        Self(letters)
    }

    /// What somebody typed, without regard to case, spaces and dashes; `None` when it can't be a code.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > MOST_TYPED {
            return None;
        }
        let dash = |c: char| matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}');
        let letters: String =
            typed.chars().filter(|c| !c.is_whitespace() && !dash(*c)).map(|c| c.to_ascii_uppercase()).collect();
        let is_code = letters.len() == LETTERS && letters.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then_some(Self(letters))
    }

    /// The code as people read it: `WDJB-MJHT`.
    #[must_use]
    pub fn shown(&self) -> String {
        let (first, second) = self.0.split_at(LETTERS / 2);
        format!("{first}-{second}")
    }

    /// Its letters alone.
    #[must_use]
    pub fn letters(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

impl TryFrom<String> for UserCode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no code of a device")
    }
}

impl From<UserCode> for String {
    fn from(code: UserCode) -> Self {
        code.0
    }
}

/// What a device asks for, checked (RFC 8628 §3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// What the application gets of the scopes that it asked for.
    pub scope: Scopes,
    /// The organisation to sign in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The resource the token is for (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

impl DeviceRequest {
    /// Checks the parameters of `application`, as an authorization request's are.
    ///
    /// # Errors
    /// `invalid_scope`, `invalid_target`, or `invalid_request` for the rest.
    pub fn check(params: &Params, application: &Application) -> Result<Self, OAuthError> {
        let mut asked = Scopes::parse(params.get("scope").unwrap_or_default())
            .map_err(|fault| OAuthError::new(ErrorCode::InvalidScope, fault.to_string()))?;
        let project = name(params, "project")?;
        if asked.projects().chain(project).collect::<BTreeSet<&str>>().len() > 1 {
            return Err(OAuthError::invalid_request("a token is for one project at most"));
        }
        if let Some(key) = project {
            let word = format!("{PROJECT_PREFIX}{key}");
            if !is_scope_token(&word) {
                return Err(OAuthError::invalid_request("project is no project's key"));
            }
            asked = asked.union(&std::iter::once(word).collect());
        }
        let resource = params.get("resource").map(str::to_owned);
        if resource.is_some() && resource != application.resource {
            return Err(OAuthError::new(ErrorCode::InvalidTarget, "the resource is not the one of this application"));
        }
        let organization = name(params, "organization")?.map(str::to_owned);
        Ok(Self { scope: application.permitted_scopes(&asked.of_people()), organization, resource })
    }

    /// The same as an authorization request that ends on a page of our own: pages and flows know one kind of request.
    #[must_use]
    pub fn into_request(self, application: &Application, end: VerifiedRedirect) -> AuthorizationRequest {
        AuthorizationRequest {
            client_id: application.client_id.clone(),
            redirect: end,
            response_mode: ResponseMode::Query,
            state: None,
            scope: self.scope,
            nonce: None,
            challenge: None,
            prompt: Vec::new(),
            max_age: Some(FRESH_SECS),
            login_hint: None,
            idp_hint: None,
            id_token_hint: None,
            acr_values: Vec::new(),
            claims: ClaimsRequest::default(),
            organization: self.organization,
            project: None,
            resource: self.resource,
            ui_locales: None,
        }
    }
}

/// A short value without control characters, or a refusal.
fn name<'a>(params: &'a Params, name: &str) -> Result<Option<&'a str>, OAuthError> {
    match params.get(name) {
        Some(value) if value.len() > MAX_NAME || value.chars().any(char::is_control) => {
            Err(OAuthError::invalid_request(format!("{name} is too long or has control characters")))
        }
        value => Ok(value),
    }
}

/// A device that waits for a person: what the pages carry of it beside the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The code that was typed.
    pub code: UserCode,
    /// Where the device asked from.
    pub address: String,
    /// When it asked.
    pub asked_at: UnixMillis,
    shown_to: Option<UserId>,
    confirmed_by: Option<UserId>,
}

impl Waiting {
    /// A device of which nobody has been told yet.
    #[must_use]
    pub const fn new(code: UserCode, address: String, asked_at: UnixMillis) -> Self {
        Self { code, address, asked_at, shown_to: None, confirmed_by: None }
    }

    /// Notes whom the page shows who asks and what for.
    pub fn show_to(&mut self, user: &UserId) {
        self.shown_to = Some(user.clone());
    }

    /// Takes the word of whoever that page was shown to; of nobody when it was shown to nobody.
    pub fn confirm(&mut self) {
        self.confirmed_by = self.shown_to.take();
    }

    /// Whether it was this person who saw the page and said yes.
    #[must_use]
    pub fn is_confirmed_by(&self, user: &UserId) -> bool {
        self.confirmed_by.as_ref() == Some(user)
    }
}

/// A device code as it was issued.
#[derive(Clone, Copy, Debug)]
pub struct Issued<'a> {
    /// The id of the application that it was issued to.
    pub application: &'a str,
    /// How far it has come.
    pub state: DeviceState,
    /// When it dies.
    pub expires_at: UnixMillis,
}

/// What to do about a device code that came to the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Mark it used and give out tokens.
    Exchange,
    /// Nobody has decided: see how fast it polls.
    Wait,
    /// It was used before: end everything that came of it, then refuse.
    Replay(OAuthError),
    /// Refuse.
    Refuse(OAuthError),
}

/// Judges a device code that the application with the id `by` presents.
#[must_use]
pub fn decide(issued: &Issued<'_>, by: &str, now: UnixMillis) -> Decision {
    if issued.state == DeviceState::Used {
        return Decision::Replay(OAuthError::invalid_grant("the device code was used before"));
    }
    if issued.application != by {
        return Decision::Refuse(OAuthError::invalid_grant("the device code is not valid"));
    }
    if issued.state == DeviceState::Denied {
        return Decision::Refuse(OAuthError::new(ErrorCode::AccessDenied, "the person did not allow it"));
    }
    if now >= issued.expires_at {
        return Decision::Refuse(OAuthError::new(ErrorCode::ExpiredToken, "the device code has expired; begin again"));
    }
    if issued.state == DeviceState::Pending { Decision::Wait } else { Decision::Exchange }
}

/// How a poll came after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Late enough.
    OnTime,
    /// Too soon: from now on the interval is this.
    TooSoon {
        /// In milliseconds.
        interval: i64,
    },
}

/// Judges the time of a poll (RFC 8628 §3.5).
#[must_use]
pub fn pace(polled_at: UnixMillis, interval: i64, now: UnixMillis) -> Pace {
    if now.since(polled_at) + LEEWAY >= interval {
        Pace::OnTime
    } else {
        Pace::TooSoon { interval: (interval + STEP).min(LONGEST) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::domain::oauth::application::sample;
    use crate::kernel::secret::Digest;

    /// The digests of the numbers from one on.
    #[derive(Debug, Default)]
    struct Numbers(AtomicU64);

    impl Chance for Numbers {
        fn fill(&self, into: &mut [u8]) {
            for part in into.chunks_mut(32) {
                let digest = Digest::of(&self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                part.copy_from_slice(&digest.as_bytes()[..part.len()]);
            }
        }
    }

    fn check(query: &str) -> Result<DeviceRequest, ErrorCode> {
        let params = Params::from_query(query).expect("well formed");
        DeviceRequest::check(&params, &sample()).map_err(|error| error.code)
    }

    #[test]
    fn a_code_has_eight_letters_of_twenty_each_as_likely_as_the_others() {
        let chance = Numbers::default();
        let codes: Vec<UserCode> = (0..1000).map(|_| UserCode::mint(&chance)).collect();
        let mut counts = BTreeMap::new();
        for letter in codes.iter().flat_map(|code| code.letters().chars()) {
            *counts.entry(letter).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), ALPHABET.len());
        assert!(counts.values().all(|count| (300..500).contains(count)), "{counts:?}");
        assert!(codes.iter().all(|code| UserCode::parse(&code.shown()).as_ref() == Some(code)));
        assert_eq!((codes[0].shown().len(), format!("{:?}", codes[0])), (9, "UserCode(…)".to_owned()));
    }

    #[test]
    fn a_code_may_be_typed_as_people_type() {
        let code = UserCode::parse("WDJB-MJHT").expect("a code");
        for typed in ["wdjbmjht", " WDJB MJHT ", "wd-jb-mj-ht", "WDJB\u{2013}MJHT", "W.D.J.B.M.J.H.T"] {
            assert_eq!(UserCode::parse(typed).as_ref(), Some(&code), "{typed}");
        }
        for bad in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB-MJH1", "WDJB-MJH\u{212a}"] {
            assert_eq!(UserCode::parse(bad), None, "{bad}");
        }
        assert_eq!(UserCode::parse(&format!("WDJBMJHT{}", " ".repeat(MOST_TYPED))), None);
    }

    #[test]
    fn a_device_asks_within_its_applications_registration() {
        let asked = check("scope=openid%20phone%20roles&organization=acme&project=web").expect("acceptable");
        assert_eq!(asked.scope.to_string(), "openid project:web roles");
        assert_eq!(asked.organization.as_deref(), Some("acme"));
        assert_eq!(check("scope=a%22b"), Err(ErrorCode::InvalidScope));
        assert_eq!(check("scope=project:a&project=b"), Err(ErrorCode::InvalidRequest));
        assert_eq!(check("project=a%20b"), Err(ErrorCode::InvalidRequest));
        assert_eq!(check("organization=%01"), Err(ErrorCode::InvalidRequest));
        assert_eq!(check("resource=https://other.example/"), Err(ErrorCode::InvalidTarget));
    }

    #[test]
    fn its_request_wants_a_fresh_sign_in() {
        let end = VerifiedRedirect::try_from("https://id.example/device/done".to_owned()).expect("well formed");
        let request = check("scope=openid").expect("acceptable").into_request(&sample(), end);
        assert_eq!((request.max_age, request.client_id.as_str()), (Some(FRESH_SECS), "shop"));
        assert!(!request.is_silent() && request.challenge.is_none());
    }

    #[test]
    fn only_whoever_saw_the_page_can_confirm_it() {
        let (ana, bo) = (UserId::from_u128(1), UserId::from_u128(2));
        let mut waiting = Waiting::new(UserCode::parse("WDJBMJHT").expect("a code"), String::new(), UnixMillis(0));
        waiting.confirm();
        assert!(!waiting.is_confirmed_by(&ana), "it was shown to nobody");
        waiting.show_to(&ana);
        assert!(!waiting.is_confirmed_by(&ana));
        waiting.confirm();
        assert!(waiting.is_confirmed_by(&ana) && !waiting.is_confirmed_by(&bo));
    }

    #[test]
    fn a_device_code_is_exchanged_once_by_the_application_it_was_issued_to() {
        let judge = |state, by, now| {
            let issued = Issued { application: "app_1", state, expires_at: UnixMillis(LIFE) };
            match decide(&issued, by, UnixMillis(now)) {
                Decision::Refuse(error) => Err(error.code),
                other => Ok(other),
            }
        };
        assert_eq!(judge(DeviceState::Allowed, "app_1", LIFE - 1), Ok(Decision::Exchange));
        assert_eq!(judge(DeviceState::Pending, "app_1", LIFE - 1), Ok(Decision::Wait));
        for state in [DeviceState::Allowed, DeviceState::Pending] {
            assert_eq!(judge(state, "app_1", LIFE), Err(ErrorCode::ExpiredToken));
            assert_eq!(judge(state, "app_2", 0), Err(ErrorCode::InvalidGrant));
        }
        assert_eq!(judge(DeviceState::Denied, "app_1", 0), Err(ErrorCode::AccessDenied));
        for (by, now) in [("app_1", 0), ("app_1", LIFE + 1), ("app_2", 0)] {
            assert!(matches!(judge(DeviceState::Used, by, now), Ok(Decision::Replay(_))));
        }
    }

    #[test]
    fn each_poll_that_comes_too_soon_makes_the_interval_longer() {
        let at = UnixMillis(100_000);
        assert_eq!(pace(at, INTERVAL, at.plus(INTERVAL - LEEWAY)), Pace::OnTime);
        assert_eq!(pace(at, INTERVAL, at.plus(INTERVAL - LEEWAY - 1)), Pace::TooSoon { interval: 2 * INTERVAL });
        assert_eq!(pace(at, LONGEST, at), Pace::TooSoon { interval: LONGEST });
        assert_eq!(pace(at.minus(INTERVAL), INTERVAL, at), Pace::OnTime);
    }
}
