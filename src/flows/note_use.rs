//! Notes that a browser session was used; nobody waits for it, and losing one note costs nothing but a minute.

use crate::app::App;
use crate::kernel::id::SessionId;
use crate::kernel::time::UnixMillis;
use crate::store::sessions;

/// Notes the use of a session.
pub async fn session(app: &App, id: SessionId, at: UnixMillis) {
    let noted: Result<(), sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { sessions::note_use(tx, &id, at).await })).await;
    if let Err(error) = noted {
        tracing::debug!(%error, "a session's last use was not noted");
    }
}
