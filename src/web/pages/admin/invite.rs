//! `/o/{slug}/admin/people/invite`: several people with the same access, a review of what each will get, and then the mails.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::access::{Chosen, Offer};
use super::form::Form;
use super::register::{languages, trail};
use super::shell::Desk;
use super::shell::of_newcomers::{Bring, Bringing};
use super::{invitees, wording};
use crate::domain::change::Mode;
use crate::domain::people::invitation::{Access, MOST_AT_ONCE};
use crate::flows::change_access::Refusal;
use crate::flows::invite::{Invited, Invitee, Sent, many};
use crate::kernel::id::InvitationId;
use crate::kernel::time::HOUR;
use crate::store::db::Result;
use crate::store::invitations;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Badge, Errors, Here, InvitePage, ResultRow, ResultsPage};

const PURPOSE: &str = "console.invite";
/// How long a review may stand open, in milliseconds.
const LIFE: i64 = HOUR;

/// What was typed, on its way from the form to the review and from there to the mails.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Typed {
    people: String,
    language: String,
    chosen: Chosen,
}

impl Typed {
    fn of(form: &Form) -> Self {
        Self {
            people: form.sent("people").to_owned(),
            language: form.text("language").to_owned(),
            chosen: Chosen::of(form),
        }
    }
}

/// The form; with `again`, filled with what an invitation that ended would have brought.
pub async fn get(Bringing(desk): Bringing) -> Response {
    let typed = match before(&desk).await {
        Ok(typed) => typed,
        Err(fault) => return desk.failed(fault),
    };
    show(&desk, &typed, StatusCode::OK, Errors::default(), false).await
}

async fn before(desk: &Desk) -> Result<Typed> {
    let Some(id) = desk.asked("again").and_then(|id| id.parse::<InvitationId>().ok()) else {
        return Ok(Typed::default());
    };
    let found = invitations::find(&mut desk.app.db.read().await?, &desk.org, &id).await?;
    Ok(found.filter(|_| desk.may("users.read")).map_or_else(Typed::default, |found| Typed {
        people: invitees::write(&[(found.name, found.email)]),
        language: found.language.as_str().to_owned(),
        chosen: Chosen::again(&found.access),
    }))
}

/// Shows what each person would get, or the form again.
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
    carry(&desk, &typed, Mode::DryRun).await
}

/// Sends the invitations that were reviewed.
pub async fn send(Bring { desk, form }: Bring) -> Response {
    match desk.open::<Typed>(PURPOSE, form.sent("list"), LIFE) {
        Some(typed) => carry(&desk, &typed, Mode::Act).await,
        None => desk.answer(error::expired()),
    }
}

async fn offer(desk: &Desk) -> Result<Offer> {
    Offer::read(&mut desk.app.db.read().await?, desk).await
}

async fn show(desk: &Desk, typed: &Typed, status: StatusCode, errors: Errors, add_row: bool) -> Response {
    let offer = match offer(desk).await {
        Ok(offer) => offer,
        Err(fault) => return desk.failed(fault),
    };
    let view = InvitePage {
        shell: desk.shell(Here::Invite, &trail(desk)),
        errors,
        people: typed.people.clone(),
        languages: languages(&typed.language),
        most: MOST_AT_ONCE,
        days: desk.settings.invitations.days,
        access: offer.form(&typed.chosen, add_row),
    };
    desk.show(status, &view)
}

/// Who is meant and what they get, or everything that is wrong with it.
fn read(desk: &Desk, offer: &Offer, typed: &Typed) -> std::result::Result<(Vec<Invitee>, Access), Errors> {
    let mut errors = Errors::default();
    let people = invitees::read(&typed.people).unwrap_or_else(|faults| {
        for fault in faults {
            errors.add("people", fault);
        }
        Vec::new()
    });
    let access = offer.chosen(&desk.reach, &typed.chosen).unwrap_or_else(|text| {
        errors.add("access", text);
        Access::default()
    });
    if access == Access::default() && !errors.has("access") {
        errors.add("access", "Choose at least one group, role or bundle. People without any have no access.");
    }
    if errors.any() { Err(errors) } else { Ok((people, access)) }
}

