//! What became of the mails of invitations: one that is delivered makes its invitation wait for the answer, one that
//! nobody takes ends it.

use crate::app::App;
use crate::kernel::id::InvitationId;
use crate::store::invitations;

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailFate {
    /// The next server has taken it.
    Sent,
    /// The address is refused for good, and what was said.
    Refused(String),
}

/// Notes what became of an invitation's mail. No access hangs on it: whoever holds the link may answer before.
///
/// # Errors
/// The database's.
pub async fn note_mail(app: &App, invitation: &InvitationId, fate: MailFate) -> Result<(), sqlx::Error> {
    let (id, now) = (invitation.clone(), app.now());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                match fate {
                    MailFate::Sent => invitations::mail_sent(tx, &id, now).await,
                    MailFate::Refused(reason) => invitations::mail_failed(tx, &id, &reason, now).await,
                }
            })
        })
        .await
}
