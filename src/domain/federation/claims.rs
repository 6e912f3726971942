//! Claims: what a provider says of somebody, read with care, cut down to what is kept, and blacked out for the log.
//!
//! # Why
//! A connection speaks for its own organisation's domains and nobody else: an address of another domain, or one that the
//! provider itself calls unverified, becomes neither an identifier nor a claim. What identifies somebody is refused
//! where it is unfit and never cut. What may be missing here (because the provider holds it back, or because it was too
//! large to keep) is never taken for absent: a rule that asks whether somebody is *not* something fails then.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::settings::{ClaimNames, LONGEST_ISSUER, Unfit};
use super::{Claims, Mapping, Upstream};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::domain_name::DomainName;
use crate::domain::people::identifier;
use crate::domain::scim::username;
use crate::kernel::fold;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// So many groups are read at most.
pub const MOST_GROUPS: usize = 50_000;
/// The longest subject, in bytes (OIDC Core §2).
pub const LONGEST_SUBJECT: usize = 255;
/// So many claims are kept that nothing here names.
pub const MOST_FURTHER: usize = 200;
/// The largest value that is kept, in bytes of JSON, but for groups and what a rule asks for.
pub const LARGEST_VALUE: usize = 4 * 1024;

/// What says something of one sign-in: it isn't kept, and userinfo can't add it to the ID token.
const OF_ONE_SIGN_IN: [&str; 14] =
    ["iss", "aud", "exp", "iat", "nbf", "nonce", "at_hash", "c_hash", "azp", "jti", "sid", "auth_time", "acr", "amr"];
/// What is nobody's business, and nothing that a rule could ask for.
const NEVER_KEPT: [&str; 2] = ["picture", "address"];
/// Names what was not kept: a list of claims, or `true` where it would be too long.
const LEFT_OUT: &str = "_left_out";
/// Names the claims that are to be fetched elsewhere (OIDC Core §5.6.2).
const ELSEWHERE: &str = "_claim_names";
/// What Entra says instead of the groups where they are too many.
const HAS_GROUPS: &str = "hasgroups";
/// As long as a name in a claim may be, in characters.
const LONGEST_NAME: usize = 200;
/// What stands for a text in the log.
const BLACK: &str = "…";
/// How much of one claim the log shows.
const MOST_SHOWN_GROUPS: usize = 500;
const MOST_SHOWN_NAMES: usize = 400;
const MOST_SHOWN_ELEMENTS: usize = 20;
const DEEPEST_SHOWN: usize = 8;

/// The groups that a provider says somebody is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups<'c> {
    /// All of them.
    Listed(Vec<&'c str>),
    /// They are too many: the provider doesn't list them (Entra), or we don't read them.
    Overage,
}

/// What follows from the claims for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The user name: at most 256 characters.
    pub user_name: String,
    /// The standard claims. An address in it is the connection's to assert, and verified.
    pub profile: Profile,
    /// The address that was left out, because it is not the connection's to assert, or the provider calls it unverified.
    pub left_out: Option<String>,
}

/// Whether a claim is never kept, whoever asks for it; so no rule can.
#[must_use]
pub fn is_dropped(name: &str) -> bool {
    OF_ONE_SIGN_IN.contains(&name) || NEVER_KEPT.contains(&name)
}

/// A time claim that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATime;

/// Whether a claim's name is an address, in which dots lead nowhere.
#[must_use]
pub fn is_address(name: &str) -> bool {
    name.contains("://")
}

/// What a name leads to: the claim of this very name, else the way along its dots, but for names that are addresses.
#[must_use]
pub fn find<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    if claims.contains_key(name) || is_address(name) {
        return claims.get(name);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_object()?.get(part))
}

/// The text under a name, if it has one that isn't blank. A list of one text is that text.
#[must_use]
pub fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    let value = find(claims, name)?;
    let alone = match value.as_array().map(Vec::as_slice) {
        None => value,
        Some([alone]) => alone,
        Some(_) => return None,
    };
    alone.as_str().filter(|text| !text.trim().is_empty())
}

/// The texts under a name: those of a list, or the only one.
#[must_use]
pub fn texts<'c>(claims: &'c Claims, name: &str) -> Vec<&'c str> {
    elements(claims, name).iter().filter_map(Value::as_str).collect()
}

/// The values under a name as texts, of a list or the only one: `true` and `7` are texts too, lists and objects none.
#[must_use]
pub fn values<'c>(claims: &'c Claims, name: &str) -> Vec<Cow<'c, str>> {
    let as_text = |value: &'c Value| match value {
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        Value::Bool(_) | Value::Number(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    elements(claims, name).iter().filter_map(as_text).collect()
}

