//! What is written down of each sign-in through a connection: a line of its log, and an event of the account's.
//!
//! Claims stand there as [`crate::domain::federation::claims::redacted`] leaves them; tokens and codes never do.

use crate::app::App;
use crate::domain::federation::{Claims, LoggedSignIn};
use crate::flows::{links, notices};
use crate::kernel::id::{ConnectionId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::audit::{self, Event};
use crate::store::cookies::Facts;
use crate::store::db::Tx;
use crate::store::federation::log;
use crate::store::users;

/// The outcome of somebody who came in.
pub const ACCEPTED: &str = "accepted";
/// The outcome of a trial that went through.
pub const TESTED: &str = "tested";
/// The outcome of an identity that was linked.
pub const LINKED: &str = "linked";

/// Writes a line of a connection's log: what it came to, whose account it concerned, what the provider said (redacted).
///
/// # Errors
/// The database's.
pub async fn note(
    app: &App,
    connection: &ConnectionId,
    outcome: &'static str,
    user: Option<&UserId>,
    claims: Claims,
) -> Result<(), sqlx::Error> {
    let line = LoggedSignIn { at: app.now(), outcome: outcome.to_owned(), user: user.cloned(), claims };
    let connection = connection.clone();
    app.db.write(move |tx| Box::pin(async move { log::put(tx, &connection, &line).await })).await
}

/// Writes down that somebody came in: the log's line, the account's event and last sign-in, and a message where the
/// browser is a new one.
///
/// # Errors
/// The database's.
pub(super) async fn came(
    app: &App,
    connection: &ConnectionId,
    facts: &Facts,
    claims: Claims,
) -> Result<(), sqlx::Error> {
    let (at, fallback) = (app.now(), links::fallback(app));
    let (connection, user) = (connection.clone(), facts.user.clone());
    let (agent, address) = (facts.user_agent.clone(), facts.address.clone());
    let written: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let line = LoggedSignIn { at, outcome: ACCEPTED.to_owned(), user: Some(user.clone()), claims };
                log::put(tx, &connection, &line).await?;
                // A lock after wrong passwords is none here; then the moment of the last sign-in alone is missing.
                users::count_success(tx, &user, at).await?;
                notices::note_browser(tx, &user, &agent, &address, at, fallback).await?;
                event(tx, "sign_in.accepted", (&connection, Some(&user)), &address, at).await
            })
        })
        .await;
    written?;
    app.outbox_bell.notify_one();
    Ok(())
}

/// Writes down that somebody was turned away whose account may be known.
///
/// # Errors
/// The database's.
pub(super) async fn turned_away(
    app: &App,
    connection: &ConnectionId,
    (outcome, user): (&'static str, Option<&UserId>),
    claims: Claims,
    address: &str,
) -> Result<(), sqlx::Error> {
    let (at, connection, address) = (app.now(), connection.clone(), address.to_owned());
    let line = LoggedSignIn { at, outcome: outcome.to_owned(), user: user.cloned(), claims };
    app.db
        .write(move |tx| {
            Box::pin(async move {
                log::put(tx, &connection, &line).await?;
                event(tx, "sign_in.refused", (&connection, line.user.as_ref()), &address, at).await
            })
        })
        .await
}

async fn event(
    tx: &mut Tx,
    kind: &'static str,
    (connection, user): (&ConnectionId, Option<&UserId>),
    address: &str,
    at: UnixMillis,
) -> Result<(), sqlx::Error> {
    let event = Event {
        at,
        kind,
        org: None,
        user: user.map(|user| user.as_str().to_owned()),
        application: None,
        detail: serde_json::json!({ "connection": connection.as_str(), "address": address }).to_string(),
    };
    audit::note(tx, &event).await
}
