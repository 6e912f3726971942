//! Adding a factor, of whatever kind: who may, and the recovery codes that come with the first that is in their own hands.

use super::{ENROLLING, Enrolled, NotDone, Who, recovery};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::people::factor::{Held, NewFactor};
use crate::flows::change_access::change_access_from;
use crate::kernel::id::UserId;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::{factors, users};

/// Why a session that an organisation's provider vouched for adds nothing to an account of somebody's own.
const NOT_FROM_THERE: &str = "This account is your own, and you came through your organisation's provider. Sign in with \
                              your password or a passkey to add a factor.";

/// Somebody who may add a factor.
pub(super) struct Entitled {
    /// Whose account it is.
    pub user: UserId,
    /// In which part they ask.
    pub actor: Actor,
    /// What they have.
    pub held: Held,
    /// Whether it must be the first.
    pub first_only: bool,
    /// Whether it may take the place of one that there is.
    pub may_replace: bool,
}

/// Judges who adds a factor.
pub(super) async fn entitled(app: &App, who: Who<'_>) -> Result<Entitled, NotDone> {
    let user = match who {
        Who::SignedIn(facts) => &facts.user,
        Who::Enrolling { user, .. } => user,
    };
    let mut conn = app.db.read().await?;
    if let Who::SignedIn(facts) = who
        && !is_theirs(&mut conn, facts).await?
    {
        return Err(NotDone::NotHere(NOT_FROM_THERE.to_owned()));
    }
    let held = factors::held(&mut conn, user).await?;
    drop(conn);
    let (actor, allowed, first_only) = match who {
        // Whoever has no factor has proven no more than a password: where there is one by then, the door refuses it.
        Who::SignedIn(facts) => {
            (Actor::User(user.clone()), facts.may_keep_factors(held.best(), app.now()), !held.any())
        }
        Who::Enrolling { methods, .. } => {
            let proven = methods.iter().any(|method| method.is_factor());
            (ENROLLING, proven || !held.any(), !proven)
        }
    };
    if !allowed {
        return Err(NotDone::Proof(held.best()));
    }
    let may_replace = matches!(who, Who::SignedIn(_));
    Ok(Entitled { user: user.clone(), actor, held, first_only, may_replace })
}

/// Whether a session may say how the account is guarded: one organisation's provider speaks for that organisation's own
/// accounts, and could shut the person out of everything else with a factor that is not theirs.
async fn is_theirs(conn: &mut Conn, facts: &Facts) -> Result<bool, sqlx::Error> {
    let Some(through) = &facts.through else { return Ok(true) };
    let found = users::find(conn, &facts.user).await?;
    Ok(found.is_some_and(|found| found.kind.org() == Some(&through.org)))
}

/// Puts a factor in the place of the one of its kind.
pub(super) async fn replace(app: &App, by: Entitled, factor: NewFactor, origin: &Origin) -> Result<Enrolled, NotDone> {
    let method = factor.kind().method();
    let changes = vec![Change::ReplaceFactor { user: by.user, factor: Box::new(factor) }];
    let receipt = change_access_from(app, &by.actor, origin, changes, Mode::Act).await?;
    Ok(Enrolled { receipt, codes: Vec::new(), replaced: true, method })
}

/// Adds a factor. With the first one that is in the person's own hands come recovery codes, in the place of any from before:
/// codes that are sent bring none, for whoever knows a password can switch those on.
pub(super) async fn add(app: &App, by: Entitled, factor: NewFactor, origin: &Origin) -> Result<Enrolled, NotDone> {
    let Entitled { user, actor, held, first_only, .. } = by;
    let method = factor.kind().method();
    let brings_codes = factor.kind().is_strong() && !held.any_strong();
    let mut changes = vec![Change::PutFactor { user: user.clone(), factor: Box::new(factor), first_only }];
    let mut codes = Vec::new();
    if brings_codes {
        let set = recovery::mint(app);
        changes.push(Change::SetRecoveryCodes { user, codes: set.digests });
        codes = set.codes;
    }
    let receipt = change_access_from(app, &actor, origin, changes, Mode::Act).await?;
    Ok(Enrolled { receipt, codes, replaced: false, method })
}
