//! Whether an API token is honoured now.

use serde_json::{Map, Value};

use super::{honours, note_use};
use crate::app::App;
use crate::flows::accept_token::{Accepted, ToolToken};
use crate::kernel::id::AccessKeyId;
use crate::store::access_keys;
use crate::store::db::{Conn, Result};

/// Judges a token that was made from this key, by one statement. Signature, issuer and time were judged before.
///
/// # Errors
/// The database's.
pub async fn accept(
    app: &App,
    conn: &mut Conn,
    claims: Map<String, Value>,
    id: &AccessKeyId,
    jti: &str,
) -> Result<Option<Accepted>> {
    let Some(key) = access_keys::standing(conn, id, jti).await? else {
        return Ok(None);
    };
    if !honours(&key, &claims, app.now()) {
        return Ok(None);
    }
    note_use(app, &key);
    let tool = ToolToken { key: key.id, user: key.user, org: key.org, project: key.project, service: key.service };
    Ok(Some(Accepted { claims, family: None, tool: Some(tool) }))
}
