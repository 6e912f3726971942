//! What follows from a provisioned resource: the account's claims, its keys, and the text of its row.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::ScimError;
use super::{Object, username};
use crate::domain::change::{GroupResource, Provisioned, UserResource};
use crate::domain::connection::ScimProfile;
use crate::domain::oidc::claims::{Address, Profile};
use crate::domain::people::identifier;
use crate::kernel::fold;

/// As much as a row's attributes may take, in bytes of JSON.
const MOST_BYTES: usize = 64 * 1024;
/// As long as what indexes hold may be, in characters.
const LONGEST_NAME: usize = 256;
const LONGEST_EXTERNAL_ID: usize = 512;
const LONGEST_EMAIL: usize = 254;
const LONGEST_TYPE: usize = 64;
/// As long as a name in a claim may be.
const LONGEST_CLAIM: usize = 200;

/// What a canonical user says: the account's user name and claims, and the row beside it.
///
/// `verified` says of a domain, in lower case, whether the organisation has shown that it is its own. When the profile
/// was changed is for the caller to fill in: `updated_at` is 0.
///
/// # Errors
/// `invalidValue` for a user name that can't be one, and for what is too large.
pub fn provisioned(
    object: &Object,
    profile: ScimProfile,
    verified: impl Fn(&str) -> bool,
) -> Result<Provisioned, ScimError> {
    let user_name = text(object, "userName").ok_or_else(|| ScimError::value("userName is required."))?;
    let user_name_key = username::prepare(user_name, profile.is_strict())?;
    let active = object.get("active").and_then(Value::as_bool).unwrap_or(true);
    let attributes = if object.contains_key("active") {
        attributes(object)?
    } else {
        let mut object = object.clone();
        object.insert("active".to_owned(), active.into());
        attributes(&object)?
    };
    let resource =
        UserResource { external_id: external_id(object)?, user_name_key, active, attributes, emails: emails(object)? };
    Ok(Provisioned { user_name: user_name.trim().to_owned(), profile: claims(object, verified), resource })
}

/// What a canonical group says.
///
/// # Errors
/// `invalidValue` for a name that can't be one, and for what is too large.
pub fn group(object: &Object) -> Result<GroupResource, ScimError> {
    let name = text(object, "displayName").map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ScimError::value("displayName is required."))?;
    within("displayName", name, LONGEST_NAME)?;
    if name.chars().any(char::is_control) {
        return Err(ScimError::value("displayName can't have control characters."));
    }
    Ok(GroupResource { name: name.to_owned(), external_id: external_id(object)?, attributes: attributes(object)? })
}

/// The address that mail goes to: the primary one, else that of work, else the first.
#[must_use]
pub fn main_email(object: &Object) -> Option<&str> {
    text(best(object, "emails", &["work"], "value")?, "value")
}

/// The one text that the same attributes always have, so that nothing is written when nothing has changed.
fn attributes(object: &Object) -> Result<String, ScimError> {
    let text = Value::Object(object.clone()).to_string();
    if text.len() > MOST_BYTES {
        return Err(ScimError::value(format!("A resource has at most {MOST_BYTES} bytes.")));
    }
    Ok(text)
}

fn external_id(object: &Object) -> Result<Option<String>, ScimError> {
    let Some(id) = text(object, "externalId") else { return Ok(None) };
    within("externalId", id, LONGEST_EXTERNAL_ID)?;
    Ok(Some(id.to_owned()))
}

fn emails(object: &Object) -> Result<BTreeSet<(String, String)>, ScimError> {
    let mut keys = BTreeSet::new();
    for email in elements(object, "emails") {
        let kind = text(email, "type").unwrap_or_default();
        within("emails.type", kind, LONGEST_TYPE)?;
        if let Some(value) = text(email, "value") {
            within("emails.value", value, LONGEST_EMAIL)?;
            keys.insert((kind.trim().to_lowercase(), fold::key(value)));
        }
    }
    Ok(keys)
}

