//! Connections' sign-ins, for reading: how each is set up, which an organisation offers, and how its provider does. Only
//! an access edit makes and changes them.
//!
//! A sign-in *works* when the connection and its organisation are active and its stage is open.

use crate::domain::connection::ConnectionState;
use crate::domain::federation::{Mapping, Preset, SignInSettings, Stage};
use crate::kernel::id::{ConnectionId, OrgId};
use crate::kernel::time::{DAY, UnixMillis};
use crate::store::connections::Connection;
use crate::store::db::{Cells, Conn, Record, Result, Tx};
use crate::store::scim::shown;

use super::is_storable;

/// So many characters of an error are kept.
const LONGEST_ERROR: usize = 300;

/// How a sign-in's provider does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When somebody came through last.
    pub last_sign_in_at: Option<UnixMillis>,
    /// When the provider failed last.
    pub last_error_at: Option<UnixMillis>,
    /// Why.
    pub last_error: Option<String>,
    /// How often in a row.
    pub failures: i64,
    /// Since when.
    pub failing_since: Option<UnixMillis>,
    /// When somebody was told.
    pub told_at: Option<UnixMillis>,
}

/// A connection with its sign-in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The connection.
    pub connection: Connection,
    /// Whether its organisation is active.
    pub org_active: bool,
    /// How far it is set up.
    pub stage: Stage,
    /// Rises with every new set-up.
    pub revision: i64,
    /// The set-up but for secrets.
    pub settings: SignInSettings,
    /// Whether a client secret is kept.
    pub has_secret: bool,
    /// The public half of the connection's own key, a JWK as JSON.
    pub public_key: Option<String>,
    /// The rules by which its people come into groups.
    pub mapping: Mapping,
    /// Rises with every change of them.
    pub mapping_version: i64,
    /// When somebody came through with the provider that is set now.
    pub tested_at: Option<UnixMillis>,
    /// How the provider does.
    pub health: Health,
}

impl SignIn {
    /// Whether people can sign in through it.
    #[must_use]
    pub fn works(&self) -> bool {
        self.org_active && self.connection.state == ConnectionState::Active && self.stage.is_open()
    }
}

fn moment(cells: &mut Cells<'_>) -> Result<Option<UnixMillis>> {
    Ok(cells.take::<Option<i64>>()?.map(UnixMillis))
}

impl Record for SignIn {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            connection: Connection::read(cells)?,
            org_active: cells.take::<String>()? == "active",
            stage: cells.parse()?,
            revision: cells.take()?,
            settings: cells.json()?,
            has_secret: cells.take()?,
            public_key: cells.take()?,
            mapping: cells.json()?,
            mapping_version: cells.take()?,
            tested_at: moment(cells)?,
            health: Health {
                last_sign_in_at: moment(cells)?,
                last_error_at: moment(cells)?,
                last_error: cells.take()?,
                failures: cells.take()?,
                failing_since: moment(cells)?,
                told_at: moment(cells)?,
            },
        })
    }
}

/// A connection's sign-in, in its organisation only, whether it works or not.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, connection: &ConnectionId) -> Result<Option<SignIn>> {
    Ok(by_id(conn, connection).await?.filter(|found| found.connection.org == *org))
}

/// A connection's sign-in, whether it works or not.
///
/// # Errors
/// The database's.
pub async fn by_id(conn: &mut Conn, connection: &ConnectionId) -> Result<Option<SignIn>> {
    if !is_storable(connection.as_str()) {
        return Ok(None);
    }
    conn.query(
        "SELECT c.id, c.org_id, c.name, c.state, c.profile, c.local_grants, c.settings, c.user_count, c.group_count,
           c.created_at, c.last_sync_at, c.last_error_at, c.last_error, o.state, s.stage, s.revision, s.settings,
           s.sealed_secret IS NOT NULL, s.public_key, s.mapping, s.mapping_version, s.tested_at, s.last_sign_in_at,
           s.last_error_at, s.last_error, s.failures, s.failing_since, s.told_at
         FROM sign_ins_upstream s JOIN connections c ON c.id = s.connection_id JOIN orgs o ON o.id = s.org_id
         WHERE s.connection_id = $1",
    )
    .bind(connection.as_str().to_owned())
    .optional()
    .await
}

