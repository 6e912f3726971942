//! `muster mail test`: one message, sent at once as the settings say, and what the mail server answered.

use std::process::ExitCode;

use super::open::{self, Schema};
use super::{reason, say};
use crate::config::Config;
use crate::domain::people::identifier::check_email;
use crate::flows::mailing;
use crate::kernel::id::OutboxId;

/// Sends a message to an address.
pub async fn test(config: Config, to: &str) -> anyhow::Result<ExitCode> {
    if let Err(why) = check_email(to) {
        reason(format_args!("muster: --to: {why}"));
        return Ok(ExitCode::FAILURE);
    }
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let (look, language) = mailing::look(&app, &mut app.db.read().await?, None, None).await?;
    let rendered = app.templates.trial(to, language, &look).map_err(anyhow::Error::msg)?;
    say(format_args!("mail goes {}", app.mailer.place()));
    let sent = app.mailer.send(&rendered, OutboxId::fresh().as_str(), app.now()).await;
    app.db.close().await;
    Ok(match sent {
        Ok(answer) => {
            say(format_args!("taken: {answer}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            reason(format_args!("muster: the message was not taken: {error}"));
            ExitCode::FAILURE
        }
    })
}
