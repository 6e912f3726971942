//! What an input must look like before it becomes a row.

use super::super::Refusal;
use crate::domain::access::permission::known;
use crate::domain::access::{Binding, Role};
use crate::domain::change::NewUser;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::kernel::time::{HOUR, MINUTE};

pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> Refusal {
    Refusal::Invalid { field, reason: reason.into() }
}

pub(super) fn unknown() -> Refusal {
    invalid("change", "This change is not one that can be carried out.")
}

pub(super) fn check_user(user: &NewUser) -> Result<(), Refusal> {
    identifier::check_user_name(&user.user_name).map_err(|e| invalid("user_name", e))?;
    check_profile(&user.profile)
}

pub(super) fn check_profile(profile: &Profile) -> Result<(), Refusal> {
    if let Some(email) = &profile.email {
        identifier::check_email(email).map_err(|e| invalid("email", e))?;
    }
    if let Some(phone) = &profile.phone_number {
        identifier::check_phone(phone).map_err(|e| invalid("phone", e))?;
    }
    let names = [("name", &profile.name), ("given_name", &profile.given_name), ("family_name", &profile.family_name)];
    for (field, name) in names {
        if let Some(name) = name {
            check_name(field, name, 200)?;
        }
    }
    Ok(())
}

pub(super) fn check_binding(binding: &Binding) -> Result<(), Refusal> {
    if binding.role == Role::OrgOwner {
        return Err(invalid("role", "org.owner can't be given; transfer the ownership instead."));
    }
    if !binding.scope.fits(&binding.role) {
        let text = format!(
            "{} needs a {}.",
            binding.role,
            if binding.role.as_str().starts_with("project.") { "project" } else { "place on the organisation" }
        );
        return Err(invalid("scope", text));
    }
    if binding.window.not_before >= binding.window.not_after {
        return Err(invalid("not_after", "The end must lie after the beginning."));
    }
    Ok(())
}

/// 15 minutes to 24 hours idle, 1 to 720 hours in all.
pub(super) fn check_limits(idle: Option<i64>, absolute: Option<i64>) -> Result<(), Refusal> {
    if idle.is_some_and(|idle| !(15 * MINUTE..=24 * HOUR).contains(&idle)) {
        return Err(invalid("session_idle_seconds", "Use 15 minutes to 24 hours."));
    }
    if absolute.is_some_and(|absolute| !(HOUR..=720 * HOUR).contains(&absolute)) {
        return Err(invalid("session_absolute_seconds", "Use 1 to 720 hours."));
    }
    Ok(())
}

pub(super) fn check_permissions(permissions: &std::collections::BTreeSet<String>) -> Result<(), Refusal> {
    match permissions.iter().find(|word| known(word).is_none()) {
        Some(word) => Err(invalid("permissions", format!("\"{word}\" is not in the catalogue of permissions."))),
        None => Ok(()),
    }
}

/// Slugs are shown in addresses and reserved words must not be taken.
pub(super) fn check_slug(slug: &str) -> Result<(), Refusal> {
    check_key("slug", slug)?;
    if ["instance", "operator", "own", "admin", "api"].contains(&slug) {
        return Err(invalid("slug", "This word is reserved; choose another."));
    }
    Ok(())
}

pub(super) fn check_key(field: &'static str, key: &str) -> Result<(), Refusal> {
    let ok = (1..=40).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && !key.ends_with('-')
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if ok { Ok(()) } else { Err(invalid(field, "Use 1 to 40 of a-z, 0-9 and -, beginning with a letter.")) }
}

pub(super) fn check_name(field: &'static str, name: &str, most: usize) -> Result<(), Refusal> {
    let length = name.trim().chars().count();
    if length == 0 || length > most || name.chars().any(char::is_control) {
        return Err(invalid(field, format!("Use 1 to {most} characters, no control characters.")));
    }
    Ok(())
}

pub(super) fn check_description(text: &str) -> Result<(), Refusal> {
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err(invalid("description", "Use at most 100 characters, no control characters."));
    }
    Ok(())
}
