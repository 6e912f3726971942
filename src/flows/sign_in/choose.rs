//! Which account somebody means.

use super::Context;
use crate::domain::people::identifier;
use crate::domain::people::user::Kind;
use crate::store::db::Conn;
use crate::store::users::{self, Candidate};

/// The one account that an identifier means somewhere, if it means exactly one.
pub(in crate::flows) async fn the_one_meant(
    conn: &mut Conn,
    identifier: &str,
    context: &Context,
) -> Result<Option<Candidate>, sqlx::Error> {
    Ok(choose(candidates(conn, identifier, context).await?, context))
}

async fn candidates(conn: &mut Conn, identifier: &str, context: &Context) -> Result<Vec<Candidate>, sqlx::Error> {
    let key = identifier::key(identifier);
    if key.is_empty() || key.len() > 320 {
        return Ok(Vec::new());
    }
    match context {
        Context::None | Context::Operator => users::candidates(conn, &key).await,
        Context::Org(org) => users::candidates_in_org(conn, org, &key).await,
        Context::Unknown => Ok(Vec::new()),
    }
}

/// Without context: the own account, else the one managed account. In an organisation: its managed user, else the own
/// account of a member. Operators sign in as such, or where nobody else has the name.
fn choose(candidates: Vec<Candidate>, context: &Context) -> Option<Candidate> {
    let (mut own, mut managed, mut operators) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in candidates {
        match candidate.kind {
            Kind::Own => own.push(candidate),
            Kind::Managed(_) => managed.push(candidate),
            Kind::Operator => operators.push(candidate),
            Kind::Service(..) => {} // it has no identifier, and no way in here
        }
    }
    let order = match context {
        Context::None => [own, managed, operators],
        Context::Org(_) => [managed, own, Vec::new()],
        Context::Operator => [operators, Vec::new(), Vec::new()],
        Context::Unknown => return None,
    };
    let first = order.into_iter().find(|some| !some.is_empty())?;
    // Ambiguous counts as unknown.
    <[Candidate; 1]>::try_from(first).ok().map(|[one]| one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::lockout::{self, Counter};
    use crate::domain::people::user::UserState;
    use crate::kernel::id::{OrgId, UserId};
    use crate::kernel::time::UnixMillis;

    fn candidate(number: u128, kind: Kind) -> Candidate {
        let id = UserId::from_u128(number);
        Candidate {
            id,
            kind,
            state: UserState::Active,
            password: None,
            must_change: false,
            counter: Counter::default(),
            password_at: UnixMillis(0),
            barred: false,
            lock: lockout::Settings::default(),
        }
    }

    #[test]
    fn without_context_the_own_account_comes_first_and_two_managed_ones_are_nobody() {
        let managed = |n: u128| candidate(n, Kind::Managed(OrgId::from_u128(n)));
        let chosen = |all: Vec<Candidate>, context: &Context| choose(all, context).map(|c| c.id);
        let own = || candidate(9, Kind::Own);
        assert_eq!(chosen(vec![managed(1), own()], &Context::None), Some(UserId::from_u128(9)));
        assert_eq!(chosen(vec![managed(1)], &Context::None), Some(UserId::from_u128(1)));
        assert_eq!(chosen(vec![managed(1), managed(2)], &Context::None), None);
        let org = Context::Org(OrgId::from_u128(1));
        assert_eq!(chosen(vec![managed(1), own()], &org), Some(UserId::from_u128(1)));
        assert_eq!(
            chosen(vec![managed(1), candidate(7, Kind::Operator)], &Context::Operator),
            Some(UserId::from_u128(7))
        );
        assert_eq!(chosen(vec![own()], &Context::Unknown), None);
    }
}
