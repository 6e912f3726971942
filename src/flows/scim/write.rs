//! Creates, replaces, patches and deletes what a connection owns, through the door, with the connection as the actor.
//!
//! An edit of attributes carries the version that was read: where somebody was quicker, it is read and applied again.
//! Members of groups are added and removed row by row, so that no two edits of one group undo each other.

mod groups;
mod members;
mod users;

use serde_json::Value;

use super::refused::{no_method, of_refusal, stale, unavailable};
use super::shown::{View, relation};
use super::{Asking, guard, held, read};
use crate::app::App;
use crate::domain::change::{Change, Mode, Receipt};
use crate::domain::scim::Object;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::project::Projection;
use crate::domain::scim::schema::ResourceType;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::kernel::id::ChangeId;

/// So often an edit is applied again to what somebody else wrote meanwhile.
const MOST_TRIES: usize = 20;

/// What a write did.
#[derive(Clone, Debug)]
pub struct Done {
    /// The HTTP status; 202 when the request waits for an administrator.
    pub status: u16,
    /// The resource as it stands now, where the answer has one.
    pub object: Option<Object>,
    /// Its version.
    pub version: Option<i64>,
    /// The resource's id; empty for one that is not there yet.
    pub id: String,
    /// The change that was made; `None` when nothing had to be.
    pub change: Option<ChangeId>,
}

/// A resource that a request names, and the versions that the client wants to find.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    /// User or group.
    kind: ResourceType,
    /// Its id.
    id: &'a str,
    /// `If-Match`, as it was sent.
    if_match: Option<&'a str>,
}

/// Makes a resource.
///
/// # Errors
/// 400 for what can't be meant so, 409 for a name that is taken, and the door's refusals.
pub async fn create(
    app: &App,
    asking: &Asking,
    kind: ResourceType,
    body: &Value,
    projection: &Projection,
) -> Result<Done, ScimError> {
    let write = Write::new(app, asking, projection);
    match kind {
        ResourceType::User => users::create(&write, body).await,
        ResourceType::Group => groups::create(&write, body).await,
    }
}

/// Replaces a resource (RFC 7644 §3.5.1). `active`, `externalId` and members that are left out stay.
///
/// # Errors
/// As [`create`]; 404; 412 when `If-Match` names another version.
pub async fn replace(
    app: &App,
    asking: &Asking,
    (kind, id): (ResourceType, &str),
    body: &Value,
    if_match: Option<&str>,
    projection: &Projection,
) -> Result<Done, ScimError> {
    Write::new(app, asking, projection).replace(Named { kind, id, if_match }, body).await
}

/// Changes a part of a resource (RFC 7644 §3.5.2): all operations or none.
///
/// # Errors
/// As [`replace`].
pub async fn patch(
    app: &App,
    asking: &Asking,
    (kind, id): (ResourceType, &str),
    body: &Value,
    if_match: Option<&str>,
    projection: &Projection,
) -> Result<Done, ScimError> {
    Write::new(app, asking, projection).patch(Named { kind, id, if_match }, body).await
}

/// Deletes a resource for good.
///
/// # Errors
/// 404; 412 when `If-Match` names another version; the door's refusals.
pub async fn delete(
    app: &App,
    asking: &Asking,
    (kind, id): (ResourceType, &str),
    if_match: Option<&str>,
) -> Result<Done, ScimError> {
    Write::new(app, asking, &Projection::ALL).delete(Named { kind, id, if_match }).await
}

/// Carries out a request that was held, without looking at what it takes: an administrator did.
///
/// # Errors
/// As the request's own.
pub async fn replay(app: &App, asking: &Asking, method: &str, path: &str, body: &Value) -> Result<Done, ScimError> {
    let projection = Projection::ALL;
    let write = Write { guarded: false, ..Write::new(app, asking, &projection) };
    let (kind, id) = parts(path).ok_or_else(|| ScimError::not_found("What the request names"))?;
    let named = Named { kind, id, if_match: None };
    match (method, kind, id) {
        ("POST", ResourceType::User, "") => users::create(&write, body).await,
        ("POST", ResourceType::Group, "") => groups::create(&write, body).await,
        (_, _, "") => Err(no_method()),
        ("PUT", ..) => write.replace(named, body).await,
        ("PATCH", ..) => write.patch(named, body).await,
        ("DELETE", ..) => write.delete(named).await,
        _ => Err(no_method()),
    }
}