fn elements<'c>(claims: &'c Claims, name: &str) -> &'c [Value] {
    match find(claims, name) {
        Some(Value::Array(list)) => list,
        Some(value) => std::slice::from_ref(value),
        None => &[],
    }
}

/// The first step of a name.
fn root<'n>(claims: &Claims, name: &'n str) -> &'n str {
    if claims.contains_key(name) || is_address(name) { name } else { name.split('.').next().unwrap_or(name) }
}

fn roots<'n>(claims: &Claims, names: impl IntoIterator<Item = &'n str>) -> BTreeSet<String> {
    names.into_iter().map(|name| root(claims, name).to_owned()).collect()
}

/// Whether more could stand under a name than does: the provider names another place for it, or it was not kept.
#[must_use]
pub fn is_withheld(claims: &Claims, name: &str) -> bool {
    let root = root(claims, name);
    let names_it = |list: &str| match claims.get(list) {
        Some(Value::Object(named)) => named.contains_key(name) || named.contains_key(root),
        Some(Value::Array(named)) => named.iter().filter_map(Value::as_str).any(|one| one == name || one == root),
        Some(Value::Bool(all)) => *all && !claims.contains_key(root),
        Some(Value::Null | Value::Number(_) | Value::String(_)) | None => false,
    };
    let overage = name == "groups"
        && match claims.get(HAS_GROUPS) {
            Some(Value::Bool(has)) => *has,
            Some(Value::String(word)) => word.eq_ignore_ascii_case("true"),
            Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
        };
    overage || is_dropped(root) || root == LEFT_OUT || names_it(ELSEWHERE) || names_it(LEFT_OUT)
}

/// The groups that somebody is in. A part of them is never taken for all.
#[must_use]
pub fn groups<'c>(claims: &'c Claims, names: &ClaimNames) -> Groups<'c> {
    if is_withheld(claims, &names.groups) || elements(claims, &names.groups).len() > MOST_GROUPS {
        return Groups::Overage;
    }
    Groups::Listed(texts(claims, &names.groups))
}

/// Who somebody is upstream.
///
/// # Errors
/// [`Unfit`] for an issuer or a subject that can't identify anybody: missing, too long, or with characters that nobody
/// sees. Nothing is cut.
pub fn upstream(claims: &Claims) -> Result<Upstream, Unfit> {
    let of = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let (issuer, subject) = (of("iss"), of("sub"));
    if issuer.is_empty() || issuer.len() > LONGEST_ISSUER || issuer.chars().any(is_hidden) {
        return Err(Unfit { field: "iss", reason: format!("An issuer has 1 to {LONGEST_ISSUER} visible characters.") });
    }
    if !is_subject(subject) {
        let reason = format!("A subject has 1 to {LONGEST_SUBJECT} bytes, all of them visible.");
        return Err(Unfit { field: "sub", reason });
    }
    Ok(Upstream { issuer: issuer.to_owned(), subject: subject.to_owned() })
}

/// Whether a text can be a subject: 1 to 255 bytes, without characters that nobody sees.
#[must_use]
pub fn is_subject(text: &str) -> bool {
    text.len() <= LONGEST_SUBJECT && !text.trim().is_empty() && !text.chars().any(is_hidden)
}

/// Characters that leave no mark of their own or turn the others round: two texts that look alike would differ.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || is_direction(c)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2028}'..='\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// What the claims say of somebody's account. `is_ours` says of a domain, in its canonical form, whether the connection
/// may assert addresses of it; `updated_at` is in seconds.
#[must_use]
pub fn said(claims: &Claims, names: &ClaimNames, is_ours: impl Fn(&str) -> bool, updated_at: i64) -> Said {
    let sent = text(claims, &names.email).map(str::trim);
    let email = sent.and_then(|sent| asserted(claims, sent, &is_ours));
    let mut left_out = sent.filter(|_| email.is_none()).map(shown);
    let mut user_name = None;
    for candidate in names.user_name.iter().filter_map(|name| text(claims, name)).map(str::trim) {
        user_name = as_user_name(claims, candidate, &is_ours);
        if user_name.is_some() {
            break;
        }
        if left_out.is_none() && candidate.contains('@') {
            left_out = Some(shown(candidate));
        }
    }
    let user_name = user_name.unwrap_or_else(|| of_subject(claims));
    Said { profile: profile(claims, names, email, &user_name, updated_at), user_name, left_out }
}