/// The review and the sending are the same steps; the review's are undone.
async fn carry(desk: &Desk, typed: &Typed, mode: Mode) -> Response {
    let offer = match offer(desk).await {
        Ok(offer) => offer,
        Err(fault) => return desk.failed(fault),
    };
    let (people, access) = match read(desk, &offer, typed) {
        Ok(read) => read,
        Err(errors) => return show(desk, typed, StatusCode::BAD_REQUEST, errors, false).await,
    };
    let names: Vec<String> = people.iter().map(|person| format!("{} <{}>", person.name, person.email)).collect();
    let language = typed.language.parse().ok();
    let done = many(&desk.app, &desk.actor, &desk.origin, &desk.org, people, &access, language, mode).await;
    match done {
        Ok(results) => {
            let rows = rows(names, &results, mode);
            let view = match mode {
                Mode::DryRun => review(desk, typed, rows, offer.lines(&access)),
                Mode::Act => sent(desk, rows, offer.lines(&access)),
            };
            desk.show(StatusCode::OK, &view)
        }
        Err(too_many) => {
            let errors = Errors::one("people", too_many.to_string());
            show(desk, typed, StatusCode::BAD_REQUEST, errors, false).await
        }
    }
}

fn rows(names: Vec<String>, results: &[Invited], mode: Mode) -> Vec<ResultRow> {
    let row = |(number, (label, result)): (usize, (String, &Invited))| {
        let (badge, notes) = outcome(&result.outcome, mode);
        ResultRow { number, label, badge, notes }
    };
    (1..).zip(names.into_iter().zip(results)).map(row).collect()
}

fn outcome(outcome: &std::result::Result<Sent, Refusal>, mode: Mode) -> (Badge, Vec<String>) {
    match (outcome, mode) {
        (Ok(Sent::New(..)), Mode::DryRun) => (Badge { word: "Ready", class: "good" }, Vec::new()),
        (Ok(Sent::New(..)), Mode::Act) => {
            (Badge { word: "Invited", class: "good" }, vec!["The mail is on its way.".to_owned()])
        }
        (Ok(Sent::AlreadyInvited(_)), _) => {
            let note = "An invitation waits for an answer. Nothing is sent; resend it, or cancel it first.";
            (Badge { word: "Already invited", class: "wait" }, vec![note.to_owned()])
        }
        (Ok(Sent::AlreadyMember), _) => {
            (Badge { word: "Already a member", class: "wait" }, vec!["Nothing is sent.".to_owned()])
        }
        (Err(why), _) => (Badge { word: "Not possible", class: "off" }, vec![wording::in_a_row(why)]),
    }
}

fn good(rows: &[ResultRow]) -> usize {
    rows.iter().filter(|row| row.badge.class == "good").count()
}

fn people(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn review(desk: &Desk, typed: &Typed, rows: Vec<ResultRow>, access: Vec<String>) -> ResultsPage {
    let (ready, left) = (good(&rows), rows.len() - good(&rows));
    ResultsPage {
        shell: desk.shell(Here::Invite, &trail(desk)),
        title: "Review the invitations".to_owned(),
        summary: format!("Nothing was sent yet. {} would be invited, {left} left out.", people(ready)),
        alert: String::new(),
        rows,
        access,
        action: desk.path("people/invite/send"),
        button: if ready > 0 { format!("Invite {}", people(ready)) } else { String::new() },
        back: desk.path("people/invite"),
        sealed: desk.seal(PURPOSE, typed),
        file: String::new(),
        secret: false,
    }
}

fn sent(desk: &Desk, rows: Vec<ResultRow>, access: Vec<String>) -> ResultsPage {
    let (sent, left) = (good(&rows), rows.len() - good(&rows));
    ResultsPage {
        shell: desk.shell(Here::Invite, &trail(desk)),
        title: "Invitations".to_owned(),
        summary: format!("{} invited, {left} left out.", people(sent)),
        alert: String::new(),
        rows,
        access,
        action: String::new(),
        button: String::new(),
        back: String::new(),
        sealed: String::new(),
        file: String::new(),
        secret: false,
    }
}
