//! Invitations, for reading, and what the delivery of their mails says of them. What they bring is written by an access
//! edit alone, when they are accepted.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Cells, Conn, Database, LIST, Record, Result, Tx};
use crate::domain::language::Language;
use crate::domain::people::invitation::{Access, State};
use crate::kernel::id::{GroupId, InvitationId, MembershipId, OrgId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// So many invitations are found to be over at a time.
const TOGETHER: i64 = 1000;

/// An invitation.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Into which organisation.
    pub org: OrgId,
    /// Whom: the address that its mails go to.
    pub email: String,
    /// The whole name, as shown.
    pub name: String,
    /// First name; may be empty.
    pub given_name: String,
    /// Surname; may be empty.
    pub family_name: String,
    /// The language of its mails.
    pub language: Language,
    /// Its state as it was written last; see [`Invitation::state_at`].
    pub state: State,
    /// Why it is cancelled or failed; a word of ours, or what the receiving server said.
    pub reason: String,
    /// What it brings. A group that was deleted is not among it.
    pub access: Access,
    /// The label of whoever sent it.
    pub created_by: String,
    /// The account of whoever sent it; `None` for the instance.
    pub inviter: Option<UserId>,
    /// How many mails were sent.
    pub sent: i64,
    /// Since when the mails of a day are counted.
    pub sent_since: UnixMillis,
    /// How many were sent since then.
    pub sent_in_a_day: i64,
    /// When the last one was sent.
    pub last_sent_at: UnixMillis,
    /// When the newest link ends.
    pub link_expires_at: UnixMillis,
    /// When it ends itself.
    pub expires_at: UnixMillis,
    /// The account that accepted.
    pub user: Option<UserId>,
    /// The membership that came of it.
    pub member: Option<MembershipId>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it left the open states.
    pub decided_at: Option<UnixMillis>,
}

impl Invitation {
    /// Where it stands at `now`: from the moment of its end an open one is expired, written down or not.
    #[must_use]
    pub fn state_at(&self, now: UnixMillis) -> State {
        if self.state.is_open() && now >= self.expires_at { State::Expired } else { self.state }
    }
}

impl Record for Invitation {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: InvitationId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            email: cells.take()?,
            name: cells.take()?,
            given_name: cells.take()?,
            family_name: cells.take()?,
            language: cells.parse()?,
            state: cells.parse()?,
            reason: cells.take()?,
            access: Access { groups: BTreeSet::new(), roles: cells.json()? },
            created_by: cells.take()?,
            inviter: cells.take::<Option<String>>()?.map(UserId::trusted),
            sent: cells.take()?,
            sent_since: UnixMillis(cells.take()?),
            sent_in_a_day: cells.take()?,
            last_sent_at: UnixMillis(cells.take()?),
            link_expires_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
            user: cells.take::<Option<String>>()?.map(UserId::trusted),
            member: cells.take::<Option<String>>()?.map(MembershipId::trusted),
            created_at: UnixMillis(cells.take()?),
            decided_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// Reads the groups of some invitations, which have a table of their own.
async fn with_groups(conn: &mut Conn, mut invitations: Vec<Invitation>) -> Result<Vec<Invitation>> {
    let ids: Vec<String> = invitations.iter().map(|one| one.id.as_str().to_owned()).collect();
    let mut groups: BTreeMap<String, BTreeSet<GroupId>> = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String)> = conn
            .query_in("SELECT invitation_id, group_id FROM invitation_groups WHERE invitation_id IN (@)", chunk)
            .all()
            .await?;
        for (invitation, group) in rows {
            groups.entry(invitation).or_default().insert(GroupId::trusted(group));
        }
    }
    for invitation in &mut invitations {
        invitation.access.groups = groups.remove(invitation.id.as_str()).unwrap_or_default();
    }
    Ok(invitations)
}

async fn one_with_groups(conn: &mut Conn, found: Option<Invitation>) -> Result<Option<Invitation>> {
    Ok(with_groups(conn, found.into_iter().collect()).await?.pop())
}

