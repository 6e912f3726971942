//! How the command line and the demo say things: grants, numbers, moments, tables.

use std::fmt::Write as _;

use super::names::Names;
use crate::domain::access::difference::Held;
use crate::domain::access::{Role, Scope, Verdict};
use crate::domain::change::{Ended, MemberReceipt, Told};
use crate::kernel::time::UnixMillis;

/// A role and where it is held: `org.reader`, `project.admin on web`.
pub fn grant(role: &Role, scope: &Scope, names: &Names) -> String {
    match scope {
        Scope::Org => role.to_string(),
        Scope::Project(id) => format!("{role} on {}", names.of(id.as_str())),
        Scope::AllProjects => format!("{role} on all projects"),
    }
}

/// Grants, one after the other. What is held on all projects is not repeated for each of them.
pub fn grants(held: &[Held], names: &Names) -> String {
    let everywhere = |one: &Held| {
        matches!(one.scope, Scope::Project(_))
            && held.iter().any(|other| other.scope == Scope::AllProjects && other.role == one.role)
    };
    let lines: Vec<String> =
        held.iter().filter(|one| !everywhere(one)).map(|one| grant(&one.role, &one.scope, names)).collect();
    lines.join(", ")
}

/// A number and its noun: `1 session`, `3 sessions`.
pub fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// How much ended.
pub fn ended(ended: &Ended) -> String {
    format!("{}, {}", count(ended.sessions, "session"), count(ended.token_families, "token family"))
}

/// An application that is told.
pub fn told(told: &Told) -> String {
    format!("{} ({})", told.client_id, sent(told))
}

/// How much an application is told: `2 logout tokens, 1 security event`.
pub fn sent(told: &Told) -> String {
    let all = [(told.logout_tokens, "logout token"), (told.security_events, "security event")];
    let some = all.into_iter().filter(|(number, _)| *number > 0);
    some.map(|(number, noun)| count(number, noun)).collect::<Vec<_>>().join(", ")
}

/// What becomes of a member's sessions, in a bracket behind what was lost.
pub const fn verdict(member: &MemberReceipt) -> &'static str {
    match member.verdict {
        Verdict::Keep => "stays signed in",
        Verdict::Narrow => "stays signed in with less; access tokens end",
        Verdict::End => "sessions and tokens end",
    }
}

/// A moment, to the minute; the ends of time are a dash.
pub fn moment(at: UnixMillis) -> String {
    if at == UnixMillis::MIN || at == UnixMillis::MAX {
        return "–".to_owned();
    }
    time::OffsetDateTime::from_unix_timestamp(at.seconds()).map_or_else(
        |_| at.to_string(),
        |at| {
            format!("{}-{:02}-{:02} {:02}:{:02} UTC", at.year(), u8::from(at.month()), at.day(), at.hour(), at.minute())
        },
    )
}

/// Columns as wide as their widest cell, two spaces between them; the first row is the head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths.iter().copied()) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::id::ProjectId;

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!(ended(&Ended { sessions: 1, token_families: 2, ..Ended::default() }), "1 session, 2 token families");
        assert_eq!(ended(&Ended { sessions: 0, token_families: 1, ..Ended::default() }), "0 sessions, 1 token family");
    }

    #[test]
    fn an_application_is_told_by_what_reaches_it() {
        let by = |logout_tokens, security_events| Told { client_id: "shop".to_owned(), logout_tokens, security_events };
        assert_eq!(told(&by(1, 0)), "shop (1 logout token)");
        assert_eq!(told(&by(0, 2)), "shop (2 security events)");
        assert_eq!(told(&by(2, 1)), "shop (2 logout tokens, 1 security event)");
    }

    #[test]
    fn a_grant_on_all_projects_is_said_once() {
        let on = |scope: Scope| Held { role: Role::ProjectAdmin, scope };
        let held = [on(Scope::Project(ProjectId::from_u128(1))), on(Scope::AllProjects)];
        assert_eq!(grants(&held, &Names::default()), "project.admin on all projects");
        assert_eq!(grants(&held[..1], &Names::default()), format!("project.admin on {}", ProjectId::from_u128(1)));
    }

    #[test]
    fn a_table_has_straight_columns_and_no_spaces_at_line_ends() {
        let rows = [["a", "bb", "c"], ["ddd", "e", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a    bb  c\nddd  e");
    }

    #[test]
    fn a_moment_is_read_to_the_minute_and_the_ends_of_time_are_none() {
        assert_eq!(moment(UnixMillis(1_800_000_000_123)), "2027-01-15 08:00 UTC");
        assert_eq!(moment(UnixMillis::MAX), "–");
    }
}
