//! `POST /o/{slug}/admin/groups/{group}/members/remove`: who is to leave a group is reviewed first, on a page that lists
//! everybody with what they lose, and takes further members.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;

use super::members::{self, Words};
use super::place::{Place, ask, go, path};
use super::{impact, named};
use crate::domain::change::{Change, Mode, Receipt};
use crate::flows::change_access::Refusal;
use crate::kernel::id::{GroupId, MembershipId};
use crate::store::db::Result;
use crate::store::people_read::Named;
use crate::store::{bindings, groups, people_read};
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_groups::Moving;
use crate::web::pages::admin::wording;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Choice, Errors};
use crate::web::pages::view::groups::ReviewPage;

/// Who is to leave.
struct Leaving {
    place: Place,
    /// Everybody who was ticked or typed, and is in the group.
    people: Vec<Named>,
    /// What is wrong with what was typed.
    errors: Errors,
    /// The lines that are wrong.
    left: String,
    /// Whether the person has seen the whole list: nobody was typed besides.
    seen: bool,
}

impl Leaving {
    fn change(&self, desk: &Desk) -> Change {
        let members = self.people.iter().map(|one| one.member.clone()).collect();
        Change::RemoveFromGroup { org: desk.org.clone(), group: self.place.group.id.clone(), members }
    }
}

/// The review, and from the review the act.
pub async fn post(Moving { desk, form }: Moving) -> Response {
    let leaving = match read(&desk, &form).await {
        Ok(Some(leaving)) => leaving,
        Ok(None) => return desk.answer(error::not_found().await),
        Err(fault) => return desk.failed(fault),
    };
    if leaving.people.is_empty() {
        let alert = if leaving.errors.any() { "" } else { "Tick the people who are to leave the group first." };
        let (errors, people) = (leaving.errors, leaving.left);
        let words = Words { errors, people, alert: alert.to_owned(), notice: String::new() };
        return members::show(&desk, StatusCode::BAD_REQUEST, words).await;
    }
    let acts = form.sent("act") == "go" && leaving.seen;
    let mode = if acts { Mode::Act } else { Mode::DryRun };
    match ask(&desk, vec![leaving.change(&desk)], mode).await {
        Ok(_) if acts => go(&desk, &format!("{}?done=removed", path(&leaving.place.group.id, ""))),
        Ok(receipt) => match review(&desk, leaving, &receipt).await {
            Ok((status, view)) => desk.show(status, &view),
            Err(fault) => desk.failed(fault),
        },
        Err(why) => {
            if !acts {
                desk.note_denial(&why).await;
            }
            refused(&desk, why).await
        }
    }
}

/// Why nobody was taken out, above the members.
async fn refused(desk: &Desk, why: Refusal) -> Response {
    match wording::refusal(why, &["people"]) {
        Ok(said) => {
            let alert = said.errors.of("people").unwrap_or_default().to_owned();
            members::show(desk, said.status, Words { alert, ..Words::default() }).await
        }
        Err(page) => desk.answer(*page),
    }
}

async fn read(desk: &Desk, form: &Form) -> Result<Option<Leaving>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let text = form.sent("people");
    let mut typed = if named::lines(text).len() > named::MOST {
        named::Typed::default()
    } else {
        named::read(&mut conn, desk, text).await?
    };
    let ticked: BTreeSet<MembershipId> =
        form.all("member").filter_map(|id| id.parse().ok()).take(named::MOST).collect();
    let all: Vec<MembershipId> = ticked.union(&typed.ids()).cloned().collect();
    let held = groups::members_among(&mut conn, &place.group.id, &all).await?;
    for (_, line) in typed.members.iter().filter(|(id, _)| !held.contains(id)) {
        typed.wrong.push(named::WrongLine { reason: "Not in this group.".to_owned(), ..line.clone() });
    }
    typed.wrong.sort_by_key(|line| line.row);
    let mut errors = typed.errors();
    let mut left = typed.left();
    if named::lines(text).len() > named::MOST {
        errors.add("people", format!("You can name {} people at a time.", named::MOST));
        text.clone_into(&mut left);
    }
    let held: Vec<MembershipId> = held.into_iter().collect();
    let people = people_read::names_of(&mut conn, &held).await?;
    Ok(Some(Leaving { place, people, errors, left, seen: named::lines(text).is_empty() }))
}

async fn review(desk: &Desk, leaving: Leaving, receipt: &Receipt) -> Result<(StatusCode, ReviewPage)> {
    let mut conn = desk.app.db.read().await?;
    let group: &GroupId = &leaving.place.group.id;
    let taken = bindings::of_group(&mut conn, &desk.org, group).await?;
    let people = leaving.people.iter().map(|one| (one.member.clone(), one.user_name.clone())).collect();
    let impact = impact::work_out(&mut conn, desk, receipt, &taken, people).await?;
    let status = if leaving.errors.any() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let choice = |one: &Named| Choice {
        value: one.member.to_string(),
        label: if one.name.is_empty() { one.user_name.clone() } else { format!("{} ({})", one.name, one.user_name) },
        chosen: true,
    };
    let button = match leaving.people.len() {
        1 => "Remove 1 member".to_owned(),
        count => format!("Remove {count} members"),
    };
    let view = ReviewPage {
        shell: leaving.place.shell_beneath(desk),
        title: format!("Remove members from {}", leaving.place.group.name),
        group: group.to_string(),
        action: "members/remove",
        back: "",
        field: "member",
        taken: leaving.people.iter().map(choice).collect(),
        may_add: true,
        people: leaving.left,
        errors: leaving.errors,
        impact,
        button,
    };
    Ok((status, view))
}
