//! Token families: one row for all tokens that came from one code, updated in place at every rotation.

use super::db::{Cells, Conn, Record, Result, Tx};
use super::memberships::Conditions;
use crate::domain::granted::{Granted, Holding};
use crate::domain::standing::{EntryStanding, MemberStanding, Standing};
use crate::kernel::id::{ApplicationId, EntryId, FamilyId, MembershipId, OrgId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A family with everything that its validity hangs on, as of one read.
#[derive(Clone, Debug)]
pub struct Family {
    /// Its id.
    pub id: FamilyId,
    /// Whose.
    pub holding: Holding,
    /// What.
    pub granted: Granted,
    /// Whether it outlives the browser session.
    pub offline: bool,
    /// How often it was rotated.
    pub generation: i64,
    /// The digest of the refresh token that is good now; `None` when none was issued.
    pub current: Option<Digest>,
    /// The digest of the one before.
    pub previous: Option<Digest>,
    /// When it was rotated last.
    pub rotated_at: UnixMillis,
    /// When the refresh token runs out unless it is used.
    pub idle_until: UnixMillis,
    /// Its validity.
    pub standing: Standing,
    /// Whether the application, and the organisation that it belongs to, are active.
    pub application_active: bool,
    /// Whether the access token that was asked about was revoked by itself.
    pub token_revoked: bool,
    /// Whether its session came through a connection.
    pub came_through: bool,
    /// The organisation's settings and the member's restriction, as they stand in the database: read where they are asked
    /// for, by [`Family::conditions`].
    bounds: (Option<String>, Option<String>),
}

impl Family {
    /// What the member's use of the organisation is bound to; `None` without a membership.
    ///
    /// # Errors
    /// What stands in the database can't be read.
    pub fn conditions(&self) -> Result<Option<Conditions>> {
        let (settings, restricted_to) = &self.bounds;
        let settings = settings.as_deref().filter(|_| self.standing.member.is_some());
        settings.map(|settings| Conditions::of(settings, restricted_to.as_deref())).transpose()
    }
}

fn digest(cell: Option<Vec<u8>>) -> Option<Digest> {
    cell.and_then(|bytes| Digest::from_slice(&bytes))
}

impl Record for Family {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = FamilyId::trusted(cells.take()?);
        let application = ApplicationId::trusted(cells.take()?);
        let user = UserId::trusted(cells.take()?);
        let org: Option<String> = cells.take()?;
        let member: Option<String> = cells.take()?;
        let entry: Option<String> = cells.take()?;
        let sid = EntryId::trusted(cells.take()?);
        let epoch = cells.take()?;
        let granted: Granted = cells.json()?;
        let generation = cells.take()?;
        let (current, previous) = (digest(cells.take()?), digest(cells.take()?));
        let rotated_at = UnixMillis(cells.take()?);
        let idle_until = UnixMillis(cells.take()?);
        let expires_at = UnixMillis(cells.take()?);
        let ended = cells.take::<Option<i64>>()?.is_some();
        let user_active = cells.take::<String>()? == "active";
        let member_row = MemberCells::read(cells)?;
        let entry_ended: Option<i64> = cells.take()?;
        let entry_expires: Option<i64> = cells.take()?;
        let session_ended: Option<i64> = cells.take()?;
        let session_expires: Option<i64> = cells.take()?;
        let (its_state, its_org): (String, Option<String>) = (cells.take()?, cells.take()?);
        let application_active = its_state == "active" && its_org.is_none_or(|org| org == "active");
        let token_revoked = cells.take()?;
        let bounds = (cells.take()?, cells.take()?);
        let came_through = cells.take()?;
        let offline = entry.is_none();
        let entry = entry.map(|_| EntryStanding {
            // An entry whose session row was pruned is over.
            ended: entry_ended.is_some() || session_ended.is_some() || session_expires.is_none(),
            expires_at: UnixMillis(entry_expires.unwrap_or(0).min(session_expires.unwrap_or(0))),
        });
        let standing =
            Standing { user_active, of_org: org.is_some(), member: member_row.0, entry, epoch, ended, expires_at };
        let member = org.zip(member).map(|(org, member)| (OrgId::trusted(org), MembershipId::trusted(member)));
        let holding = Holding { application, user, member, sid, epoch };
        Ok(Self {
            id,
            holding,
            granted,
            offline,
            generation,
            current,
            previous,
            rotated_at,
            idle_until,
            standing,
            application_active,
            token_revoked,
            came_through,
            bounds,
        })
    }
}

