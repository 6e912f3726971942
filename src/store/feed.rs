//! The feed of revocations: what has ended since it was looked at last is given numbers, in the order of its becoming known.
//!
//! # Why
//! What the feed says is derived from the rows that say it to ourselves, so that nobody who ends something can forget the
//! feed. Only what is committed is numbered, by one at a time: whoever has seen a number has missed none below it. Rows
//! that another transaction is writing are passed over, and taken up a moment later: numbering waits for nobody, and so
//! can't stand in the way of a change that waits for it. What is deleted leaves a row behind ([`note_member`] …).

use super::db::{Cells, Conn, Record, Result, Tx};
use super::instance;
use crate::domain::feed::entry::{Kind, Numbered};
use crate::kernel::id::{AccessKeyId, ApplicationId, MembershipId, OrgId, ProjectId};
use crate::kernel::time::UnixMillis;

/// The instance's fact that names the feed; a restore writes it anew.
const GENERATION: &str = "feed_generation";
/// The instance's fact since when tokens count at all, in seconds; a restore writes it.
const ALL_BEFORE: &str = "feed_all_before";
/// So many of each sort are numbered at a time.
const BATCH: i64 = 2000;
/// So many are pruned at a time.
const PRUNED: i64 = 1000;

/// How the feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The instance's generation; `None` before the first.
    pub generation: Option<String>,
    /// The one that readers were told of.
    pub told: String,
    /// Everything up to this number was pruned.
    pub floor: i64,
    /// The last number that was given.
    pub head: i64,
    /// Whether something that is committed has no number yet.
    pub is_behind: bool,
}

impl Record for Standing {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            generation: cells.take()?,
            told: cells.take()?,
            floor: cells.take()?,
            head: cells.take()?,
            is_behind: cells.take()?,
        })
    }
}

/// What time it is to the feed.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Now.
    pub now: UnixMillis,
    /// How long entries are kept, in milliseconds: no token lives so long.
    pub keep: i64,
}

impl Terms {
    /// What ended before this moment can't concern a token that is alive.
    const fn since(self) -> UnixMillis {
        self.now.minus(self.keep)
    }
}

/// How the feed stands, as of one moment.
///
/// # Errors
/// The database's.
pub async fn standing(conn: &mut Conn, terms: Terms) -> Result<Standing> {
    conn.query(
        "SELECT (SELECT i.value FROM instance i WHERE i.name = 'feed_generation'), f.generation, f.floor, f.seq,
           EXISTS (SELECT 1 FROM token_families WHERE ended_at IS NOT NULL AND fed = FALSE AND ended_at > $1)
           OR EXISTS (SELECT 1 FROM memberships WHERE acv_least > fed_least)
           OR EXISTS (SELECT 1 FROM access_keys WHERE ended_at IS NOT NULL AND fed = FALSE AND ended_at > $1)
           OR EXISTS (SELECT 1 FROM access_keys WHERE tokens_from > fed_from)
           OR EXISTS (SELECT 1 FROM revoked_tokens WHERE fed = FALSE AND expires_at > $2)
           OR EXISTS (SELECT 1 FROM applications WHERE tokens_from > fed_from)
           OR EXISTS (SELECT 1 FROM orgs WHERE tokens_from > fed_from)
           OR EXISTS (SELECT 1 FROM revocations_due WHERE at > $1)
         FROM revocation_feed f WHERE f.one = 1",
    )
    .bind(terms.since().0)
    .bind(terms.now.0)
    .one()
    .await
}

impl Record for Numbered {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            seq: cells.take()?,
            kind: cells.parse::<Kind>()?,
            org: cells.take::<Option<String>>()?.map(OrgId::trusted),
            home: cells.take::<Option<String>>()?.map(OrgId::trusted),
            subject: cells.take()?,
            value: cells.take()?,
        })
    }
}

