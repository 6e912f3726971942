//! Invitations: the rules that hold whoever asks, then the rows. Until it is accepted one is nothing but a row.

use super::super::{Refusal, describe};
use super::checks::{check_binding, check_name, invalid, unknown};
use super::enforced;
use super::links::{check_link, keep, sent_already};
use super::roles::owned_here;
use crate::domain::access::{Binding, Role, Scope, Subject};
use crate::domain::change::{Change, NewInvitation, Presented};
use crate::domain::mail::{NewLink, Purpose};
use crate::domain::people::identifier;
use crate::domain::people::invitation::{Access, Act, Offered, RESENDS_A_DAY, Rules, State, may_resend};
use crate::domain::people::user::{Kind, OrgState, UserState};
use crate::flows::end_sessions::Aside;
use crate::kernel::fold;
use crate::kernel::id::{BindingId, InvitationId, MembershipId, OrgId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::DAY;
use crate::store::access_edit::{AccessEdit, Renewed, Written};
use crate::store::invitations::{self, Invitation};
use crate::store::users::User;
use crate::store::{bindings, groups, links, memberships, orgs, users};

/// So many groups, and so many roles, does one invitation bring at most.
const MOST: usize = 100;

/// Carries a change of an invitation out.
pub(super) async fn carry_out(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    const WHAT: &str = "The invitation";
    Ok(match change {
        Change::Invite(new) => (invite(edit, new, aside).await?, "An open invitation of this address"),
        Change::ResendInvitation { org, invitation, link } => {
            let written = resend(edit, org, invitation, link, aside).await?;
            (written, if written == Written::Taken { "Another open invitation of this address" } else { WHAT })
        }
        Change::CancelInvitation { org, invitation } => (cancel(edit, org, invitation).await?, WHAT),
        Change::DeclineInvitation { org, invitation, by } => (decline(edit, org, invitation, by).await?, WHAT),
        Change::AcceptInvitation { .. } => (accept(edit, change).await?, WHAT),
        _ => return Err(unknown()),
    })
}

async fn active_org(edit: &mut AccessEdit<'_>, org: &OrgId) -> Result<(), Refusal> {
    match orgs::find(edit.conn(), org).await? {
        Some(found) if found.state == OrgState::Active => Ok(()),
        Some(_) | None => Err(Refusal::NotFound("The organisation".to_owned())),
    }
}

async fn found(edit: &mut AccessEdit<'_>, org: &OrgId, id: &InvitationId) -> Result<Invitation, Refusal> {
    let found = invitations::find(edit.conn(), org, id).await?;
    found.ok_or_else(|| Refusal::NotFound("The invitation".to_owned()))
}

fn allowed(edit: &AccessEdit<'_>, invitation: &Invitation, act: Act) -> Result<(), Refusal> {
    let state = invitation.state_at(edit.at());
    if state.allows(act) {
        return Ok(());
    }
    let what = match act {
        Act::Resend => "its mail can't be sent again",
        Act::Cancel => "it can't be taken back",
        Act::Accept => "it can't be accepted",
        Act::Decline => "it can't be declined",
    };
    Err(Refusal::Conflict(format!("The invitation is {state}: {what}")))
}

fn admitted(rules: &Rules, email: &str) -> Result<(), Refusal> {
    if rules.admits(email) {
        return Ok(());
    }
    let domain = email.rsplit_once('@').map_or(email, |(_, domain)| domain);
    Err(invalid("email", format!("{domain} isn't on the list of domains that may be invited.")))
}

async fn invite(edit: &mut AccessEdit<'_>, new: &NewInvitation, aside: &mut Aside) -> Result<Written, Refusal> {
    let (org, at) = (&new.org, edit.at());
    active_org(edit, org).await?;
    identifier::check_email(&new.email).map_err(|reason| invalid("email", reason))?;
    for (field, name) in [("name", &new.name), ("given_name", &new.given_name), ("family_name", &new.family_name)] {
        if !name.trim().is_empty() {
            check_name(field, name, 200)?;
        }
    }
    if is_member(edit, org, &new.email).await? || is_invited(edit, org, &new.email).await? {
        return Ok(Written::Already);
    }
    enforced::not_led_away(edit, org, &new.email).await?;
    let rules = orgs::settings(edit.conn(), org).await?.invitations;
    admitted(&rules, &new.email)?;
    check_access(edit, org, &new.access).await?;
    not_too_often(edit, org, &new.email).await?;
    check_link(&new.link, Purpose::Invitation, &new.email, at)?;
    let written = edit.create_invitation(new, at.plus(rules.life())).await?;
    if written == Written::Done {
        keep(edit, aside, &new.link, (None, Some(&new.id))).await?;
    }
    Ok(written)
}

/// Nobody's address is flooded by inviting and taking back in turns: a person's mails to it are limited as one
/// invitation's are.
async fn not_too_often(edit: &mut AccessEdit<'_>, org: &OrgId, email: &str) -> Result<(), Refusal> {
    if !edit.author().starts_with("user:") {
        return Ok(());
    }
    let since = edit.at().minus(DAY);
    match invitations::sent_since(edit.conn(), org, &fold::key(email), since).await? {
        (sent, Some(last)) if sent >= RESENDS_A_DAY => Err(sent_already(last.plus(DAY))),
        _ => Ok(()),
    }
}

/// Whether the address is a member's: an account's of the organisation, or an own account's that has proven it.
async fn is_member(edit: &mut AccessEdit<'_>, org: &OrgId, email: &str) -> Result<bool, Refusal> {
    let key = identifier::key(email);
    if let Some(managed) = users::by_identifier(edit.conn(), org.as_str(), &key).await? {
        if memberships::of_user(edit.conn(), org, &managed.id).await?.is_some() {
            return Ok(true);
        }
        let reason = "An account of this organisation has this address; make it a member again instead";
        return Err(Refusal::Conflict(reason.to_owned()));
    }
    match users::by_identifier(edit.conn(), Kind::Own.realm(), &key).await? {
        Some(own) if own.profile.email_verified && has_address(&own, email) => {
            Ok(memberships::of_user(edit.conn(), org, &own.id).await?.is_some())
        }
        Some(_) | None => Ok(false),
    }
}

/// Whether the address has an open invitation here. One that is over is written down as such, and is none.
async fn is_invited(edit: &mut AccessEdit<'_>, org: &OrgId, email: &str) -> Result<bool, Refusal> {
    let at = edit.at();
    match invitations::open_in_org(edit.conn(), org, &fold::key(email)).await? {
        Some(open) if open.state_at(at).is_open() => Ok(true),
        Some(over) => {
            edit.end_invitation(&over.id, State::Expired, "").await?;
            Ok(false)
        }
        None => Ok(false),
    }
}

fn has_address(user: &User, email: &str) -> bool {
    user.profile.email.as_deref().is_some_and(|own| fold::key(own) == fold::key(email))
}

/// Groups that take members here, and roles that could be bound at this moment.
async fn check_access(edit: &mut AccessEdit<'_>, org: &OrgId, access: &Access) -> Result<(), Refusal> {
    if access.groups.len() > MOST || access.roles.len() > MOST {
        return Err(invalid("access", format!("Name at most {MOST} groups and {MOST} roles.")));
    }
    for group in &access.groups {
        owned_here(edit, org, group).await?;
    }
    for offered in &access.roles {
        check_binding(&as_binding(offered))?;
        if offered.window.not_after <= edit.at() {
            return Err(invalid("not_after", "The end lies in the past; choose a later one."));
        }
        if !is_known(edit, org, offered) {
            return Err(Refusal::NotFound("The role or its project".to_owned()));
        }
    }
    Ok(())
}

/// An offered role as a binding of nobody yet.
fn as_binding(offered: &Offered) -> Binding {
    let Offered { role, scope, window } = offered.clone();
    Binding { id: BindingId::from_u128(0), role, scope, subject: Subject::Member(MembershipId::from_u128(0)), window }
}

/// Whether the role and its project are there.
fn is_known(edit: &AccessEdit<'_>, org: &OrgId, offered: &Offered) -> bool {
    let Some(facts) = edit.org(org) else { return false };
    let role = match &offered.role {
        Role::Own(key) => facts.own_roles.contains_key(key),
        _ => true,
    };
    let project = match &offered.scope {
        Scope::Project(id) => facts.projects.iter().any(|project| project.id == *id),
        Scope::Org | Scope::AllProjects => true,
    };
    role && project
}

async fn resend(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    id: &InvitationId,
    link: &NewLink,
    aside: &mut Aside,
) -> Result<Written, Refusal> {
    let at = edit.at();
    active_org(edit, org).await?;
    let invitation = found(edit, org, id).await?;
    allowed(edit, &invitation, Act::Resend)?;
    may_resend(invitation.last_sent_at, invitation.sent_since, invitation.sent_in_a_day, at).map_err(sent_already)?;
    let rules = orgs::settings(edit.conn(), org).await?.invitations;
    admitted(&rules, &invitation.email)?;
    if is_member(edit, org, &invitation.email).await? {
        return Err(Refusal::Conflict("Somebody with this address is a member by now".to_owned()));
    }
    check_link(link, Purpose::Invitation, &invitation.email, at)?;
    let is_open = invitation.state_at(at).is_open();
    let renewed = Renewed {
        state: if is_open { invitation.state } else { State::Processing },
        link_expires_at: link.expires_at,
        expires_at: if at < invitation.expires_at { invitation.expires_at } else { at.plus(rules.life()) },
        // Whoever holds an old link vouches for nothing.
        taken_over: !edit.author().starts_with("link:"),
    };
    links::end_of_invitation(edit.tx(), id, "replaced", at).await?;
    if !is_open {
        // Another that is over by now must not stand in the way of this one.
        is_invited(edit, org, &invitation.email).await?;
    }
    let written = edit.renew_invitation(&invitation, renewed).await?;
    if written == Written::Done {
        keep(edit, aside, link, (None, Some(id))).await?;
    }
    Ok(written)
}

async fn cancel(edit: &mut AccessEdit<'_>, org: &OrgId, id: &InvitationId) -> Result<Written, Refusal> {
    let invitation = found(edit, org, id).await?;
    if invitation.state == State::Cancelled {
        return Ok(Written::Already);
    }
    allowed(edit, &invitation, Act::Cancel)?;
    // Muster itself takes one back that its inviter may not give any more.
    let reason = if edit.author() == "system:invitation" { "inviter_reach" } else { "withdrawn" };
    Ok(edit.end_invitation(id, State::Cancelled, reason).await?)
}

async fn decline(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    id: &InvitationId,
    by: &Presented,
) -> Result<Written, Refusal> {
    active_org(edit, org).await?;
    let invitation = found(edit, org, id).await?;
    match by {
        Presented::Link(link) => is_of_link(edit, &invitation, *link).await?,
        Presented::Account => {
            let user = edit.author().strip_prefix("user:").map(|user| UserId::trusted(user.to_owned()));
            is_of_account(edit, &invitation, user.as_ref()).await?;
        }
    }
    allowed(edit, &invitation, Act::Decline)?;
    use_link(edit, by).await?;
    Ok(edit.end_invitation(id, State::Declined, "").await?)
}

/// The link is this invitation's, for nothing else, and good.
async fn is_of_link(edit: &mut AccessEdit<'_>, invitation: &Invitation, link: Digest) -> Result<(), Refusal> {
    let at = edit.at();
    let good = links::find(edit.conn(), link).await?.is_some_and(|link| {
        link.purpose == Purpose::Invitation && link.invitation.as_ref() == Some(&invitation.id) && link.is_live(at)
    });
    if good { Ok(()) } else { Err(Refusal::NotFound("The link".to_owned())) }
}

/// The account belongs to its person, who has proven the invited address. Anybody else hears of no invitation.
async fn is_of_account(
    edit: &mut AccessEdit<'_>,
    invitation: &Invitation,
    user: Option<&UserId>,
) -> Result<(), Refusal> {
    let account = match user {
        Some(user) => users::find(edit.conn(), user).await?,
        None => None,
    };
    let fits = account.is_some_and(|account| {
        account.kind == Kind::Own
            && account.state == UserState::Active
            && account.profile.email_verified
            && has_address(&account, &invitation.email)
    });
    if fits { Ok(()) } else { Err(Refusal::NotFound("The invitation".to_owned())) }
}

/// Uses the presented link up.
async fn use_link(edit: &mut AccessEdit<'_>, by: &Presented) -> Result<(), Refusal> {
    let at = edit.at();
    if let Presented::Link(link) = by
        && !links::use_up(edit.tx(), *link, Purpose::Invitation, at).await?
    {
        return Err(Refusal::NotFound("The link".to_owned()));
    }
    Ok(())
}

async fn accept(edit: &mut AccessEdit<'_>, change: &Change) -> Result<Written, Refusal> {
    let Change::AcceptInvitation { org, invitation, user, member, by } = change else { return Err(unknown()) };
    active_org(edit, org).await?;
    let invitation = found(edit, org, invitation).await?;
    match by {
        Presented::Link(link) => {
            is_of_link(edit, &invitation, *link).await?;
            fits_the_link(edit, &invitation, user).await?;
        }
        Presented::Account => is_of_account(edit, &invitation, Some(user)).await?,
    }
    allowed(edit, &invitation, Act::Accept)?;
    if memberships::of_user(edit.conn(), org, user).await?.is_some() {
        return Err(Refusal::Conflict("This account is a member already".to_owned()));
    }
    let access = what_is_left(edit, &invitation).await?;
    may_still_be_given(edit, &invitation, &access, change).await?;
    if edit.accept_invitation(&invitation, &access, user, member).await? != Written::Done {
        return Err(Refusal::Conflict("The invitation was answered meanwhile".to_owned()));
    }
    use_link(edit, by).await?;
    if matches!(by, Presented::Link(_)) {
        edit.note_proven(user, &invitation.email).await?;
    }
    let at = edit.at();
    links::end_of_invitation(edit.tx(), &invitation.id, "withdrawn", at).await?;
    Ok(Written::Done)
}

/// Whoever holds the link accepts with an active account of their own that has the invited address.
async fn fits_the_link(edit: &mut AccessEdit<'_>, invitation: &Invitation, user: &UserId) -> Result<(), Refusal> {
    let account = users::find(edit.conn(), user).await?;
    let fits = account.is_some_and(|account| {
        account.kind == Kind::Own && account.state == UserState::Active && has_address(&account, &invitation.email)
    });
    if fits { Ok(()) } else { Err(invalid("email", format!("This invitation is for {}.", invitation.email))) }
}

/// What the invitation brings, without what was deleted meanwhile or is over.
async fn what_is_left(edit: &mut AccessEdit<'_>, invitation: &Invitation) -> Result<Access, Refusal> {
    let mut left = Access::default();
    for group in &invitation.access.groups {
        let found = groups::find(edit.conn(), &invitation.org, group).await?;
        if found.is_some_and(|found| found.source.connection().is_none()) {
            left.groups.insert(group.clone());
        }
    }
    let at = edit.at();
    for offered in &invitation.access.roles {
        if is_known(edit, &invitation.org, offered) && offered.window.not_after > at {
            left.roles.push(offered.clone());
        }
    }
    Ok(left)
}

/// At the acceptance everything is looked at again: the organisation still admits the address, and whoever invited is a
/// member who may still invite and give all of this.
async fn may_still_be_given(
    edit: &mut AccessEdit<'_>,
    invitation: &Invitation,
    access: &Access,
    change: &Change,
) -> Result<(), Refusal> {
    let org = &invitation.org;
    let denied = |needs: &str| Refusal::Denied { act: describe::line(change), needs: needs.to_owned() };
    if !orgs::settings(edit.conn(), org).await?.invitations.admits(&invitation.email) {
        return Err(denied("an address that the organisation admits"));
    }
    let Some(inviter) = &invitation.inviter else { return Ok(()) };
    let beyond = || denied("somebody who may still give this access: the person who invited you may not any more");
    let reach = edit.reach_of(org, inviter).await?;
    let mut within = reach.allows("users.invite");
    within &= access.roles.iter().all(|offered| reach.may_bind(&offered.role, &offered.scope));
    for group in &access.groups {
        let given = bindings::of_group(edit.conn(), org, group).await?;
        within &= given.iter().all(|binding| reach.may_bind(&binding.role, &binding.scope));
    }
    if within { Ok(()) } else { Err(beyond()) }
}
