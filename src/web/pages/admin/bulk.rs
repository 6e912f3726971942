//! `/o/{slug}/admin/people/bulk`: up to a hundred people from a pasted text or a file, looked at line by line before anybody
//! is registered.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::access::{Chosen, Offer};
use super::form::Form;
use super::register::trail;
use super::shell::Desk;
use super::shell::of_newcomers::{Bring, Bringing};
use super::{download, wording};
use crate::domain::change::Mode;
use crate::domain::people::invitation::MOST_AT_ONCE;
use crate::flows::register::{Credential, RowResult, Shared, TooMany, many, read_list};
use crate::kernel::time::HOUR;
use crate::store::db::Result;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Badge, BulkPage, Errors, Here, ResultRow, ResultsPage};

const PURPOSE: &str = "console.bulk";
/// How long a preview may stand open, in milliseconds.
const LIFE: i64 = HOUR;
/// The longest list, in bytes: a hundred long lines, and little enough to travel sealed.
const LONGEST: usize = 40_000;

/// What was typed, on its way from the form to the preview and from there to the accounts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Typed {
    people: String,
    generated: bool,
    must_change: bool,
    whole: bool,
    chosen: Chosen,
}

impl Typed {
    /// A file goes before what stands in the field.
    fn of(form: &Form) -> Self {
        let file = form.sent("file");
        let people = if file.trim().is_empty() { form.sent("people") } else { file };
        Self {
            people: people.to_owned(),
            generated: form.text("credential") == "generated",
            must_change: form.has("change_generated"),
            whole: form.has("whole"),
            chosen: Chosen::of(form),
        }
    }
}

/// The empty form.
pub async fn get(Bringing(desk): Bringing) -> Response {
    let empty = Typed { must_change: true, ..Typed::default() };
    show(&desk, &empty, StatusCode::OK, Errors::default(), false).await
}

/// Shows what would become of each line, or the form again.
pub async fn post(Bring { desk, form }: Bring) -> Response {
    if form.text("act") == "change" {
        return match desk.open::<Typed>(PURPOSE, form.sent("list"), LIFE) {
            Some(typed) => show(&desk, &typed, StatusCode::OK, Errors::default(), false).await,
            None => desk.answer(error::expired()),
        };
    }
    let typed = Typed::of(&form);
    if form.text("act") == "more" {
        return show(&desk, &typed, StatusCode::OK, Errors::default(), true).await;
    }
    let errors = unreadable(&form, &typed);
    if errors.any() {
        return show(&desk, &typed, StatusCode::BAD_REQUEST, errors, false).await;
    }
    match carry(&desk, &typed, Mode::DryRun).await {
        Ok((results, access)) => desk.show(StatusCode::OK, &preview(&desk, &typed, &results, access, "")),
        Err(refused) => refused.answer(&desk, &typed).await,
    }
}

/// Registers those of the list who can be.
pub async fn register(Bring { desk, form }: Bring) -> Response {
    let Some(typed) = desk.open::<Typed>(PURPOSE, form.sent("list"), LIFE) else {
        return desk.answer(error::expired());
    };
    if typed.whole {
        match carry(&desk, &typed, Mode::DryRun).await {
            Ok((results, access)) if results.iter().any(|row| row.outcome.is_err()) => {
                let alert = "Nobody was registered: not every line is good any more.";
                return desk.show(StatusCode::CONFLICT, &preview(&desk, &typed, &results, access, alert));
            }
            Ok(_) => {}
            Err(refused) => return refused.answer(&desk, &typed).await,
        }
    }
    match carry(&desk, &typed, Mode::Act).await {
        Ok((results, access)) => desk.show(StatusCode::OK, &done(&desk, &results, access)),
        Err(refused) => refused.answer(&desk, &typed).await,
    }
}

/// What can be said of a list before it is read.
fn unreadable(form: &Form, typed: &Typed) -> Errors {
    let mut errors = Errors::default();
    if form.unreadable {
        errors.add("file", "This file is no text in UTF-8. Save it as CSV in UTF-8 and choose it again.");
    } else if typed.people.trim().is_empty() {
        errors.add("people", "Paste at least one line, or choose a file.");
    } else if typed.people.len() > LONGEST {
        errors.add("people", "This list is too long to be read at once. A hundred people fit into 40 kB.");
    }
    errors
}

/// Why nothing was carried out.
enum Refused {
    Form(Errors),
    Store(sqlx::Error),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error)
    }
}

impl From<TooMany> for Refused {
    fn from(too_many: TooMany) -> Self {
        Self::Form(Errors::one("people", too_many.to_string()))
    }
}

impl Refused {
    async fn answer(self, desk: &Desk, typed: &Typed) -> Response {
        match self {
            Self::Form(errors) => show(desk, typed, StatusCode::BAD_REQUEST, errors, false).await,
            Self::Store(fault) => desk.failed(fault),
        }
    }
}

async fn offer(desk: &Desk) -> Result<Offer> {
    Offer::read(&mut desk.app.db.read().await?, desk).await
}

