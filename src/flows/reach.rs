//! How far whoever asks reaches in an organisation, for reading. What changes is judged by the door itself.

use std::collections::BTreeSet;

use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Grants, Holder};
use crate::domain::change::Actor;
use crate::domain::people::user::MembershipState;
use crate::domain::settings::OrgSettings;
use crate::kernel::id::{MembershipId, OrgId};
use crate::store::db::{Conn, Result};
use crate::store::{memberships, orgs, picture};

/// What a request for an organisation is judged by.
#[derive(Clone, Debug)]
pub struct Standpoint {
    /// How far the caller reaches.
    pub reach: Reach,
    /// The caller's own membership; `None` for the operator.
    pub member: Option<MembershipId>,
    /// The organisation's settings.
    pub settings: OrgSettings,
}

/// Where the actor stands in an organisation; `None` when it isn't there for the actor: one answer for a stranger and
/// for an organisation that doesn't exist.
///
/// At most six statements, however many people there are.
///
/// # Errors
/// The database's.
pub async fn of_actor(app: &App, conn: &mut Conn, actor: &Actor, org: &OrgId) -> Result<Option<Standpoint>> {
    let Some(found) = orgs::find(conn, org).await? else {
        return Ok(None);
    };
    let settings = orgs::settings(conn, org).await?;
    let (user, within) = match actor {
        Actor::System(_) | Actor::CommandLine | Actor::Operator(_) => {
            return Ok(Some(Standpoint { reach: Reach::Whole, member: None, settings }));
        }
        Actor::Connection { .. } | Actor::Link(_) => return Ok(None),
        Actor::User(user) => (user, None),
        Actor::Tool(tool) => (&tool.user, tool.within.as_ref()),
    };
    let active = |state| state == MembershipState::Active;
    let Some(member) = memberships::of_user(conn, org, user).await?.filter(|member| active(member.state)) else {
        return Ok(None);
    };
    let owner = found.owner.as_ref() == Some(&member.id);
    let mut holder = Holder { id: member.id.clone(), user: user.clone(), active: true, owner, groups: BTreeSet::new() };
    let held = picture::of_member(conn, org, &mut holder, app.now()).await?;
    let own = picture::own_roles(conn, org).await?;
    let reach = Reach::Member { grants: held.grants, own };
    let reach = match within {
        Some(project) => reach.within(project),
        None => reach,
    };
    Ok(Some(Standpoint { reach, member: Some(member.id), settings }))
}

/// What the reach is made of; empty for the operator, who needs none.
#[must_use]
pub fn grants(reach: &Reach) -> Grants {
    match reach {
        Reach::Whole => Grants::default(),
        Reach::Member { grants, .. } => grants.clone(),
    }
}