fn within(what: &str, text: &str, most: usize) -> Result<(), ScimError> {
    if text.chars().count() > most {
        return Err(ScimError::value(format!("{what} has at most {most} characters.")));
    }
    Ok(())
}

fn claims(object: &Object, verified: impl Fn(&str) -> bool) -> Profile {
    let empty = Object::new();
    let name = object.get("name").and_then(Value::as_object).unwrap_or(&empty);
    let (given, family) = (claim(name, "givenName"), claim(name, "familyName"));
    let joined = || match (&given, &family) {
        (one, None) | (None, one) => one.clone(),
        (Some(given), Some(family)) => Some(cut(&format!("{given} {family}"))),
    };
    let email = main_email(object).map(str::trim).filter(|email| identifier::check_email(email).is_ok());
    let domain = email.and_then(|email| email.split_once('@')).map(|(_, domain)| domain.to_lowercase());
    Profile {
        name: claim(object, "displayName").or_else(|| claim(name, "formatted")).or_else(joined),
        nickname: claim(object, "nickName"),
        preferred_username: text(object, "userName").map(|name| name.trim().to_owned()),
        profile: text(object, "profileUrl").map(str::to_owned),
        locale: claim(object, "locale"),
        zoneinfo: claim(object, "timezone"),
        middle_name: claim(name, "middleName"),
        email: email.map(str::to_owned),
        email_verified: domain.is_some_and(|domain| verified(&domain)),
        phone_number: phone(object),
        address: best(object, "addresses", &["work"], "").and_then(address),
        family_name: family,
        given_name: given,
        ..Profile::default()
    }
}

/// The number as E.164 writes it; none that lacks its country code.
fn phone(object: &Object) -> Option<String> {
    let number = text(best(object, "phoneNumbers", &["mobile", "work"], "value")?, "value")?.trim();
    let number = number.strip_prefix("tel:").unwrap_or(number);
    let number = number.split(';').next().unwrap_or(number);
    identifier::check_phone(number).is_ok().then(|| fold::phone_key(number))
}

fn address(sent: &Object) -> Option<Address> {
    let part = |name| text(sent, name).map(str::to_owned);
    let address = Address {
        formatted: part("formatted"),
        street_address: part("streetAddress"),
        locality: part("locality"),
        region: part("region"),
        postal_code: part("postalCode"),
        country: part("country"),
    };
    (address != Address::default()).then_some(address)
}

/// The element that stands for all: a phone number by its type first, everything else by `primary` first.
fn best<'o>(object: &'o Object, name: &str, kinds: &[&str], needs: &str) -> Option<&'o Object> {
    let usable = |element: &&Object| needs.is_empty() || text(element, needs).is_some();
    let of = |kind: &str| {
        elements(object, name)
            .filter(usable)
            .find(|element| text(element, "type").is_some_and(|one| one.trim().eq_ignore_ascii_case(kind)))
    };
    let primary = || {
        elements(object, name)
            .filter(usable)
            .find(|element| element.get("primary").and_then(Value::as_bool) == Some(true))
    };
    let typed = || kinds.iter().find_map(|kind| of(kind));
    let chosen = if kinds.len() > 1 { typed().or_else(primary) } else { primary().or_else(typed) };
    chosen.or_else(|| elements(object, name).find(usable))
}

fn elements<'o>(object: &'o Object, name: &str) -> impl Iterator<Item = &'o Object> {
    object.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// A text as claims hold it: without control characters and margins, of bounded length.
fn claim(object: &Object, name: &str) -> Option<String> {
    text(object, name).map(cut).filter(|text| !text.is_empty())
}

