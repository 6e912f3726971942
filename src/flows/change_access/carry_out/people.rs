//! Accounts and memberships: the rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::{check_profile, check_user, invalid, unknown};
use super::not_from_a_connection;
use crate::domain::change::Change;
use crate::domain::people::identifier;
use crate::domain::people::user::UserState;
use crate::flows::end_sessions::Aside;
use crate::kernel::id::UserId;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::{orgs, users};

pub(super) async fn person(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    const NAME_TAKEN: &str = "Somebody with this user name, e-mail address or phone number";
    Ok(match change {
        Change::CreateUser(user) => {
            check_user(user)?;
            (edit.create_user(user).await?, NAME_TAKEN)
        }
        Change::SetProfile { user, user_name, profile } => {
            identifier::check_user_name(user_name).map_err(|e| invalid("user_name", e))?;
            check_profile(profile)?;
            account_owned_here(edit, user).await?;
            let written = edit.set_profile(user, user_name, profile).await?;
            (written, if written == Written::Taken { NAME_TAKEN } else { "The user" })
        }
        Change::SetUserState { user, state } => {
            if *state != UserState::Active && users::is_last_operator(edit.conn(), user).await? {
                return Err(Refusal::Blocked {
                    reason: "Make another operator before this one goes: the last can't be removed.".to_owned(),
                    object: user.to_string(),
                    clear: "muster doctor".to_owned(),
                });
            }
            let written = edit.set_user_state(user, *state).await?;
            if written == Written::Done && *state != UserState::Active {
                aside.users.insert(user.clone(), "account_barred");
            }
            (written, "The user")
        }
        Change::ResetPassword { user, password } => {
            account_owned_here(edit, user).await?;
            aside.users.insert(user.clone(), "password_reset");
            (edit.reset_password(user, password).await?, "The user")
        }
        Change::AddMember { org, member, user, state, source } => {
            let found = users::find(edit.conn(), user).await?.filter(|found| found.state != UserState::Deleted);
            if found.is_none() || orgs::find(edit.conn(), org).await?.is_none() {
                return Err(Refusal::NotFound("The organisation or the user".to_owned()));
            }
            (edit.add_member(org, member, user, *state, source).await?, "The member")
        }
        Change::SetMemberState { org, member, state } => {
            (edit.set_member_state(org, member, *state).await?, "The member")
        }
        Change::EndSessions { org, member } => (edit.end_sessions(org, member).await?, "The member"),
        Change::RemoveMember { org, member } => (edit.remove_member(org, member).await?, "The member"),
        _ => return Err(unknown()),
    })
}

async fn account_owned_here(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<(), Refusal> {
    match users::find(edit.conn(), user).await? {
        Some(found) => not_from_a_connection(&found.source),
        None => Err(Refusal::NotFound("The user".to_owned())),
    }
}
