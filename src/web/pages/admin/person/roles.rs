//! The tab "Roles and groups": three blocks, each row with its scope and its source; roles are given and taken here.

use axum::response::Response;

use super::deed::{Deed, go, seen, whom, wrong};
use super::held::Picture;
use super::{Desk, Form, Frame, Tab, called, shell};
use crate::domain::access::{Binding, Scope, Subject};
use crate::domain::change::Change;
use crate::domain::people::invitation::{Access, Offered};
use crate::domain::people::user::{MembershipState, UserState};
use crate::kernel::id::BindingId;
use crate::store::bindings;
use crate::store::db::{Conn, Result};
use crate::store::people_read::Person;
use crate::web::pages::admin::access::{Chosen, Offer};
use crate::web::pages::view::person::{GiveForm, RolesPage};

/// So many roles are taken at once.
const MOST: usize = 100;

/// Reads the tab.
///
/// # Errors
/// The database's.
pub async fn read(
    conn: &mut Conn,
    desk: &Desk,
    person: &Person,
    frame: Frame,
    form: Option<&Form>,
) -> Result<RolesPage> {
    // The tag is read first: what is edited between is found out when the page is posted.
    let seen = seen(conn, &person.member).await?;
    let picture = Picture::read(conn, desk, person).await?;
    let org_roles = picture.rows(desk, |scope| *scope == Scope::Org);
    let project_roles = picture.rows(desk, |scope| *scope != Scope::Org);
    let may_take = org_roles.iter().chain(&project_roles).any(|row| !row.binding.is_empty());
    Ok(RolesPage {
        shell: shell(desk),
        frame,
        seen,
        idle: person.user_state != UserState::Active || person.member_state != MembershipState::Active,
        org_roles,
        project_roles,
        places: picture.places(|_| true),
        may_take,
        may_group: desk.may("groups.write"),
        give: offered(&Offer::read(conn, desk).await?, form),
    })
}

/// What may be given; what was ticked before stays so.
fn offered(offer: &Offer, form: Option<&Form>) -> GiveForm {
    let mut access = offer.form(&Chosen::default(), false);
    let ticked = |name: &str, value: &str| form.is_some_and(|form| form.all(name).any(|sent| sent == value));
    for role in &mut access.roles {
        role.chosen = ticked("role", &role.key);
    }
    let (mut projects, mut project_roles) =
        access.rows.into_iter().next().map(|row| (row.projects, row.roles)).unwrap_or_default();
    for project in &mut projects {
        project.chosen = ticked("project", &project.value);
    }
    for role in &mut project_roles {
        role.chosen = ticked("project_role", &role.value);
    }
    GiveForm { roles: access.roles, projects, project_roles }
}

/// Gives or takes what was ticked, as one change.
pub async fn change(desk: &Desk, form: &Form) -> Response {
    let person = match whom(desk).await {
        Ok(person) => person,
        Err(page) => return page,
    };
    match form.sent("act") {
        "take" => take(desk, form, &person).await,
        _ => give(desk, form, &person).await,
    }
}

async fn give(desk: &Desk, form: &Form, person: &Person) -> Response {
    let access = match chosen(desk, form).await {
        Ok(Ok(access)) if access.roles.is_empty() => {
            return wrong(desk, form, Tab::Roles, "Tick at least one role").await;
        }
        Ok(Ok(access)) => access,
        Ok(Err(text)) => return wrong(desk, form, Tab::Roles, &text).await,
        Err(fault) => return desk.failed(fault),
    };
    let bind = |Offered { role, scope, window }| {
        let subject = Subject::Member(person.member.clone());
        let binding = Binding { id: BindingId::fresh(), role, scope, subject, window };
        Change::Bind { org: desk.org.clone(), binding }
    };
    let deed = Deed {
        tab: Tab::Roles,
        title: format!("Give {} roles?", called(person)),
        button: "Give the roles",
        done: "given",
        always_ask: false,
        changes: access.roles.into_iter().map(bind).collect(),
    };
    go(desk, form, person, &deed).await
}

/// What was ticked to be given; or what is wrong with it.
async fn chosen(desk: &Desk, form: &Form) -> Result<std::result::Result<Access, String>> {
    let mut conn = desk.app.db.read().await?;
    let offer = Offer::read(&mut conn, desk).await?;
    Ok(offer.chosen(&desk.reach, &Chosen::on_one_project(form)))
}

async fn take(desk: &Desk, form: &Form, person: &Person) -> Response {
    let ids: Option<Vec<BindingId>> = form.all("take").map(|id| id.parse().ok()).collect();
    let Some(ids) = ids.filter(|ids| !ids.is_empty() && ids.len() <= MOST) else {
        return wrong(desk, form, Tab::Roles, "Tick the roles to remove").await;
    };
    match are_direct(desk, person, &ids).await {
        Ok(true) => {}
        Ok(false) => {
            let text = "One of the roles isn't held directly any more. This is how it stands now: decide anew";
            return wrong(desk, form, Tab::Roles, text).await;
        }
        Err(fault) => return desk.failed(fault),
    }
    let unbind = |binding| Change::Unbind { org: desk.org.clone(), binding };
    let deed = Deed {
        tab: Tab::Roles,
        title: match ids.len() {
            1 => format!("Remove a role of {}?", called(person)),
            many => format!("Remove {many} roles of {}?", called(person)),
        },
        button: "Remove",
        done: "taken",
        always_ask: true,
        changes: ids.into_iter().map(unbind).collect(),
    };
    go(desk, form, person, &deed).await
}

/// Whether bindings are this person's own.
async fn are_direct(desk: &Desk, person: &Person, ids: &[BindingId]) -> Result<bool> {
    let mut conn = desk.app.db.read().await?;
    for id in ids {
        let found = bindings::find(&mut conn, &desk.org, id).await?;
        if found.is_none_or(|found| found.subject != Subject::Member(person.member.clone())) {
            return Ok(false);
        }
    }
    Ok(true)
}
