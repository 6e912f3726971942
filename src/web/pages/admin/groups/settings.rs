//! `/o/{slug}/admin/groups/{group}/settings` and `…/delete`: a group's name and description, and its end, which is
//! confirmed by its typed name after a look at what it would do.

use axum::http::StatusCode;
use axum::response::Response;

use super::impact;
use super::place::{Place, ask, delete_named, go, path, shown};
use crate::domain::change::{Change, Mode, Receipt};
use crate::flows::change_access::Refusal;
use crate::kernel::id::GroupId;
use crate::store::db::Result;
use crate::store::{bindings, groups, orgs};
use crate::web::pages::admin::access::role_line;
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_groups::{Keeping, Posted, Seeing};
use crate::web::pages::admin::wording;
use crate::web::pages::error;
use crate::web::pages::view::admin::Errors;
use crate::web::pages::view::groups::{DeleteGroupPage, SettingsPage};

/// The fields of the form.
pub const FIELDS: [&str; 2] = ["name", "description"];

/// The settings.
pub async fn get(Seeing(desk): Seeing) -> Response {
    shown(&desk, StatusCode::OK, read(&desk, Errors::default(), None).await).await
}

/// Renames a group, describes it anew.
pub async fn post(Posted { desk, form }: Posted) -> Response {
    let Ok(group) = desk.named("group").parse::<GroupId>() else {
        return desk.answer(error::not_found().await);
    };
    let (name, description) = (form.text("name").to_owned(), form.text("description").to_owned());
    let change = Change::RenameGroup { org: desk.org.clone(), group: group.clone(), name, description };
    match ask(&desk, vec![change], Mode::Act).await {
        Ok(_) => go(&desk, &path(&group, "settings?done=saved")),
        Err(Refusal::NotFound(_)) => desk.answer(error::not_found().await),
        Err(why) => match wording::refusal(why, &FIELDS) {
            Ok(said) => shown(&desk, said.status, read(&desk, said.errors, Some(&form)).await).await,
            Err(page) => desk.answer(*page),
        },
    }
}

async fn read(desk: &Desk, errors: Errors, typed: Option<&Form>) -> Result<Option<SettingsPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let mut head = place.head(desk, "settings");
    if errors.any() {
        head.notice = String::new();
    }
    let (name, description) = match typed {
        Some(form) => (form.sent("name").to_owned(), form.sent("description").to_owned()),
        None => (place.group.name.clone(), place.group.description.clone()),
    };
    let may_change = place.may_change(desk);
    // Where there is no form, there is no field to say it at.
    if !may_change {
        head.alert = errors.list().first().map(|error| error.text.clone()).unwrap_or_default();
    }
    Ok(Some(SettingsPage { shell: Place::shell(desk), head, errors, name, description, may_change }))
}

/// Whether to delete a group.
pub async fn ask_delete(Keeping(desk): Keeping) -> Response {
    confirm(&desk, StatusCode::OK, Errors::default(), "").await
}

/// Deletes a group whose name was typed.
pub async fn delete(Posted { desk, form }: Posted) -> Response {
    let Ok(group) = desk.named("group").parse::<GroupId>() else {
        return desk.answer(error::not_found().await);
    };
    let typed = form.text("confirm");
    match delete_named(&desk, &group, typed).await {
        Ok(true) => go(&desk, "groups?done=deleted"),
        Ok(false) => {
            let errors = Errors::one("confirm", "Type the group's name, exactly, to delete it. Nothing was deleted.");
            confirm(&desk, StatusCode::BAD_REQUEST, errors, typed).await
        }
        Err(Refusal::NotFound(_)) => desk.answer(error::not_found().await),
        Err(why) => match wording::refusal(why, &["confirm"]) {
            Ok(said) => shown(&desk, said.status, read(&desk, said.errors, None).await).await,
            Err(page) => desk.answer(*page),
        },
    }
}

/// The page that asks; where the door would refuse, the settings say why.
async fn confirm(desk: &Desk, status: StatusCode, errors: Errors, typed: &str) -> Response {
    let Ok(group) = desk.named("group").parse::<GroupId>() else {
        return desk.answer(error::not_found().await);
    };
    let change = Change::DeleteGroup { org: desk.org.clone(), group };
    let receipt = match ask(desk, vec![change], Mode::DryRun).await {
        Ok(receipt) => receipt,
        Err(Refusal::NotFound(_)) => return desk.answer(error::not_found().await),
        Err(why) => {
            return match wording::refusal(why, &["confirm"]) {
                Ok(said) => shown(desk, said.status, read(desk, said.errors, None).await).await,
                Err(page) => desk.answer(*page),
            };
        }
    };
    shown(desk, status, read_end(desk, &receipt, errors, typed).await).await
}

async fn read_end(desk: &Desk, receipt: &Receipt, errors: Errors, typed: &str) -> Result<Option<DeleteGroupPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let taken = bindings::of_group(&mut conn, &desk.org, &place.group.id).await?;
    let people = groups::members_page(&mut conn, &place.group.id, "", impact::MOST).await?;
    let people = people.into_iter().map(|one| (one.member, one.user_name)).collect();
    let mut impact = impact::work_out(&mut conn, desk, receipt, &taken, people).await?;
    impact.more = usize::try_from(place.members).unwrap_or(0).saturating_sub(impact.rows.len());
    let projects = orgs::projects(&mut conn, &desk.org).await?;
    Ok(Some(DeleteGroupPage {
        shell: place.shell_beneath(desk),
        errors,
        group: place.group.id.to_string(),
        name: place.group.name.clone(),
        typed: typed.to_owned(),
        roles: taken.iter().filter_map(|one| role_line(&one.role, &one.scope, &projects)).collect(),
        members: place.members,
        impact,
    }))
}
