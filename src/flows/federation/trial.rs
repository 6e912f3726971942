//! The trial of a connection's sign-in: somebody goes the whole way to the provider and back, and sees what would follow.
//!
//! It signs nobody in, makes nobody and writes nothing about anybody: what would follow is worked out, and the set-up is
//! noted as tested. It works before anybody else can use the connection.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::came_through::{self, of_refusal};
use super::start::{Begin, begin};
use super::{NotThrough, Purpose, Reading};
use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Role, Scope};
use crate::domain::change::{Actor, Change, Mode};
use crate::domain::federation::{Claims, Known, claims};
use crate::flows::change_access::{Refusal, change_access};
use crate::flows::reach;
use crate::kernel::id::{ConnectionId, GroupId, OrgId, UserId};
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::db::Conn;
use crate::store::federation::upstreams;
use crate::store::{access_read, bindings, orgs};

/// How long an offered trial can be begun, in milliseconds.
pub const LIFE: i64 = 15 * MINUTE;
/// What an offer is sealed for.
const OFFER: &str = "upstream.trial";
/// Whoever notes that a trial went through.
const TESTED: Actor = Actor::System("sign_in_tested");

/// A trial that an administrator may begin: what its address holds, sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Whose connection it is.
    pub org: OrgId,
    /// The connection.
    pub connection: ConnectionId,
    revision: i64,
    by: UserId,
    until: UnixMillis,
}

/// What would follow for whoever went the way.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What the provider said, redacted.
    pub claims: Claims,
    /// The user name that follows.
    pub user_name: String,
    /// The address that follows; `None` where the connection may assert none.
    pub email: Option<String>,
    /// What would become of the account.
    pub account: &'static str,
    /// The groups that the mapping gives.
    pub groups: Vec<TriedGroup>,
    /// The roles that those groups have, in words.
    pub roles: Vec<String>,
    /// What stands in the way, or may surprise: sentences.
    pub problems: Vec<String>,
}

/// A group that the mapping gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedGroup {
    /// Its name.
    pub name: String,
    /// The rules and the provider's groups that it comes from.
    pub why: Vec<String>,
}

/// Offers a trial: its address, and until when it can be begun.
///
/// # Errors
/// The actor may not set connections up, or is no person; the connection has no sign-in; the database's.
pub async fn offer(
    app: &App,
    actor: &Actor,
    org: &OrgId,
    connection: &ConnectionId,
) -> Result<(String, UnixMillis), Refusal> {
    let act = || "try a sign-in out".to_owned();
    let by = match actor {
        Actor::User(user) | Actor::Operator(user) => user.clone(),
        Actor::System(_) | Actor::CommandLine | Actor::Tool(_) | Actor::Connection { .. } | Actor::Link(_) => {
            return Err(Refusal::UserRequired { act: act() });
        }
    };
    let mut conn = app.db.read().await?;
    let Some(stands) = reach::of_actor(app, &mut conn, actor, org).await? else {
        return Err(Refusal::NotFound("The organisation".to_owned()));
    };
    if !stands.reach.allows("connections.write") || !is_administrators(&stands.reach) {
        return Err(Refusal::Denied { act: act(), needs: "connections.write and org.admin".to_owned() });
    }
    let Some(sign_in) = upstreams::find(&mut conn, org, connection).await? else {
        return Err(Refusal::NotFound("The sign-in".to_owned()));
    };
    let until = app.now().plus(LIFE);
    let offer = Offer { org: org.clone(), connection: connection.clone(), revision: sign_in.revision, by, until };
    let plain = serde_json::to_vec(&offer).unwrap_or_default();
    let secret = app.sealer.seal_text(OFFER, "", &plain);
    Ok((app.url(&format!("/upstream/test/{secret}")), until))
}

/// Whether the reach is that of somebody who may give everything: a sign-in decides who gets in.
fn is_administrators(reach: &Reach) -> bool {
    match reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants
            .iter()
            .any(|((role, scope), _)| *scope == Scope::Org && matches!(role, Role::OrgAdmin | Role::OrgOwner)),
    }
}

/// What an offered trial's address leads to. Looking begins nothing.
///
/// # Errors
/// [`NotThrough::UnknownFlow`] where it leads nowhere (any more).
pub fn look(app: &App, secret: &str) -> Result<Offer, NotThrough> {
    let plain = app.sealer.open_text(OFFER, "", secret).map_err(|_| NotThrough::UnknownFlow)?;
    let offer: Offer = serde_json::from_slice(&plain).map_err(|_| NotThrough::UnknownFlow)?;
    if app.now() >= offer.until { Err(NotThrough::UnknownFlow) } else { Ok(offer) }
}

/// Begins an offered trial in a browser; the address at the provider where it goes on.
///
/// # Errors
/// As [`look`]; [`NotThrough::Closed`] where the set-up is another by now; the provider can't be reached.
pub async fn open(app: &App, secret: &str, binding: &str) -> Result<String, NotThrough> {
    let offer = look(app, secret)?;
    let found = upstreams::find(&mut app.db.read().await?, &offer.org, &offer.connection).await?;
    if found.is_none_or(|found| found.revision != offer.revision) {
        return Err(NotThrough::Closed);
    }
    let purpose = Purpose::Trial { by: offer.by };
    begin(app, Begin { connection: &offer.connection, binding, purpose, login_hint: None }).await
}

