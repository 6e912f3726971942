//! A security event token that a customer's provider sends (RFC 8417, Shared Signals Framework 1.0, CAEP 1.0, RISC 1.0):
//! whether it is one for us, whom it is about, and what happened.
//!
//! Its signature is verified before; whether its `jti` was seen before is asked after.
//!
//! # Why
//! Transmitters speak the standards and their drafts: subjects stand in `sub_id` or inside the event, complex ones with
//! a format or without, formats under two names. What they mean is plain, and all but one event takes away; so all are
//! read. A subject of a format that names nobody here is no error: the event is heard and concerns nobody.

use serde_json::{Map, Value};

use super::claims::{is_for, is_subject, moment};
use super::logout_token::SKEW;
use super::{Claims, Upstream};
use crate::domain::people::identifier::check_email;
use crate::kernel::time::{DAY, UnixMillis};

/// How old an event may be: transmitters deliver late what they could not deliver at once.
pub const OLDEST: i64 = 7 * DAY;

/// So many events one token reports at most.
const MOST_EVENTS: usize = 10;
/// So many identifiers of one subject are looked at.
const MOST_ALIASES: usize = 20;
/// The longest `state` of a verification, in bytes.
const LONGEST_STATE: usize = 1_000;

/// Whom an event is about (RFC 9493, SSF §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A person, by issuer and subject.
    IssSub(Upstream),
    /// Somebody or something by an id that only the transmitter understands: of people, the subject.
    Opaque(String),
    /// A person, by an address.
    Email(String),
    /// A session, by the provider's `sid`.
    Session {
        /// The `sid`.
        sid: String,
        /// Whose.
        user: Option<Box<Self>>,
    },
}

impl Subject {
    /// Who it is at the provider with this issuer; `None` for an address, for a session of nobody, and for another
    /// issuer. Google's events spell the issuer with a slash that its ID tokens lack.
    #[must_use]
    pub fn upstream(&self, issuer: &str) -> Option<Upstream> {
        let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
        let of = |subject: &String| Upstream { issuer: issuer.to_owned(), subject: subject.clone() };
        match self {
            Self::IssSub(named) => (bare(&named.issuer) == bare(issuer)).then(|| of(&named.subject)),
            Self::Opaque(subject) => Some(of(subject)),
            Self::Email(_) => None,
            Self::Session { user, .. } => user.as_ref().and_then(|user| user.upstream(issuer)),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sessions are over.
    SessionRevoked,
    /// What the person proves themself with has changed, or others know it.
    CredentialChange,
    /// The account is disabled.
    AccountDisabled,
    /// It is enabled again.
    AccountEnabled,
    /// It is gone for good.
    AccountPurged,
    /// The transmitter tries the stream.
    Verification {
        /// What it wants to recognise.
        state: Option<String>,
    },
    /// The stream's state has changed.
    StreamUpdated,
    /// Something that ends nothing here.
    Other,
}

impl Kind {
    fn of(uri: &str, event: &Map<String, Value>) -> Self {
        const EVENTS: &str = "https://schemas.openid.net/secevent/";
        match uri.strip_prefix(EVENTS).unwrap_or_default() {
            // Google's RISC has the last two.
            "caep/event-type/session-revoked"
            | "risc/event-type/sessions-revoked"
            | "oauth/event-type/tokens-revoked" => Self::SessionRevoked,
            "caep/event-type/credential-change"
            | "risc/event-type/credential-compromise"
            | "risc/event-type/account-credential-change-required" => Self::CredentialChange,
            "risc/event-type/account-disabled" => Self::AccountDisabled,
            "risc/event-type/account-enabled" => Self::AccountEnabled,
            "risc/event-type/account-purged" => Self::AccountPurged,
            "ssf/event-type/verification" | "sse/event-type/verification" | "risc/event-type/verification" => {
                let state = event.get("state").and_then(Value::as_str).filter(|state| state.len() <= LONGEST_STATE);
                Self::Verification { state: state.map(str::to_owned) }
            }
            "ssf/event-type/stream-updated" | "sse/event-type/stream-updated" => Self::StreamUpdated,
            _ => Self::Other,
        }
    }
}

/// A token that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityEvent {
    /// By which it is known when it comes again; to be remembered until `issued` is [`OLDEST`] and a minute ago.
    pub jti: String,
    /// When it was issued.
    pub issued: UnixMillis,
    /// Whom it is about; `None` for nobody whom we could know.
    pub subject: Option<Subject>,
    /// What happened, each once.
    pub kinds: Vec<Kind>,
}

/// Why a token is refused, as RFC 8935 §2.4 has it told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventError {
    /// The word.
    pub err: &'static str,
    /// A sentence for the transmitter's people; it holds nothing of the token.
    pub description: String,
}

impl EventError {
    fn new(err: &'static str, description: &str) -> Self {
        Self { err, description: description.to_owned() }
    }
}

fn malformed(description: &str) -> EventError {
    EventError::new("invalid_request", description)
}

/// Judges the claims.
///
/// # Errors
/// [`EventError`], as it is told to the transmitter.
pub fn check(claims: &Claims, issuer: &str, audience: &str, now: UnixMillis) -> Result<SecurityEvent, EventError> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(EventError::new("invalid_issuer", "iss is not the issuer that is agreed upon."));
    }
    if !is_for(claims, audience) {
        return Err(EventError::new("invalid_audience", "aud is not the audience that is agreed upon."));
    }
    let jti = claims.get("jti").and_then(Value::as_str).filter(|jti| is_subject(jti));
    let jti = jti.ok_or_else(|| malformed("jti is missing or unfit."))?.to_owned();
    let issued = issued(claims, now)?;
    if claims.contains_key("nonce") {
        return Err(malformed("nonce must not be there: this could be an ID token."));
    }
    let events = claims.get("events").and_then(Value::as_object);
    let events = events.ok_or_else(|| malformed("events is missing."))?;
    if !(1..=MOST_EVENTS).contains(&events.len()) {
        return Err(malformed("events has 1 to 10 members."));
    }
    let mut kinds = Vec::new();
    for (uri, event) in events {
        let event = event.as_object().ok_or_else(|| malformed("An event is an object."))?;
        let kind = Kind::of(uri, event);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(SecurityEvent { jti, issued, subject: subject(claims, events)?, kinds })
}