/// An invitation by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &InvitationId) -> Result<Option<Invitation>> {
    let found = conn
        .query(
            "SELECT id, org_id, email, name, given_name, family_name, language, state, reason, roles, created_by, inviter_id,
               sent, sent_since, sent_in_a_day, last_sent_at, link_expires_at, expires_at, user_id, membership_id,
               created_at, decided_at
             FROM invitations WHERE org_id = $1 AND id = $2",
        )
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    one_with_groups(conn, found).await
}

/// The invitation that a link was sent for, whatever became of either.
///
/// # Errors
/// The database's.
pub async fn by_link(conn: &mut Conn, link: Digest) -> Result<Option<Invitation>> {
    let found = conn
        .query(
            "SELECT i.id, i.org_id, i.email, i.name, i.given_name, i.family_name, i.language, i.state, i.reason, i.roles,
               i.created_by, i.inviter_id, i.sent, i.sent_since, i.sent_in_a_day, i.last_sent_at, i.link_expires_at,
               i.expires_at, i.user_id, i.membership_id, i.created_at, i.decided_at
             FROM links l JOIN invitations i ON i.id = l.invitation_id
             WHERE l.secret_hash = $1 AND l.purpose = 'invitation'",
        )
        .bind(link.to_vec())
        .optional()
        .await?;
    one_with_groups(conn, found).await
}

/// So many invitations of an organisation behind one of them, in the order of their making; all, or those of one state
/// as it was written last.
///
/// # Errors
/// The database's.
pub async fn list(
    conn: &mut Conn,
    org: &OrgId,
    state: Option<State>,
    after: Option<&InvitationId>,
    limit: i64,
) -> Result<Vec<Invitation>> {
    let after = after.map(|id| id.as_str().to_owned()).unwrap_or_default();
    let sql = if state.is_some() {
        "SELECT id, org_id, email, name, given_name, family_name, language, state, reason, roles, created_by, inviter_id,
           sent, sent_since, sent_in_a_day, last_sent_at, link_expires_at, expires_at, user_id, membership_id, created_at,
           decided_at
         FROM invitations WHERE org_id = $1 AND id > $2 AND state = $4 ORDER BY id LIMIT $3"
    } else {
        "SELECT id, org_id, email, name, given_name, family_name, language, state, reason, roles, created_by, inviter_id,
           sent, sent_since, sent_in_a_day, last_sent_at, link_expires_at, expires_at, user_id, membership_id, created_at,
           decided_at
         FROM invitations WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    };
    let mut query = conn.query(sql).bind(org.as_str().to_owned()).bind(after).bind(limit);
    if let Some(state) = state {
        query = query.bind(state.as_str());
    }
    let found = query.all().await?;
    with_groups(conn, found).await
}

/// The open invitations to an address, by its key, in every organisation.
///
/// # Errors
/// The database's.
pub async fn open_of_email(conn: &mut Conn, email_key: &str) -> Result<Vec<Invitation>> {
    let found = conn
        .query(
            "SELECT id, org_id, email, name, given_name, family_name, language, state, reason, roles, created_by, inviter_id,
               sent, sent_since, sent_in_a_day, last_sent_at, link_expires_at, expires_at, user_id, membership_id,
               created_at, decided_at
             FROM invitations WHERE email_key = $1 AND state IN ('processing', 'pending') ORDER BY id",
        )
        .bind(email_key.to_owned())
        .all()
        .await?;
    with_groups(conn, found).await
}

/// The open invitation of an organisation to an address, by its key.
///
/// # Errors
/// The database's.
pub async fn open_in_org(conn: &mut Conn, org: &OrgId, email_key: &str) -> Result<Option<Invitation>> {
    let found = conn
        .query(
            "SELECT id, org_id, email, name, given_name, family_name, language, state, reason, roles, created_by, inviter_id,
               sent, sent_since, sent_in_a_day, last_sent_at, link_expires_at, expires_at, user_id, membership_id,
               created_at, decided_at
             FROM invitations WHERE org_id = $1 AND email_key = $2 AND state IN ('processing', 'pending')",
        )
        .bind(org.as_str().to_owned())
        .bind(email_key.to_owned())
        .optional()
        .await?;
    one_with_groups(conn, found).await
}