/// Works out what would follow, and notes that the set-up was tested. `user` is the account that it would concern, if
/// there is one.
///
/// # Errors
/// What no set-up can do with (subject, groups); the set-up is another by now; the database's.
pub(super) async fn conclude(
    app: &App,
    reading: &Reading,
    said: &Claims,
    user: &mut Option<UserId>,
) -> Result<Tried, NotThrough> {
    let mut conn = app.db.read().await?;
    let asserted = came_through::asserted(app, &mut conn, reading, said).await?;
    let mut problems = Vec::new();
    let account = match came_through::who(&mut conn, reading, (said, &asserted), user).await {
        Ok(who) => outcome(&who.known),
        Err(NotThrough::Fault(fault)) => return Err(NotThrough::Fault(fault)),
        Err(why) => {
            problems.push(problem(&why).to_owned());
            "is refused"
        }
    };
    if let Some(address) = &asserted.said.left_out {
        problems.push(format!("The address {address} is left out: this connection may not assert it."));
    } else if asserted.said.profile.email.is_none() {
        problems.push("The provider names no e-mail address.".to_owned());
    }
    let (groups, roles) = placed(app, &mut conn, reading, said).await?;
    let mapping = &reading.sign_in.mapping;
    if mapping.on && mapping.require_match && groups.is_empty() {
        problems.push(problem(&NotThrough::NoGroup).to_owned());
    }
    drop(conn);
    pass(app, reading).await?;
    Ok(Tried {
        claims: claims::redacted(said, &reading.sign_in.settings.claims),
        user_name: asserted.said.user_name,
        email: asserted.said.profile.email,
        account,
        groups,
        roles,
        problems,
    })
}

const fn outcome(known: &Known) -> &'static str {
    match known {
        Known::Linked(_) => "is linked already",
        Known::Pushed => "was pushed by SCIM, and is linked at the first sign-in",
        Known::Adopted => "is taken over at the first sign-in",
        Known::Made => "is made at the first sign-in",
    }
}

const fn problem(why: &NotThrough) -> &'static str {
    match why {
        NotThrough::AccountUnknown => "Nobody here is known by this identity, and the connection makes no accounts.",
        NotThrough::AccountExists => "Another account has the user name or the address, and is not taken over.",
        NotThrough::AccountDisabled => "The account, or its membership, is barred.",
        NotThrough::NoGroup => "The mapping puts the person nowhere, and whom it puts nowhere is refused.",
        NotThrough::UnknownFlow
        | NotThrough::RefusedUpstream(_)
        | NotThrough::NotVerified(_)
        | NotThrough::Unreachable
        | NotThrough::NotFresh
        | NotThrough::GroupsOverage
        | NotThrough::SubjectUnfit
        | NotThrough::Closed
        | NotThrough::LinkTaken
        | NotThrough::LinkOver
        | NotThrough::Fault(_) => "The sign-in would be refused.",
    }
}

/// The groups that the mapping gives, and their roles.
async fn placed(
    app: &App,
    conn: &mut Conn,
    reading: &Reading,
    said: &Claims,
) -> Result<(Vec<TriedGroup>, Vec<String>), sqlx::Error> {
    let (sign_in, org) = (&reading.sign_in, &reading.sign_in.connection.org);
    if !sign_in.mapping.on {
        return Ok((Vec::new(), Vec::new()));
    }
    let kept =
        claims::kept(said.clone(), &sign_in.settings.claims, &sign_in.mapping, sign_in.settings.scim_claim.as_deref());
    let mut placed = sign_in.mapping.evaluate(&kept, &sign_in.settings.claims);
    let names: BTreeMap<GroupId, String> = access_read::group_names(conn, &placed.groups).await?;
    let mut roles = BTreeSet::new();
    let projects = orgs::projects(conn, org).await?;
    let mut groups = Vec::new();
    for (id, name) in names {
        for binding in bindings::of_group(conn, org, &id).await? {
            if !binding.window.contains(app.now()) {
                continue;
            }
            let role = binding.role.as_str().to_owned();
            roles.insert(match &binding.scope {
                Scope::Org => role,
                Scope::AllProjects => format!("{role} on all projects"),
                Scope::Project(id) => match projects.iter().find(|project| project.id == *id) {
                    Some(project) => format!("{role} on {}", project.key),
                    None => continue,
                },
            });
        }
        groups.push(TriedGroup { name, why: placed.why.remove(&id).unwrap_or_default() });
    }
    Ok((groups, roles.into_iter().collect()))
}

async fn pass(app: &App, reading: &Reading) -> Result<(), NotThrough> {
    let change = Change::PassSignInTest {
        org: reading.sign_in.connection.org.clone(),
        connection: reading.connection().clone(),
        revision: reading.sign_in.revision,
    };
    change_access(app, &TESTED, vec![change], Mode::Act).await.map(|_| ()).map_err(of_refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Grants;

    #[test]
    fn nobody_tries_a_sign_in_out_who_may_not_set_it_up() {
        assert!(is_administrators(&Reach::Whole));
        let nothing = Reach::Member { grants: Grants::default(), own: BTreeMap::new() };
        assert!(!is_administrators(&nothing));
    }
}
