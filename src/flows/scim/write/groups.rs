//! Groups: made, replaced, patched and deleted; who is in them is `members`'s part.

use serde_json::Value;

use super::{Done, MOST_TRIES, Named, Outcome, Write, change_of, crowded, members};
use crate::domain::change::Change;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::normalize::{self, Incoming};
use crate::domain::scim::patch::{self, MemberEdit, PatchOp};
use crate::domain::scim::schema::ResourceType;
use crate::domain::scim::{Object, derive};
use crate::flows::scim::read::missing;
use crate::flows::scim::refused::{stale, unavailable};
use crate::flows::scim::shown::{bare_group, relation};
use crate::kernel::id::{ChangeId, GroupId};
use crate::store::scim::groups::{self, Stored};

const KIND: ResourceType = ResourceType::Group;

/// Makes a group with its members.
pub(super) async fn create(write: &Write<'_>, body: &Value) -> Result<Done, ScimError> {
    let asking = write.view.asking;
    let incoming = normalize::incoming(KIND, body, asking.profile())?;
    let new = Box::new(derive::group(&incoming.object)?);
    let (org, connection) = (asking.connection.org.clone(), asking.connection.id.clone());
    let group = GroupId::fresh();
    let mut changes = vec![Change::ProvisionGroup { org, connection, group: group.clone(), new }];
    if let Some(ids) = incoming.members.filter(|ids| !ids.is_empty()) {
        changes.extend(members::changes(write, &group, vec![MemberEdit::Add(ids)]).await?);
    }
    match write.act(changes).await? {
        Outcome::Made(receipt) => {
            let related = write.projection.wants(KIND, relation(KIND));
            write.answer(201, (KIND, group.as_str()), related, change_of(receipt)).await
        }
        Outcome::Held | Outcome::Stale => Err(crowded()),
    }
}

/// What is to become of a group.
enum Edit<'a> {
    Replace(&'a Incoming),
    Patch(&'a [PatchOp]),
}

impl Edit<'_> {
    const fn method(&self) -> &'static str {
        match self {
            Self::Replace(_) => "PUT",
            Self::Patch(_) => "PATCH",
        }
    }

    /// The attributes, and what becomes of the members, in the client's order.
    fn apply(&self, stored: &Stored, write: &Write<'_>) -> Result<(Object, Vec<MemberEdit>), ScimError> {
        match self {
            Self::Replace(incoming) => {
                let mut object = incoming.object.clone();
                if !incoming.has_external_id
                    && let Some(id) = stored.object.get("externalId")
                {
                    object.insert("externalId".to_owned(), id.clone());
                }
                Ok((object, incoming.members.clone().map(MemberEdit::Set).into_iter().collect()))
            }
            Self::Patch(ops) => patch::apply_group(bare_group(stored), ops, write.view.asking.profile()),
        }
    }
}

pub(super) async fn replace(write: &Write<'_>, named: Named<'_>, body: &Value) -> Result<Done, ScimError> {
    let incoming = normalize::incoming(KIND, body, write.view.asking.profile())?;
    match edit(write, named, &Edit::Replace(&incoming), body).await? {
        Edited::Made(change) => {
            let related = write.projection.wants(KIND, relation(KIND));
            write.answer(200, (KIND, named.id), related, change).await
        }
        Edited::Held => Ok(Done::held(named.id)),
    }
}

pub(super) async fn patch(write: &Write<'_>, named: Named<'_>, body: &Value) -> Result<Done, ScimError> {
    let ops = patch::parse(body, write.view.asking.profile())?;
    match edit(write, named, &Edit::Patch(&ops), body).await? {
        Edited::Made(change) => write.answer_patch((KIND, named.id), change).await,
        Edited::Held => Ok(Done::held(named.id)),
    }
}

/// How an edit came out.
enum Edited {
    /// It was made, by this change if one was needed.
    Made(Option<ChangeId>),
    /// It waits for an administrator.
    Held,
}

/// Edits a group, again where somebody was quicker.
async fn edit(write: &Write<'_>, named: Named<'_>, edit: &Edit<'_>, body: &Value) -> Result<Edited, ScimError> {
    for _ in 0..MOST_TRIES {
        let stored = find(write, named).await?;
        named.check(stored.version)?;
        let (object, edits) = edit.apply(&stored, write)?;
        let is_whole = edits.iter().any(|edit| matches!(edit, MemberEdit::Set(_)));
        let changes = changes(write, named, &stored, &object, edits).await?;
        if changes.is_empty() {
            write.said_anew(named, is_whole).await;
            return Ok(Edited::Made(None));
        }
        match write.act_guarded(changes, (edit.method(), named), body).await? {
            Outcome::Made(receipt) => {
                write.said_anew(named, is_whole).await;
                return Ok(Edited::Made(change_of(receipt)));
            }
            Outcome::Held => return Ok(Edited::Held),
            Outcome::Stale => named.retry()?,
        }
    }
    Err(crowded())
}

/// What the door is asked for: a version that is expected, attributes that differ, and edits of members in their order.
async fn changes(
    write: &Write<'_>,
    named: Named<'_>,
    stored: &Stored,
    object: &Object,
    edits: Vec<MemberEdit>,
) -> Result<Vec<Change>, ScimError> {
    let connection = &write.view.asking.connection;
    let mut changes = Vec::new();
    if *object != bare_group(stored) {
        changes.push(Change::SetProvisionedGroup {
            org: connection.org.clone(),
            connection: connection.id.clone(),
            group: stored.group.clone(),
            new: Box::new(derive::group(object)?),
            version: Some(stored.version),
        });
    }
    changes.extend(members::changes(write, &stored.group, edits).await?);
    if named.pins() && !changes.is_empty() {
        let expect = Change::ExpectGroup {
            org: connection.org.clone(),
            connection: connection.id.clone(),
            group: stored.group.clone(),
            version: stored.version,
        };
        changes.insert(0, expect);
    }
    Ok(changes)
}

pub(super) async fn delete(write: &Write<'_>, named: Named<'_>) -> Result<Done, ScimError> {
    let stored = find(write, named).await?;
    named.check(stored.version)?;
    let connection = &write.view.asking.connection;
    let change = Change::DeprovisionGroup {
        org: connection.org.clone(),
        connection: connection.id.clone(),
        group: stored.group,
        version: named.pins().then_some(stored.version),
    };
    match write.act_guarded(vec![change], ("DELETE", named), &Value::Null).await? {
        Outcome::Made(receipt) => Ok(Done::deleted(named.id, change_of(receipt))),
        Outcome::Held => Ok(Done::held(named.id)),
        Outcome::Stale => Err(stale()),
    }
}

async fn find(write: &Write<'_>, named: Named<'_>) -> Result<Stored, ScimError> {
    let id: GroupId = named.id.parse().map_err(|_| missing(KIND))?;
    let mut conn = write.view.conn().await?;
    let found = groups::find(&mut conn, &write.view.asking.connection.id, &id).await.map_err(unavailable)?;
    found.ok_or_else(|| missing(KIND))
}
