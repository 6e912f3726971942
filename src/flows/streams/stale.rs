//! Looks after events that are held: gives up those that nobody fetches, and sends on those whose stream posts them
//! now.
//!
//! # Why
//! Whoever writes an event reads how its stream stands, and a stream that goes on releases what it finds. A row that
//! was being written at that moment is seen by neither; so somebody looks again. Very much may be held: it is looked over
//! without holding up whoever writes.

use crate::app::App;
use crate::kernel::time::DAY;
use crate::store::streams;

/// So long an event is held.
const LONGEST: i64 = 7 * DAY;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// So many are sent now.
    pub released: u64,
    /// So many were given up: a thousand at most.
    pub given_up: usize,
}

/// Looks after them once.
///
/// # Errors
/// The database's.
pub async fn mend(app: &App) -> Result<Mended, sqlx::Error> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    if !streams::any_held(&mut conn).await? {
        return Ok(Mended::default());
    }
    let stale = streams::stale(&mut conn, now.minus(LONGEST)).await?;
    let any_straggler = streams::any_straggler(&mut conn).await?;
    drop(conn);
    if stale.is_empty() && !any_straggler {
        return Ok(Mended::default());
    }
    let mended: Mended = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let why = "not fetched within seven days";
                streams::give_up_stale(tx, &stale, why, now).await?;
                let released = streams::release_stragglers(tx, now).await?;
                Ok::<_, sqlx::Error>(Mended { released, given_up: stale.len() })
            })
        })
        .await?;
    if mended.released > 0 {
        app.outbox_bell.notify_one();
    }
    Ok(mended)
}
