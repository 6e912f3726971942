//! `/o/{slug}/admin/groups/{group}/permissions`: the roles that a group gives; giving several at once, and taking several
//! after a look at who loses what.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;

use super::impact;
use super::place::{Place, ask, go, path, shown};
use crate::domain::access::{Binding, Subject, Window};
use crate::domain::change::{Change, Mode, Receipt};
use crate::kernel::id::{BindingId, GroupId};
use crate::kernel::time::UnixMillis;
use crate::store::db::Result;
use crate::store::orgs::Project;
use crate::store::{bindings, groups, orgs};
use crate::web::pages::admin::access::{Chosen, Offer, role_line};
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::moments::moment;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_groups::{Giving, Seeing};
use crate::web::pages::admin::wording;
use crate::web::pages::error;
use crate::web::pages::view::admin::{AccessForm, Choice, Errors};
use crate::web::pages::view::groups::{PermissionsPage, ReviewPage, RoleRow};

/// So many roles at once.
const MOST: usize = 100;

/// What a form that gives roles came to.
pub enum Given {
    /// The group gives them.
    Done,
    /// What was chosen stays on the page, with what is wrong with it.
    Again(StatusCode, Errors, Box<Chosen>, bool),
    /// It is ours to mend.
    Failed(Box<Response>),
}

/// What was chosen, and what there is to say of it.
#[derive(Default)]
struct Words {
    errors: Errors,
    chosen: Chosen,
    add_row: bool,
    alert: String,
}

/// The roles.
pub async fn get(Seeing(desk): Seeing) -> Response {
    show(&desk, StatusCode::OK, Words::default()).await
}

/// Gives roles.
pub async fn post(Giving { desk, form }: Giving) -> Response {
    let Ok(group) = desk.named("group").parse::<GroupId>() else {
        return desk.answer(error::not_found().await);
    };
    match give(&desk, &form, &group).await {
        Given::Done => go(&desk, &path(&group, "permissions?done=given")),
        Given::Again(status, errors, chosen, add_row) => {
            show(&desk, status, Words { errors, chosen: *chosen, add_row, alert: String::new() }).await
        }
        Given::Failed(page) => desk.answer(*page),
    }
}

/// The form's part for the roles of a group: no groups in groups.
#[must_use]
pub fn form(offer: &Offer, chosen: &Chosen, add_row: bool) -> AccessForm {
    AccessForm { groups: Vec::new(), more_groups: false, ..offer.form(chosen, add_row) }
}

/// Gives a group what a form says.
pub async fn give(desk: &Desk, form: &Form, group: &GroupId) -> Given {
    let chosen = Box::new(Chosen::of(form));
    if form.sent("act") == "more" {
        return Given::Again(StatusCode::OK, Errors::default(), chosen, true);
    }
    let wrong =
        |text: String, chosen| Given::Again(StatusCode::BAD_REQUEST, Errors::one("access", text), chosen, false);
    let access = match offer(desk).await {
        Ok(offer) => offer.chosen(&desk.reach, &chosen),
        Err(fault) => return Given::Failed(Box::new(desk.failed(fault))),
    };
    let access = match access {
        Ok(access) if access.roles.is_empty() => return wrong("Choose at least one role.".to_owned(), chosen),
        Ok(access) => access,
        Err(text) => return wrong(text, chosen),
    };
    let changes = access.roles.into_iter().map(|offered| Change::Bind {
        org: desk.org.clone(),
        binding: Binding {
            id: BindingId::fresh(),
            role: offered.role,
            scope: offered.scope,
            subject: Subject::Group(group.clone()),
            window: offered.window,
        },
    });
    match ask(desk, changes.collect(), Mode::Act).await {
        Ok(_) => Given::Done,
        Err(why) => match wording::refusal(why, &["access"]) {
            Ok(said) => Given::Again(said.status, said.errors, chosen, false),
            Err(page) => Given::Failed(page),
        },
    }
}

async fn offer(desk: &Desk) -> Result<Offer> {
    let mut conn = desk.app.db.read().await?;
    Offer::read(&mut conn, desk).await
}

async fn show(desk: &Desk, status: StatusCode, words: Words) -> Response {
    shown(desk, status, read(desk, words).await).await
}

