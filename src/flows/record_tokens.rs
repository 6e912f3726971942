//! Token events: counted in memory where tokens are made, written together, one row for each kind, person and
//! application instead of one for each token.

use metrics::counter;

use crate::app::App;
use crate::kernel::tally::Mark;
use crate::store::audit::{Event, note};

/// Takes the counts and writes them in one transaction.
pub async fn write_tally(app: App) {
    let counted = app.tally.take();
    if counted.is_empty() {
        return;
    }
    let at = app.now();
    for (Mark { kind, .. }, count) in &counted {
        counter!("muster_tokens_total", "kind" => *kind).increment(*count);
    }
    let written: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                for (Mark { kind, org, user, application }, count) in counted {
                    let detail = format!("{{\"count\":{count}}}");
                    note(tx, &Event { at, kind, org, user, application: Some(application), detail }).await?;
                }
                Ok(())
            })
        })
        .await;
    if let Err(error) = written {
        tracing::error!(%error, "token events were not written");
    }
}
