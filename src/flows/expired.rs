//! Ends the sessions whose time is over though nobody signed out: they have counted for nothing since, and this is what
//! tells the applications.

use std::collections::BTreeSet;

use super::end_sessions;
use super::tell::By;
use crate::app::App;
use crate::domain::ssf::caep::Initiator;
use crate::store::leaving;
use crate::store::sessions::EndedEntry;

/// So many entries are ended in one round …
const MOST: i64 = 1_000;
/// … and so many in one transaction: others write in between.
const TOGETHER: usize = 250;

/// Ends entries that have run out, or stood idle for longer than their organisation allows, at most a thousand of each;
/// how many. Of several nodes that find the same, one ends it.
///
/// # Errors
/// The database's: then the ones that were ended so far stay ended.
pub async fn end(app: &App) -> Result<u64, sqlx::Error> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let run_out = leaving::run_out(&mut conn, now, MOST).await?;
    let idle = leaving::idle(&mut conn, now, app.session_idle(), MOST).await?;
    drop(conn);
    let known: BTreeSet<&EndedEntry> = run_out.iter().collect();
    let idle: Vec<EndedEntry> = idle.into_iter().filter(|entry| !known.contains(entry)).collect();
    let mut count = 0;
    for (entries, why) in [(&run_out, "the session has run out"), (&idle, "the session stood idle for too long")] {
        for some in entries.chunks(TOGETHER) {
            count += together(app, some.to_vec(), why).await?;
        }
    }
    if count > 0 {
        app.outbox_bell.notify_waiters();
        app.outbox_bell.notify_one();
    }
    Ok(count)
}

async fn together(app: &App, entries: Vec<EndedEntry>, why: &str) -> Result<u64, sqlx::Error> {
    let (by, now) = (By::new(app, Initiator::Policy, why), app.now());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let (ended, _) = end_sessions::of_entries(tx, &by, &entries, "expired", now).await?;
                Ok(ended.sessions)
            })
        })
        .await
}
