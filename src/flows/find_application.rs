//! Finds an application by its client id: the registration may be cached, its state is asked at every use.

use std::sync::Arc;

use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::kernel::time::UnixMillis;
use crate::store::applications;
use crate::store::db::{Conn, Result};

/// The active application with this client id.
///
/// # Errors
/// The database's.
pub async fn active(app: &App, conn: &mut Conn, client_id: &str) -> Result<Option<Arc<Application>>> {
    Ok(active_since(app, conn, client_id).await?.map(|(application, _)| application))
}

/// The active application with this client id, and the moment before which its own tokens are refused.
///
/// # Errors
/// The database's.
pub async fn active_since(
    app: &App,
    conn: &mut Conn,
    client_id: &str,
) -> Result<Option<(Arc<Application>, UnixMillis)>> {
    let Some(stamp) = applications::stamp(conn, client_id).await? else {
        return Ok(None);
    };
    if !stamp.active {
        return Ok(None);
    }
    if let Some((updated_at, known)) = app.applications.get(client_id)
        && updated_at == stamp.updated_at
    {
        return Ok(Some((known, stamp.tokens_from)));
    }
    let Some(found) = applications::by_client_id(conn, client_id).await? else {
        return Ok(None);
    };
    let found = Arc::new(found);
    app.applications.insert(client_id.to_owned(), (stamp.updated_at, found.clone()));
    Ok(Some((found, stamp.tokens_from)))
}
