//! Whose second factors are whose to change: their person's alone. Who administers the account may take all of them away,
//! but neither makes nor chooses one.

use super::super::Refusal;
use super::Asker;
use super::rules::{denied, of_account};
use crate::domain::change::{Actor, Change};
use crate::flows::factors::ENROLLING;
use crate::kernel::id::UserId;
use crate::store::access_edit::AccessEdit;

/// What is the person's alone, whatever others may do. Not even an operator gives somebody a factor: it would be theirs.
pub(super) fn check_reserved(actor: &Actor, change: &Change) -> Result<(), Refusal> {
    let own = |user: &UserId| matches!(actor, Actor::User(by) if by == user);
    let (allowed, whose) = match change {
        Change::PutFactor { user, .. } | Change::SetRecoveryCodes { user, .. } => {
            (own(user) || *actor == ENROLLING, "the person, who has proven who they are")
        }
        Change::ReplaceFactor { user, .. } | Change::RenamePasskey { user, .. } | Change::RemoveFactor { user, .. } => {
            (own(user), "the person, who has proven who they are")
        }
        // The rest is judged by the table.
        _ => return Ok(()),
    };
    if allowed { Ok(()) } else { Err(denied(change, whose)) }
}

/// An administrator takes another's factors away, or lifts another's lock: nobody does so for themselves, for then a stolen
/// session could.
pub(super) async fn by_person(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    user: &UserId,
    change: &Change,
) -> Result<(), Refusal> {
    if user == by.user {
        return Err(denied(change, "another administrator"));
    }
    of_account(edit, by, user, "users.write", change).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::factor::{FactorKind, NewFactor, Which};
    use crate::kernel::id::FactorId;

    #[test]
    fn nobody_gives_somebody_else_a_factor_or_takes_one() {
        let user = UserId::from_u128(3);
        let factor = NewFactor::Code { id: FactorId::from_u128(4), kind: FactorKind::Email };
        let replace = Change::ReplaceFactor { user: user.clone(), factor: Box::new(factor.clone()) };
        let add = Change::PutFactor { user: user.clone(), factor: Box::new(factor), first_only: true };
        let codes = Change::SetRecoveryCodes { user: user.clone(), codes: Vec::new() };
        let remove = Change::RemoveFactor { user: user.clone(), factor: Which::Totp };
        let others = [Actor::CommandLine, Actor::Operator(user.clone()), Actor::User(UserId::from_u128(9))];
        for actor in others.into_iter().chain([Actor::System("x"), Actor::Link("reset_password")]) {
            for change in [&add, &replace, &codes, &remove] {
                assert!(matches!(check_reserved(&actor, change), Err(Refusal::Denied { .. })), "{actor:?}");
            }
        }
        for change in [&add, &replace, &codes, &remove] {
            assert!(check_reserved(&Actor::User(user.clone()), change).is_ok());
        }
        assert!(check_reserved(&ENROLLING, &add).is_ok());
        assert!(check_reserved(&ENROLLING, &remove).is_err() && check_reserved(&ENROLLING, &replace).is_err());
    }
}
