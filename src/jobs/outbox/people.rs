//! What people are told: mail, and text messages. An invitation hears what became of its mail.

use super::{Line, PUT_OFF, later};
use crate::app::App;
use crate::domain::mail::Mail;
use crate::flows::invitations::{self, MailFate};
use crate::flows::mailing::{self, Ready};
use crate::outside::mail::MailError;
use crate::store::outbox::{Leased, Outcome};

/// Tries to deliver a message; `None` when what became of it could not be noted at its invitation.
pub async fn attempt(app: &App, line: &Line, row: &Leased, mail: &Mail) -> Option<Outcome> {
    let sent = if line.rests(app.now()) {
        Err(MailError::Later(PUT_OFF.to_owned()))
    } else {
        match mailing::ready(app, mail).await {
            Ok(Ready::Mail(rendered)) => app.mailer.send(&rendered, row.id.as_str(), app.now()).await,
            Ok(Ready::Text { to, text }) => app.sms.send(&to, &text, row.id.as_str(), app.now()).await,
            Ok(Ready::Never(why)) => Err(MailError::Rejected(why)),
            // The invitation hears nothing: it was answered, taken back, or has a newer mail under way.
            Ok(Ready::Superseded) => return Some(Outcome::GivenUp("nobody needs it any more".to_owned())),
            Err(_) => Err(MailError::Later("the database failed".to_owned())),
        }
    };
    let outcome = match sent {
        Ok(answer) => Outcome::Sent(answer),
        Err(MailError::Rejected(why)) => Outcome::GivenUp(why),
        Err(MailError::Later(why)) => later(app, row, &why),
        Err(MailError::Unreachable(why)) => {
            line.rest(app.now());
            later(app, row, &why)
        }
    };
    let fate = match &outcome {
        Outcome::Sent(_) => MailFate::Sent,
        Outcome::GivenUp(why) => MailFate::Refused(why.clone()),
        Outcome::Later(..) | Outcome::Untried(_) => return Some(outcome),
    };
    if let Some(invitation) = &row.invitation
        && let Err(error) = invitations::note_mail(app, invitation, fate).await
    {
        tracing::error!(%error, "an invitation could not be told of its mail");
        return None;
    }
    Some(outcome)
}
