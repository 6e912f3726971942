//! What an organisation's own directory would have pushed: a connection with a token, and the people and groups that it
//! owns. Written as rows, for a million requests would take half an hour.

use serde_json::json;

use super::{BATCH, person, user_name};
use crate::domain::access::Window;
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{BindingId, ConnectionId, GroupId, MembershipId, OrgId, ScimCredentialId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::{DAY, UnixMillis};
use crate::store::db::{Database, Result, Tx};

/// How long the token lives, in milliseconds: longer than anybody may have one, for filled databases are kept.
const LIFE: i64 = 3_650 * DAY;

/// Makes a connection whose client shows the token with this digest.
///
/// # Errors
/// The database's.
pub async fn open(db: &Database, org: &OrgId, token: Digest, now: UnixMillis) -> Result<ConnectionId> {
    let (connection, org) = (ConnectionId::fresh(), org.clone());
    let made = connection.clone();
    db.write(move |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO connections (id, org_id, name, name_key, profile, local_grants, settings, state,
                   user_count, group_count, created_at)
                 VALUES ($1, $2, 'Directory', 'directory', 'auto', FALSE, '{}', 'active', 0, 0, $3)",
            )
            .bind(connection.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(now.0)
            .execute()
            .await?;
            tx.query(
                "INSERT INTO scim_credentials (id, connection_id, org_id, kind, name, secret_hash, created_at,
                   created_by, expires_at)
                 VALUES ($1, $2, $3, 'token', 'token', $4, $5, 'command_line', $6)",
            )
            .bind(ScimCredentialId::fresh().into_string())
            .bind(connection.into_string())
            .bind(org.into_string())
            .bind(token.to_vec())
            .bind(now.0)
            .bind(now.plus(LIFE).0)
            .execute()
            .await?;
            Ok::<(), sqlx::Error>(())
        })
    })
    .await?;
    Ok(made)
}

/// Adds `count` people as [`super::people`] does, owned by a connection.
///
/// # Errors
/// The database's.
pub async fn people(
    db: &Database,
    (org, connection): (&OrgId, &ConnectionId),
    count: u64,
    now: UnixMillis,
) -> Result<()> {
    let mut from = 1;
    while from <= count {
        let (org, connection, until) = (org.clone(), connection.clone(), (from + BATCH).min(count + 1));
        db.write(move |tx| {
            Box::pin(async move {
                let source = Source::Scim(connection.to_string());
                for number in from..until {
                    let ids = person(tx, &org, number, (&source, now)).await?;
                    beside(tx, &connection, ids, (number, now)).await?;
                }
                tx.query("UPDATE connections SET user_count = user_count + $2 WHERE id = $1")
                    .bind(connection.into_string())
                    .bind(i64::try_from(until - from).unwrap_or(i64::MAX))
                    .execute()
                    .await?;
                Ok::<(), sqlx::Error>(())
            })
        })
        .await?;
        from = until;
    }
    Ok(())
}

/// What the connection says of a person, in canonical form.
async fn beside(
    tx: &mut Tx,
    connection: &ConnectionId,
    (user, member): (UserId, MembershipId),
    (number, now): (u64, UnixMillis),
) -> Result<()> {
    let (name, external) = (user_name(number), format!("ext-{number}"));
    let email = format!("{name}@bench.example");
    let resource = json!({
        "externalId": external,
        "userName": name,
        "name": { "familyName": number.to_string(), "givenName": "Person" },
        "displayName": format!("Person {number}"),
        "active": true,
        "emails": [{ "value": email, "type": "work", "primary": true }],
    });
    tx.query(
        "INSERT INTO scim_users (user_id, connection_id, membership_id, external_id, user_name_key, active, resource,
           version, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, TRUE, $6, 1, $7, $7)",
    )
    .bind(user.as_str().to_owned())
    .bind(connection.as_str().to_owned())
    .bind(member.into_string())
    .bind(external)
    .bind(name)
    .bind(resource.to_string())
    .bind(now.0)
    .execute()
    .await?;
    tx.query("INSERT INTO scim_emails (connection_id, user_id, type_key, value_key) VALUES ($1, $2, 'work', $3)")
        .bind(connection.as_str().to_owned())
        .bind(user.into_string())
        .bind(email)
        .execute()
        .await
        .map(|_| ())
}

/// Adds a group of a connection that has its first `size` people in the order of their ids, and gives them a role.
///
/// # Errors
/// The database's.
pub async fn group(
    db: &Database,
    (org, connection): (&OrgId, &ConnectionId),
    name: &str,
    size: u64,
    now: UnixMillis,
) -> Result<()> {
    let (org, connection, name) = (org.clone(), connection.clone(), name.to_owned());
    db.write(move |tx| {
        Box::pin(async move {
            let group = GroupId::fresh();
            empty_group(tx, (&org, &connection, &group), &name, now).await?;
            tx.query(
                "INSERT INTO group_members (group_id, membership_id, source, created_at, created_by)
                 SELECT $1, membership_id, $2, $3, 'command_line' FROM scim_users
                 WHERE connection_id = $4 ORDER BY user_id LIMIT $5",
            )
            .bind(group.as_str().to_owned())
            .bind(Source::Scim(connection.to_string()).to_string())
            .bind(now.0)
            .bind(connection.as_str().to_owned())
            .bind(i64::try_from(size).unwrap_or(i64::MAX))
            .execute()
            .await?;
            tx.query(
                "INSERT INTO bindings (id, org_id, role, scope, group_id, not_before, not_after, source, created_at)
                 VALUES ($1, $2, 'org.reader', 'org', $3, $4, $5, 'local', $6)",
            )
            .bind(BindingId::fresh().into_string())
            .bind(org.into_string())
            .bind(group.into_string())
            .bind(Window::ALWAYS.not_before.0)
            .bind(Window::ALWAYS.not_after.0)
            .bind(now.0)
            .execute()
            .await?;
            Ok::<(), sqlx::Error>(())
        })
    })
    .await
}

async fn empty_group(
    tx: &mut Tx,
    (org, connection, group): (&OrgId, &ConnectionId, &GroupId),
    name: &str,
    now: UnixMillis,
) -> Result<()> {
    tx.query(
        "INSERT INTO groups (id, org_id, name, name_key, description, source, created_at)
         VALUES ($1, $2, $3, $4, '', $5, $6)",
    )
    .bind(group.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .bind(name.to_owned())
    .bind(fold::key(name))
    .bind(Source::Scim(connection.to_string()).to_string())
    .bind(now.0)
    .execute()
    .await?;
    tx.query(
        "INSERT INTO scim_groups (group_id, connection_id, name_key, resource, version, created_at, modified_at)
         VALUES ($1, $2, $3, $4, 1, $5, $5)",
    )
    .bind(group.as_str().to_owned())
    .bind(connection.as_str().to_owned())
    .bind(fold::key(name))
    .bind(json!({ "displayName": name }).to_string())
    .bind(now.0)
    .execute()
    .await?;
    tx.query("UPDATE connections SET group_count = group_count + 1 WHERE id = $1")
        .bind(connection.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}
