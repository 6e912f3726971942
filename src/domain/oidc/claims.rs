//! Standard claims: which a person's profile yields, for which scope or wish (OpenID Connect Core §5).
//!
//! They stand in userinfo; the ID token of the code flow carries none of them. Role claims come from `domain::access`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::oauth::scope::{self, Scopes};

const MAX_BYTES: usize = 8 * 1024;
const MAX_NAMES: usize = 64;
const MAX_NAME: usize = 128;
const MAX_VALUES: usize = 16;

/// Each standard claim and the scope that brings it.
pub const STANDARD: [(&str, &str); 19] = [
    ("name", scope::PROFILE),
    ("family_name", scope::PROFILE),
    ("given_name", scope::PROFILE),
    ("middle_name", scope::PROFILE),
    ("nickname", scope::PROFILE),
    ("preferred_username", scope::PROFILE),
    ("profile", scope::PROFILE),
    ("picture", scope::PROFILE),
    ("website", scope::PROFILE),
    ("gender", scope::PROFILE),
    ("birthdate", scope::PROFILE),
    ("zoneinfo", scope::PROFILE),
    ("locale", scope::PROFILE),
    ("updated_at", scope::PROFILE),
    ("email", scope::EMAIL),
    ("email_verified", scope::EMAIL),
    ("address", scope::ADDRESS),
    ("phone_number", scope::PHONE),
    ("phone_number_verified", scope::PHONE),
];

/// Why a `claims` parameter was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedClaims {
    /// It isn't the object of objects that §5.5 describes.
    #[error("the claims parameter is malformed")]
    Shape,
    /// It asks for more than we keep.
    #[error("the claims parameter is too large")]
    Size,
}

/// How a single claim is wished for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Whether the application says that it needs it.
    #[serde(default, rename = "e", skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    /// The values that would do; kept for `sub` and `acr` alone.
    #[serde(default, rename = "v", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// The `claims` parameter of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// Wished for from userinfo.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: BTreeMap<String, Wish>,
    /// Wished for in the ID token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: BTreeMap<String, Wish>,
}

impl ClaimsRequest {
    /// Reads the parameter. Members other than `userinfo` and `id_token` are ignored (§5.5).
    ///
    /// # Errors
    /// [`MalformedClaims`] when it is no such object, or beyond our bounds.
    pub fn parse(text: &str) -> Result<Self, MalformedClaims> {
        if text.len() > MAX_BYTES {
            return Err(MalformedClaims::Size);
        }
        let whole: Map<String, Value> = serde_json::from_str(text).map_err(|_| MalformedClaims::Shape)?;
        let request = Self { userinfo: wishes(whole.get("userinfo"))?, id_token: wishes(whole.get("id_token"))? };
        if request.userinfo.len() + request.id_token.len() > MAX_NAMES {
            return Err(MalformedClaims::Size);
        }
        Ok(request)
    }

    /// Whether nothing is wished for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty()
    }

    /// The claims wished for from userinfo.
    #[must_use]
    pub fn userinfo_names(&self) -> BTreeSet<String> {
        self.userinfo.keys().cloned().collect()
    }

    /// The claims wished for in the ID token.
    #[must_use]
    pub fn id_token_names(&self) -> BTreeSet<String> {
        self.id_token.keys().cloned().collect()
    }

    /// The one person the request is for, if it says so: another one must not be answered with (§5.5.1).
    #[must_use]
    pub fn wanted_sub(&self) -> Option<&str> {
        let wish = self.id_token.get("sub").or_else(|| self.userinfo.get("sub"))?;
        wish.values.first().map(String::as_str)
    }

    /// The levels of which one must be reached: an essential `acr` with values (§5.5.1.1).
    #[must_use]
    pub fn essential_acr(&self) -> Option<&[String]> {
        let wish = self.id_token.get("acr")?;
        (wish.essential && !wish.values.is_empty()).then_some(wish.values.as_slice())
    }
}

fn wishes(member: Option<&Value>) -> Result<BTreeMap<String, Wish>, MalformedClaims> {
    let Some(member) = member else {
        return Ok(BTreeMap::new());
    };
    let members = member.as_object().ok_or(MalformedClaims::Shape)?;
    if members.len() > MAX_NAMES || members.keys().any(|name| name.len() > MAX_NAME) {
        return Err(MalformedClaims::Size);
    }
    members.iter().map(|(name, value)| wish(name, value).map(|wish| (name.clone(), wish))).collect()
}