/// How many mails an organisation sent to an address since a moment, whatever became of their invitations, and when the
/// last one was.
///
/// # Errors
/// The database's.
pub async fn sent_since(
    conn: &mut Conn,
    org: &OrgId,
    email_key: &str,
    since: UnixMillis,
) -> Result<(i64, Option<UnixMillis>)> {
    let (count, last): (i64, Option<i64>) = conn
        .query(
            "SELECT CAST(COALESCE(SUM(sent_in_a_day), 0) AS BIGINT), MAX(last_sent_at)
             FROM invitations WHERE org_id = $1 AND email_key = $2 AND last_sent_at > $3",
        )
        .bind(org.as_str().to_owned())
        .bind(email_key.to_owned())
        .bind(since.0)
        .one()
        .await?;
    Ok((count, last.map(UnixMillis)))
}

/// So many open invitations that bring a place in a group: its pending members.
///
/// # Errors
/// The database's.
pub async fn pending_of_group(
    conn: &mut Conn,
    org: &OrgId,
    group: &GroupId,
    after: Option<&InvitationId>,
    limit: i64,
) -> Result<Vec<Invitation>> {
    let after = after.map(|id| id.as_str().to_owned()).unwrap_or_default();
    let found = conn
        .query(
            "SELECT i.id, i.org_id, i.email, i.name, i.given_name, i.family_name, i.language, i.state, i.reason, i.roles,
               i.created_by, i.inviter_id, i.sent, i.sent_since, i.sent_in_a_day, i.last_sent_at, i.link_expires_at,
               i.expires_at, i.user_id, i.membership_id, i.created_at, i.decided_at
             FROM invitation_groups g JOIN invitations i ON i.id = g.invitation_id
             WHERE g.group_id = $2 AND i.org_id = $1 AND g.invitation_id > $3 AND i.state IN ('processing', 'pending')
             ORDER BY g.invitation_id LIMIT $4",
        )
        .bind(org.as_str().to_owned())
        .bind(group.as_str().to_owned())
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    with_groups(conn, found).await
}

/// Notes that an invitation's mail was delivered.
///
/// # Errors
/// The database's.
pub async fn mail_sent(tx: &mut Tx, id: &InvitationId, _now: UnixMillis) -> Result<()> {
    tx.query("UPDATE invitations SET state = 'pending' WHERE id = $1 AND state = 'processing'")
        .bind(id.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// Notes that an invitation's mail can't be delivered. One that is over by now stays so.
///
/// # Errors
/// The database's.
pub async fn mail_failed(tx: &mut Tx, id: &InvitationId, reason: &str, now: UnixMillis) -> Result<()> {
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(300).collect();
    tx.query(
        "UPDATE invitations SET state = 'failed', reason = $2
         WHERE id = $1 AND state IN ('processing', 'pending') AND expires_at > $3",
    )
    .bind(id.as_str().to_owned())
    .bind(reason)
    .bind(now.0)
    .execute()
    .await
    .map(|_| ())
}

/// Writes down which open invitations are over, a thousand at a time; how many.
///
/// # Errors
/// The database's.
pub async fn expire(db: &Database, now: UnixMillis) -> Result<u64> {
    db.write(move |tx| {
        Box::pin(async move {
            tx.query(
                "UPDATE invitations SET state = 'expired', decided_at = expires_at
                 WHERE state IN ('processing', 'pending') AND id IN
                   (SELECT id FROM invitations WHERE state IN ('processing', 'pending') AND expires_at <= $1 LIMIT $2)",
            )
            .bind(now.0)
            .bind(TOGETHER)
            .execute()
            .await
        })
    })
    .await
}
