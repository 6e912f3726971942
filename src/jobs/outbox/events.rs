//! What streams tell: security event tokens, posted to their receivers (RFC 8935).

use super::later;
use super::lines::Line;
use crate::app::App;
use crate::domain::ssf::event::SecurityEvent;
use crate::flows::streams::push::{self, Post, Ready};
use crate::kernel::id::StreamId;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::outside::relying_party::{PushAnswer, SendError};
use crate::store::outbox::{Leased, Outcome};

/// Tries to deliver an event, and tells its stream how it went.
pub(super) async fn attempt(app: &App, line: &Line, row: &Leased, event: &SecurityEvent) -> Outcome {
    let post = match push::ready(app, row, event).await {
        Ok(Ready::Post(post)) => post,
        // Whoever has the stream go on, or fetches, takes it up again.
        Ok(Ready::Held) => return Outcome::Untried(UnixMillis::MAX),
        Ok(Ready::Never(why)) => return Outcome::GivenUp(why.to_owned()),
        Ok(Ready::NoKey) => return later(app, row, "no key signs"),
        Err(_) => return later(app, row, "the database failed"),
    };
    let Post { endpoint, authorization, token, is_news } = post;
    let header = authorization.as_ref().map(Secret::expose);
    let outcome = judged(app, line, row, app.relying_party.push(&endpoint, header, token).await);
    let stream = StreamId::trusted(row.receiver.clone());
    let noted = match &outcome {
        Outcome::Sent(_) if is_news => push::note_taken(app, &stream).await,
        Outcome::GivenUp(_) => push::note_given_up(app, &stream).await,
        Outcome::Sent(_) | Outcome::Later(..) | Outcome::Untried(_) => Ok(()),
    };
    if let Err(error) = noted {
        tracing::error!(%error, stream.id = %stream, "a stream did not learn how a delivery went");
    }
    outcome
}

/// What comes of an answer. 400 says what is wrong with this token, and it won't be right the next time (RFC 8935
/// §2.3); 410 that nobody listens there any more. What is wrong with the address or the header somebody may mend.
fn judged(app: &App, line: &Line, row: &Leased, answer: Result<PushAnswer, SendError>) -> Outcome {
    match answer {
        Ok(PushAnswer { status, .. }) if (200..300).contains(&status) => Outcome::Sent(status.to_string()),
        Ok(PushAnswer { status: 400, err }) => {
            Outcome::GivenUp(format!("400 {}", err.as_deref().unwrap_or("unspecified")))
        }
        Ok(PushAnswer { status: 410, .. }) => Outcome::GivenUp("410".to_owned()),
        Ok(PushAnswer { status, .. }) => later(app, row, &status.to_string()),
        Err(SendError::BadUrl | SendError::Refused) => Outcome::GivenUp("the address may not be called".to_owned()),
        Err(error) => {
            line.rest(app.now());
            later(app, row, &error.to_string())
        }
    }
}
