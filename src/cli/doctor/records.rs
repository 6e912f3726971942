//! The doctor's look into the database: keys, the operator, applications, and what could not be delivered.

use super::Report;
use crate::app::App;
use crate::cli::words::count;
use crate::config::Config;
use crate::domain::oauth::application::ApplicationState;
use crate::flows::bootstrap::{self, Mismatch};
use crate::flows::rotate_keys;
use crate::kernel::time::MINUTE;
use crate::store::db::Database;
use crate::store::{applications as stored, instance, outbox as waiting, signing_keys, users};

/// Whether the instance key is the database's, and whether the keys that it seals can sign.
pub async fn keys(report: &mut Report, app: &App) -> anyhow::Result<()> {
    let mut conn = app.db.read().await?;
    let bound = instance::get(&mut conn, "instance_key_mark").await?.is_some();
    let now = app.now();
    let live = signing_keys::live(&mut conn, now).await?;
    drop(conn);
    if !bound {
        report.warn("the database is not bound to an instance key yet", "`muster serve` binds it at its first start");
        return Ok(());
    }
    match bootstrap::check_instance_key(app).await {
        Ok(()) => report.ok("the instance key is the one that the database was made with"),
        Err(error @ Mismatch::AnotherKey) => {
            report.fail(error, "bring that key back; without it nothing sealed can be read");
            return Ok(());
        }
        Err(Mismatch::Store(error)) => return Err(error.into()),
    }
    if let Err(error) = rotate_keys::load(app).await {
        report.fail(
            format_args!("the signing keys can't be read: {error}"),
            "bring the database back from a backup, or remove that key",
        );
        return Ok(());
    }
    for alg in rotate_keys::wanted(app).await? {
        if live.iter().any(|key| key.alg == alg && key.sign_from <= now && now < key.sign_until) {
            report.ok(format_args!("a key signs {alg}"));
        } else {
            report.fail(
                format_args!("no key signs {alg} now"),
                "start `muster serve`, which makes it, or run `muster keys rotate`",
            );
        }
    }
    if live.iter().any(|key| key.created_at > now.plus(MINUTE)) {
        report.fail(
            "the clock is behind: the database has a key that was made later",
            "set the clock, and keep it with NTP",
        );
    }
    Ok(())
}

/// Whether somebody operates the instance.
pub async fn people(report: &mut Report, db: &Database, config: &Config) -> anyhow::Result<()> {
    if users::an_operator_exists(&mut db.read().await?).await? {
        report.ok(format_args!("an operator exists (signs in at {}/login, organisation \"instance\")", config.issuer));
    } else {
        report.warn("there is no operator yet", "open the link that `muster serve` prints");
    }
    Ok(())
}

/// Which applications take less care than they could.
pub async fn applications(report: &mut Report, db: &Database) -> anyhow::Result<()> {
    let all = stored::all(&mut db.read().await?).await?;
    let careless = all.iter().filter(|one| one.state == ApplicationState::Active && !one.pkce_required());
    let mut careful = true;
    for application in careless {
        careful = false;
        report.warn(
            format_args!("the application {} may sign people in without PKCE", application.client_id),
            "set require_pkce = true once it sends a challenge",
        );
    }
    if careful {
        report.ok(format_args!("{} registered, each with PKCE", count(all.len() as u64, "application")));
    }
    Ok(())
}

/// What applications and webhooks could not be told.
pub async fn outbox(report: &mut Report, db: &Database) -> anyhow::Result<()> {
    let mut conn = db.read().await?;
    let (all, mail) = (waiting::counts(&mut conn).await?, waiting::counts_of_mail(&mut conn).await?);
    drop(conn);
    let (waits, given_up) = (all.0 - mail.0, all.2 - mail.2);
    if given_up == 0 {
        report.ok(format_args!("nothing was given up on its way to an application, {waits} on the way"));
    } else {
        let times = u64::try_from(given_up).unwrap_or_default();
        report.warn(
            format_args!("{} could not be delivered", count(times, "message")),
            "see `muster outbox list --state given_up`, and that their backchannel_logout_uri answers; the sessions are over at \
             Muster all the same",
        );
    }
    Ok(())
}