fn profile(claims: &Claims, names: &ClaimNames, email: Option<String>, user_name: &str, updated_at: i64) -> Profile {
    let name = |name: &str| text(claims, name).and_then(cut);
    let tag = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_/+".contains(c);
        text(claims, name).filter(|tag| tag.len() <= 64 && tag.chars().all(plain)).map(str::to_owned)
    };
    let (given, family) = (name(&names.given_name), name(&names.family_name));
    let joined = || match (&given, &family) {
        (one, None) | (None, one) => one.clone(),
        (Some(given), Some(family)) => cut(&format!("{given} {family}")),
    };
    let phone = text(claims, &names.phone_number).filter(|number| identifier::check_phone(number).is_ok());
    Profile {
        name: name(&names.name).or_else(joined),
        middle_name: name("middle_name"),
        nickname: name("nickname"),
        preferred_username: Some(user_name.to_owned()),
        locale: tag("locale"),
        zoneinfo: tag("zoneinfo"),
        email_verified: email.is_some(),
        email,
        phone_number: phone.map(fold::phone_key),
        given_name: given,
        family_name: family,
        updated_at,
        ..Profile::default()
    }
}

/// An address that the connection may assert, with its domain as domains are compared where it isn't plain ASCII.
fn asserted(claims: &Claims, address: &str, is_ours: impl Fn(&str) -> bool) -> Option<String> {
    // The last two become `@` where width doesn't matter.
    let ambiguous = |c: char| is_hidden(c) || matches!(c, '\u{ff20}' | '\u{fe6b}');
    let unfit = identifier::check_email(address).is_err() || address.chars().any(ambiguous);
    if unfit || is_denied(claims, address) {
        return None;
    }
    let domain = DomainName::of_email(address).filter(|domain| is_ours(domain.as_str()))?;
    let (local, typed) = address.rsplit_once('@')?;
    let address = if typed.is_ascii() { address.to_owned() } else { format!("{local}@{domain}") };
    identifier::check_email(&address).is_ok().then_some(address)
}

/// Whether the provider says that it has not verified this address, or says so in words that nobody knows.
fn is_denied(claims: &Claims, address: &str) -> bool {
    let same = text(claims, "email").is_some_and(|email| fold::key(email) == fold::key(address));
    same && match claims.get("email_verified") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(verified)) => !verified,
        Some(Value::String(word)) => !word.eq_ignore_ascii_case("true"),
        Some(Value::Number(_) | Value::Array(_) | Value::Object(_)) => true,
    }
}

/// A text that can be a user name: an address only where the connection may assert it, and never a phone number.
fn as_user_name(claims: &Claims, text: &str, is_ours: impl Fn(&str) -> bool) -> Option<String> {
    let key = username::prepare(text, false).ok()?;
    if key.contains('@') {
        return asserted(claims, text, is_ours).filter(|_| key.matches('@').count() == 1);
    }
    let is_plain = !text.chars().any(is_hidden) && !fold::looks_like_phone(&key);
    is_plain.then(|| text.to_owned())
}

/// The user name of somebody for whom the provider has no better one: the subject, or its digest where that can't be one.
fn of_subject(claims: &Claims) -> String {
    let of = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let subject = of("sub");
    as_user_name(claims, subject.trim(), |_| false).unwrap_or_else(|| {
        let digest = Digest::of(format!("{}\0{subject}", of("iss")).as_bytes()).base64url();
        format!("sub-{}", digest.chars().take(22).collect::<String>())
    })
}

/// A name as claims hold it: without control characters and margins, of bounded length.
fn cut(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !c.is_control() && !is_direction(*c)).take(LONGEST_NAME).collect();
    Some(plain.trim().to_owned()).filter(|plain| !plain.is_empty())
}

/// An address for the log.
fn shown(address: &str) -> String {
    address.chars().filter(|c| !is_hidden(*c)).take(254).collect()
}