/// The entries after a number, at most so many.
///
/// # Errors
/// The database's.
pub async fn after(conn: &mut Conn, number: i64, limit: i64) -> Result<Vec<Numbered>> {
    conn.query(
        "SELECT seq, kind, org_id, home_id, subject, value FROM revocations WHERE seq > $1 ORDER BY seq LIMIT $2",
    )
    .bind(number)
    .bind(limit)
    .all()
    .await
}

/// Names the first generation, unless there is one.
///
/// # Errors
/// The database's.
pub async fn begin(tx: &mut Tx, generation: &str) -> Result<()> {
    let (_, told) = lock(tx).await?;
    if instance::get(tx, GENERATION).await?.is_none() {
        let generation = instance::set_once(tx, GENERATION, generation).await?;
        if told.is_empty() {
            tell(tx, &generation).await?;
        }
    }
    Ok(())
}

/// Takes the row that whoever numbers takes first: the last number, and the generation that readers were told of.
async fn lock(tx: &mut Tx) -> Result<(i64, String)> {
    tx.query("UPDATE revocation_feed SET seq = seq WHERE one = 1 RETURNING seq, generation").one().await
}

async fn tell(tx: &mut Tx, generation: &str) -> Result<()> {
    tx.query("UPDATE revocation_feed SET generation = $1 WHERE one = 1")
        .bind(generation.to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// What a step's rows are bound by.
#[derive(Clone, Copy)]
enum Bound {
    /// Nothing: `$1` is how many.
    None,
    /// `$1` is the moment before which nothing concerns a token that is alive, `$2` how many.
    Since,
    /// `$1` is now, `$2` how many.
    Now,
}

/// How one sort of what has ended is numbered.
struct Step {
    bound: Bound,
    /// The ids of the rows.
    rows: &'static str,
    /// Numbers the rows of a list from `$$1` on; `$$2` is until when the entries are kept.
    number: &'static str,
    /// Notes that they are.
    note: &'static str,
}

const STEPS: [Step; 8] = [
    Step {
        bound: Bound::None,
        rows: "SELECT id FROM memberships WHERE acv_least > fed_least ORDER BY id LIMIT $1 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY m.id), 'm', m.org_id, NULL, m.user_id, m.acv_least, $$2
                 FROM memberships m WHERE m.id IN (@)",
        note: "UPDATE memberships SET fed_least = acv_least WHERE id IN (@)",
    },
    Step {
        bound: Bound::Since,
        rows: "SELECT id FROM token_families WHERE ended_at IS NOT NULL AND fed = FALSE AND ended_at > $1
               ORDER BY ended_at LIMIT $2 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY f.id), 'f', f.org_id, a.org_id, f.id, 0, $$2
                 FROM token_families f JOIN applications a ON a.id = f.application_id WHERE f.id IN (@)",
        note: "UPDATE token_families SET fed = TRUE WHERE id IN (@)",
    },
    Step {
        bound: Bound::Since,
        rows: "SELECT id FROM access_keys WHERE ended_at IS NOT NULL AND fed = FALSE AND ended_at > $1
               ORDER BY ended_at LIMIT $2 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY k.id), 'f', k.org_id, NULL, k.id, 0, $$2
                 FROM access_keys k WHERE k.id IN (@)",
        note: "UPDATE access_keys SET fed = TRUE WHERE id IN (@)",
    },
    // What was issued in the second of the cut is refused too: the second after is the first that counts.
    Step {
        bound: Bound::None,
        rows: "SELECT id FROM access_keys WHERE tokens_from > fed_from ORDER BY id LIMIT $1 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY k.id), 'c', k.org_id, NULL, k.id, k.tokens_from / 1000 + 1, $$2
                 FROM access_keys k WHERE k.id IN (@)",
        note: "UPDATE access_keys SET fed_from = tokens_from WHERE id IN (@)",
    },
    Step {
        bound: Bound::None,
        rows: "SELECT id FROM applications WHERE tokens_from > fed_from ORDER BY id LIMIT $1 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY a.id), 'c', NULL, a.org_id, a.client_id,
                   a.tokens_from / 1000 + 1, $$2
                 FROM applications a WHERE a.id IN (@)",
        note: "UPDATE applications SET fed_from = tokens_from WHERE id IN (@)",
    },
    Step {
        bound: Bound::None,
        rows: "SELECT id FROM orgs WHERE tokens_from > fed_from ORDER BY id LIMIT $1 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY a.id), 'c', NULL, o.id, a.client_id,
                   o.tokens_from / 1000 + 1, $$2
                 FROM orgs o JOIN applications a ON a.org_id = o.id WHERE o.id IN (@)",
        note: "UPDATE orgs SET fed_from = tokens_from WHERE id IN (@)",
    },
    // The `jti` begins with the id, of 30 characters, of what the token was made from.
    Step {
        bound: Bound::Now,
        rows: "SELECT jti FROM revoked_tokens WHERE fed = FALSE AND expires_at > $1 ORDER BY expires_at LIMIT $2 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY r.jti), 't', COALESCE(f.org_id, k.org_id), a.org_id, r.jti, 0, $$2
                 FROM revoked_tokens r LEFT JOIN token_families f ON f.id = SUBSTR(r.jti, 1, 30)
                 LEFT JOIN access_keys k ON k.id = SUBSTR(r.jti, 1, 30)
                 LEFT JOIN applications a ON a.id = COALESCE(f.application_id, SUBSTR(r.jti, 1, 30))
                 WHERE r.jti IN (@)",
        note: "UPDATE revoked_tokens SET fed = TRUE WHERE jti IN (@)",
    },
    Step {
        bound: Bound::Since,
        rows: "SELECT id FROM revocations_due WHERE at > $1 ORDER BY at LIMIT $2 [free]",
        number: "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
                 SELECT $$1 + ROW_NUMBER() OVER (ORDER BY d.id), d.kind, d.org_id, d.home_id, d.subject, d.value, $$2
                 FROM revocations_due d WHERE d.id IN (@)",
        note: "DELETE FROM revocations_due WHERE id IN (@)",
    },
];