/// The kind and the id in a path below `/scim/v2`; the id is empty for the kind's own path.
pub(super) fn parts(path: &str) -> Option<(ResourceType, &str)> {
    let path = path.trim_matches('/');
    let (endpoint, id) = path.split_once('/').unwrap_or((path, ""));
    let kind = ResourceType::ALL.into_iter().find(|kind| kind.endpoint() == endpoint)?;
    (!id.contains('/')).then_some((kind, id))
}

/// A write that is asked for.
struct Write<'a> {
    view: View<'a>,
    projection: &'a Projection,
    /// Whether a mass of losses is to be looked at beforehand.
    guarded: bool,
}

/// How a write came out that the guard may have held.
enum Outcome {
    /// It was carried out.
    Made(Receipt),
    /// It waits for an administrator.
    Held,
    /// Somebody else was quicker.
    Stale,
}

impl<'a> Write<'a> {
    fn new(app: &'a App, asking: &'a Asking, projection: &'a Projection) -> Self {
        Self { view: View::new(app, asking), projection, guarded: true }
    }

    async fn replace(&self, named: Named<'_>, body: &Value) -> Result<Done, ScimError> {
        match named.kind {
            ResourceType::User => users::replace(self, named, body).await,
            ResourceType::Group => groups::replace(self, named, body).await,
        }
    }

    async fn patch(&self, named: Named<'_>, body: &Value) -> Result<Done, ScimError> {
        match named.kind {
            ResourceType::User => users::patch(self, named, body).await,
            ResourceType::Group => groups::patch(self, named, body).await,
        }
    }

    async fn delete(&self, named: Named<'_>) -> Result<Done, ScimError> {
        match named.kind {
            ResourceType::User => users::delete(self, named).await,
            ResourceType::Group => groups::delete(self, named).await,
        }
    }

    /// Asks the door.
    async fn act(&self, changes: Vec<Change>) -> Result<Outcome, ScimError> {
        let View { app, asking, .. } = self.view;
        match change_access_from(app, &asking.actor(), &asking.origin, changes, Mode::Act).await {
            Ok(receipt) => {
                if self.guarded {
                    guard::note(app, asking, &receipt).await;
                }
                Ok(Outcome::Made(receipt))
            }
            Err(Refusal::Stale) => Ok(Outcome::Stale),
            Err(refusal) => Err(of_refusal(app, refusal).await),
        }
    }

    /// As [`Self::act`], after a look at what a single request would take.
    async fn act_guarded(
        &self,
        changes: Vec<Change>,
        (method, named): (&str, Named<'_>),
        body: &Value,
    ) -> Result<Outcome, ScimError> {
        let View { app, asking, .. } = self.view;
        if self.guarded && may_be_mass(&changes, asking.connection.settings.guard.least) {
            let path = format!("/{}/{}", named.kind.endpoint(), named.id);
            let request = guard::Request { method, path: &path, body };
            match guard::look(app, asking, &changes, request).await {
                Ok(guard::Look::GoOn) => {}
                Ok(guard::Look::Held(_)) => return Ok(Outcome::Held),
                Err(Refusal::Stale) => return Ok(Outcome::Stale),
                Err(refusal) => return Err(of_refusal(app, refusal).await),
            }
        }
        self.act(changes).await
    }

    /// After the whole of a group's members was said: what waits for the group was said before.
    async fn said_anew(&self, named: Named<'_>, is_whole: bool) {
        if self.guarded && is_whole {
            let path = format!("/{}/{}", named.kind.endpoint(), named.id);
            held::superseded(self.view.app, self.view.asking, &path).await;
        }
    }

    /// The answer with the resource as it is stored now; with its groups or members only if they are wanted.
    async fn answer(
        &self,
        status: u16,
        of: (ResourceType, &str),
        related: bool,
        change: Option<ChangeId>,
    ) -> Result<Done, ScimError> {
        let mut conn = self.view.conn().await?;
        let shown = read::one(&self.view, &mut conn, of, self.projection, related).await?;
        let (object, version) = (Some(shown.object), Some(shown.version));
        Ok(Done { status, object, version, id: of.1.to_owned(), change })
    }

    /// The answer to a PATCH: with the resource, where the connection or the request asks for it.
    async fn answer_patch(
        &self,
        (kind, id): (ResourceType, &str),
        change: Option<ChangeId>,
    ) -> Result<Done, ScimError> {
        let asked = !self.projection.is_default();
        let usual = self.view.asking.connection.settings.patch_answers_body.unwrap_or(kind == ResourceType::User);
        // Members are read only for whoever asks for attributes: a PATCH of a large group stays cheap.
        let related = self.projection.wants(kind, relation(kind)) && (asked || kind == ResourceType::User);
        if asked || usual {
            return self.answer(200, (kind, id), related, change).await;
        }
        let mut conn = self.view.conn().await?;
        let version = self.view.find(&mut conn, kind, id).await.map_err(unavailable)?.map(|row| row.version);
        Ok(Done { status: 204, object: None, version, id: id.to_owned(), change })
    }
}

impl Named<'_> {
    /// 412, unless the resource stands at a version that the client wants to find.
    fn check(&self, version: i64) -> Result<(), ScimError> {
        if matches(self.if_match, version) { Ok(()) } else { Err(stale()) }
    }

