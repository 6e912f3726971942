//! Who may set a connection's sign-in up, who says that somebody upstream is they, and what only a connection may ask for.

use super::super::Refusal;
use super::Asker;
use super::connections::whole;
use super::rules::{denied, of_account, on_org, owner_only};
use crate::domain::change::{Actor, Change};
use crate::domain::people::user::Kind;
use crate::kernel::id::UserId;
use crate::store::access_edit::AccessEdit;
use crate::store::users;

/// Why a trial's outcome is noted: Muster has seen it.
const SIGN_IN_TESTED: &str = "sign_in_tested";

/// What is one asker's alone, whatever others may do: nobody but a connection says who came through it, and nobody but the
/// person that somebody upstream is they. Not even an operator does.
pub(super) fn check_reserved(actor: &Actor, change: &Change) -> Result<(), Refusal> {
    let (allowed, whose) = match change {
        Change::SignInThrough(_) | Change::EndUpstream { .. } | Change::SetUpstreamAccount { .. } => {
            (matches!(actor, Actor::Connection { .. }), "the connection itself")
        }
        Change::LinkIdentity { user, .. } => {
            (matches!(actor, Actor::User(by) if by == user), "the person, who proves both sides")
        }
        Change::PassSignInTest { .. } => (*actor == Actor::System(SIGN_IN_TESTED), "a trial that somebody passed"),
        // The rest is judged by the table.
        _ => return Ok(()),
    };
    if allowed { Ok(()) } else { Err(denied(change, whose)) }
}

/// A sign-in decides who gets in, and its mapping who holds what: only those who may give everything set it up.
pub(super) async fn by_person(edit: &mut AccessEdit<'_>, by: &Asker<'_>, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::PutSignIn(new) => whole(edit, by, &new.org, change).await,
        Change::SetSignInStage { org, .. } | Change::RemoveSignIn { org, .. } | Change::SetMapping { org, .. } => {
            whole(edit, by, org, change).await
        }
        Change::SetDomainConnection { org, .. } => on_org(edit, by, org, "domains.write", change).await,
        // Whoever else administers could keep a door of their own open when the connection is enforced.
        Change::SetBreakGlass { org, .. } => owner_only(edit, by, org, change).await,
        Change::LinkIdentity { user, .. } if user == by.user => Ok(()),
        Change::UnlinkIdentity { user, .. } => {
            if user == by.user && is_ones_own(edit, user).await? {
                return Ok(());
            }
            of_account(edit, by, user, "users.write", change).await
        }
        Change::LinkIdentity { .. } => Err(denied(change, "the person, who proves both sides")),
        _ => Err(denied(change, "nobody")),
    }
}

/// Whether an account can do without its connection: whoever came by one alone would lock themselves out.
async fn is_ones_own(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<bool, Refusal> {
    Ok(users::find(edit.conn(), user).await?.is_some_and(|found| match found.kind {
        Kind::Own | Kind::Operator => true,
        Kind::Managed(_) => found.source.connection().is_none(),
        Kind::Service(..) => false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::federation::{Ended, Upstream};
    use crate::kernel::id::{ConnectionId, IdentityId, OrgId};

    fn upstream() -> Upstream {
        Upstream { issuer: "https://idp.test".to_owned(), subject: "1".to_owned() }
    }

    #[test]
    fn nobody_but_a_connection_says_what_its_provider_says() {
        let (org, connection) = (OrgId::from_u128(1), ConnectionId::from_u128(2));
        let ended = Ended::Person(upstream());
        let change = Change::EndUpstream { org: org.clone(), connection: connection.clone(), ended };
        let user = UserId::from_u128(3);
        for actor in [Actor::CommandLine, Actor::Operator(user.clone()), Actor::User(user), Actor::System("x")] {
            assert!(matches!(check_reserved(&actor, &change), Err(Refusal::Denied { .. })), "{actor:?}");
        }
        assert!(check_reserved(&Actor::Connection { org, connection }, &change).is_ok());
    }

    #[test]
    fn nobody_links_an_identity_to_somebody_else() {
        let user = UserId::from_u128(3);
        let change = Change::LinkIdentity {
            org: OrgId::from_u128(1),
            connection: ConnectionId::from_u128(2),
            user: user.clone(),
            identity: IdentityId::from_u128(4),
            upstream: upstream(),
        };
        for actor in [Actor::CommandLine, Actor::Operator(user.clone()), Actor::User(UserId::from_u128(9))] {
            assert!(matches!(check_reserved(&actor, &change), Err(Refusal::Denied { .. })), "{actor:?}");
        }
        assert!(check_reserved(&Actor::User(user), &change).is_ok());
    }

    #[test]
    fn only_a_trial_itself_says_that_it_was_passed() {
        let (org, connection) = (OrgId::from_u128(1), ConnectionId::from_u128(2));
        let change = Change::PassSignInTest { org, connection, revision: 1 };
        for actor in [Actor::CommandLine, Actor::Operator(UserId::from_u128(3)), Actor::System("window_over")] {
            assert!(matches!(check_reserved(&actor, &change), Err(Refusal::Denied { .. })), "{actor:?}");
        }
        assert!(check_reserved(&Actor::System(SIGN_IN_TESTED), &change).is_ok());
    }
}
