//! Delivers the outbox: leased rows, many receivers at once, retried with growing delay for a day.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::oauth::application::ApplicationState;
use crate::domain::oidc::logout_token;
use crate::kernel::id::OutboxId;
use crate::kernel::time::{DAY, HOUR, SECOND, UnixMillis};
use crate::outside::relying_party::SendError;
use crate::store::applications;
use crate::store::outbox::{self, Leased, Message, Outcome};

/// So many rows are leased at once …
const BATCH: i64 = 128;
/// … of which so many are under way at once …
const AT_ONCE: usize = 32;
/// … for so many milliseconds: longer than every delivery of a batch can take.
const LEASE: i64 = 60 * SECOND;
/// Other nodes' rows, and those whose bell was missed, are looked for this often.
const LOOK: Duration = Duration::from_secs(2);

/// Works until `stop`; what is under way is finished.
pub async fn run(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let rung = app.outbox_bell.notified();
        match deliver_due(&app).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::error!(%error, "the outbox can't be read"),
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Delivers what is due now; how many rows that were.
async fn deliver_due(app: &App) -> Result<usize, sqlx::Error> {
    let now = app.now();
    if outbox::next_due(&mut app.db.read().await?).await?.is_none_or(|at| at > now) {
        return Ok(0);
    }
    let rows = outbox::lease(&app.db, BATCH, now, now.plus(LEASE)).await?;
    let count = rows.len();
    let mut deliveries = stream::iter(rows.into_iter().map(|row| one(app, row))).buffer_unordered(AT_ONCE);
    // Each result is noted as it comes: a receiver that hangs holds nobody else's back.
    while let Some(done) = deliveries.next().await {
        outbox::settle(&app.db, vec![done], app.now()).await?;
    }
    Ok(count)
}

async fn one(app: &App, row: Leased) -> (OutboxId, Outcome) {
    let outcome = match &row.message {
        Message::BackchannelLogout { user, sid } => logout(app, &row, user.as_str(), sid.as_str()).await,
    };
    (row.id, outcome)
}

async fn logout(app: &App, row: &Leased, user: &str, sid: &str) -> Outcome {
    let found = match app.db.read().await {
        Ok(mut conn) => applications::find(&mut conn, &row.receiver).await,
        Err(error) => Err(error),
    };
    let application = match found {
        Ok(Some(application)) if application.state == ApplicationState::Active => application,
        Ok(_) => return Outcome::GivenUp("the application is gone".to_owned()),
        Err(_) => return later(app, row, "the database failed"),
    };
    let Some(uri) = application.backchannel_logout_uri.as_deref() else {
        return Outcome::GivenUp("the application has no back-channel logout address".to_owned());
    };
    let now = app.now();
    // A new `jti` for each attempt: a receiver that took the first one and whose answer was lost may refuse a repeat.
    let jti = format!("{}.{}", row.id, row.attempts);
    let claims = logout_token::claims(app.issuer(), &application.client_id, user, sid, &jti, now);
    let token = match app.keyring.sign(application.id_token_alg, logout_token::TYP, &claims, now) {
        Ok(token) => token,
        Err(_) => return later(app, row, "no key signs"),
    };
    match app.relying_party.post_form(uri, &[("logout_token", &token)]).await {
        Ok(status) if (200..300).contains(&status) => Outcome::Sent(status.to_string()),
        // Back-Channel Logout 1.0 §2.8: 400 says that the token was not understood; it won't be the next time either.
        Ok(400) => Outcome::GivenUp("400".to_owned()),
        Ok(status) => later(app, row, &status.to_string()),
        Err(SendError::BadUrl | SendError::Refused) => Outcome::GivenUp("the address may not be called".to_owned()),
        Err(error) => later(app, row, &error.to_string()),
    }
}

/// 5 s, 10 s, 20 s … up to an hour, for a day.
fn later(app: &App, row: &Leased, answer: &str) -> Outcome {
    let now = app.now();
    match next_attempt(row.attempts, row.created_at, now) {
        Some(at) => Outcome::Later(at, answer.to_owned()),
        None => Outcome::GivenUp(answer.to_owned()),
    }
}

fn next_attempt(attempts: i64, created_at: UnixMillis, now: UnixMillis) -> Option<UnixMillis> {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    let delay = (5 * SECOND).saturating_mul(1_i64 << doublings).min(HOUR);
    let at = now.plus(delay);
    (at.since(created_at) <= DAY).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_receiver_is_tried_ever_more_rarely_and_given_up_after_a_day() {
        let start = UnixMillis(0);
        assert_eq!(next_attempt(1, start, start), Some(UnixMillis(5 * SECOND)));
        assert_eq!(next_attempt(2, start, start), Some(UnixMillis(10 * SECOND)));
        assert_eq!(next_attempt(60, start, start), Some(UnixMillis(HOUR)));
        assert_eq!(next_attempt(60, start, UnixMillis(DAY)), None);
    }
}