async fn read(desk: &Desk, words: Words) -> Result<Option<PermissionsPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let offer = Offer::read(&mut conn, desk).await?;
    let projects = orgs::projects(&mut conn, &desk.org).await?;
    let given = bindings::of_group(&mut conn, &desk.org, &place.group.id).await?;
    let roles: Vec<RoleRow> = given.iter().filter_map(|one| row(desk, &place, one, &projects)).collect();
    let access = form(&offer, &words.chosen, words.add_row);
    let mut head = place.head(desk, "permissions");
    if !words.alert.is_empty() || words.errors.any() {
        head.notice = String::new();
    }
    head.alert = words.alert;
    Ok(Some(PermissionsPage {
        shell: Place::shell(desk),
        head,
        errors: words.errors,
        may_take: roles.iter().any(|row| row.may_take),
        roles,
        may_give: !place.is_system() && !access.is_empty(),
        access,
    }))
}

fn row(desk: &Desk, place: &Place, one: &Binding, projects: &[Project]) -> Option<RoleRow> {
    Some(RoleRow {
        id: one.id.to_string(),
        title: role_line(&one.role, &one.scope, projects)?,
        window: window(&one.window),
        may_take: !place.is_system() && desk.reach.may_bind(&one.role, &one.scope),
    })
}

/// The time in which a role is given; empty for always.
fn window(window: &Window) -> String {
    let from = (window.not_before != UnixMillis::MIN).then(|| format!("from {}", moment(window.not_before).words));
    let until = (window.not_after != UnixMillis::MAX).then(|| format!("until {}", moment(window.not_after).words));
    [from, until].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What is to be taken from a group.
struct Taking {
    place: Place,
    bindings: Vec<Binding>,
}

/// Who loses what by taking roles, and from there the act.
pub async fn remove(Giving { desk, form }: Giving) -> Response {
    let taking = match taking(&desk, &form).await {
        Ok(Some(taking)) => taking,
        Ok(None) => return desk.answer(error::not_found().await),
        Err(fault) => return desk.failed(fault),
    };
    if taking.bindings.is_empty() {
        let alert = "Tick the roles that the group is to give no more first.".to_owned();
        return show(&desk, StatusCode::BAD_REQUEST, Words { alert, ..Words::default() }).await;
    }
    let change = |one: &Binding| Change::Unbind { org: desk.org.clone(), binding: one.id.clone() };
    let changes = taking.bindings.iter().map(change).collect();
    let acts = form.sent("act") == "go";
    match ask(&desk, changes, if acts { Mode::Act } else { Mode::DryRun }).await {
        Ok(_) if acts => go(&desk, &path(&taking.place.group.id, "permissions?done=taken")),
        Ok(receipt) => match review(&desk, &taking, &receipt).await {
            Ok(view) => desk.show(StatusCode::OK, &view),
            Err(fault) => desk.failed(fault),
        },
        Err(why) => {
            if !acts {
                desk.note_denial(&why).await;
            }
            match wording::refusal(why, &["access"]) {
                Ok(said) => {
                    let alert = said.errors.of("access").unwrap_or_default().to_owned();
                    show(&desk, said.status, Words { alert, ..Words::default() }).await
                }
                Err(page) => desk.answer(*page),
            }
        }
    }
}

/// The bindings of the group that were ticked; another's are none.
async fn taking(desk: &Desk, form: &Form) -> Result<Option<Taking>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let ticked: BTreeSet<BindingId> = form.all("binding").filter_map(|id| id.parse().ok()).take(MOST).collect();
    let mut bindings = bindings::of_group(&mut conn, &desk.org, &place.group.id).await?;
    bindings.retain(|one| ticked.contains(&one.id));
    Ok(Some(Taking { place, bindings }))
}

async fn review(desk: &Desk, taking: &Taking, receipt: &Receipt) -> Result<ReviewPage> {
    let mut conn = desk.app.db.read().await?;
    let projects = orgs::projects(&mut conn, &desk.org).await?;
    let group = &taking.place.group;
    let people = groups::members_page(&mut conn, &group.id, "", impact::MOST).await?;
    let people = people.into_iter().map(|one| (one.member, one.user_name)).collect();
    let choice = |one: &Binding| {
        let label = role_line(&one.role, &one.scope, &projects).unwrap_or_else(|| one.role.to_string());
        Choice { value: one.id.to_string(), label, chosen: true }
    };
    Ok(ReviewPage {
        shell: taking.place.shell_beneath(desk),
        title: format!("Take roles from {}", group.name),
        group: group.id.to_string(),
        action: "permissions/remove",
        back: "/permissions",
        field: "binding",
        taken: taking.bindings.iter().map(choice).collect(),
        may_add: false,
        people: String::new(),
        errors: Errors::default(),
        impact: impact::work_out(&mut conn, desk, receipt, &taking.bindings, people).await?,
        button: match taking.bindings.len() {
            1 => "Take 1 role".to_owned(),
            count => format!("Take {count} roles"),
        },
    })
}
