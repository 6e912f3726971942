//! Second factors, passkeys and recovery codes: the rules that hold whoever asks, then the rows.

use std::collections::BTreeSet;

use super::super::Refusal;
use super::checks::{invalid, unknown};
use super::people::end_links;
use crate::domain::change::Change;
use crate::domain::people::factor::{
    FactorKind, MOST_PASSKEYS, NewFactor, RECOVERY_CODES, Which, check_passkey_name, why_no_codes,
};
use crate::domain::people::user::{AccessType, UserState};
use crate::flows::end_sessions::Aside;
use crate::kernel::id::UserId;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::users::User;
use crate::store::{factors, memberships, orgs, users};

const USER: &str = "The user";
const FACTOR: &str = "The second factor";

/// Carries a change of somebody's factors out.
pub(super) async fn carry_out(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::PutFactor { user, factor, first_only } => (put(edit, user, factor, *first_only).await?, FACTOR),
        Change::ReplaceFactor { user, factor } => (replace(edit, user, factor).await?, FACTOR),
        Change::RenamePasskey { user, passkey, name } => {
            let name = check_passkey_name(name).map_err(|reason| invalid("name", reason))?;
            (edit.rename_passkey(user, passkey, &name).await?, "The passkey")
        }
        Change::RemoveFactor { user, factor } => (remove(edit, user, factor).await?, FACTOR),
        Change::ResetFactors { user } => {
            holder(edit, user).await?;
            let written = edit.reset_factors(user).await?;
            if written == Written::Done {
                aside.users.insert(user.clone(), "factors_reset");
                // A link that is on its way opens the account with a password alone from here on.
                end_links(edit, user).await?;
            }
            (written, USER)
        }
        Change::SetRecoveryCodes { user, codes } => {
            holder(edit, user).await?;
            if codes.len() != RECOVERY_CODES {
                return Err(invalid("codes", "A set has ten codes."));
            }
            if !factors::held(edit.conn(), user).await?.any() {
                let reason = "Recovery codes stand in for a second factor. Add one first.";
                return Err(invalid("codes", reason));
            }
            (edit.set_recovery_codes(user, codes).await?, USER)
        }
        Change::Unlock { user } => {
            holder(edit, user).await?;
            (edit.unlock(user).await?, USER)
        }
        _ => return Err(unknown()),
    })
}

/// The account of a person; its row is locked from here on, so that those who come together take turns.
async fn holder(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<User, Refusal> {
    users::take_turns(edit.tx(), user).await?;
    let found = users::find(edit.conn(), user).await?;
    let found = found.filter(|found| found.kind.project().is_none() && found.state != UserState::Deleted);
    found.ok_or_else(|| Refusal::NotFound(USER.to_owned()))
}

/// As [`holder`], of an account that signs in at all.
async fn of_somebody_who_signs_in(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<User, Refusal> {
    let account = holder(edit, user).await?;
    if account.state != UserState::Active || users::access_type(edit.conn(), user).await? == Some(AccessType::Key) {
        return Err(invalid("factor", "This account does not sign in."));
    }
    Ok(account)
}

/// An app takes the place of the one that there is. One that is gone by now was taken away by somebody, and its proof counts
/// no more.
async fn replace(edit: &mut AccessEdit<'_>, user: &UserId, factor: &NewFactor) -> Result<Written, Refusal> {
    of_somebody_who_signs_in(edit, user).await?;
    match factor {
        NewFactor::Totp { .. } => Ok(edit.replace_app(user, factor).await?),
        NewFactor::Code { .. } | NewFactor::Passkey { .. } => Err(unknown()),
    }
}

async fn put(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    factor: &NewFactor,
    first_only: bool,
) -> Result<Written, Refusal> {
    let account = of_somebody_who_signs_in(edit, user).await?;
    let held = factors::held(edit.conn(), user).await?;
    if first_only && held.any() {
        return Err(Refusal::Conflict("This account has a second factor already".to_owned()));
    }
    match factor {
        NewFactor::Passkey { name, .. } => {
            check_passkey_name(name).map_err(|reason| invalid("name", reason))?;
            if held.passkeys as usize >= MOST_PASSKEYS {
                return Err(Refusal::Limit(format!("An account has at most {MOST_PASSKEYS} passkeys.")));
            }
        }
        NewFactor::Code { kind, .. } => {
            if !matches!(kind, FactorKind::Email | FactorKind::Sms) {
                return Err(unknown());
            }
            if let Some(reason) = why_no_codes(&account.profile) {
                return Err(invalid("factor", reason));
            }
        }
        NewFactor::Totp { .. } => {}
    }
    Ok(edit.put_factor(user, factor).await?)
}

async fn remove(edit: &mut AccessEdit<'_>, user: &UserId, which: &Which) -> Result<Written, Refusal> {
    holder(edit, user).await?;
    let held = factors::held(edit.conn(), user).await?;
    let mut left: BTreeSet<FactorKind> = held.kinds.clone();
    if which.kind() != FactorKind::Passkey || held.passkeys <= 1 {
        left.remove(&which.kind());
    }
    // What a rule demands stays: the next sign-in would ask for it, and until then there would be none.
    for (org, member) in memberships::all_of_user(edit.conn(), user).await? {
        let rule = orgs::settings(edit.conn(), &org).await?.second_factor;
        let allowed = |kinds: &BTreeSet<FactorKind>| kinds.iter().any(|kind| rule.kinds.contains(kind));
        if !allowed(&held.kinds) || allowed(&left) {
            continue;
        }
        let administers = edit.reach_of(&org, user).await?.administers();
        if rule.demands_of(administers) {
            let name = orgs::find(edit.conn(), &org).await?.map(|found| found.name).unwrap_or_default();
            return Err(Refusal::Blocked {
                reason: format!("{name} requires a second factor of you. Add another one before you remove this one."),
                object: member.to_string(),
                clear: "POST /api/v1/me/factors".to_owned(),
            });
        }
    }
    Ok(edit.remove_factor(user, which).await?)
}