/// Gives numbers to what is committed and has none, at most some thousands; how many.
///
/// # Errors
/// The database's.
pub async fn number(tx: &mut Tx, terms: Terms) -> Result<u64> {
    let (before, told) = lock(tx).await?;
    let until = terms.now.plus(terms.keep);
    let mut head = before + anew(tx, &told, before, terms).await?;
    for step in &STEPS {
        let rows = tx.query_free(step.rows);
        let rows = match step.bound {
            Bound::None => rows,
            Bound::Since => rows.bind(terms.since().0),
            Bound::Now => rows.bind(terms.now.0),
        };
        let ids: Vec<String> = rows.bind(BATCH).all::<(String,)>().await?.into_iter().map(|(id,)| id).collect();
        if ids.is_empty() {
            continue;
        }
        let numbered = tx.query_in(step.number, &ids).bind(head).bind(until.0).execute().await?;
        tx.query_in(step.note, &ids).execute().await?;
        head += i64::try_from(numbered).unwrap_or(i64::MAX);
    }
    if head > before {
        tx.query("UPDATE revocation_feed SET seq = $1 WHERE one = 1").bind(head).execute().await?;
    }
    Ok(u64::try_from(head - before).unwrap_or(0))
}

/// After a restore the feed has another generation: all tokens from before are over, which is its first entry. How many
/// entries that are.
async fn anew(tx: &mut Tx, told: &str, head: i64, terms: Terms) -> Result<i64> {
    let generation = instance::get(tx, GENERATION).await?.unwrap_or_default();
    if generation == told {
        return Ok(0);
    }
    let before = instance::get(tx, ALL_BEFORE).await?.and_then(|text| text.parse().ok());
    tx.query(
        "INSERT INTO revocations (seq, kind, org_id, home_id, subject, value, until)
         VALUES ($1, 'all', NULL, NULL, '', $2, $3)",
    )
    .bind(head + 1)
    .bind(before.unwrap_or_else(|| terms.now.seconds()))
    .bind(terms.now.plus(terms.keep).0)
    .execute()
    .await?;
    tell(tx, &generation).await?;
    Ok(1)
}

