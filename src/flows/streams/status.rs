//! Starts and stops a stream as its receiver says (SSF 1.0 §8.1.2): what is paused holds its events, what is disabled
//! has none.

use super::{NotDone, Receiver, held, is_pushed, named, settle_waiting};
use crate::app::App;
use crate::domain::ssf::stream::Status;
use crate::kernel::id::StreamId;
use crate::store::outbox;
use crate::store::streams;

/// How a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The stream.
    pub stream: StreamId,
    /// Whether it tells.
    pub status: Status,
    /// Why, if anybody said so.
    pub reason: Option<String>,
}

/// How a stream stands now.
///
/// # Errors
/// [`NotDone::Unknown`], or the database's.
pub async fn read(app: &App, receiver: &Receiver, id: &str) -> Result<Standing, NotDone> {
    let found = streams::find(&mut app.db.read().await?, &receiver.id, &named(id)?).await?;
    let stream = found.ok_or(NotDone::Unknown)?;
    Ok(Standing { stream: stream.id, status: stream.status, reason: stream.reason })
}

/// Has it stand otherwise.
///
/// # Errors
/// [`NotDone::Unknown`], or the database's.
pub async fn set(
    app: &App,
    receiver: &Receiver,
    id: &str,
    (status, reason): (Status, Option<String>),
) -> Result<Standing, NotDone> {
    let (id, application, now) = (named(id)?, receiver.id.clone(), app.now());
    let standing: Result<Standing, NotDone> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let stream = held(tx, &application, &id).await?;
                streams::set_status(tx, &id, (status, reason.as_deref()), now).await?;
                match status {
                    Status::Enabled => settle_waiting(tx, &id, is_pushed(&stream), now).await?,
                    Status::Paused => settle_waiting(tx, &id, false, now).await?,
                    Status::Disabled => {
                        outbox::give_up_waiting(tx, id.as_str(), "the stream is disabled", now).await?;
                    }
                }
                Ok(Standing { stream: id, status, reason })
            })
        })
        .await;
    app.outbox_bell.notify_one();
    standing
}
