//! `muster outbox`: what applications, webhooks and people are still to be told, what was given up, and a row tried again
//! or given up by hand. It works on the database, beside running nodes: they take up what is made due.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::open::{self, Schema};
use super::words::{count, moment, table};
use super::{reason, say};
use crate::app::App;
use crate::config::Config;
use crate::flows::audit::moment as rfc3339;
use crate::flows::deliveries::{self, Asked};
use crate::kernel::id::OutboxId;
use crate::kernel::time::UnixMillis;
use crate::store::outbox::{self, Row, State};

/// What is done.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// The rows, the newest first
    List(List),
    /// One row
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        printed: Printed,
    },
    /// Try a row now that was given up or waits for its next attempt, or all of one receiver
    Retry {
        /// Its id
        #[arg(required_unless_present = "receiver")]
        id: Option<String>,
        /// All of this receiver: an application's id, a stream's, an alert's, or an address
        #[arg(long, conflicts_with = "id")]
        receiver: Option<String>,
    },
    /// Give up a row that waits
    GiveUp {
        /// Its id
        id: String,
    },
}

/// Which rows are listed.
#[derive(Debug, Args)]
pub struct List {
    /// Those in this state: waiting, sent or `given_up`
    #[arg(long)]
    state: Option<State>,
    /// Those of this kind
    #[arg(long, value_parser = ["backchannel_logout", "security_event", "webhook", "mail"])]
    kind: Option<String>,
    /// Those of this receiver: an application's id, a stream's, an alert's, or an address
    #[arg(long)]
    receiver: Option<String>,
    /// Those that come from this change
    #[arg(long)]
    change: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    printed: Printed,
}

/// How it is printed.
#[derive(Debug, Args)]
pub struct Printed {
    /// How it is printed
    #[arg(long, short, value_parser = ["table", "json"], default_value = "table")]
    output: String,
}

impl Printed {
    fn is_json(&self) -> bool {
        self.output == "json"
    }
}

/// Runs the command.
pub async fn run(config: Config, command: OutboxCommand) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let done = carry_out(&app, command).await;
    app.db.close().await;
    done
}

async fn carry_out(app: &App, command: OutboxCommand) -> anyhow::Result<ExitCode> {
    match command {
        OutboxCommand::List(list) => show_list(app, list).await,
        OutboxCommand::Show { id, printed } => show(app, &id, &printed).await,
        OutboxCommand::Retry { id: Some(id), .. } => {
            let Some(id) = read(&id) else { return Ok(ExitCode::FAILURE) };
            let done = deliveries::retry(app, Asked::on_command_line(), &id).await?;
            Ok(told(
                done,
                "it is due now",
                "no such row was given up or waits for an attempt: see `muster outbox show`",
            ))
        }
        OutboxCommand::Retry { id: None, receiver } => {
            let receiver = receiver.unwrap_or_default();
            let rows = deliveries::retry_receiver(app, Asked::on_command_line(), &receiver).await?;
            let yes = format!("{} due now", count(rows, "row"));
            let no = "no row of this receiver was given up or waits for an attempt: see `muster outbox list`";
            Ok(told(rows > 0, &yes, no))
        }
        OutboxCommand::GiveUp { id } => {
            let Some(id) = read(&id) else { return Ok(ExitCode::FAILURE) };
            let done = deliveries::give_up(app, Asked::on_command_line(), &id).await?;
            Ok(told(done, "it is given up", "no such row waits: see `muster outbox show`"))
        }
    }
}

fn told(done: bool, yes: &str, no: &str) -> ExitCode {
    if done {
        say(yes);
        return ExitCode::SUCCESS;
    }
    reason(format_args!("muster: {no}"));
    ExitCode::FAILURE
}

fn read(id: &str) -> Option<OutboxId> {
    let read = id.parse().ok();
    if read.is_none() {
        reason(format_args!("muster: {id:?} is no id of a row (out_…)"));
    }
    read
}

async fn show_list(app: &App, list: List) -> anyhow::Result<ExitCode> {
    let asked = outbox::Asked {
        state: list.state,
        kind: list.kind.unwrap_or_default(),
        receiver: list.receiver.unwrap_or_default(),
        change: list.change.unwrap_or_default(),
    };
    let rows = outbox::list(&mut app.db.read().await?, &asked, i64::from(list.limit)).await?;
    if list.printed.is_json() {
        say(Value::from(rows.iter().map(as_json).collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        reason("There are none.");
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["id", "kind", "receiver", "state", "attempts", "last answer", "written", "next attempt"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(line));
    say(table(&lines));
    Ok(ExitCode::SUCCESS)
}

async fn show(app: &App, id: &str, printed: &Printed) -> anyhow::Result<ExitCode> {
    let Some(id) = read(id) else { return Ok(ExitCode::FAILURE) };
    let Some(row) = outbox::find(&mut app.db.read().await?, &id).await? else {
        reason(format_args!("muster: there is no row {id} (any more: what is done goes after 30 days)"));
        return Ok(ExitCode::FAILURE);
    };
    let shown = as_json(&row);
    if printed.is_json() {
        say(shown);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = shown.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let lines: Vec<Vec<String>> = members.map(|(name, value)| vec![name.replace('_', " "), text(value)]).collect();
    say(table(&lines));
    Ok(ExitCode::SUCCESS)
}

/// When a row is tried next; nothing for one that is done, or that its receiver fetches.
fn next(row: &Row) -> Option<UnixMillis> {
    (row.state == State::Waiting && row.next_at < UnixMillis::MAX).then_some(row.next_at)
}

fn line(row: &Row) -> Vec<String> {
    vec![
        row.id.to_string(),
        row.kind.clone(),
        row.receiver.clone(),
        row.state.to_string(),
        row.attempts.to_string(),
        row.last_answer.clone().unwrap_or_else(|| "–".to_owned()),
        moment(row.created_at),
        next(row).map_or_else(|| "–".to_owned(), moment),
    ]
}

fn as_json(row: &Row) -> Value {
    json!({
        "id": row.id,
        "kind": row.kind,
        "receiver": row.receiver,
        "change": row.change,
        "state": row.state.as_str(),
        "attempts": row.attempts,
        "last_answer": row.last_answer,
        "created_at": rfc3339(row.created_at),
        "first_sent_at": row.first_sent_at.map(rfc3339),
        "answered_at": row.answered_at.map(rfc3339),
        "done_at": row.done_at.map(rfc3339),
        "next_at": next(row).map(rfc3339),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_fetched_or_done_has_no_next_attempt() {
        let row = Row {
            id: OutboxId::from_u128(1),
            kind: "security_event".to_owned(),
            receiver: "ssf_1".to_owned(),
            change: None,
            state: State::Waiting,
            attempts: 0,
            next_at: UnixMillis(7),
            last_answer: None,
            created_at: UnixMillis(1),
            first_sent_at: None,
            answered_at: None,
            done_at: None,
        };
        assert_eq!(next(&row), Some(UnixMillis(7)));
        let held = Row { next_at: UnixMillis::MAX, ..row.clone() };
        assert_eq!((next(&held), as_json(&held)["next_at"].clone()), (None, Value::Null));
        assert_eq!(line(&held).pop().as_deref(), Some("–"));
        assert_eq!(next(&Row { state: State::Sent, ..row }), None);
    }
}
