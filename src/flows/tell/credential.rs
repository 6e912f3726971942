//! What became of people's passwords (CAEP 1.0 §3.3), told to every application that they are, or were until then, signed
//! in to.

use std::collections::{BTreeMap, BTreeSet};

use super::Desk;
use crate::domain::ssf::caep::{self, ChangeType};
use crate::kernel::id::{ApplicationId, UserId};
use crate::store::concerned;
use crate::store::db::Result;
use crate::store::sessions::Farewell;

/// Writes the events: one for each person and each stream. A password is the account's, in whatever organisation.
pub(super) async fn tell(
    desk: &mut Desk<'_>,
    farewells: &BTreeSet<Farewell>,
    changed: &BTreeMap<UserId, ChangeType>,
) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let users: Vec<UserId> = changed.keys().cloned().collect();
    let mut pairs = concerned::applications_of_users(desk.tx, &users, desk.now).await?;
    for farewell in farewells {
        if changed.contains_key(&farewell.user) {
            pairs.insert((farewell.user.clone(), farewell.application.clone()));
        }
    }
    let applications: BTreeSet<ApplicationId> = pairs.iter().map(|(_, application)| application.clone()).collect();
    desk.look_up(&applications).await?;
    for (user, application) in &pairs {
        let Some(change) = changed.get(user) else { continue };
        let sub_id = caep::person(desk.by.app.issuer(), user);
        let event = caep::password_change(sub_id, *change, &desk.by.facts(user, desk.now));
        desk.put(application, user, event).await?;
    }
    Ok(())
}