fn issued(claims: &Claims, now: UnixMillis) -> Result<UnixMillis, EventError> {
    let issued = moment(claims, "iat").ok().flatten().ok_or_else(|| malformed("iat is missing or no time."))?;
    if issued > now.plus(SKEW) {
        return Err(malformed("iat lies ahead."));
    }
    if issued < now.minus(OLDEST) {
        return Err(malformed("iat is too long ago."));
    }
    // SSF §4.1.5 forbids it; where it is there it counts.
    let expires = moment(claims, "exp").map_err(|_| malformed("exp is no time."))?;
    if expires.is_some_and(|expires| expires.plus(SKEW) <= now) {
        return Err(malformed("exp is past."));
    }
    Ok(issued)
}

/// `sub_id`, else the one subject that the events name (as drafts of RISC and CAEP did).
fn subject(claims: &Claims, events: &Map<String, Value>) -> Result<Option<Subject>, EventError> {
    if let Some(named) = claims.get("sub_id") {
        return read(named).map_err(malformed);
    }
    let mut inside = events.values().filter_map(|event| event.get("subject"));
    let Some(first) = inside.next() else { return Ok(None) };
    if inside.any(|other| other != first) {
        return Err(malformed("The events name different subjects; send them apart."));
    }
    read(first).map_err(malformed)
}

/// Reads a subject identifier; `None` is one of a format that names nobody here.
///
/// # Errors
/// What is wrong with it.
pub fn read(named: &Value) -> Result<Option<Subject>, &'static str> {
    let named = named.as_object().ok_or("A subject is an object.")?;
    match format(named)?.as_deref() {
        None | Some("complex") => complex(named),
        Some("aliases") => aliases(named),
        Some(format) => simple(named, format),
    }
}

/// The format's name. Drafts called it `subject_type`, with hyphens.
fn format(named: &Map<String, Value>) -> Result<Option<String>, &'static str> {
    let Some(format) = named.get("format").or_else(|| named.get("subject_type")) else { return Ok(None) };
    let format = format.as_str().ok_or("A subject's format is a text.")?;
    Ok(Some(format.replace('-', "_")))
}

fn simple(named: &Map<String, Value>, format: &str) -> Result<Option<Subject>, &'static str> {
    let member = |name: &str| {
        let text = named.get(name).and_then(Value::as_str).filter(|text| is_subject(text));
        text.map(str::to_owned).ok_or("A subject lacks a member of its format, or one is unfit.")
    };
    Ok(match format {
        "iss_sub" | "id_token_claims" => {
            Some(Subject::IssSub(Upstream { issuer: member("iss")?, subject: member("sub")? }))
        }
        "opaque" => Some(Subject::Opaque(member("id")?)),
        "email" => {
            let address = member("email")?;
            check_email(&address).map_err(|_| "A subject's address is none.")?;
            Some(Subject::Email(address))
        }
        _ => None,
    })
}

/// SSF §3.2: the members narrow each other down. What narrows it down to something unknown here, such as a device, is
/// left aside: rather too much ends than too little.
fn complex(named: &Map<String, Value>) -> Result<Option<Subject>, &'static str> {
    let part = |name: &str| match named.get(name) {
        None => Ok(None),
        Some(part) => flat(part),
    };
    let (user, session) = (part("user")?, part("session")?);
    Ok(match session {
        Some(Subject::Opaque(sid)) => Some(Subject::Session { sid, user: user.map(Box::new) }),
        // A session by its person: that is the person, unless somebody else is named.
        Some(other @ (Subject::IssSub(_) | Subject::Email(_) | Subject::Session { .. })) => user.or(Some(other)),
        None => user,
    })
}

/// RFC 9493 §3.2.8: names of one and the same; the surest that is known here.
fn aliases(named: &Map<String, Value>) -> Result<Option<Subject>, &'static str> {
    let list = named.get("identifiers").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or("A subject of aliases has identifiers.")?;
    if list.len() > MOST_ALIASES {
        return Err("A subject has at most 20 aliases.");
    }
    let mut best: Option<Subject> = None;
    for alias in list {
        let alias = alias.as_object().ok_or("A subject is an object.")?;
        let format = format(alias)?.ok_or("An alias has a format.")?;
        if let Some(found) = simple(alias, &format)?
            && best.as_ref().is_none_or(|best| rank(&found) < rank(best))
        {
            best = Some(found);
        }
    }
    Ok(best)
}

const fn rank(subject: &Subject) -> u8 {
    match subject {
        Subject::IssSub(_) => 0,
        Subject::Opaque(_) => 1,
        Subject::Email(_) => 2,
        Subject::Session { .. } => 3,
    }
}

/// A subject that is part of another one: simple, or aliases.
fn flat(named: &Value) -> Result<Option<Subject>, &'static str> {
    let named = named.as_object().ok_or("A subject is an object.")?;
    match format(named)?.as_deref() {
        None | Some("complex") => Err("A subject inside another one is simple."),
        Some("aliases") => aliases(named),
        Some(format) => simple(named, format),
    }
}

#[cfg(test)]
#[path = "security_event_tests.rs"]
mod tests;
