//! Keeps what this node knows of the feed at its end: numbers what has none yet, and reads what others numbered.
//!
//! # Why
//! Any node may number, and every node that has readers does: the one that is first takes it all, and the others read it.
//! Nobody is told by a bell. What was committed is found by looking, ten times a second while somebody reads, so that
//! nothing hangs on a node that ended something and died before it could ring.

use tokio::time::Instant;

use super::terms;
use crate::app::App;
use crate::app::feed::{KEPT, Learned};
use crate::domain::feed::page::Extent;
use crate::kernel::secret::Secret;
use crate::store::feed::{self, Standing};

/// So often numbers are given in one look; what is left then is the next look's.
const ROUNDS: usize = 8;
/// So many entries are read at a time.
const AT_ONCE: i64 = 5000;

/// Names the feed if it has no name yet. After a restore its first entry is made: nothing from before counts.
///
/// # Errors
/// The database's.
pub async fn begin(app: &App) -> Result<(), sqlx::Error> {
    let standing = feed::standing(&mut app.db.read().await?, terms(app)).await?;
    let Some(generation) = standing.generation else {
        let first = Secret::mint(&*app.chance, "").expose().to_owned();
        return app.db.write(move |tx| Box::pin(async move { feed::begin(tx, &first).await })).await;
    };
    if generation != standing.told {
        number(app).await?;
    }
    Ok(())
}

async fn number(app: &App) -> Result<u64, sqlx::Error> {
    let terms = terms(app);
    app.db.write(move |tx| Box::pin(async move { feed::number(tx, terms).await })).await
}

/// One look; whether it saw the end.
///
/// # Errors
/// The database's.
pub async fn look(app: &App) -> Result<bool, sqlx::Error> {
    let (mut as_of, mut standing) = seen(app).await?;
    for _ in 0..ROUNDS {
        if !standing.is_behind && standing.generation.as_ref() == Some(&standing.told) {
            break;
        }
        if standing.generation.is_none() {
            begin(app).await?;
        }
        let numbered = number(app).await?;
        (as_of, standing) = seen(app).await?;
        if numbered == 0 {
            break; // what is left is being written: the next look finds it
        }
    }
    let at_end = !standing.is_behind && standing.generation.as_ref() == Some(&standing.told);
    learn(app, standing, at_end.then_some(as_of)).await?;
    Ok(at_end)
}

/// How the feed stands, and since when that has been true.
async fn seen(app: &App) -> Result<(Instant, Standing), sqlx::Error> {
    let mut conn = app.db.read().await?;
    let as_of = Instant::now();
    Ok((as_of, feed::standing(&mut conn, terms(app)).await?))
}

/// Reads what is new. Where that is more than is kept, what is kept begins anew: readers ask the database.
async fn learn(app: &App, standing: Standing, as_of: Option<Instant>) -> Result<(), sqlx::Error> {
    let Standing { told: generation, floor, head, .. } = standing;
    let most = i64::try_from(KEPT).unwrap_or(i64::MAX);
    let known = app.feed.extent().filter(|known| known.generation == generation && known.head <= head);
    let from = known.map(|known| known.head).filter(|from| head - from <= most);
    let extent = Extent { generation, floor, head };
    let Some(mut from) = from else {
        app.feed.learn(Learned { extent, entries: None, as_of });
        return Ok(());
    };
    let mut entries = Vec::new();
    while from < head {
        let read = feed::after(&mut app.db.read().await?, from, AT_ONCE).await?;
        let Some(last) = read.last().map(|entry| entry.seq) else {
            break; // pruned meanwhile
        };
        from = last;
        entries.extend(read);
    }
    entries.retain(|entry| entry.seq <= head);
    app.feed.learn(Learned { extent, entries: Some(entries), as_of });
    Ok(())
}

/// Deletes entries that concern no token any more.
///
/// # Errors
/// The database's.
pub async fn prune(app: &App) -> Result<u64, sqlx::Error> {
    let (now, mut pruned) = (app.now(), 0);
    for _ in 0..100 {
        let deleted: Result<u64, sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { feed::prune(tx, now).await })).await;
        match deleted? {
            0 => break,
            some => pruned += some,
        }
    }
    Ok(pruned)
}
