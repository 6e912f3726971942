//! People as an administrator types them, one a line: by user name, e-mail address, or the id of account or membership.

use std::collections::BTreeSet;

use crate::domain::people::identifier;
use crate::domain::people::user::Kind;
use crate::kernel::id::MembershipId;
use crate::store::db::{Conn, Result};
use crate::store::memberships::Membership;
use crate::store::{memberships, users};
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::view::admin::Errors;

/// So many people at once.
pub const MOST: usize = 1000;

const NOBODY: &str = "No member has this username, e-mail address or id. Register or invite people first.";
const SERVICE: &str = "A service account can't be in a group: give it roles of its own.";
const SEVERAL: &str = "Two people are called so. Use the user's id.";

/// A line that names nobody who can be in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongLine {
    /// Its number among the lines that aren't empty, from 1.
    pub row: usize,
    /// What was typed.
    pub text: String,
    /// Why not: a sentence.
    pub reason: String,
}

/// What was typed.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// The members that it names, with the line that does.
    pub members: Vec<(MembershipId, WrongLine)>,
    /// The lines that name none.
    pub wrong: Vec<WrongLine>,
}

impl Typed {
    /// The members, each once.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<MembershipId> {
        self.members.iter().map(|(id, _)| id.clone()).collect()
    }

    /// What is wrong, at the field.
    #[must_use]
    pub fn errors(&self) -> Errors {
        let mut errors = Errors::default();
        for line in &self.wrong {
            errors.add("people", format!("Row {}: {}: {}", line.row, line.text, line.reason));
        }
        errors
    }

    /// The lines that are wrong, to be mended.
    #[must_use]
    pub fn left(&self) -> String {
        self.wrong.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// The lines that aren't empty.
#[must_use]
pub fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// Looks up who is named by each line.
///
/// # Errors
/// The database's.
pub async fn read(conn: &mut Conn, desk: &Desk, text: &str) -> Result<Typed> {
    let mut typed = Typed::default();
    for (place, line) in lines(text).into_iter().enumerate() {
        let wrong = |reason: &str| WrongLine { row: place + 1, text: line.to_owned(), reason: reason.to_owned() };
        match find(conn, desk, line).await? {
            Found::Member(id) => typed.members.push((id, wrong(""))),
            Found::Service => typed.wrong.push(wrong(SERVICE)),
            Found::Several => typed.wrong.push(wrong(SEVERAL)),
            Found::Nobody => typed.wrong.push(wrong(NOBODY)),
        }
    }
    Ok(typed)
}

enum Found {
    Member(MembershipId),
    Service,
    Several,
    Nobody,
}

async fn find(conn: &mut Conn, desk: &Desk, named: &str) -> Result<Found> {
    let org = &desk.org;
    let by_id = match (named.parse(), named.parse()) {
        (Ok(id), _) => memberships::find(conn, org, &id).await?,
        (_, Ok(user)) => memberships::of_user(conn, org, &user).await?,
        _ => None,
    };
    if let Some(member) = by_id {
        let account = users::find(conn, &member.user).await?;
        let is_service = account.is_some_and(|user| matches!(user.kind, Kind::Service(..)));
        return Ok(if is_service { Found::Service } else { Found::Member(member.id) });
    }
    // Whose name, address or number it is, is for those to find out who may see people.
    if !desk.may("users.read") {
        return Ok(Found::Nobody);
    }
    let key = identifier::key(named);
    let mut found: Vec<Membership> = Vec::new();
    for realm in [org.as_str(), Kind::Own.realm()] {
        if let Some(user) = users::by_identifier(conn, realm, &key).await? {
            found.extend(memberships::of_user(conn, org, &user.id).await?);
        }
    }
    let first = found.pop();
    Ok(match (first, found.is_empty()) {
        (Some(member), true) => Found::Member(member.id),
        (Some(_), false) => Found::Several,
        (None, _) => Found::Nobody,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_without_the_empty_ones_and_what_is_wrong_is_left_to_be_mended() {
        assert_eq!(lines(" ana \r\n\r\nbo@a.test\n"), ["ana", "bo@a.test"]);
        let wrong = WrongLine { row: 2, text: "bo".to_owned(), reason: "Nobody.".to_owned() };
        let typed = Typed { members: Vec::new(), wrong: vec![wrong] };
        assert_eq!(typed.left(), "bo");
        assert_eq!(typed.errors().of("people"), Some("Row 2: bo: Nobody."));
    }
}
