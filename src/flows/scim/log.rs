//! The log of what connections' clients ask: kept in memory where a request ends, written together, with when each
//! connection was heard of last.
//!
//! # Why
//! A row in the request's own time would be a second commit for each. A crash loses the rows of a second; what was changed
//! has its receipt in the change's own transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::App;
use crate::kernel::id::{ConnectionId, ScimRequestId};
use crate::kernel::time::UnixMillis;
use crate::store::connections;
use crate::store::db::Tx;
use crate::store::scim::requests::{self, Logged};

/// So many rows are written in one transaction.
const TOGETHER: usize = 500;

/// A request that has just come, and is not answered yet.
#[must_use]
pub fn begin(app: &App, connection: &ConnectionId, method: &str, path: String) -> Logged {
    Logged {
        id: ScimRequestId::fresh(),
        connection: connection.clone(),
        at: app.now(),
        method: method.to_owned(),
        path,
        status: 0,
        detail: String::new(),
        body: String::new(),
        change: None,
        took_us: 0,
    }
}

/// Puts a request that was answered into the log; nobody waits for it.
pub fn end(app: &App, logged: Logged, status: u16, took: Duration) {
    let took_us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
    app.scim_log.put(Logged { status: i64::from(status), took_us, ..logged });
}

/// Writes what has come together.
pub async fn write(app: App) {
    let (mut rows, lost) = app.scim_log.take();
    if lost > 0 {
        tracing::warn!(lost, "requests of SCIM clients came faster than their log could be written");
    }
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(TOGETHER));
        let part = std::mem::replace(&mut rows, rest);
        let written: Result<(), sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { write_part(tx, &part).await })).await;
        if let Err(error) = written {
            tracing::error!(%error, "requests of SCIM clients were not logged");
        }
    }
}

async fn write_part(tx: &mut Tx, rows: &[Logged]) -> Result<(), sqlx::Error> {
    requests::put_all(tx, rows).await?;
    for (connection, heard) in heard(rows) {
        if let Some(at) = heard.carried_out {
            connections::note_sync(tx, connection, at, None).await?;
        }
        if let Some((at, error)) = heard.failed {
            connections::note_sync(tx, connection, at, Some(&error)).await?;
        }
    }
    Ok(())
}

/// What was heard of a connection last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    carried_out: Option<UnixMillis>,
    failed: Option<(UnixMillis, String)>,
}

/// What was heard of each connection, in the order of their ids: so two nodes never wait for each other.
fn heard(rows: &[Logged]) -> BTreeMap<&ConnectionId, Heard> {
    let mut all: BTreeMap<&ConnectionId, Heard> = BTreeMap::new();
    for row in rows {
        let heard = all.entry(&row.connection).or_default();
        if !is_failure(row) {
            heard.carried_out = heard.carried_out.max(Some(row.at));
        } else if heard.failed.as_ref().is_none_or(|(at, _)| *at <= row.at) {
            heard.failed = Some((row.at, format!("{} {}: {} {}", row.method, row.path, row.status, row.detail)));
        }
    }
    all
}

/// Whether somebody should hear of it: asking for what isn't there is how clients find out that it isn't.
fn is_failure(row: &Logged) -> bool {
    row.status >= 400 && !(row.status == 404 && matches!(row.method.as_str(), "GET" | "HEAD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(connection: &ConnectionId, at: i64, method: &str, status: i64) -> Logged {
        Logged {
            id: ScimRequestId::fresh(),
            connection: connection.clone(),
            at: UnixMillis(at),
            method: method.to_owned(),
            path: "/Users".to_owned(),
            status,
            detail: if status < 400 { String::new() } else { "No.".to_owned() },
            body: String::new(),
            change: None,
            took_us: 1,
        }
    }

    #[test]
    fn the_last_that_was_carried_out_and_the_last_that_failed_are_kept_for_each_connection() {
        let (one, other) = (ConnectionId::fresh(), ConnectionId::fresh());
        let rows = [
            row(&one, 5, "GET", 200),
            row(&one, 9, "POST", 409),
            row(&one, 7, "POST", 400),
            row(&one, 3, "PATCH", 204),
            row(&other, 4, "GET", 404),
        ];
        let heard = heard(&rows);
        let failed = Some((UnixMillis(9), "POST /Users: 409 No.".to_owned()));
        assert_eq!(heard[&one], Heard { carried_out: Some(UnixMillis(5)), failed });
        assert_eq!(heard[&other], Heard { carried_out: Some(UnixMillis(4)), failed: None });
    }
}
