//! The tab "Projects": what somebody holds on each project and through what; and taking them out of one.

use axum::response::Response;

use super::deed::{Deed, go, seen, whom, wrong};
use super::held::{Picture, sees};
use super::{Desk, Form, Frame, Tab, called, shell};
use crate::domain::access::Scope;
use crate::domain::change::Change;
use crate::kernel::id::ProjectId;
use crate::store::db::{Conn, Result};
use crate::store::orgs::{self, Project};
use crate::store::people_read::Person;
use crate::web::pages::view::person::{GivenRow, ProjectCard, ProjectsPage};

/// Reads the tab.
///
/// # Errors
/// The database's.
pub async fn read(conn: &mut Conn, desk: &Desk, person: &Person, frame: Frame) -> Result<ProjectsPage> {
    // The tag is read first: what is edited between is found out when the page is posted.
    let seen = seen(conn, &person.member).await?;
    let picture = Picture::read(conn, desk, person).await?;
    let card = |project: &Project| {
        let on_it = Scope::Project(project.id.clone());
        let roles = picture.rows(desk, |scope| *scope == on_it || *scope == Scope::AllProjects);
        ProjectCard {
            id: project.id.to_string(),
            key: project.key.clone(),
            name: project.name.clone(),
            // Roles are taken one by one on their own tab.
            roles: roles.into_iter().map(|row| GivenRow { binding: String::new(), ..row }).collect(),
            may_leave: may_leave(desk, &project.id) && picture.is_direct_on(&on_it),
        }
    };
    let projects = picture.names.projects().iter().map(card).filter(|card| !card.roles.is_empty());
    Ok(ProjectsPage { shell: shell(desk), frame, seen, projects: projects.collect() })
}

fn may_leave(desk: &Desk, project: &ProjectId) -> bool {
    desk.may("bindings.write") || desk.reach.allows_on(project, "project.members.write")
}

/// Takes the person out of a project: the direct roles there go, the account and the rest stay.
pub async fn leave(desk: &Desk, form: &Form) -> Response {
    let person = match whom(desk).await {
        Ok(person) => person,
        Err(page) => return page,
    };
    let project = match named(desk, form.sent("project")).await {
        Ok(Some(project)) => project,
        Ok(None) => return wrong(desk, form, Tab::Projects, "This project is gone. Choose again").await,
        Err(fault) => return desk.failed(fault),
    };
    let (org, member) = (desk.org.clone(), person.member.clone());
    let deed = Deed {
        tab: Tab::Projects,
        title: format!("Remove {} from {}?", called(&person), project.name),
        button: "Remove from this project",
        done: "left",
        always_ask: true,
        changes: vec![Change::LeaveProject { org, member, project: project.id }],
    };
    go(desk, form, &person, &deed).await
}

async fn named(desk: &Desk, id: &str) -> Result<Option<Project>> {
    let mut conn = desk.app.db.read().await?;
    let all = orgs::projects(&mut conn, &desk.org).await?;
    Ok(all.into_iter().find(|project| project.id.as_str() == id && sees(&desk.reach, &project.id)))
}
