//! `muster account`: help for whoever can't sign in any more and whom no administrator can help, such as an operator or
//! somebody with an account of their own. It acts on the database directly and through the one door; whoever may run it
//! has the instance in their hands anyway.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::open::{self, Schema};
use super::words::count;
use super::{reason, say};
use crate::app::App;
use crate::config::Config;
use crate::domain::change::{Actor, Mode, Origin, Receipt};
use crate::domain::people::identifier;
use crate::domain::people::user::Kind;
use crate::flows::change_access::Refusal;
use crate::flows::factors;
use crate::kernel::id::UserId;
use crate::store::{orgs, users};

/// What is done.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Take second factors, passkeys and recovery codes away from somebody who lost them; all that they have open ends
    ResetFactors(Whose),
    /// Lift the lock of an account after too many failures
    Unlock(Whose),
}

/// Whose account.
#[derive(Debug, Args)]
pub struct Whose {
    /// Its id (usr_…), user name or e-mail address
    account: String,
    /// The organisation that it belongs to, by its slug; else it is an operator's or somebody's own
    #[arg(long, value_name = "SLUG")]
    org: Option<String>,
}

/// Runs the command.
pub async fn run(config: Config, command: AccountCommand) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let done = carry_out(&app, command).await;
    app.db.close().await;
    done
}

async fn carry_out(app: &App, command: AccountCommand) -> anyhow::Result<ExitCode> {
    let whose = match &command {
        AccountCommand::ResetFactors(whose) | AccountCommand::Unlock(whose) => whose,
    };
    let user = match find(app, whose).await? {
        Ok(user) => user,
        Err(why) => {
            reason(format_args!("muster: {why}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let (actor, origin) = (Actor::CommandLine, Origin::default());
    let done = match command {
        AccountCommand::ResetFactors(_) => factors::reset(app, &actor, &user, &origin, Mode::Act).await,
        AccountCommand::Unlock(_) => factors::unlock(app, &actor, &user, &origin, Mode::Act).await,
    };
    Ok(told(&user, done))
}

fn told(user: &UserId, done: Result<Receipt, Refusal>) -> ExitCode {
    match done {
        Ok(receipt) if receipt.acts.is_empty() => say(format_args!("{user}: there was nothing to do")),
        Ok(receipt) => {
            let ended = count(receipt.ended.sessions, "session");
            say(format_args!("{user}: done; {ended} ended. It is on the record as {}", receipt.id));
        }
        Err(refusal) => {
            reason(format_args!("muster: {refusal}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The account that was meant; else why there is none, for people.
async fn find(app: &App, whose: &Whose) -> anyhow::Result<Result<UserId, String>> {
    let mut conn = app.db.read().await?;
    if let Ok(id) = whose.account.parse::<UserId>() {
        let found = users::find(&mut conn, &id).await?;
        return Ok(found.map(|user| user.id).ok_or_else(|| format!("there is no account {id}")));
    }
    let key = identifier::key(&whose.account);
    let kinds = match &whose.org {
        Some(slug) => match orgs::by_slug(&mut conn, slug).await? {
            Some(org) => vec![Kind::Managed(org.id)],
            None => return Ok(Err(format!("there is no organisation {slug}"))),
        },
        None => vec![Kind::Operator, Kind::Own],
    };
    let mut found = Vec::new();
    for kind in &kinds {
        found.extend(users::by_identifier(&mut conn, kind.realm(), &key).await?);
    }
    Ok(match found.as_slice() {
        [user] => Ok(user.id.clone()),
        [] => Err(format!("there is no account {:?} here; name its organisation with --org", whose.account)),
        [_, ..] => {
            let ids: Vec<&str> = found.iter().map(|user| user.id.as_str()).collect();
            Err(format!("{:?} is more than one account; say which: {}", whose.account, ids.join(", ")))
        }
    })
}
