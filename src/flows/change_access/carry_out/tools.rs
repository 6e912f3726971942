//! Service accounts and access keys: the rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::{check_description, check_name, invalid, unknown};
use crate::domain::access::Scope;
use crate::domain::access::reach::Reach;
use crate::domain::change::{Change, NewAccessKey};
use crate::domain::people::user::{MembershipState, UserState};
use crate::kernel::id::{AccessKeyId, MembershipId, OrgId};
use crate::kernel::time::DAY;
use crate::store::access_edit::{AccessEdit, NewServiceAccount, Written};
use crate::store::{access_keys, memberships, users};

/// The longest name of a service account or a key.
const NAME: usize = 64;
/// A member has so many keys on a project at most, so that one can be replaced while the other is in use.
const MOST_KEYS: i64 = 2;
/// A key lives so long at most.
const LONGEST: i64 = 365 * DAY;

/// Carries a change of a service account or an access key out.
pub(super) async fn carry_out(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(Written, &'static str), Refusal> {
    const NAME_TAKEN: &str = "A service account with this name";
    Ok(match change {
        Change::CreateServiceAccount { org, project, user, member, name, description, owner } => {
            check_name("name", name, NAME)?;
            check_description(description)?;
            if let Some(owner) = owner {
                may_answer_for_it(edit, org, owner).await?;
            }
            let new = NewServiceAccount { org, project, user, member, name, description, owner: owner.as_ref() };
            let written = edit.create_service_account(new).await?;
            (written, if written == Written::Missing { "The project" } else { NAME_TAKEN })
        }
        Change::SetServiceAccount { org, user, name, description } => {
            check_name("name", name, NAME)?;
            check_description(description)?;
            let written = edit.set_service_account(org, user, name, description).await?;
            (written, if written == Written::Taken { NAME_TAKEN } else { "The service account" })
        }
        Change::SetServiceAccountOwner { org, user, owner } => {
            may_answer_for_it(edit, org, owner).await?;
            (edit.set_service_account_owner(org, user, owner).await?, "The service account")
        }
        Change::RemoveServiceAccount { org, user } => {
            (edit.remove_service_account(org, user).await?, "The service account")
        }
        Change::CreateAccessKey { org, key } => (new_key(edit, org, key).await?, "An access key with this id"),
        Change::SetAccessKey { org, key, name, active } => {
            check_name("name", name, NAME)?;
            not_ended(edit, org, key).await?;
            (edit.set_access_key(org, key, name, *active).await?, "The access key")
        }
        Change::RemoveAccessKey { org, key } => (edit.remove_access_key(org, key).await?, "The access key"),
        _ => return Err(unknown()),
    })
}

/// Only a person answers for a service account or an application.
pub(super) async fn may_answer_for_it(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    owner: &MembershipId,
) -> Result<(), Refusal> {
    let not_found = || Refusal::NotFound("The member who is to answer for it".to_owned());
    let member = memberships::find(edit.conn(), org, owner).await?.ok_or_else(not_found)?;
    let user = users::find(edit.conn(), &member.user).await?.ok_or_else(not_found)?;
    match user.kind.project() {
        None => Ok(()),
        Some(_) => Err(invalid("owner", "Choose a person: a service account can't answer for another.")),
    }
}

async fn not_ended(edit: &mut AccessEdit<'_>, org: &OrgId, key: &AccessKeyId) -> Result<(), Refusal> {
    match access_keys::find(edit.conn(), org, key).await? {
        Some(found) if found.state == "ended" => {
            Err(invalid("state", "This key has ended and can't be used again; make a new one."))
        }
        Some(_) => Ok(()),
        None => Err(Refusal::NotFound("The access key".to_owned())),
    }
}

/// A key is for a member who holds a role on the project, or for a service account of the project. The organisation's
/// lock makes those who come together take turns, so that the count is right.
async fn new_key(edit: &mut AccessEdit<'_>, org: &OrgId, key: &NewAccessKey) -> Result<Written, Refusal> {
    check_name("name", &key.name, NAME)?;
    if key.expires_at <= edit.at() || key.expires_at > edit.at().plus(LONGEST) {
        return Err(invalid("expires_at", "A key ends in the future, after 365 days at most."));
    }
    let not_found = || Refusal::NotFound("The member".to_owned());
    let member = memberships::find(edit.conn(), org, &key.member).await?.ok_or_else(not_found)?;
    let user = users::find(edit.conn(), &member.user).await?.ok_or_else(not_found)?;
    let waits_or_works = matches!(member.state, MembershipState::Active | MembershipState::Pending)
        && matches!(user.state, UserState::Active | UserState::Pending);
    if !waits_or_works {
        return Err(invalid("member", "This member may not use the organisation now; nobody makes keys for it."));
    }
    if !edit.org(org).is_some_and(|facts| facts.projects.iter().any(|known| known.id == key.project)) {
        return Err(Refusal::NotFound("The project".to_owned()));
    }
    match user.kind.project() {
        Some(project) if *project == key.project => {}
        Some(_) => return Err(invalid("project", "A service account has keys for its own project alone.")),
        None => holds_something_on(edit, org, key).await?,
    }
    if access_keys::count(edit.conn(), &key.member, &key.project).await? >= MOST_KEYS {
        let text = "There are two keys for this project already; remove one before you make another.";
        return Err(Refusal::Limit(text.to_owned()));
    }
    Ok(edit.create_access_key(org, key, &member.user).await?)
}

async fn holds_something_on(edit: &mut AccessEdit<'_>, org: &OrgId, key: &NewAccessKey) -> Result<(), Refusal> {
    let on = Scope::Project(key.project.clone());
    let holds = match edit.bound_reach_of(org, &key.member).await? {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.iter().any(|((_, scope), _)| *scope == on),
    };
    if holds { Ok(()) } else { Err(invalid("project", "Give the member a role on this project first.")) }
}