/// What of a sign-in is sealed, each part bound to the connection.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    /// The client secret.
    pub secret: Option<Vec<u8>>,
    /// The connection's own private key.
    pub key: Option<Vec<u8>>,
    /// The bearer token for fetching the provider's events.
    pub poll_token: Option<Vec<u8>>,
}

impl Record for Sealed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { secret: cells.take()?, key: cells.take()?, poll_token: cells.take()? })
    }
}

/// What of a connection's sign-in is sealed; `None` when it has none.
///
/// # Errors
/// The database's.
pub async fn secrets(conn: &mut Conn, connection: &ConnectionId) -> Result<Option<Sealed>> {
    conn.query("SELECT sealed_secret, sealed_key, sealed_poll_token FROM sign_ins_upstream WHERE connection_id = $1")
        .bind(connection.as_str().to_owned())
        .optional()
        .await
}

/// A working sign-in, as people are offered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The connection.
    pub connection: ConnectionId,
    /// What people call it.
    pub name: String,
    /// How far it is set up.
    pub stage: Stage,
    /// What its set-up began from.
    pub preset: Preset,
}

impl Record for Offer {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            connection: ConnectionId::trusted(cells.take()?),
            name: cells.take()?,
            stage: cells.parse()?,
            preset: cells.json::<SignInSettings>()?.preset,
        })
    }
}

/// The working sign-ins of an organisation, by name.
///
/// # Errors
/// The database's.
pub async fn open_of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Offer>> {
    conn.query(
        "SELECT c.id, c.name, s.stage, s.settings FROM sign_ins_upstream s
         JOIN connections c ON c.id = s.connection_id JOIN orgs o ON o.id = s.org_id
         WHERE s.org_id = $1 AND s.stage IN ('optional', 'enforced') AND c.state = 'active' AND o.state = 'active'
         ORDER BY c.name_key, c.id",
    )
    .bind(org.as_str().to_owned())
    .all()
    .await
}

/// The working sign-in that an organisation enforces, if it does.
///
/// # Errors
/// The database's.
pub async fn enforced_of(conn: &mut Conn, org: &OrgId) -> Result<Option<Offer>> {
    conn.query(
        "SELECT c.id, c.name, s.stage, s.settings FROM sign_ins_upstream s
         JOIN connections c ON c.id = s.connection_id JOIN orgs o ON o.id = s.org_id
         WHERE s.org_id = $1 AND s.stage = 'enforced' AND c.state = 'active' AND o.state = 'active'",
    )
    .bind(org.as_str().to_owned())
    .optional()
    .await
}

/// Whether an organisation enforces another connection's sign-in, whether that one works or not.
///
/// # Errors
/// The database's.
pub async fn another_is_enforced(conn: &mut Conn, org: &OrgId, connection: &ConnectionId) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query(
            "SELECT connection_id FROM sign_ins_upstream
             WHERE org_id = $1 AND stage = 'enforced' AND connection_id <> $2",
        )
        .bind(org.as_str().to_owned())
        .bind(connection.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Where an e-mail domain (in lower case, as A-labels) leads: the organisation that has verified it, its slug, and the
/// working sign-in that the domain is bound to, else the organisation's only one. A domain that is bound to one that
/// does not work leads nowhere.
///
/// # Errors
/// The database's.
pub async fn for_domain(conn: &mut Conn, domain: &str) -> Result<Option<(OrgId, String, Offer)>> {
    if !is_storable(domain) {
        return Ok(None);
    }
    let owner: Option<(String, String, Option<String>)> = conn
        .query(
            "SELECT d.org_id, o.slug, d.connection_id FROM org_domains d JOIN orgs o ON o.id = d.org_id
             WHERE d.domain = $1 AND d.state = 'verified' AND o.state = 'active'",
        )
        .bind(domain.to_owned())
        .optional()
        .await?;
    let Some((org, slug, bound)) = owner else {
        return Ok(None);
    };
    let org = OrgId::trusted(org);
    let offers = open_of_org(conn, &org).await?;
    Ok(led_to(offers, bound.as_deref()).map(|offer| (org, slug, offer)))
}

/// The one that is bound, else the only one.
fn led_to(mut offers: Vec<Offer>, bound: Option<&str>) -> Option<Offer> {
    match bound {
        Some(id) => offers.into_iter().find(|offer| offer.connection.as_str() == id),
        None if offers.len() == 1 => offers.pop(),
        None => None,
    }
}

/// The connections whose provider's events are fetched: working ones with an address for it.
///
/// # Errors
/// The database's.
pub async fn polled(conn: &mut Conn) -> Result<Vec<ConnectionId>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT s.connection_id FROM sign_ins_upstream s
             JOIN connections c ON c.id = s.connection_id JOIN orgs o ON o.id = s.org_id
             WHERE s.polls = TRUE AND s.stage IN ('optional', 'enforced') AND c.state = 'active' AND o.state = 'active'
             ORDER BY s.connection_id",
        )
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| ConnectionId::trusted(id)).collect())
}

