//! Recovery codes: ten of 80 random bits, shown once, of which the database keeps the digests.

use super::{NotDone, may_keep};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::people::factor::{RECOVERY_CODES, recovery_code, recovery_key};
use crate::flows::change_access::change_access_from;
use crate::kernel::secret::Digest;
use crate::store::cookies::Facts;

/// A new set.
pub(super) struct Set {
    /// As they are shown.
    pub codes: Vec<String>,
    /// As they are kept.
    pub digests: Vec<Digest>,
}

/// Makes a set.
pub(super) fn mint(app: &App) -> Set {
    let codes: Vec<String> = (0..RECOVERY_CODES)
        .map(|_| {
            let mut bits = [0; 10];
            app.chance.fill(&mut bits);
            recovery_code(bits)
        })
        .collect();
    let digests = codes.iter().filter_map(|code| digest(code)).collect();
    Set { codes, digests }
}

/// What the database keeps of a code that somebody typed; `None` for what can't be one.
pub(super) fn digest(typed: &str) -> Option<Digest> {
    recovery_key(typed).map(|key| Digest::of(key.as_bytes()))
}

/// Makes a new set for somebody who is signed in; the one before is dead. They are shown once.
///
/// # Errors
/// See [`NotDone`].
pub async fn renew(app: &App, facts: &Facts, origin: &Origin) -> Result<(Receipt, Vec<String>), NotDone> {
    may_keep(app, facts).await?;
    let set = mint(app);
    let user = facts.user.clone();
    let change = Change::SetRecoveryCodes { user: user.clone(), codes: set.digests };
    let receipt = change_access_from(app, &Actor::User(user), origin, vec![change], Mode::Act).await?;
    Ok((receipt, set.codes))
}
