//! `/o/{slug}/admin/groups/new`: a group in three steps, each an address of its own. After the first the group is there
//! and can be used; roles and members are optional, and whoever leaves loses nothing.

use axum::http::StatusCode;
use axum::response::Response;

use super::members::{self, Added};
use super::place::{Place, ask, go, path, shown};
use super::roles::{self, Given};
use super::settings::FIELDS;
use crate::domain::change::{Change, Mode};
use crate::kernel::id::GroupId;
use crate::store::db::Result;
use crate::store::{bindings, orgs};
use crate::web::pages::admin::access::{Chosen, Offer, role_line};
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_groups::{Giving, Keeping, Moving, Posted};
use crate::web::pages::admin::wording;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Errors, Here};
use crate::web::pages::view::groups::{NewGroupMembersPage, NewGroupPage, NewGroupRolesPage};

/// The page of the second step, under the group's.
const PERMISSIONS: &str = "new/permissions";
/// The page of the third.
const MEMBERS: &str = "new/members";

/// The first step: name and description.
pub async fn get(Keeping(desk): Keeping) -> Response {
    naming(&desk, StatusCode::OK, Errors::default(), (String::new(), String::new()))
}

/// Makes the group, in the organisation of the address whatever else the form says.
pub async fn post(Posted { desk, form }: Posted) -> Response {
    let group = GroupId::fresh();
    let (name, description) = (form.text("name").to_owned(), form.text("description").to_owned());
    let typed = (name.clone(), description.clone());
    let change = Change::CreateGroup { org: desk.org.clone(), group: group.clone(), name, description };
    match ask(&desk, vec![change], Mode::Act).await {
        Ok(_) if form.sent("act") == "done" => go(&desk, &format!("{}?done=created", path(&group, ""))),
        Ok(_) => go(&desk, &path(&group, PERMISSIONS)),
        Err(why) => match wording::refusal(why, &FIELDS) {
            Ok(said) => naming(&desk, said.status, said.errors, typed),
            Err(page) => desk.answer(*page),
        },
    }
}

fn naming(desk: &Desk, status: StatusCode, errors: Errors, (name, description): (String, String)) -> Response {
    let shell = desk.shell(Here::Groups, &[("Groups", "groups")]);
    desk.show(status, &NewGroupPage { shell, errors, name, description })
}

/// The second step: what the group gives.
pub async fn permissions(Keeping(desk): Keeping) -> Response {
    giving(&desk, StatusCode::OK, Errors::default(), (&Chosen::default(), false)).await
}

/// Gives the group roles.
pub async fn give(Giving { desk, form }: Giving) -> Response {
    let Ok(group) = desk.named("group").parse::<GroupId>() else {
        return desk.answer(error::not_found().await);
    };
    match roles::give(&desk, &form, &group).await {
        Given::Done => go(&desk, &path(&group, MEMBERS)),
        Given::Again(status, errors, chosen, add_row) => giving(&desk, status, errors, (&chosen, add_row)).await,
        Given::Failed(page) => desk.answer(*page),
    }
}

async fn giving(desk: &Desk, status: StatusCode, errors: Errors, chosen: (&Chosen, bool)) -> Response {
    shown(desk, status, read_roles(desk, errors, chosen).await).await
}

async fn read_roles(
    desk: &Desk,
    errors: Errors,
    (chosen, add_row): (&Chosen, bool),
) -> Result<Option<NewGroupRolesPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let offer = Offer::read(&mut conn, desk).await?;
    let projects = orgs::projects(&mut conn, &desk.org).await?;
    let held = bindings::of_group(&mut conn, &desk.org, &place.group.id).await?;
    Ok(Some(NewGroupRolesPage {
        shell: place.shell_beneath(desk),
        errors,
        held: held.iter().filter_map(|one| role_line(&one.role, &one.scope, &projects)).collect(),
        access: roles::form(&offer, chosen, add_row),
        group: place.group.id.into_string(),
        name: place.group.name,
    }))
}

/// The third step: who is in it.
pub async fn people(Keeping(desk): Keeping) -> Response {
    adding(&desk, StatusCode::OK, Errors::default(), (String::new(), String::new())).await
}

/// Puts people in.
pub async fn add(Moving { desk, form }: Moving) -> Response {
    let Ok(group) = desk.named("group").parse::<GroupId>() else {
        return desk.answer(error::not_found().await);
    };
    match members::add(&desk, &group, form.sent("people")).await {
        Added::All => go(&desk, &format!("{}?done=added", path(&group, ""))),
        Added::Wrong(status, errors, people, notice) => adding(&desk, status, errors, (people, notice)).await,
        Added::Gone => desk.answer(error::not_found().await),
        Added::Failed(page) => desk.answer(*page),
    }
}

async fn adding(desk: &Desk, status: StatusCode, errors: Errors, said: (String, String)) -> Response {
    shown(desk, status, read_people(desk, errors, said).await).await
}

async fn read_people(
    desk: &Desk,
    errors: Errors,
    (people, notice): (String, String),
) -> Result<Option<NewGroupMembersPage>> {
    let mut conn = desk.app.db.read().await?;
    let found = Place::find(&mut conn, desk).await?;
    Ok(found.map(|place| NewGroupMembersPage {
        shell: place.shell_beneath(desk),
        errors,
        notice,
        people,
        group: place.group.id.into_string(),
        name: place.group.name,
    }))
}
