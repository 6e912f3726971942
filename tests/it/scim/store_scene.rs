//! Two connections of two organisations, with users and groups whose ids lie between each other's: rows as plain
//! statements write them, so that reading is tested by itself.

use muster::kernel::id::{ConnectionId, GroupId, MembershipId, OrgId, UserId};
use muster::store::db::{Job, Tx};

use crate::support::world::World;

/// So many users the first connection has; the other one has a tenth of them.
pub const USERS: u32 = 250;
/// So many groups each has. Everybody is in the first one, and in the one that the number leaves as a remainder.
pub const GROUPS: u32 = 7;

/// A connection and its organisation.
#[derive(Clone)]
pub struct Owner {
    /// The organisation.
    pub org: OrgId,
    /// The connection.
    pub connection: ConnectionId,
    odd: u128,
}

impl Owner {
    fn number(&self, number: u32) -> u128 {
        2 * u128::from(number) + self.odd
    }

    /// One of its users.
    pub fn user(&self, number: u32) -> UserId {
        UserId::from_u128(self.number(number))
    }

    /// The membership of one of its users.
    pub fn member(&self, number: u32) -> MembershipId {
        MembershipId::from_u128(self.number(number))
    }

    /// One of its groups.
    pub fn group(&self, number: u32) -> GroupId {
        GroupId::from_u128(self.number(number))
    }

    /// Some of its users, in the order of their ids.
    pub fn users(&self, numbers: impl Iterator<Item = u32>) -> Vec<UserId> {
        numbers.map(|number| self.user(number)).collect()
    }
}

/// Writes to the database.
pub async fn write<T: Send + 'static>(world: &World, job: impl Job<T, sqlx::Error>) -> T {
    world.db.write(job).await.unwrap()
}

/// The first connection, and the other one.
pub async fn two(world: &World) -> (Owner, Owner) {
    let own = owner(world, "acme", 0, USERS).await;
    let foreign = owner(world, "beta", 1, USERS / 10).await;
    (own, foreign)
}

async fn owner(world: &World, slug: &str, odd: u128, users: u32) -> Owner {
    let org = world.org(slug).await.id;
    let owner = Owner { org, connection: ConnectionId::from_u128(odd), odd };
    let filled = owner.clone();
    write(world, move |tx| Box::pin(async move { fill(tx, &filled, users).await })).await;
    owner
}

async fn fill(tx: &mut Tx, owner: &Owner, users: u32) -> Result<(), sqlx::Error> {
    put_connection(tx, owner, users).await?;
    for number in 0..GROUPS {
        put_group(tx, owner, number).await?;
    }
    for number in 0..users {
        put_user(tx, owner, number).await?;
        put_scim_user(tx, owner, number).await?;
        put_into(tx, &owner.group(0), &owner.member(number)).await?;
        if !number.is_multiple_of(GROUPS) {
            put_into(tx, &owner.group(number % GROUPS), &owner.member(number)).await?;
        }
    }
    put_local_group(tx, owner).await
}

async fn put_connection(tx: &mut Tx, owner: &Owner, users: u32) -> Result<(), sqlx::Error> {
    tx.query(
        "INSERT INTO connections (id, org_id, name, name_key, state, profile, local_grants, settings, user_count,
           group_count, created_at)
         VALUES ($1, $2, 'Directory', 'directory', 'active', 'rfc-strict', TRUE, '{\"patch_answers_body\":true}', $3, $4, 5)",
    )
    .bind(owner.connection.to_string())
    .bind(owner.org.to_string())
    .bind(i64::from(users))
    .bind(i64::from(GROUPS))
    .execute()
    .await
    .map(|_| ())
}

