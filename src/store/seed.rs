//! Many people at once, for load measurements: written in large transactions, as members of one organisation.

use super::db::{Database, Result, Tx};
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// Adds `count` active people without a password to an organisation; their user names are `person-1`, `person-2`….
///
/// # Errors
/// The database's.
pub async fn people(db: &Database, org: &OrgId, count: u64, now: UnixMillis) -> Result<()> {
    const BATCH: u64 = 2_000;
    let mut from = 1;
    while from <= count {
        let (org, until) = (org.clone(), (from + BATCH).min(count + 1));
        db.write(move |tx| {
            Box::pin(async move {
                for number in from..until {
                    person(tx, &org, number, now).await?;
                }
                Ok::<(), sqlx::Error>(())
            })
        })
        .await?;
        from = until;
    }
    Ok(())
}

async fn person(tx: &mut Tx, org: &OrgId, number: u64, now: UnixMillis) -> Result<()> {
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let name = format!("person-{number}");
    tx.query(
        "INSERT INTO users (id, kind, org_id, realm, user_name, name, profile, state, source, must_change, failures,
           failures_since, locked_until, created_at, updated_at)
         VALUES ($1, 'managed', $2, $2, $3, $3, '{}', 'active', 'local', FALSE, 0, 0, 0, $4, $4)",
    )
    .bind(user.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .bind(name.clone())
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
         VALUES ($1, $2, $3, 'active', 'local', 1, 1, 1, $4, $5)",
    )
    .bind(member.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .bind(user.into_string())
    .bind(now.0)
    .bind(name.clone())
    .execute()
    .await?;
    tx.query("INSERT INTO member_terms (org_id, term, membership_id) VALUES ($1, $2, $3)")
        .bind(org.as_str().to_owned())
        .bind(name.into_bytes())
        .bind(member.into_string())
        .execute()
        .await
        .map(|_| ())
}