    /// Whether the client wants to find one of some versions, and no other.
    fn pins(&self) -> bool {
        self.if_match.is_some_and(|tags| !tags.split(',').any(|tag| tag.trim() == "*"))
    }

    /// What to do about somebody who was quicker: 412 for a client that named a version.
    fn retry(&self) -> Result<(), ScimError> {
        if self.pins() { Err(stale()) } else { Ok(()) }
    }
}

impl Done {
    fn held(id: &str) -> Self {
        Self { status: 202, object: None, version: None, id: id.to_owned(), change: None }
    }

    fn deleted(id: &str, change: Option<ChangeId>) -> Self {
        Self { status: 204, object: None, version: None, id: id.to_owned(), change }
    }
}

/// Whether a version is one of those in `If-Match`; tags are weak and compared by their text.
fn matches(if_match: Option<&str>, version: i64) -> bool {
    let Some(tags) = if_match else {
        return true;
    };
    let version = version.to_string();
    tags.split(',').map(str::trim).any(|tag| {
        let text = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text) == version
    })
}

/// The id of a change that changed something.
fn change_of(receipt: Receipt) -> Option<ChangeId> {
    (!receipt.is_empty()).then_some(receipt.id)
}

/// 503: others were quicker as often as we tried.
fn crowded() -> ScimError {
    let detail = "Too many others change this at the same time; nothing was changed. Try again.";
    ScimError { retry_after: Some(1), ..ScimError::status(503, detail) }
}

/// Whether one request can take a group from so many members that it has to be looked at.
fn may_be_mass(changes: &[Change], least: u32) -> bool {
    let removed: usize = changes
        .iter()
        .map(|change| match change {
            Change::RemoveFromGroup { members, .. } => members.len(),
            // How many go, the group's rows say.
            Change::DeprovisionGroup { .. } | Change::SetGroupMembers { .. } => usize::MAX,
            _ => 0,
        })
        .fold(0, usize::saturating_add);
    removed >= usize::try_from(least).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernel::id::{GroupId, MembershipId, OrgId};

    #[test]
    fn if_match_knows_weak_and_strong_tags_lists_and_the_star() {
        for tags in [None, Some("*"), Some("W/\"7\""), Some("\"7\""), Some("\"6\", W/\"7\""), Some("7")] {
            assert!(matches(tags, 7), "{tags:?}");
        }
        for tags in [Some(""), Some("W/\"8\""), Some("\"77\""), Some("\"\"")] {
            assert!(!matches(tags, 7), "{tags:?}");
        }
        let named = |if_match| Named { kind: ResourceType::User, id: "usr_1", if_match };
        assert!(named(Some("\"7\"")).pins() && named(Some("\"7\"")).retry().is_err());
        assert!(!named(None).pins() && !named(Some("*")).pins());
    }

    #[test]
    fn a_held_path_names_its_resource() {
        assert_eq!(parts("/Groups/grp_1"), Some((ResourceType::Group, "grp_1")));
        assert_eq!(parts("/Users"), Some((ResourceType::User, "")));
        assert_eq!(parts("Users/usr_1/"), Some((ResourceType::User, "usr_1")));
        for path in ["", "/", "/Roles/1", "/Users/usr_1/more"] {
            assert_eq!(parts(path), None, "{path}");
        }
    }

    #[test]
    fn only_what_can_take_a_group_from_many_is_looked_at() {
        let (org, group) = (OrgId::from_u128(1), GroupId::from_u128(1));
        let members = |count: u128| (0..count).map(MembershipId::from_u128).collect::<Vec<_>>();
        let remove =
            |count| Change::RemoveFromGroup { org: org.clone(), group: group.clone(), members: members(count) };
        assert!(!may_be_mass(&[remove(9)], 10) && may_be_mass(&[remove(9), remove(1)], 10));
        let add = Change::AddToGroup { org: org.clone(), group: group.clone(), members: members(50) };
        assert!(!may_be_mass(&[add], 10));
        let set = Change::SetGroupMembers { org: org.clone(), group: group.clone(), members: BTreeSet::new() };
        assert!(may_be_mass(&[set], 10));
    }
}
