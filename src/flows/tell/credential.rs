//! What became of people's passwords and second factors (CAEP 1.0 §3.3), told to every application that they are, or were
//! until then, signed in to.

use std::collections::{BTreeMap, BTreeSet};

use super::Desk;
use crate::domain::ssf::caep::{self, ChangeType, Credential};
use crate::kernel::id::{ApplicationId, UserId};
use crate::store::concerned;
use crate::store::db::Result;
use crate::store::sessions::Farewell;

/// Writes the events: one for each credential of each person and each stream. It is the account's, in whatever
/// organisation.
pub(super) async fn tell(
    desk: &mut Desk<'_>,
    farewells: &BTreeSet<Farewell>,
    changed: &BTreeMap<(UserId, Credential), ChangeType>,
) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let concerned: BTreeSet<&UserId> = changed.keys().map(|(user, _)| user).collect();
    let users: Vec<UserId> = concerned.iter().copied().cloned().collect();
    let mut pairs = concerned::applications_of_users(desk.tx, &users, desk.now).await?;
    for farewell in farewells {
        if concerned.contains(&farewell.user) {
            pairs.insert((farewell.user.clone(), farewell.application.clone()));
        }
    }
    let applications: BTreeSet<ApplicationId> = pairs.iter().map(|(_, application)| application.clone()).collect();
    desk.look_up(&applications).await?;
    for (user, application) in &pairs {
        for ((_, credential), change) in changed.iter().filter(|((of, _), _)| of == user) {
            let sub_id = caep::person(desk.by.app.issuer(), user);
            let event = caep::credential_change(sub_id, *credential, *change, &desk.by.facts(user, desk.now));
            desk.put(application, user, event).await?;
        }
    }
    Ok(())
}