/// The membership's cells of a LEFT JOIN: id, state, acv, `acv_least`, epoch, and the organisation's state, slug, owner.
pub(super) struct MemberCells(pub Option<MemberStanding>);

impl Record for MemberCells {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id: Option<String> = cells.take()?;
        let state: Option<String> = cells.take()?;
        let (acv, acv_least, epoch): (Option<i64>, Option<i64>, Option<i64>) =
            (cells.take()?, cells.take()?, cells.take()?);
        let (org_state, org_slug, owner): (Option<String>, Option<String>, Option<String>) =
            (cells.take()?, cells.take()?, cells.take()?);
        let Some(id) = id else { return Ok(Self(None)) };
        Ok(Self(Some(MemberStanding {
            active: state.as_deref() == Some("active") && org_state.as_deref() == Some("active"),
            owner: owner.as_deref() == Some(id.as_str()),
            org_slug: org_slug.unwrap_or_default(),
            acv: acv.unwrap_or(0),
            acv_least: acv_least.unwrap_or(i64::MAX),
            epoch: epoch.unwrap_or(i64::MAX),
            id: MembershipId::trusted(id),
        })))
    }
}

/// A family with its standing, by one statement; `jti` is the access token that is asked about, or empty.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, id: &FamilyId, jti: &str) -> Result<Option<Family>> {
    conn.query(
        "SELECT f.id, f.application_id, f.user_id, f.org_id, f.membership_id, f.entry_id, f.sid, f.epoch, f.granted,
           f.generation, f.secret_hash, f.previous_hash, f.rotated_at, f.idle_until, f.expires_at,
           CASE WHEN f.connection_id IS NULL
               OR (fc.state = 'active' AND fi.id IS NOT NULL AND COALESCE(fi.ended_at, 0) <= f.created_at)
             THEN f.ended_at ELSE COALESCE(f.ended_at, f.created_at) END, u.state,
           m.id, m.state, m.acv, m.acv_least, m.epoch, o.state, o.slug, o.owner_id,
           e.ended_at, e.expires_at, s.ended_at, s.expires_at, a.state, ao.state,
           EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.jti = $2), o.settings, m.restricted_to,
           f.connection_id IS NOT NULL
         FROM token_families f
         JOIN users u ON u.id = f.user_id
         JOIN applications a ON a.id = f.application_id
         LEFT JOIN orgs ao ON ao.id = a.org_id
         LEFT JOIN memberships m ON m.id = f.membership_id
         LEFT JOIN orgs o ON o.id = f.org_id
         LEFT JOIN session_entries e ON e.id = f.entry_id
         LEFT JOIN sessions s ON s.id = e.session_id
         LEFT JOIN connections fc ON fc.id = f.connection_id
         LEFT JOIN upstream_identities fi ON fi.id = f.identity_id
         WHERE f.id = $1",
    )
    .bind(id.as_str().to_owned())
    .bind(jti.to_owned())
    .optional()
    .await
}

/// A new family.
#[derive(Clone, Debug)]
pub struct NewFamily {
    /// Its id.
    pub id: FamilyId,
    /// Whose.
    pub holding: Holding,
    /// What.
    pub granted: Granted,
    /// Whether it outlives the browser session.
    pub offline: bool,
    /// The digest of the first refresh token; `None` when none is issued.
    pub secret: Option<Digest>,
    /// When it runs out.
    pub expires_at: UnixMillis,
    /// When the refresh token runs out unless it is used.
    pub idle_until: UnixMillis,
}