fn cut(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_CLAIM).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    fn of(value: Value) -> Result<Provisioned, ScimError> {
        provisioned(&object(value), ScimProfile::Auto, |domain| domain == "acme.test")
    }

    #[test]
    fn claims_follow_from_what_was_sent() {
        let made = of(json!({
            "userName": "Ana@Acme.test", "externalId": "X-1", "active": false,
            "name": { "givenName": "Ana", "familyName": "Kim", "middleName": "B" },
            "nickName": "An", "profileUrl": "https://acme.test/ana", "locale": "ko-KR", "timezone": "Asia/Seoul",
            "emails": [{ "value": "home@else.test", "type": "home" }, { "value": "ana@Acme.test", "type": "Work" }],
            "phoneNumbers": [
                { "value": "+82 2 555 0100", "type": "work" },
                { "value": "tel:+82-10-1234-5678;ext=2", "type": "mobile" }
            ],
            "addresses": [
                { "type": "home", "country": "KR" },
                { "type": "work", "streetAddress": "1 Road", "postalCode": "04524", "locality": "Seoul" }
            ]
        }))
        .unwrap();
        let profile = made.profile;
        assert_eq!((made.user_name.as_str(), made.resource.user_name_key.as_str()), ("Ana@Acme.test", "ana@acme.test"));
        assert_eq!((made.resource.external_id.as_deref(), made.resource.active), (Some("X-1"), false));
        assert_eq!(profile.name.as_deref(), Some("Ana Kim"));
        assert_eq!((profile.email.as_deref(), profile.email_verified), (Some("ana@Acme.test"), true));
        assert_eq!(profile.phone_number.as_deref(), Some("+821012345678"));
        assert_eq!((profile.nickname.as_deref(), profile.zoneinfo.as_deref()), (Some("An"), Some("Asia/Seoul")));
        let address = profile.address.unwrap();
        assert_eq!(
            (address.street_address.as_deref(), address.postal_code.as_deref()),
            (Some("1 Road"), Some("04524"))
        );
        let keys: Vec<(&str, &str)> = made.resource.emails.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(keys, [("home", "home@else.test"), ("work", "ana@acme.test")]);
    }

    #[test]
    fn the_primary_address_is_the_one_and_an_unproven_domain_verifies_nothing() {
        let made = of(json!({ "userName": "ana", "displayName": "Ana", "emails": [
            { "value": "w@acme.test", "type": "work" }, { "value": "p@else.test", "primary": true }] }))
        .unwrap();
        assert_eq!((made.profile.email.as_deref(), made.profile.email_verified), (Some("p@else.test"), false));
        assert_eq!(made.profile.name.as_deref(), Some("Ana"));
        assert!(made.resource.active && made.resource.attributes.contains("\"active\":true"));
        let none = of(json!({ "userName": "ana", "emails": [{ "value": "nowhere" }] })).unwrap();
        assert_eq!(none.profile.email, None);
        assert!(none.resource.emails.contains(&(String::new(), "nowhere".to_owned())));
    }

    #[test]
    fn what_is_too_large_for_a_row_is_refused() {
        assert!(of(json!({ "displayName": "Ana" })).is_err());
        assert!(of(json!({ "userName": "a", "externalId": "x".repeat(513) })).is_err());
        assert!(of(json!({ "userName": "a", "emails": [{ "value": "x".repeat(255) }] })).is_err());
        let titles: Vec<Value> = (0..100).map(|n| json!({ "value": format!("{n}{}", "x".repeat(1000)) })).collect();
        assert!(of(json!({ "userName": "a", "roles": titles })).is_err());
    }

    #[test]
    fn a_group_has_a_name_of_bounded_length() {
        let made = group(&object(json!({ "displayName": " Devs ", "externalId": "g" }))).unwrap();
        assert_eq!((made.name.as_str(), made.external_id.as_deref()), ("Devs", Some("g")));
        for bad in [json!({}), json!({ "displayName": " " }), json!({ "displayName": "x".repeat(257) })] {
            assert!(group(&object(bad)).is_err());
        }
    }
}
