//! Makes a database that was brought back from a backup fit to serve: everything that was open is over, nothing that
//! waited is sent, and what was handed out before is refused. All in one transaction, with a row of the record.

use serde_json::json;

use crate::app::App;
use crate::domain::audit::RESTORED;
use crate::domain::change::Actor;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::store::audit::{self, Entry};
use crate::store::db::{Result, Tx};
use crate::store::restored::{self, Ended};

/// What becomes of credentials that tools hold for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Access keys and what SCIM clients show stay good; access tokens that were made from them don't.
    Stay,
    /// They end.
    End,
}

/// Ends everything that a database of yesterday has open.
///
/// # Errors
/// The database's; then nothing is changed.
pub async fn end_everything(app: &App, keys: Keys) -> Result<Ended> {
    let generation = Secret::mint(&*app.chance, "").expose().to_owned();
    let now = app.now();
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let ended = end(tx, keys, now).await?;
                restored::begin_feed(tx, &generation, now).await?;
                record(tx, &ended, now).await?;
                Ok(ended)
            })
        })
        .await
}

async fn end(tx: &mut Tx, keys: Keys, now: UnixMillis) -> Result<Ended> {
    let mut ended = Ended {
        sessions: restored::end_sessions(tx, now).await?,
        families: restored::end_families(tx, now).await?,
        members: restored::refuse_older(tx, now).await?,
        under_way: restored::drop_under_way(tx).await?,
        links: restored::withdraw_links(tx, now).await?,
        invitations: restored::cancel_invitations(tx, now).await?,
        messages: restored::give_up_messages(tx, now).await?,
        ..Ended::default()
    };
    if keys == Keys::End {
        ended.keys = restored::end_keys(tx, now).await?;
        ended.credentials = restored::remove_credentials(tx).await?;
    }
    Ok(ended)
}

async fn record(tx: &mut Tx, ended: &Ended, now: UnixMillis) -> Result<()> {
    let detail = json!({
        "sessions": ended.sessions, "token_families": ended.families, "members": ended.members,
        "under_way": ended.under_way, "links": ended.links, "invitations": ended.invitations,
        "messages": ended.messages, "access_keys": ended.keys, "scim_credentials": ended.credentials,
    });
    let entry = Entry {
        org: None,
        at: now,
        actor: &Actor::CommandLine.label(),
        action: "end everything that was open in a restored database",
        accepted: true,
        change: None,
        detail: &detail.to_string(),
        kinds: &[RESTORED],
        targets: &[],
        address: "",
        request_id: "",
    };
    audit::append(tx, &entry).await.map(|_| ())
}
