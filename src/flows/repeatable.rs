//! Requests that may be repeated: a key is taken once, and what was answered is kept for a day.

use crate::app::App;
use crate::domain::change::Receipt;
use crate::kernel::secret::Digest;
use crate::kernel::time::MINUTE;
use crate::store::audit;
use crate::store::db::Result;
use crate::store::repeatable::{self, Found};

/// A request of which nothing is known after this long was lost with its process: it may be carried out again.
const LOST: i64 = MINUTE;

/// What became of taking a key.
#[derive(Debug)]
pub enum Taken {
    /// It is the caller's now: carry the request out.
    Fresh,
    /// It stands for another request.
    Other,
    /// The same request is being carried out.
    UnderWay,
    /// The same request was answered so.
    Answered(u16, String),
    /// The same request became this change; how it was answered is not known.
    Carried(Box<Receipt>),
}

/// Takes a key for a request.
///
/// # Errors
/// The database's.
pub async fn take(app: &App, caller: &str, key: &str, fingerprint: Digest) -> Result<Taken> {
    let now = app.now();
    let (caller, key) = (caller.to_owned(), key.to_owned());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                if repeatable::begin(tx, &caller, &key, fingerprint, now).await? {
                    return Ok(Taken::Fresh);
                }
                let Some(found) = repeatable::find(tx, &caller, &key).await? else {
                    return Ok(Taken::UnderWay);
                };
                let Found { fingerprint: known, answer, change, created_at } = found;
                if known != Some(fingerprint) {
                    return Ok(Taken::Other);
                }
                if let Some((status, answer)) = answer {
                    return Ok(Taken::Answered(status, answer));
                }
                if now.since(created_at) <= LOST {
                    return Ok(Taken::UnderWay); // its change may stand already, and its answer is on the way
                }
                if let Some(change) = change
                    && let Some(receipt) = audit::receipt(tx, &change).await?
                {
                    return Ok(Taken::Carried(Box::new(receipt)));
                }
                let lost = repeatable::take_over(tx, &caller, &key, created_at, now).await?;
                Ok(if lost { Taken::Fresh } else { Taken::UnderWay })
            })
        })
        .await
}

/// Keeps what was answered.
///
/// # Errors
/// The database's.
pub async fn keep(app: &App, caller: &str, key: &str, status: u16, answer: String) -> Result<()> {
    let (caller, key) = (caller.to_owned(), key.to_owned());
    app.db.write(move |tx| Box::pin(async move { repeatable::answer(tx, &caller, &key, status, answer).await })).await
}

/// Gives a key back: the request was not carried out.
///
/// # Errors
/// The database's.
pub async fn forget(app: &App, caller: &str, key: &str) -> Result<()> {
    let (caller, key) = (caller.to_owned(), key.to_owned());
    app.db.write(move |tx| Box::pin(async move { repeatable::forget(tx, &caller, &key).await })).await
}
