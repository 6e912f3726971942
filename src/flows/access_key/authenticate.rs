//! Whether who presents a key's id and secret may have tokens.

use super::{note_use, stands};
use crate::app::App;
use crate::domain::oauth::client_auth::Presented;
use crate::flows::Fault;
use crate::flows::authenticate_client::refused;
use crate::kernel::id::AccessKeyId;
use crate::store::access_keys::{self, Standing};
use crate::store::db::Conn;

/// The key, if the secret is its own and it gives tokens now. Whatever is wrong, the answer is one.
///
/// # Errors
/// `invalid_client`, or the database's.
pub async fn authenticate(
    app: &App,
    conn: &mut Conn,
    id: &AccessKeyId,
    presented: &Presented,
) -> Result<Standing, Fault> {
    let (Presented::Basic { secret, .. } | Presented::Post { secret, .. }) = presented else {
        return Err(refused());
    };
    let presented = secret.digest();
    let found = access_keys::standing(conn, id, "").await?;
    let key = found.filter(|key| key.secret == presented && stands(key, app.now())).ok_or_else(refused)?;
    note_use(app, &key);
    Ok(key)
}
