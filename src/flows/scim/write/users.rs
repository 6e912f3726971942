//! Users: made, taken over, replaced, patched and deleted.

use serde_json::Value;

use super::{Done, MOST_TRIES, Named, Outcome, Write, change_of, crowded};
use crate::domain::change::{Change, Provisioned};
use crate::domain::people::domain_name::DomainName;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::normalize::{self, Incoming};
use crate::domain::scim::patch::{self, PatchOp};
use crate::domain::scim::schema::ResourceType;
use crate::domain::scim::{Object, derive};
use crate::flows::scim::adopt::{self, Way};
use crate::flows::scim::read::missing;
use crate::flows::scim::refused::{stale, unavailable};
use crate::flows::scim::shown::{bare_user, relation};
use crate::kernel::id::{ChangeId, MembershipId, UserId};
use crate::store::domains;
use crate::store::scim::users::{self, Stored};

const KIND: ResourceType = ResourceType::User;
const TAKEN: &str = "The user name or the e-mail address is taken by another account of the organisation.";
const WAITS: &str = "The user name or the e-mail address belongs to an account that the organisation made itself. An \
                     administrator can let the connection take it over.";

/// Makes a user, or takes over an account of the organisation's own that may be.
pub(super) async fn create(write: &Write<'_>, body: &Value) -> Result<Done, ScimError> {
    let (app, asking) = (write.view.app, write.view.asking);
    let incoming = normalize::incoming(KIND, body, asking.profile())?;
    let new = Box::new(provisioned(write, &incoming.object).await?);
    let (org, connection) = (asking.connection.org.clone(), asking.connection.id.clone());
    let (user, change) = match adopt::in_the_way(app, asking, &new).await.map_err(unavailable)? {
        None => {
            let (user, member) = (UserId::fresh(), MembershipId::fresh());
            (user.clone(), Change::ProvisionUser { org, connection, user, member, new })
        }
        Some(Way::Adopt(user)) => (user.clone(), Change::AdoptUser { org, connection, user, new }),
        Some(Way::Queue(user)) => {
            adopt::queue(app, asking, &user, &new).await.map_err(unavailable)?;
            return Err(ScimError::taken(WAITS));
        }
        Some(Way::Other) => return Err(ScimError::taken(TAKEN)),
    };
    match write.act(vec![change]).await? {
        // What is new is in no group yet.
        Outcome::Made(receipt) => write.answer(201, (KIND, user.as_str()), false, change_of(receipt)).await,
        Outcome::Held | Outcome::Stale => Err(crowded()),
    }
}

/// What is to become of a user.
enum Edit<'a> {
    Replace(&'a Incoming),
    Patch(&'a [PatchOp]),
}

impl Edit<'_> {
    fn apply(&self, stored: &Stored, write: &Write<'_>) -> Result<Object, ScimError> {
        match self {
            Self::Replace(incoming) => Ok(replaced(incoming, stored)),
            Self::Patch(ops) => {
                let mut object = patch::apply_user(bare_user(stored), ops, write.view.asking.profile())?;
                // An empty text or list says nothing: it revives nobody.
                object.entry("active").or_insert_with(|| stored.active.into());
                Ok(object)
            }
        }
    }
}

/// A PUT's object, with what it keeps by leaving it out.
fn replaced(incoming: &Incoming, stored: &Stored) -> Object {
    let mut object = incoming.object.clone();
    if !incoming.has_active {
        object.insert("active".to_owned(), stored.active.into());
    }
    if !incoming.has_external_id
        && let Some(id) = stored.object.get("externalId")
    {
        object.insert("externalId".to_owned(), id.clone());
    }
    object
}

pub(super) async fn replace(write: &Write<'_>, named: Named<'_>, body: &Value) -> Result<Done, ScimError> {
    let incoming = normalize::incoming(KIND, body, write.view.asking.profile())?;
    let change = edit(write, named, &Edit::Replace(&incoming)).await?;
    let related = write.projection.wants(KIND, relation(KIND));
    write.answer(200, (KIND, named.id), related, change).await
}

pub(super) async fn patch(write: &Write<'_>, named: Named<'_>, body: &Value) -> Result<Done, ScimError> {
    let ops = patch::parse(body, write.view.asking.profile())?;
    let change = edit(write, named, &Edit::Patch(&ops)).await?;
    write.answer_patch((KIND, named.id), change).await
}

/// Edits a user, again where somebody was quicker. Where nothing changes, nothing is written.
async fn edit(write: &Write<'_>, named: Named<'_>, edit: &Edit<'_>) -> Result<Option<ChangeId>, ScimError> {
    for _ in 0..MOST_TRIES {
        let stored = find(write, named).await?;
        named.check(stored.version)?;
        let object = edit.apply(&stored, write)?;
        if object == bare_user(&stored) {
            return Ok(None);
        }
        let new = provisioned(write, &object).await?;
        let connection = &write.view.asking.connection;
        let change = Change::SetProvisionedUser {
            org: connection.org.clone(),
            connection: connection.id.clone(),
            user: stored.user,
            new: Box::new(new),
            version: Some(stored.version),
        };
        match write.act(vec![change]).await? {
            Outcome::Made(receipt) => return Ok(change_of(receipt)),
            Outcome::Stale => named.retry()?,
            Outcome::Held => return Err(crowded()),
        }
    }
    Err(crowded())
}

pub(super) async fn delete(write: &Write<'_>, named: Named<'_>) -> Result<Done, ScimError> {
    let stored = find(write, named).await?;
    named.check(stored.version)?;
    let connection = &write.view.asking.connection;
    let change = Change::DeprovisionUser {
        org: connection.org.clone(),
        connection: connection.id.clone(),
        user: stored.user,
        version: named.pins().then_some(stored.version),
    };
    match write.act(vec![change]).await? {
        Outcome::Made(receipt) => Ok(Done::deleted(named.id, change_of(receipt))),
        Outcome::Stale => Err(stale()),
        Outcome::Held => Ok(Done::held(named.id)),
    }
}

async fn find(write: &Write<'_>, named: Named<'_>) -> Result<Stored, ScimError> {
    let id: UserId = named.id.parse().map_err(|_| missing(KIND))?;
    let mut conn = write.view.conn().await?;
    let found = users::find(&mut conn, &write.view.asking.connection.id, &id).await.map_err(unavailable)?;
    found.ok_or_else(|| missing(KIND))
}

/// The account that follows from an object. Its address counts as verified where the organisation has verified the domain.
async fn provisioned(write: &Write<'_>, object: &Object) -> Result<Provisioned, ScimError> {
    let (app, asking) = (write.view.app, write.view.asking);
    let verified = if derive::main_email(object).is_some() {
        let mut conn = write.view.conn().await?;
        domains::verified_of(&mut conn, &asking.connection.org).await.map_err(unavailable)?
    } else {
        Vec::new()
    };
    let is_verified =
        |domain: &str| DomainName::parse(domain).is_ok_and(|domain| verified.iter().any(|one| one == domain.as_str()));
    let mut new = derive::provisioned(object, asking.profile(), is_verified)?;
    new.profile.updated_at = app.now().seconds();
    Ok(new)
}