/// The preview and the act are the same steps; the preview's are undone. With the results, what everybody gets.
async fn carry(desk: &Desk, typed: &Typed, mode: Mode) -> std::result::Result<(Vec<RowResult>, Vec<String>), Refused> {
    let offer = offer(desk).await?;
    let access = offer.chosen(&desk.reach, &typed.chosen).map_err(|text| Refused::Form(Errors::one("access", text)))?;
    let lines = offer.lines(&access);
    let credential = if typed.generated { Credential::Generated } else { Credential::Link };
    let shared = Shared { access, credential, must_change: typed.generated && typed.must_change, language: None };
    let rows = read_list(&desk.app, &desk.org, &typed.people, &shared).await?;
    if let [(0, Err(fault))] = rows.as_slice() {
        return Err(Refused::Form(Errors::one("people", fault.reason.clone())));
    }
    if rows.is_empty() {
        return Err(Refused::Form(Errors::one("people", "The list has a heading and nobody beneath it.")));
    }
    Ok((many(&desk.app, &desk.actor, &desk.origin, &desk.org, rows, mode).await?, lines))
}

async fn show(desk: &Desk, typed: &Typed, status: StatusCode, errors: Errors, add_row: bool) -> Response {
    let offer = match offer(desk).await {
        Ok(offer) => offer,
        Err(fault) => return desk.failed(fault),
    };
    let view = BulkPage {
        shell: desk.shell(Here::Bulk, &trail(desk)),
        errors,
        people: typed.people.clone(),
        link: !typed.generated,
        generated: typed.generated,
        change_generated: typed.must_change,
        whole: typed.whole,
        link_days: desk.settings.invitations.link_days,
        most: MOST_AT_ONCE,
        access: offer.form(&typed.chosen, add_row),
    };
    desk.show(status, &view)
}

/// What is wrong with a line, in one or two words.
fn word(code: &str) -> &'static str {
    match code {
        "conflict" => "Already there",
        "invalid" => "To be mended",
        "denied" => "Not yours to give",
        "managed_by_idp" => "Managed elsewhere",
        "busy" | "unavailable" | "stale" => "Try again",
        _ => "Not possible",
    }
}

fn row(result: &RowResult, good: &'static str) -> ResultRow {
    let (badge, notes) = match &result.outcome {
        Ok(_) => (Badge { word: good, class: "good" }, Vec::new()),
        Err(fault) => (Badge { word: word(fault.code), class: "off" }, vec![wording::sentence(&fault.reason)]),
    };
    ResultRow { number: result.row, label: result.label.clone(), badge, notes }
}

fn counts(results: &[RowResult]) -> (usize, usize) {
    let good = results.iter().filter(|row| row.outcome.is_ok()).count();
    (good, results.len() - good)
}

fn preview(desk: &Desk, typed: &Typed, results: &[RowResult], access: Vec<String>, alert: &str) -> ResultsPage {
    let (good, bad) = counts(results);
    let barred = good == 0 || (typed.whole && bad > 0);
    let button = match (barred, bad) {
        (true, _) => String::new(),
        (false, 0) => format!("Register {good}"),
        (false, bad) => format!("Register {good}, skip {bad}"),
    };
    ResultsPage {
        shell: desk.shell(Here::Bulk, &trail(desk)),
        title: "Check the list".to_owned(),
        summary: format!("Nobody was registered yet. {good} can be registered, {bad} can't."),
        alert: alert.to_owned(),
        rows: results.iter().map(|result| row(result, "Ready")).collect(),
        access,
        action: desk.path("people/bulk/register"),
        button,
        back: desk.path("people/bulk"),
        sealed: desk.seal(PURPOSE, typed),
        file: String::new(),
        secret: false,
    }
}

fn done(desk: &Desk, results: &[RowResult], access: Vec<String>) -> ResultsPage {
    let (good, bad) = counts(results);
    let secret = results.iter().any(|row| row.outcome.as_ref().is_ok_and(|made| made.password.is_some()));
    ResultsPage {
        shell: desk.shell(Here::Bulk, &trail(desk)),
        title: "Registered".to_owned(),
        summary: format!("{good} registered, {bad} skipped."),
        alert: String::new(),
        rows: results.iter().map(|result| row(result, "Registered")).collect(),
        access,
        action: String::new(),
        button: String::new(),
        back: String::new(),
        sealed: String::new(),
        file: download::seal(desk, "registered.csv", &table(results, secret)),
        secret,
    }
}

/// The results as a table: line, person, state, what was wrong, and the password if there are any.
fn table(results: &[RowResult], secret: bool) -> String {
    let width = if secret { 5 } else { 4 };
    let mut text = download::line(&["line", "person", "state", "reason", "password"][..width], None);
    for result in results {
        let number = result.row.to_string();
        let (state, reason, password) = match &result.outcome {
            Ok(made) => ("registered", "", made.password.as_ref().map_or("", |password| password.expose())),
            Err(fault) => ("skipped", fault.reason.as_str(), ""),
        };
        text.push_str(&download::line(
            &[number.as_str(), result.label.as_str(), state, reason, password][..width],
            Some(4),
        ));
    }
    text
}
