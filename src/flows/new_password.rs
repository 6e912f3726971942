//! A password that an administrator gives to somebody: checked by the rules, then hashed.

use crate::app::App;
use crate::domain::people::password::{self, Rules, Shortfall};
use crate::kernel::secret::Secret;
use crate::outside::hasher::Busy;

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It falls short of the rules, in all of these ways.
    #[error("the password falls short")]
    Short(Vec<Shortfall>),
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// The PHC text of a password that keeps the rules; `about` is the user name and then the contacts.
///
/// # Errors
/// It falls short, or too many wait to be hashed.
pub async fn hash(app: &App, password: Secret, about: &[&str]) -> Result<String, Unfit> {
    let found = password::check(&Rules::CLOUD_IAM, password.expose(), about);
    if !found.is_empty() {
        return Err(Unfit::Short(found));
    }
    Ok(app.hasher.hash(password).await?)
}