/// Notes that the provider answered as it should: its failures are over.
///
/// # Errors
/// The database's.
pub async fn note_success(tx: &mut Tx, connection: &ConnectionId, at: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE sign_ins_upstream SET last_sign_in_at = $2, failures = 0, failing_since = NULL
         WHERE connection_id = $1 AND (failures > 0 OR last_sign_in_at IS NULL OR last_sign_in_at < $2)",
    )
    .bind(connection.as_str().to_owned())
    .bind(at.0)
    .execute()
    .await
    .map(|_| ())
}

/// How long a provider has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// How often in a row.
    pub failures: i64,
    /// Since when.
    pub since: UnixMillis,
    /// When somebody was told.
    pub told_at: Option<UnixMillis>,
}

/// Notes that the provider failed. A connection without a sign-in has failed at nothing.
///
/// # Errors
/// The database's.
pub async fn note_failure(tx: &mut Tx, connection: &ConnectionId, at: UnixMillis, error: &str) -> Result<Failing> {
    let row: Option<(i64, Option<i64>, Option<i64>)> = tx
        .query(
            "UPDATE sign_ins_upstream SET failures = failures + 1, failing_since = COALESCE(failing_since, $2),
               last_error_at = $2, last_error = $3
             WHERE connection_id = $1 RETURNING failures, failing_since, told_at",
        )
        .bind(connection.as_str().to_owned())
        .bind(at.0)
        .bind(shown(error, LONGEST_ERROR))
        .optional()
        .await?;
    let (failures, since, told_at) = row.unwrap_or_default();
    Ok(Failing { failures, since: since.map_or(at, UnixMillis), told_at: told_at.map(UnixMillis) })
}

/// Notes that somebody is told that the provider fails: true for one caller a day.
///
/// # Errors
/// The database's.
pub async fn note_told(tx: &mut Tx, connection: &ConnectionId, at: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE sign_ins_upstream SET told_at = $2 WHERE connection_id = $1 AND (told_at IS NULL OR told_at <= $3)",
        )
        .bind(connection.as_str().to_owned())
        .bind(at.0)
        .bind(at.minus(DAY).0)
        .execute()
        .await?;
    Ok(rows == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(number: u128) -> Offer {
        Offer {
            connection: ConnectionId::from_u128(number),
            name: number.to_string(),
            stage: Stage::Optional,
            preset: Preset::Generic,
        }
    }

    // I39
    #[test]
    fn a_domain_leads_to_what_it_is_bound_to_or_to_the_only_one() {
        let led = |numbers: &[u128], bound: Option<u128>| {
            let bound = bound.map(ConnectionId::from_u128);
            led_to(numbers.iter().map(|n| offer(*n)).collect(), bound.as_ref().map(ConnectionId::as_str))
        };
        assert_eq!(led(&[1], None), Some(offer(1)));
        assert_eq!(led(&[1, 2], None), None);
        assert_eq!(led(&[], None), None);
        assert_eq!(led(&[1, 2], Some(2)), Some(offer(2)));
        assert_eq!(led(&[1], Some(2)), None);
    }
}
