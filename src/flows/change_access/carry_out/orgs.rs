//! Organisations and projects: the rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::{check_key, check_limits, check_name, check_slug, invalid, unknown};
use crate::domain::change::Change;
use crate::domain::people::user::{AccessType, MembershipState, OrgState, UserState};
use crate::kernel::id::{MembershipId, OrgId};
use crate::kernel::time::DAY;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::{instance, memberships, orgs, users};

/// For so long an organisation's deletion can be undone.
const UNDO: i64 = 30 * DAY;

/// Carries a change of an organisation or a project out.
pub(super) async fn carry_out(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::CreateOrg { org, slug, name, policy } => {
            check_slug(slug)?;
            check_name("name", name, 100)?;
            (edit.create_org(org, slug, name, *policy).await?, "An organisation with this slug")
        }
        Change::RenameOrg { org, name } => {
            check_name("name", name, 100)?;
            (edit.rename_org(org, name).await?, "The organisation")
        }
        Change::SetPolicy { org, policy } => (edit.set_policy(org, *policy).await?, "The organisation"),
        Change::SetSessionLimits { org, idle, absolute } => {
            check_limits(*idle, *absolute)?;
            (edit.set_session_limits(org, *idle, *absolute).await?, "The organisation")
        }
        Change::SetOrgState { org, state } => {
            if *state != OrgState::Deleted {
                can_come_back(edit, org).await?;
            }
            (edit.set_org_state(org, *state).await?, "The organisation")
        }
        Change::TransferOwnership { org, to } => {
            can_own(edit, org, to).await?;
            (edit.transfer_ownership(org, to).await?, "The member")
        }
        Change::CreateProject { org, project, key, name } => {
            check_key("key", key)?;
            check_name("name", name, 100)?;
            (edit.create_project(org, project, key, name).await?, "A project with this key")
        }
        Change::RenameProject { org, project, name } => {
            check_name("name", name, 100)?;
            (edit.rename_project(org, project, name).await?, "The project")
        }
        Change::DeleteProject { org, project } => (edit.delete_project(org, project).await?, "The project"),
        Change::UseSetupLink { link } => {
            let at = edit.at();
            let good = !users::an_operator_exists(edit.conn()).await?
                && instance::use_setup_link(edit.tx(), *link, at).await?;
            (if good { Written::Done } else { Written::Missing }, "This set-up link")
        }
        Change::SetOrgSettings { org, settings } => {
            if let Some((field, reason)) = settings.faults().into_iter().next() {
                return Err(invalid(field, reason));
            }
            (edit.set_org_settings(org, settings).await?, "The organisation or its default project")
        }
        Change::ExpectVersion { org, version } => match edit.version_before(org) {
            Some(stands) if stands == *version => (Written::Already, "The organisation"),
            Some(_) => return Err(Refusal::Stale),
            None => (Written::Missing, "The organisation"),
        },
        _ => return Err(unknown()),
    })
}

/// A deletion can be undone for thirty days; after that it stays.
async fn can_come_back(edit: &mut AccessEdit<'_>, org: &OrgId) -> Result<(), Refusal> {
    let at = edit.at();
    match orgs::deleted_at(edit.conn(), org).await? {
        Some(deleted) if at.since(deleted) > UNDO => {
            Err(invalid("state", "This organisation was deleted more than thirty days ago; that can't be undone."))
        }
        Some(_) | None => Ok(()),
    }
}

/// Who owns an organisation is a person who can sign in, or will once the invitation is accepted.
async fn can_own(edit: &mut AccessEdit<'_>, org: &OrgId, to: &MembershipId) -> Result<(), Refusal> {
    let Some(member) = memberships::find(edit.conn(), org, to).await? else {
        return Ok(()); // said to be missing by what follows
    };
    let joining = matches!(member.state, MembershipState::Active | MembershipState::Pending);
    let user = users::find(edit.conn(), &member.user).await?;
    let person = user.is_some_and(|user| {
        user.kind.project().is_none() && matches!(user.state, UserState::Active | UserState::Pending)
    });
    let by_keys = users::access_type(edit.conn(), &member.user).await? == Some(AccessType::Key);
    if joining && person && !by_keys && memberships::restriction(edit.conn(), to).await?.is_none() {
        return Ok(());
    }
    Err(invalid("to", "Choose a person who can sign in here: active, unrestricted, and not for access keys alone."))
}