fn wish(name: &str, value: &Value) -> Result<Wish, MalformedClaims> {
    let members = match value {
        Value::Null => return Ok(Wish::default()),
        Value::Object(members) => members,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(MalformedClaims::Shape);
        }
    };
    let essential = match members.get("essential") {
        None => false,
        Some(essential) => essential.as_bool().ok_or(MalformedClaims::Shape)?,
    };
    let mut values = Vec::new();
    if matches!(name, "sub" | "acr") {
        let many = match members.get("values") {
            None => &[][..],
            Some(many) => many.as_array().ok_or(MalformedClaims::Shape)?.as_slice(),
        };
        for value in members.get("value").into_iter().chain(many).take(MAX_VALUES) {
            values.push(value.as_str().ok_or(MalformedClaims::Shape)?.to_owned());
        }
    }
    Ok(Wish { essential, values })
}

/// A postal address (§5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Address {
    /// The whole, as on an envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    /// Street, number, and what else leads to the door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    /// State, province, prefecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// What is known of a person, in the words of §5.1. The subject is not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The whole name, as shown.
    pub name: Option<String>,
    /// Surname.
    pub family_name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Middle name.
    pub middle_name: Option<String>,
    /// What friends say.
    pub nickname: Option<String>,
    /// How the person wants to be referred to; not unique for others.
    pub preferred_username: Option<String>,
    /// URL of the person's page.
    pub profile: Option<String>,
    /// URL of a picture. Never fetched by us.
    pub picture: Option<String>,
    /// URL of a page or blog.
    pub website: Option<String>,
    /// In the person's words.
    pub gender: Option<String>,
    /// `YYYY-MM-DD`, or `YYYY`.
    pub birthdate: Option<String>,
    /// A zone of the tz database.
    pub zoneinfo: Option<String>,
    /// A BCP 47 tag.
    pub locale: Option<String>,
    /// Seconds since 1970.
    pub updated_at: i64,
    /// Address for mail.
    pub email: Option<String>,
    /// Whether the address is known to be theirs.
    pub email_verified: bool,
    /// In E.164.
    pub phone_number: Option<String>,
    /// Whether the number is known to be theirs.
    pub phone_number_verified: bool,
    /// Postal address.
    pub address: Option<Address>,
}

/// The claims that scopes and wishes bring, never a null and never an empty text.
#[must_use]
pub fn standard_claims(profile: &Profile, scopes: &Scopes, requested: &BTreeSet<String>) -> Map<String, Value> {
    STANDARD
        .iter()
        .filter(|(name, scope)| scopes.contains(scope) || requested.contains(*name))
        .filter_map(|(name, _)| claim(profile, name).map(|value| ((*name).to_owned(), value)))
        .collect()
}

fn claim(profile: &Profile, name: &str) -> Option<Value> {
    let field = match name {
        "name" => profile.name.as_ref(),
        "family_name" => profile.family_name.as_ref(),
        "given_name" => profile.given_name.as_ref(),
        "middle_name" => profile.middle_name.as_ref(),
        "nickname" => profile.nickname.as_ref(),
        "preferred_username" => profile.preferred_username.as_ref(),
        "profile" => profile.profile.as_ref(),
        "picture" => profile.picture.as_ref(),
        "website" => profile.website.as_ref(),
        "gender" => profile.gender.as_ref(),
        "birthdate" => {
            return text(profile.birthdate.as_ref()).filter(|date| is_birthdate(date)).map(Value::from);
        }
        "zoneinfo" => profile.zoneinfo.as_ref(),
        "locale" => profile.locale.as_ref(),
        "updated_at" => return (profile.updated_at > 0).then(|| profile.updated_at.into()),
        "email" => profile.email.as_ref(),
        "email_verified" => {
            return text(profile.email.as_ref()).map(|_| profile.email_verified.into());
        }
        "phone_number" => profile.phone_number.as_ref(),
        "phone_number_verified" => {
            return text(profile.phone_number.as_ref()).map(|_| profile.phone_number_verified.into());
        }
        "address" => return profile.address.as_ref().and_then(address),
        _ => return None,
    };
    text(field).map(Value::from)
}

fn text(field: Option<&String>) -> Option<&str> {
    field.map(String::as_str).filter(|text| !text.trim().is_empty())
}

fn address(address: &Address) -> Option<Value> {
    let parts: Map<String, Value> = [
        ("formatted", address.formatted.as_ref()),
        ("street_address", address.street_address.as_ref()),
        ("locality", address.locality.as_ref()),
        ("region", address.region.as_ref()),
        ("postal_code", address.postal_code.as_ref()),
        ("country", address.country.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, field)| text(field).map(|text| (name.to_owned(), text.into())))
    .collect();
    (!parts.is_empty()).then_some(Value::Object(parts))
}

/// §5.1: `YYYY-MM-DD`, or `YYYY` alone; the year may be `0000`.
fn is_birthdate(date: &str) -> bool {
    let number = |part: &str, digits: usize| {
        (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())
            .flatten()
    };
    match date.split('-').collect::<Vec<_>>()[..] {
        [year] => number(year, 4).is_some(),
        [year, month, day] => {
            number(year, 4).is_some()
                && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
                && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
