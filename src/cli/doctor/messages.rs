//! The doctor's look at messages to people: where they go, and what could not be delivered.

use super::Report;
use crate::app::App;
use crate::cli::words::count;
use crate::store::db::Database;
use crate::store::outbox as waiting;

/// Where mail and text messages go. Nothing is connected to: `muster mail test` tries it out.
pub fn way(report: &mut Report, app: &App) {
    let (mail, sms) = (app.mailer.place(), app.sms.place());
    if app.mailer.leaves() {
        report.ok(format_args!("mail goes {mail} (`muster mail test --to ADDRESS` sends one)"));
    } else if app.config.is_https() {
        report.warn(
            format_args!("mail goes {mail}: nobody gets an invitation or a new password"),
            "set mail.host, mail.from and what the server asks for",
        );
    } else {
        report.ok(format_args!("mail goes {mail}"));
    }
    report.ok(format_args!("text messages go {sms}"));
}

/// What waits for people, and what never reached them.
pub async fn queue(report: &mut Report, db: &Database) -> anyhow::Result<()> {
    let (waits, _, given_up) = waiting::counts_of_mail(&mut db.read().await?).await?;
    if given_up == 0 {
        report.ok(format_args!("no message to a person was given up, {waits} on the way"));
    } else {
        let messages = count(u64::try_from(given_up).unwrap_or_default(), "message");
        report.warn(
            format_args!("{messages} to people could not be delivered in the last 30 days"),
            "look at the addresses, and try the mail server with `muster mail test`",
        );
    }
    Ok(())
}
