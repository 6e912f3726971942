//! What people may do with their own accounts, and whom they may invite to what.

use super::super::Refusal;
use super::rules::{denied, may_bind, may_change_group, on_org};
use super::{Asker, own_membership};
use crate::domain::access::{Binding, Subject};
use crate::domain::change::Change;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::invitation::Access;
use crate::domain::people::user::Kind;
use crate::domain::settings::OwnData;
use crate::kernel::id::{BindingId, MembershipId, OrgId, UserId};
use crate::store::access_edit::AccessEdit;
use crate::store::{orgs, users};

/// A part of one's own account: an own account's all of it, a managed one's as far as the organisation lets its people.
pub(super) async fn own(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    user: &UserId,
    part: OwnData,
    change: &Change,
) -> Result<(), Refusal> {
    let found = users::find(edit.conn(), user).await?.filter(|_| user == by.user);
    match found.map(|found| found.kind) {
        Some(Kind::Own | Kind::Operator) => Ok(()),
        Some(Kind::Managed(org)) => {
            if orgs::settings(edit.conn(), &org).await?.own_data.contains(&part) {
                return Ok(());
            }
            Err(denied(change, "an administrator: the organisation keeps this to itself"))
        }
        Some(Kind::Service(..)) | None => Err(Refusal::NotFound(format!("user {user}"))),
    }
}

/// Whether this is the membership of whoever asks, and their account is their own: one that belongs to the organisation has
/// nowhere to go.
pub(super) async fn may_leave(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    member: &MembershipId,
) -> Result<bool, Refusal> {
    if own_membership(edit, by, org).await?.as_ref() != Some(member) {
        return Ok(false);
    }
    Ok(users::find(edit.conn(), by.user).await?.is_some_and(|found| found.kind == Kind::Own))
}

/// Whether a person may change their own account so. An address is changed by a link that is mailed to the new one, never
/// so, and nobody says of themselves that an address or a number is proven.
pub(super) async fn own_profile(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    (user_name, after): (&str, &Profile),
    change: &Change,
) -> Result<bool, Refusal> {
    let Some(found) = users::find(edit.conn(), user).await? else { return Ok(false) };
    let before = &found.profile;
    let proven = (after.email_verified, after.phone_number_verified);
    let new_number = after.phone_number != before.phone_number;
    if after.email != before.email || proven.0 != before.email_verified {
        return Err(denied(change, "a link that is mailed to the new address"));
    }
    if proven.1 != (before.phone_number_verified && !new_number) {
        return Err(denied(change, "a code that is sent to the new number"));
    }
    let but_the_number = Profile {
        phone_number: before.phone_number.clone(),
        phone_number_verified: before.phone_number_verified,
        ..after.clone()
    };
    match &found.kind {
        Kind::Own | Kind::Operator => Ok(true),
        Kind::Managed(org) => {
            let lets = orgs::settings(edit.conn(), org).await?.own_data;
            let number = !new_number || lets.contains(&OwnData::Phone);
            let rest = users::same_profile(&but_the_number, before) || lets.contains(&OwnData::Profile);
            Ok(user_name == found.user_name && number && rest)
        }
        Kind::Service(..) => Ok(false),
    }
}

/// Whoever invites may give everything that the invitation brings: each role, and each role of each group.
pub(super) async fn may_invite(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    access: &Access,
    change: &Change,
) -> Result<(), Refusal> {
    on_org(edit, by, org, "users.invite", change).await?;
    for offered in &access.roles {
        let (role, scope, window) = (offered.role.clone(), offered.scope.clone(), offered.window);
        let subject = Subject::Member(MembershipId::from_u128(0));
        let binding = Binding { id: BindingId::from_u128(0), role, scope, subject, window };
        may_bind(edit, by, org, &binding, change).await?;
    }
    for group in &access.groups {
        may_change_group(edit, by, org, group, change).await?;
    }
    Ok(())
}
