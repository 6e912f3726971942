//! What programs are told: logout tokens, and webhooks of alerts.

use serde_json::Value;

use super::{Line, PUT_OFF, SLOW, later};
use crate::app::App;
use crate::domain::oauth::application::ApplicationState;
use crate::domain::oidc::logout_token;
use crate::flows::webhook;
use crate::kernel::id::{AlertId, ApplicationId};
use crate::outside::relying_party::SendError;
use crate::store::outbox::{Leased, Message, Outcome};
use crate::store::{alerts, applications};

/// Tries to deliver a row.
pub async fn attempt(app: &App, line: &Line, row: &Leased) -> Outcome {
    let begun = app.now();
    if line.rests(begun) {
        return later(app, row, PUT_OFF);
    }
    let outcome = match &row.message {
        Message::BackchannelLogout { user, sid } => logout(app, line, row, (user.as_str(), sid.as_str())).await,
        Message::Webhook { event } => hook(app, line, row, event).await,
        Message::Mail(_) => Outcome::GivenUp("this is for people".to_owned()),
    };
    // Those behind a slow one are put off like those behind a dead one: they must not fill the hand.
    if app.now().since(begun) >= SLOW {
        line.rest(app.now());
    }
    outcome
}

async fn logout(app: &App, line: &Line, row: &Leased, of: (&str, &str)) -> Outcome {
    let found = match app.db.read().await {
        Ok(mut conn) => applications::find(&mut conn, &ApplicationId::trusted(row.receiver.clone())).await,
        Err(error) => Err(error),
    };
    let application = match found {
        Ok(Some(application)) if application.state == ApplicationState::Active => application,
        Ok(_) => return Outcome::GivenUp("the application is gone or disabled".to_owned()),
        Err(_) => return later(app, row, "the database failed"),
    };
    let Some(uri) = application.backchannel_logout_uri.as_deref() else {
        return Outcome::GivenUp("the application has no back-channel logout address".to_owned());
    };
    let now = app.now();
    // A new `jti` for each attempt: a receiver that took the first one and whose answer was lost may refuse a repeat.
    let jti = format!("{}.{}", row.id, row.attempts);
    let claims = logout_token::claims(app.issuer(), &application.client_id, of.0, of.1, &jti, now);
    let Ok(token) = app.keyring.sign(application.id_token_alg, logout_token::TYP, &claims, now) else {
        return later(app, row, "no key signs");
    };
    let answer = app.relying_party.post_form(uri, &[("logout_token", &token)]).await;
    // Back-Channel Logout 1.0 §2.8: 400 says that the token was not understood; it won't be the next time either.
    judged(app, line, row, answer, 400)
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
fn judged(app: &App, line: &Line, row: &Leased, answer: Result<u16, SendError>, hopeless: u16) -> Outcome {
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
