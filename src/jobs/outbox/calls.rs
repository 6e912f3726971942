//! What programs are told: logout tokens, and webhooks of alerts.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::lines::{Found, Line};
use super::{NOT_UNDERSTOOD, later};
use crate::app::App;
use crate::domain::keys::Alg;
use crate::domain::oauth::application::Application;
use crate::domain::oidc::logout_token;
use crate::flows::webhook;
use crate::kernel::id::{AlertId, ApplicationId};
use crate::outside::relying_party::SendError;
use crate::store::outbox::{Leased, Message, Outcome};
use crate::store::{alerts, applications};

/// As many RSA signatures are made at once as there are cores, and on threads that answer no requests.
static SIGNING: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, std::num::NonZeroUsize::get)));

/// Tries to deliver a row.
pub(super) async fn attempt(app: &App, line: &Line, row: &Leased) -> Outcome {
    match &row.message {
        Message::BackchannelLogout { user, sid } => logout(app, line, row, (user.as_str(), sid.as_str())).await,
        Message::Webhook { event } => hook(app, line, row, event).await,
        Message::SecurityEvent(_) | Message::Mail(_) | Message::Unknown => later(app, row, NOT_UNDERSTOOD),
    }
}

async fn logout(app: &App, line: &Line, row: &Leased, of: (&str, &str)) -> Outcome {
    let application = match application(app, line, row).await {
        // A disabled one is told too: what it has open must end there as well.
        Ok(Some(application)) => application,
        Ok(None) => return Outcome::GivenUp("the application is gone".to_owned()),
        Err(_) => return later(app, row, "the database failed"),
    };
    let Some(uri) = application.backchannel_logout_uri.as_deref() else {
        return Outcome::GivenUp("the application has no back-channel logout address".to_owned());
    };
    // A new `jti` for each attempt: a receiver that took the first one and whose answer was lost may refuse a repeat.
    let jti = format!("{}.{}", row.id, row.attempts);
    let claims = logout_token::claims(app.issuer(), &application.client_id, of.0, of.1, &jti, app.now());
    let Some(token) = sign(app, application.id_token_alg, logout_token::TYP, claims).await else {
        return later(app, row, "no key signs");
    };
    let answer = app.relying_party.post_form(uri, &[("logout_token", &token)]).await;
    // Back-Channel Logout 1.0 §2.8: 400 says that the token was not understood; it won't be the next time either.
    judged(app, line, row, answer, 400)
}

/// The application, read once for all rows of it that were leased together.
async fn application(app: &App, line: &Line, row: &Leased) -> Result<Option<Arc<Application>>, sqlx::Error> {
    if let Some(Found(known)) = line.known(row.leased_at) {
        return Ok(known);
    }
    let read_at = app.now();
    let mut conn = app.db.read().await?;
    let found = applications::find(&mut conn, &ApplicationId::trusted(row.receiver.clone())).await?.map(Arc::new);
    line.know(read_at, found.clone());
    Ok(found)
}

/// A signed token; `None` when no key signs. RSA takes a millisecond, during which nothing else must wait.
pub(super) async fn sign(app: &App, alg: Alg, typ: &'static str, claims: Map<String, Value>) -> Option<String> {
    if alg != Alg::Rs256 {
        return app.keyring.sign(alg, typ, &claims, app.now()).ok();
    }
    let _place = SIGNING.acquire().await.ok()?;
    let app = app.clone();
    let signed = tokio::task::spawn_blocking(move || app.keyring.sign(alg, typ, &claims, app.now()).ok());
    signed.await.ok().flatten()
}

async fn hook(app: &App, line: &Line, row: &Leased, event: &Value) -> Outcome {
    let alert = AlertId::trusted(row.receiver.clone());
    let found = match app.db.read().await {
        Ok(mut conn) => alerts::webhook(&mut conn, &alert).await,
        Err(error) => Err(error),
    };
    let target = match found {
        Ok(Some(target)) => target,
        Ok(None) => return Outcome::GivenUp("the rule is gone, disabled, or tells in another way".to_owned()),
        Err(_) => return later(app, row, "the database failed"),
    };
    let body = event.to_string();
    let Some(headers) = webhook::headers(app, &alert, &target.sealed, &row.id, &body) else {
        return Outcome::GivenUp("the signing secret can't be opened".to_owned());
    };
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = app.relying_party.post_json(&target.url, &headers, body).await;
    // 410: nobody listens there any more (Standard Webhooks, "Operational considerations").
    judged(app, line, row, answer, 410)
}

/// What comes of an answer; one status is the receiver's word that trying again is of no use.
pub(super) fn judged(app: &App, line: &Line, row: &Leased, answer: Result<u16, SendError>, hopeless: u16) -> Outcome {
    match answer {
        Ok(status) if (200..300).contains(&status) => Outcome::Sent(status.to_string()),
        Ok(status) if status == hopeless => Outcome::GivenUp(status.to_string()),
        Ok(status) => later(app, row, &status.to_string()),
        Err(SendError::BadUrl | SendError::Refused) => Outcome::GivenUp("the address may not be called".to_owned()),
        Err(error) => {
            line.rest(app.now());
            later(app, row, &error.to_string())
        }
    }
}
