//! Which connection somebody signs in through, before anybody knows who they are: by the domain of an address, by the
//! organisation, by a hint of the application.
//!
//! What is found depends on domains and connections alone, never on accounts: so nobody learns who has one.

use crate::domain::federation::Stage;
use crate::domain::people::domain_name::DomainName;
use crate::kernel::fold;
use crate::kernel::id::{ConnectionId, OrgId};
use crate::store::db::Conn;
use crate::store::federation::upstreams::{self, Offer};

/// Where an address leads.
#[derive(Clone, Debug)]
pub struct Found {
    /// The organisation whose domain it is.
    pub org: OrgId,
    /// Its place in addresses.
    pub org_slug: String,
    /// The connection.
    pub offer: Offer,
}

impl Found {
    /// Whether people of the domain sign in there and nowhere else.
    #[must_use]
    pub const fn is_enforced(&self) -> bool {
        matches!(self.offer.stage, Stage::Enforced)
    }
}

/// Where what somebody typed leads, if it is an address of a domain that leads anywhere.
///
/// # Errors
/// The database's.
pub async fn of_typed(conn: &mut Conn, identifier: &str) -> Result<Option<Found>, sqlx::Error> {
    let Some(domain) = DomainName::of_email(identifier.trim()) else { return Ok(None) };
    let found = upstreams::for_domain(conn, domain.as_str()).await?;
    Ok(found.map(|(org, org_slug, offer)| Found { org, org_slug, offer }))
}

/// The connections that an organisation offers, by name.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Offer>, sqlx::Error> {
    upstreams::open_of_org(conn, org).await
}

/// The connection that an application hints at: by its id, or in an organisation by its name, without regard to case. One
/// that isn't open is none, nor is one of another organisation than the one that is known.
///
/// # Errors
/// The database's.
pub async fn hinted(conn: &mut Conn, org: Option<&OrgId>, hint: &str) -> Result<Option<ConnectionId>, sqlx::Error> {
    if let Ok(id) = hint.parse::<ConnectionId>() {
        let found = upstreams::by_id(conn, &id).await?.filter(upstreams::SignIn::works);
        let found = found.filter(|found| org.is_none_or(|org| *org == found.connection.org));
        return Ok(found.map(|found| found.connection.id));
    }
    let Some(org) = org else { return Ok(None) };
    let key = fold::key(hint);
    let offers = upstreams::open_of_org(conn, org).await?;
    Ok(offers.into_iter().find(|offer| fold::key(&offer.name) == key).map(|offer| offer.connection))
}

/// What a request says of where somebody signs in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// The organisation, if one is known.
    pub org: Option<&'a OrgId>,
    /// The connection that the application hints at.
    pub idp_hint: Option<&'a str>,
    /// Whom the application expects.
    pub login_hint: Option<&'a str>,
}

/// The connection that somebody is sent to without being asked: the one hinted at, the one that the expected person's
/// domain leads to, the organisation's enforced one. `None` shows the sign-in page.
///
/// # Errors
/// The database's.
pub async fn of_wish(conn: &mut Conn, wish: &Wish<'_>) -> Result<Option<ConnectionId>, sqlx::Error> {
    if let Some(hint) = wish.idp_hint
        && let Some(found) = hinted(conn, wish.org, hint).await?
    {
        return Ok(Some(found));
    }
    if let Some(hint) = wish.login_hint
        && let Some(found) = of_typed(conn, hint).await?
        && wish.org.is_none_or(|org| *org == found.org)
    {
        return Ok(Some(found.offer.connection));
    }
    match wish.org {
        Some(org) => Ok(upstreams::enforced_of(conn, org).await?.map(|offer| offer.connection)),
        None => Ok(None),
    }
}
