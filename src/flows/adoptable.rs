//! Which accounts of an organisation a connection takes over by itself, whether it pushes people or signs them in.
//!
//! # Why
//! Elsewhere whoever could name an address could take the account that had it. A connection takes over by itself only whom
//! the organisation may answer for: somebody whose own e-mail address it names, of a domain that the organisation has
//! verified, who neither owns nor administers anything. One rule for both ways: the looser of two would be the rule.

use crate::domain::access::Role;
use crate::domain::people::domain_name::DomainName;
use crate::domain::people::user::{Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::kernel::id::OrgId;
use crate::store::db::Conn;
use crate::store::users::User;
use crate::store::{domains, memberships, orgs};

/// Whether one of these addresses is the account's own, and its domain is the organisation's.
///
/// # Errors
/// The database's.
pub async fn answers_for(conn: &mut Conn, org: &OrgId, user: &User, said: &[&str]) -> Result<bool, sqlx::Error> {
    let Some(email) = user.profile.email.as_deref().filter(|email| !email.is_empty()) else {
        return Ok(false);
    };
    // Letter by letter, but for capitals of ASCII: the Kelvin sign's small letter is `k`, and its mailbox another one.
    if !said.iter().any(|said| said.trim().eq_ignore_ascii_case(email.trim())) {
        return Ok(false);
    }
    match DomainName::of_email(email) {
        Some(domain) => domains::is_verified(conn, org, domain.as_str()).await,
        None => Ok(false),
    }
}

/// Whether an account belongs to the organisation, was made here, is barred nowhere, and neither owns nor administers
/// anything, now or later.
///
/// # Errors
/// The database's.
pub async fn is_plain(conn: &mut Conn, org: &OrgId, user: &User) -> Result<bool, sqlx::Error> {
    let made_here = matches!(user.source, Source::Local | Source::Invitation(_));
    let managed = user.kind == Kind::Managed(org.clone());
    if !managed || !made_here || !matches!(user.state, UserState::Active | UserState::Pending) {
        return Ok(false);
    }
    let Some(member) = memberships::of_user(conn, org, &user.id).await? else {
        return Ok(false);
    };
    let owner = orgs::find(conn, org).await?.and_then(|found| found.owner);
    if owner.as_ref() == Some(&member.id) || !matches!(member.state, MembershipState::Active | MembershipState::Pending)
    {
        return Ok(false);
    }
    let bindings = memberships::bindings_reaching(conn, &member.id).await?;
    // What an organisation's own role allows may grow tomorrow.
    Ok(!bindings.iter().any(|binding| matches!(binding.role, Role::Own(_)) || binding.role.is_admin()))
}
