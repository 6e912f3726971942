//! What bodies and queries name, found in the organisation of the path; what is not there, or is another's, is 404.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use super::problem::Problem;
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::people::password::About;
use crate::domain::people::user::Kind;
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

/// The hash of the password that somebody gives to a new account. The organisation's words are looked up; `about` may
/// bring more.
///
/// # Errors
/// See [`unfit`].
pub async fn password(app: &App, password: &str, whose: &Kind, mut about: About) -> Result<String, Problem> {
    let mut conn = app.db.read().await?;
    let rules = new_password::rules_of(app, &mut conn, whose).await?;
    about.words.extend(new_password::words_of(&mut conn, whose).await?);
    drop(conn);
    new_password::hash(app, Secret::presented(password), &rules, &about).await.map_err(unfit)
}

/// The answer to a password that isn't taken: 400 with everything in which it falls short, each with its rule; 429 when
/// too many wait to be hashed.
#[must_use]
pub fn unfit(why: Unfit) -> Problem {
    const FIELD: &str = "password";
    match why {
        Unfit::Short(found) => {
            let detail = "The password falls short of the rules.";
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid", detail);
            found.iter().fold(problem, |problem, way| problem.with_rule(FIELD, way.rule(), way.to_string()))
        }
        Unfit::Busy(_) => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too many passwords wait; try again in a moment.")
        }
        Unfit::Store(sqlx::Error::RowNotFound) => Problem::not_found("The user"),
        Unfit::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::password::Shortfall;

    #[test]
    fn every_broken_rule_is_named_for_programs_and_for_people() {
        let problem = unfit(Unfit::Short(vec![Shortfall::Length(6, 32), Shortfall::Common]));
        let body = serde_json::to_value(&*problem).unwrap();
        let named = |row: usize, key: &str| body["invalid_parameters"][row][key].as_str().unwrap().to_owned();
        assert_eq!((problem.status, body["invalid_parameters"].as_array().unwrap().len()), (400, 2));
        assert_eq!((named(0, "field"), named(0, "rule")), ("password".to_owned(), "length".to_owned()));
        assert_eq!((named(1, "rule"), named(0, "reason")), ("common".to_owned(), "Use 6 to 32 characters.".to_owned()));
    }
}