/// What is kept with an identity of what its provider said, so that rules can be asked again: without what is of one
/// sign-in alone, at most 200 claims that nothing names (`scim_claim` is a name, too), and large values only of groups and
/// of what a rule asks for.
#[must_use]
pub fn kept(mut claims: Claims, names: &ClaimNames, mapping: &Mapping, scim_claim: Option<&str>) -> Claims {
    // What says that something was left out is ours to say.
    claims.remove(LEFT_OUT);
    let groups_root = root(&claims, &names.groups).to_owned();
    let overage = groups(&claims, names) == Groups::Overage;
    let mut asked = roots(&claims, mapping.claim_names());
    asked.insert(groups_root.clone());
    let mut named = roots(&claims, names.all());
    named.extend(roots(&claims, scim_claim));
    named.extend([ELSEWHERE, HAS_GROUPS, "sub", "email", "email_verified"].map(str::to_owned));
    let (mut kept, mut left_out, mut further) = (Claims::new(), Vec::new(), 0);
    for (name, value) in claims {
        if is_dropped(&name) {
            continue;
        }
        let is_asked = asked.contains(&name);
        let is_further = !is_asked && !named.contains(&name);
        further += usize::from(is_further);
        let is_large = !is_asked && value.to_string().len() > LARGEST_VALUE;
        if is_large || (is_further && further > MOST_FURTHER) || (overage && name == groups_root) {
            left_out.push(name);
        } else {
            kept.insert(name, value);
        }
    }
    let long = left_out.len() > MOST_FURTHER || left_out.iter().any(|name| name.len() > LONGEST_NAME);
    if long || left_out.iter().any(|name| name == ELSEWHERE) {
        kept.insert(LEFT_OUT.to_owned(), true.into());
    } else if !left_out.is_empty() {
        kept.insert(LEFT_OUT.to_owned(), left_out.into());
    }
    kept
}

/// The claims for the log: names, truths and numbers as they are, groups as they are, every other text blacked out.
#[must_use]
pub fn redacted(claims: &Claims, names: &ClaimNames) -> Claims {
    let mut shown = black_object(claims, 0);
    let Groups::Listed(listed) = groups(claims, names) else { return shown };
    let bounded = |group: &str| Value::from(group.chars().take(LONGEST_NAME).collect::<String>());
    let mut listed: Vec<Value> = listed.into_iter().take(MOST_SHOWN_GROUPS).map(bounded).collect();
    match find_mut(&mut shown, &names.groups) {
        Some(place) if place.is_array() => *place = Value::Array(listed),
        Some(place) if place.is_string() => *place = listed.pop().unwrap_or_default(),
        Some(_) | None => {}
    }
    shown
}

/// As [`find`], to be changed.
fn find_mut<'c>(claims: &'c mut Claims, name: &str) -> Option<&'c mut Value> {
    if claims.contains_key(name) || is_address(name) {
        return claims.get_mut(name);
    }
    let mut parts = name.split('.');
    let first = claims.get_mut(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_object_mut()?.get_mut(part))
}

fn black_object(object: &Claims, depth: usize) -> Claims {
    let named = object.iter().filter(|(name, _)| name.len() <= LONGEST_NAME).take(MOST_SHOWN_NAMES);
    named.map(|(name, value)| (name.clone(), black(value, depth + 1))).collect()
}

fn black(value: &Value, depth: usize) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::Array(list) if depth < DEEPEST_SHOWN => {
            list.iter().take(MOST_SHOWN_ELEMENTS).map(|element| black(element, depth + 1)).collect()
        }
        Value::Object(object) if depth < DEEPEST_SHOWN => Value::Object(black_object(object, depth)),
        Value::String(_) | Value::Array(_) | Value::Object(_) => BLACK.into(),
    }
}

/// The claims of the ID token, with those of userinfo that it lacks; what is of one sign-in alone only the ID token says.
#[must_use]
pub fn merge(id_token: Claims, userinfo: Claims) -> Claims {
    let mut merged = id_token;
    for (name, value) in userinfo {
        let is_open = merged.get(&name).is_none_or(Value::is_null);
        if is_open && !OF_ONE_SIGN_IN.contains(&name.as_str()) {
            merged.insert(name, value);
        }
    }
    merged
}

/// The moment under a name (RFC 7519 §2: seconds, and parts of one don't count); `None` where there is none.
///
/// # Errors
/// [`NotATime`] for anything but a number.
pub fn moment(claims: &Claims, name: &str) -> Result<Option<UnixMillis>, NotATime> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let number = value.as_number().ok_or(NotATime)?.to_string();
    let whole = number.split('.').next().unwrap_or(&number);
    whole.parse::<i64>().map(|seconds| Some(UnixMillis::from_seconds(seconds))).map_err(|_| NotATime)
}

/// Whether `aud`, a text or a list of texts, names an audience.
#[must_use]
pub fn is_for(claims: &Claims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(list)) => {
            list.iter().all(Value::is_string) && list.iter().any(|one| one.as_str() == Some(audience))
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
