//! What bodies and queries name, found in the organisation of the path; what is not there, or is another's, is 404.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use super::problem::Problem;
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::flows::new_password::{self, Unfit};
use crate::kernel::id::{ApplicationId, GroupId, OrgId};
use crate::kernel::secret::Secret;
use crate::store::applications;
use crate::store::db::Conn;
use crate::store::memberships::{self, Membership};
use crate::store::orgs::{self, Project};

/// The most entries of one list in a body.
pub const MOST: usize = 100;

/// A member by the account's id or the membership's.
///
/// # Errors
/// 404.
pub async fn member(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Membership, Problem> {
    let found = match (named.parse(), named.parse()) {
        (Ok(id), _) => memberships::find(conn, org, &id).await?,
        (_, Ok(user)) => memberships::of_user(conn, org, &user).await?,
        _ => None,
    };
    found.ok_or_else(|| Problem::not_found("The user"))
}

/// A project by its id or key.
///
/// # Errors
/// 404.
pub async fn project(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Project, Problem> {
    let all = orgs::projects(conn, org).await?;
    let found = all.into_iter().find(|project| project.id.as_str() == named || project.key == named);
    found.ok_or_else(|| Problem::not_found("The project"))
}

/// Groups by their ids; the door looks whether they are there.
///
/// # Errors
/// 400: too many, or one is no id of a group.
pub fn groups(field: &str, named: &[String]) -> Result<BTreeSet<GroupId>, Problem> {
    short(field, named.len())?;
    let read = |(row, id): (usize, &String)| {
        id.parse().map_err(|_| Problem::invalid(format!("{field}.{row}"), "Give the id of a group (grp_…)."))
    };
    named.iter().enumerate().map(read).collect()
}

/// Applications by their ids or client ids.
///
/// # Errors
/// 400 when there are too many, 404 when one is not there or is another organisation's.
pub async fn applications(
    conn: &mut Conn,
    org: &OrgId,
    field: &str,
    named: &[String],
) -> Result<BTreeSet<ApplicationId>, Problem> {
    short(field, named.len())?;
    let mut found = BTreeSet::new();
    for name in named {
        found.insert(application(conn, org, name).await?.id);
    }
    Ok(found)
}

/// An application that the organisation's people may use: its own, or one of the instance's.
///
/// # Errors
/// 404.
pub async fn application(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Application, Problem> {
    let found = match named.parse() {
        Ok(id) => applications::find(conn, &id).await?,
        Err(_) => applications::by_client_id(conn, named).await?,
    };
    let found = found.filter(|application| application.org.as_ref().is_none_or(|of| of == org));
    found.ok_or_else(|| Problem::not_found("The application"))
}

/// Refuses a list with more entries than one call takes.
///
/// # Errors
/// 400.
pub fn short(field: &str, entries: usize) -> Result<(), Problem> {
    if entries > MOST {
        return Err(Problem::invalid(field, format!("Give at most {MOST} at once; these are {entries}.")));
    }
    Ok(())
}

/// The hash of a password that somebody gives to another; `about` is the user name and then the contacts.
///
/// # Errors
/// 400 with everything in which it falls short; 429 when too many wait to be hashed.
pub async fn password(app: &App, password: &str, about: &[&str]) -> Result<String, Problem> {
    match new_password::hash(app, Secret::presented(password), about).await {
        Ok(hash) => Ok(hash),
        Err(Unfit::Short(found)) => {
            let mut ways = found.iter().map(ToString::to_string);
            let first = ways.next().unwrap_or_default();
            Err(ways.fold(Problem::invalid("password", first), |problem, way| problem.with("password", way)))
        }
        Err(Unfit::Busy(_)) => {
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too many passwords wait; try again in a moment."))
        }
    }
}