/// Deletes entries that concern no token any more, at most a thousand; how many.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    lock(tx).await?;
    let oldest: Vec<(i64, i64)> =
        tx.query("SELECT seq, until FROM revocations ORDER BY seq LIMIT $1").bind(PRUNED).all().await?;
    // Up to the first that still concerns one: where tokens live shorter than they did, later ones are over sooner.
    let Some((top, _)) = oldest.into_iter().take_while(|(_, until)| *until < now.0).last() else {
        return Ok(0);
    };
    tx.query("UPDATE revocation_feed SET floor = $1 WHERE one = 1").bind(top).execute().await?;
    tx.query("DELETE FROM revocations WHERE seq <= $1").bind(top).execute().await
}

async fn note(tx: &mut Tx, sql: &'static str, id: &str, at: UnixMillis) -> Result<()> {
    tx.query(sql).bind(id.to_owned()).bind(at.0).execute().await.map(|_| ())
}

/// Leaves behind what a membership's row says, which is about to be deleted or to become another account's: every
/// version of that account there is too old.
///
/// # Errors
/// The database's.
pub async fn note_member(tx: &mut Tx, member: &MembershipId, at: UnixMillis) -> Result<()> {
    let sql = "INSERT INTO revocations_due (id, kind, org_id, home_id, subject, value, at)
               SELECT m.id || ':' || m.user_id, 'm', m.org_id, NULL, m.user_id, m.acv + 1, $2 FROM memberships m WHERE m.id = $1
               ON CONFLICT (id) DO UPDATE SET value = excluded.value, at = excluded.at";
    note(tx, sql, member.as_str(), at).await
}

/// Leaves behind what an access key's row says, which is about to be deleted.
///
/// # Errors
/// The database's.
pub async fn note_key(tx: &mut Tx, key: &AccessKeyId, at: UnixMillis) -> Result<()> {
    let sql = "INSERT INTO revocations_due (id, kind, org_id, home_id, subject, value, at)
               SELECT k.id, 'f', k.org_id, NULL, k.id, 0, $2 FROM access_keys k WHERE k.id = $1 ON CONFLICT DO NOTHING";
    note(tx, sql, key.as_str(), at).await
}

/// As [`note_key`], for all keys of a membership.
///
/// # Errors
/// The database's.
pub async fn note_keys_of_member(tx: &mut Tx, member: &MembershipId, at: UnixMillis) -> Result<()> {
    let sql = "INSERT INTO revocations_due (id, kind, org_id, home_id, subject, value, at)
               SELECT k.id, 'f', k.org_id, NULL, k.id, 0, $2 FROM access_keys k WHERE k.membership_id = $1
               ON CONFLICT DO NOTHING";
    note(tx, sql, member.as_str(), at).await
}

/// As [`note_key`], for all keys of a project.
///
/// # Errors
/// The database's.
pub async fn note_keys_of_project(tx: &mut Tx, project: &ProjectId, at: UnixMillis) -> Result<()> {
    let sql = "INSERT INTO revocations_due (id, kind, org_id, home_id, subject, value, at)
               SELECT k.id, 'f', k.org_id, NULL, k.id, 0, $2 FROM access_keys k WHERE k.project_id = $1
               ON CONFLICT DO NOTHING";
    note(tx, sql, project.as_str(), at).await
}

/// Leaves behind that an application's tokens are over, which is about to be deleted with its token families.
///
/// # Errors
/// The database's.
pub async fn note_application(tx: &mut Tx, application: &ApplicationId, at: UnixMillis) -> Result<()> {
    let sql = "INSERT INTO revocations_due (id, kind, org_id, home_id, subject, value, at)
               SELECT a.id, 'c', NULL, a.org_id, a.client_id, $2 / 1000 + 1, $2 FROM applications a WHERE a.id = $1
               ON CONFLICT DO NOTHING";
    note(tx, sql, application.as_str(), at).await
}