async fn put_user(tx: &mut Tx, owner: &Owner, number: u32) -> Result<(), sqlx::Error> {
    let source = format!("scim:{}", owner.connection);
    // One has no name to show.
    let name = if number == 5 { String::new() } else { format!("Name {number}") };
    tx.query(
        "INSERT INTO users (id, kind, org_id, realm, user_name, name, profile, state, source, must_change, failures,
           failures_since, locked_until, created_at, updated_at)
         VALUES ($1, 'managed', $2, $2, $3, $4, '{}', 'active', $5, FALSE, 0, 0, 0, 0, 0)",
    )
    .bind(owner.user(number).to_string())
    .bind(owner.org.to_string())
    .bind(format!("User{number}"))
    .bind(name)
    .bind(source.clone())
    .execute()
    .await?;
    tx.query(
        "INSERT INTO memberships (id, org_id, user_id, state, source, acv, acv_least, epoch, created_at)
         VALUES ($1, $2, $3, 'active', $4, 0, 0, 0, 0)",
    )
    .bind(owner.member(number).to_string())
    .bind(owner.org.to_string())
    .bind(owner.user(number).to_string())
    .bind(source)
    .execute()
    .await
    .map(|_| ())
}

async fn put_scim_user(tx: &mut Tx, owner: &Owner, number: u32) -> Result<(), sqlx::Error> {
    tx.query(
        "INSERT INTO scim_users (user_id, connection_id, membership_id, external_id, user_name_key, active, resource,
           version, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 3, 7, $8)",
    )
    .bind(owner.user(number).to_string())
    .bind(owner.connection.to_string())
    .bind(owner.member(number).to_string())
    .bind((number > 0).then(|| format!("ext-{}", number % 200)))
    .bind(format!("user{number}"))
    .bind(number != 9)
    .bind(format!("{{\"userName\":\"User{number}\"}}"))
    .bind(i64::from(1000 + number))
    .execute()
    .await?;
    // Every second one has the same address twice.
    let kinds: &[&'static str] = if number.is_multiple_of(2) { &["work", "home"] } else { &["work"] };
    for kind in kinds {
        tx.query("INSERT INTO scim_emails (connection_id, user_id, type_key, value_key) VALUES ($1, $2, $3, $4)")
            .bind(owner.connection.to_string())
            .bind(owner.user(number).to_string())
            .bind(*kind)
            .bind(format!("user{number}@example.test"))
            .execute()
            .await?;
    }
    Ok(())
}

async fn put_group(tx: &mut Tx, owner: &Owner, number: u32) -> Result<(), sqlx::Error> {
    put_group_row(tx, owner, &owner.group(number), &format!("Group {number}")).await?;
    tx.query(
        "INSERT INTO scim_groups (group_id, connection_id, external_id, name_key, resource, version, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, 2, 8, $6)",
    )
    .bind(owner.group(number).to_string())
    .bind(owner.connection.to_string())
    .bind((number > 0).then(|| format!("ext-{number}")))
    .bind(format!("group {number}"))
    .bind(format!("{{\"displayName\":\"Group {number}\"}}"))
    .bind(i64::from(1000 + number))
    .execute()
    .await
    .map(|_| ())
}

/// One that no connection owns, with a user in it.
async fn put_local_group(tx: &mut Tx, owner: &Owner) -> Result<(), sqlx::Error> {
    let group = GroupId::from_u128((1 << 90) + owner.odd);
    put_group_row(tx, owner, &group, "Local").await?;
    put_into(tx, &group, &owner.member(1)).await
}

async fn put_group_row(tx: &mut Tx, owner: &Owner, group: &GroupId, name: &str) -> Result<(), sqlx::Error> {
    tx.query(
        "INSERT INTO groups (id, org_id, name, name_key, description, source, created_at)
         VALUES ($1, $2, $3, $4, '', 'local', 0)",
    )
    .bind(group.to_string())
    .bind(owner.org.to_string())
    .bind(name.to_owned())
    .bind(name.to_lowercase())
    .execute()
    .await
    .map(|_| ())
}

async fn put_into(tx: &mut Tx, group: &GroupId, member: &MembershipId) -> Result<(), sqlx::Error> {
    tx.query("INSERT INTO group_members (group_id, membership_id, source, created_at) VALUES ($1, $2, 'local', 0)")
        .bind(group.to_string())
        .bind(member.to_string())
        .execute()
        .await
        .map(|_| ())
}
