//! Whether a connection's provider can be used: failures that are the provider's own are counted, and whoever manages the
//! organisation's identities hears of them when they last.
//!
//! # Why
//! One failure is a hiccup, and a person who was refused is no failure at all. Five in a row over five minutes are an
//! outage or a secret that ran out, and with an enforced connection nobody of the organisation gets in.

use crate::app::App;
use crate::domain::language::Language;
use crate::domain::mail::Template;
use crate::flows::links;
use crate::flows::notices::{Notice, Said, put};
use crate::kernel::id::ConnectionId;
use crate::kernel::time::{DAY, MINUTE, UnixMillis};
use crate::outside::upstream::UpstreamError;
use crate::store::db::Tx;
use crate::store::federation::upstreams::{self, Failing};
use crate::store::{alerts, users};

/// So many failures in a row …
const MOST_FAILURES: i64 = 5;
/// … over so many milliseconds are told of …
const LASTING: i64 = 5 * MINUTE;
/// … once in so many …
const AGAIN: i64 = DAY;
/// … to so many people at most.
const MOST_READERS: i64 = 100;

/// Notes that a provider did its part.
///
/// # Errors
/// The database's.
pub async fn worked(app: &App, connection: &ConnectionId) -> Result<(), sqlx::Error> {
    let (connection, at) = (connection.clone(), app.now());
    app.db.write(move |tx| Box::pin(async move { upstreams::note_success(tx, &connection, at).await })).await
}

/// Notes an error, if it is the provider's fault, and tells of it where that lasts.
///
/// # Errors
/// The database's.
pub async fn failed(app: &App, connection: &ConnectionId, error: &UpstreamError) -> Result<(), sqlx::Error> {
    if !error.is_providers_fault() {
        return Ok(());
    }
    let (at, why, fallback) = (app.now(), error.to_string(), links::fallback(app));
    tracing::warn!(connection.id = %connection, error = %why, "a connection's provider failed");
    let connection = connection.clone();
    let told: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let failing = upstreams::note_failure(tx, &connection, at, &why).await?;
                if !is_to_be_told(&failing, at) || !upstreams::note_told(tx, &connection, at).await? {
                    return Ok(false);
                }
                tell(tx, &connection, (&failing, &why), fallback, at).await?;
                Ok(true)
            })
        })
        .await;
    if told? {
        app.outbox_bell.notify_one();
    }
    Ok(())
}

/// Whether it is time that somebody hears of it.
pub(super) fn is_to_be_told(failing: &Failing, at: UnixMillis) -> bool {
    failing.failures >= MOST_FAILURES
        && at.since(failing.since) >= LASTING
        && failing.told_at.is_none_or(|told| at.since(told) >= AGAIN)
}

/// Writes the messages, where people sign in through the connection.
pub(super) async fn tell(
    tx: &mut Tx,
    connection: &ConnectionId,
    (failing, why): (&Failing, &str),
    fallback: Language,
    at: UnixMillis,
) -> Result<(), sqlx::Error> {
    let Some(sign_in) = upstreams::by_id(tx, connection).await?.filter(upstreams::SignIn::works) else {
        return Ok(());
    };
    let org = &sign_in.connection.org;
    for (user, to) in alerts::managers(tx, org, at, MOST_READERS).await? {
        let Some(reader) = users::find(tx, &user).await? else { continue };
        let values = vec![
            ("connection", Said::Text(sign_in.connection.name.clone())),
            ("error", Said::Text(why.to_owned())),
            ("since", Said::Moment(failing.since)),
        ];
        let notice = Notice { template: Template::ConnectionFailing, reader: &reader, to: &to, org: Some(org), values };
        put(tx, notice, None, fallback, at).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(failures: i64, told_at: Option<i64>) -> Failing {
        Failing { failures, since: UnixMillis(DAY), told_at: told_at.map(UnixMillis) }
    }

    #[test]
    fn what_lasts_is_told_once_a_day_and_a_hiccup_never() {
        let after = |millis: i64| UnixMillis(DAY + millis);
        assert!(is_to_be_told(&failing(5, None), after(LASTING)));
        assert!(!is_to_be_told(&failing(4, None), after(LASTING)), "four are a hiccup");
        assert!(!is_to_be_told(&failing(500, None), after(LASTING - 1)), "and so is a minute, however many came");
        assert!(!is_to_be_told(&failing(9, Some(2 * DAY)), after(2 * DAY - 1)));
        assert!(is_to_be_told(&failing(9, Some(2 * DAY)), after(2 * DAY)));
    }
}
