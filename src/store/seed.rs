//! Many people at once, for load measurements: written in large transactions, as members of one organisation.

pub mod directory;

use super::db::{Database, Result, Tx};
use crate::domain::source::Source;
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// So many people are written by one transaction.
const BATCH: u64 = 2_000;

/// Adds `count` active people without a password to an organisation; their user names are `person-1`, `person-2`….
///
/// # Errors
/// The database's.
pub async fn people(db: &Database, org: &OrgId, count: u64, now: UnixMillis) -> Result<()> {
    let mut from = 1;
    while from <= count {
        let (org, until) = (org.clone(), (from + BATCH).min(count + 1));
        db.write(move |tx| {
            Box::pin(async move {
                for number in from..until {
                    person(tx, &org, number, (&Source::Local, now)).await?;
                }
                Ok::<(), sqlx::Error>(())
            })
        })
        .await?;
        from = until;
    }
    Ok(())
}

/// What the person of a number signs in with.
fn user_name(number: u64) -> String {
    format!("person-{number}")
}

async fn person(
    tx: &mut Tx,
    org: &OrgId,
    number: u64,
    (source, now): (&Source, UnixMillis),
) -> Result<(UserId, MembershipId)> {
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let (name, source) = (user_name(number), source.to_string());
    tx.query(
        "INSERT INTO users (id, kind, org_id, realm, user_name, name, profile, state, source, must_change, failures,
           failures_since, locked_until, created_at, updated_at)
         VALUES ($1, 'managed', $2, $2, $3, $3, '{}', 'active', $4, FALSE, 0, 0, 0, $5, $5)",
    )
    .bind(user.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .bind(name.clone())
    .bind(source.clone())
    .bind(now.0)
    .execute()
    .await?;
    tx.query("INSERT INTO identifiers (realm, name_key, user_id) VALUES ($1, $2, $3)")
        .bind(org.as_str().to_owned())
        .bind(name.clone())
        .bind(user.as_str().to_owned())
        .execute()
        .await?;
    tx.query(
        "INSERT INTO memberships (id, org_id, user_id, state, source, acv, acv_least, epoch, created_at, user_key)
         VALUES ($1, $2, $3, 'active', $4, 1, 1, 1, $5, $6)",
    )
    .bind(member.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .bind(user.as_str().to_owned())
    .bind(source)
    .bind(now.0)
    .bind(name.clone())
    .execute()
    .await?;
    tx.query("INSERT INTO member_terms (org_id, term, membership_id) VALUES ($1, $2, $3)")
        .bind(org.as_str().to_owned())
        .bind(name.into_bytes())
        .bind(member.as_str().to_owned())
        .execute()
        .await?;
    Ok((user, member))
}