/// Makes a family. It keeps through which connection its session came, and is over from the start if that session is;
/// so is one that begins past the connection which its organisation enforces by now.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, family: &NewFamily, now: UnixMillis) -> Result<()> {
    let holding = &family.holding;
    let (org, member) = match &holding.member {
        Some((org, member)) => (Some(org.as_str().to_owned()), Some(member.as_str().to_owned())),
        None => (None, None),
    };
    if family.offline {
        // Whoever ends the entry takes turns with this: the family is there to be ended with it, or finds that it is over.
        tx.query("UPDATE session_entries SET epoch = epoch WHERE id = $1")
            .bind(holding.sid.as_str().to_owned())
            .execute()
            .await?;
    }
    tx.query(
        "INSERT INTO token_families (id, application_id, user_id, org_id, membership_id, entry_id, sid, epoch, granted,
           generation, secret_hash, rotated_at, created_at, idle_until, expires_at, connection_id, identity_id,
           upstream_sid, ended_at, end_reason)
         SELECT n.id, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $11, $12, $13, n.connection_id, n.identity_id,
           n.upstream_sid, CASE WHEN n.late THEN $11 END, CASE WHEN n.late THEN 'session_ended' END
         FROM (SELECT f.id, s.connection_id, s.identity_id, s.upstream_sid,
             (e.ended_at IS NOT NULL OR s.ended_at IS NOT NULL) AND (s.connection_id IS NOT NULL OR EXISTS
               (SELECT 1 FROM sign_ins_upstream x WHERE x.org_id = $4 AND x.stage = 'enforced')) AS late
           FROM (SELECT $1 AS id) f LEFT JOIN session_entries e ON e.id = $7
           LEFT JOIN sessions s ON s.id = e.session_id) n",
    )
    .bind(family.id.as_str().to_owned())
    .bind(holding.application.as_str().to_owned())
    .bind(holding.user.as_str().to_owned())
    .bind(org)
    .bind(member)
    .bind((!family.offline).then(|| holding.sid.as_str().to_owned()))
    .bind(holding.sid.as_str().to_owned())
    .bind(holding.epoch)
    .bind(serde_json::to_string(&family.granted).map_err(|e| super::db::corrupt(&e.to_string()))?)
    .bind(family.secret.map(Digest::to_vec))
    .bind(now.0)
    .bind(family.idle_until.0)
    .bind(family.expires_at.0)
    .execute()
    .await
    .map(|_| ())
}

/// Rotates, if the family still is in the generation that was read, was not ended and its member's epoch did not rise.
///
/// # Errors
/// The database's.
pub async fn rotate(
    tx: &mut Tx,
    id: &FamilyId,
    from: (i64, Digest),
    to: Digest,
    now: UnixMillis,
    idle_until: UnixMillis,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE token_families SET generation = generation + 1, previous_hash = secret_hash, secret_hash = $4,
               rotated_at = $5, idle_until = $6
             WHERE id = $1 AND generation = $2 AND secret_hash = $3 AND ended_at IS NULL
               AND (membership_id IS NULL OR epoch >= (SELECT m.epoch FROM memberships m WHERE m.id = membership_id))",
        )
        .bind(id.as_str().to_owned())
        .bind(from.0)
        .bind(from.1.to_vec())
        .bind(to.to_vec())
        .bind(now.0)
        .bind(idle_until.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Puts off the idle end of a family that is not rotated.
///
/// # Errors
/// The database's.
pub async fn keep_alive(tx: &mut Tx, id: &FamilyId, idle_until: UnixMillis) -> Result<()> {
    tx.query("UPDATE token_families SET idle_until = $2 WHERE id = $1 AND ended_at IS NULL")
        .bind(id.as_str().to_owned())
        .bind(idle_until.0)
        .execute()
        .await
        .map(|_| ())
}

/// Ends a family; true when it was not ended before.
///
/// # Errors
/// The database's.
pub async fn end(tx: &mut Tx, id: &FamilyId, reason: &'static str, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE token_families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL")
        .bind(id.as_str().to_owned())
        .bind(now.0)
        .bind(reason)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Revokes one access token by its `jti`, until it would have expired.
///
/// # Errors
/// The database's.
pub async fn revoke_access_token(tx: &mut Tx, jti: &str, expires_at: UnixMillis) -> Result<()> {
    tx.query("INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(jti.to_owned())
        .bind(expires_at.0)
        .execute()
        .await
        .map(|_| ())
}

/// Whether an access token was revoked by itself.
///
/// # Errors
/// The database's.
pub async fn is_revoked(conn: &mut Conn, jti: &str) -> Result<bool> {
    let row: Option<(String,)> =
        conn.query("SELECT jti FROM revoked_tokens WHERE jti = $1").bind(jti.to_owned()).optional().await?;
    Ok(row.is_some())
}
