//! What an act would do to people, from the door's own dry run: who loses what, who keeps it through something else, and
//! how much ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::access::{Binding, Subject, Verdict};
use crate::domain::change::{Ended, MemberReceipt, Receipt};
use crate::kernel::id::{BindingId, GroupId, MembershipId};
use crate::store::db::{Conn, Result};
use crate::store::orgs::{self, Project};
use crate::store::{groups, memberships};
use crate::web::pages::admin::access::role_line;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::view::admin::Badge;
use crate::web::pages::view::groups::{Impact, ImpactRow};

/// So many people are shown.
pub const MOST: usize = 100;

/// What is needed to say what somebody keeps.
struct Books {
    groups: BTreeMap<GroupId, String>,
    projects: Vec<Project>,
    taken: BTreeSet<BindingId>,
}

/// The people of a receipt, and these besides, for whom nothing changes but that the bindings of `taken` are gone.
///
/// # Errors
/// The database's.
pub async fn work_out(
    conn: &mut Conn,
    desk: &Desk,
    receipt: &Receipt,
    taken: &[Binding],
    people: Vec<(MembershipId, String)>,
) -> Result<Impact> {
    let books = Books {
        groups: groups::of_org(conn, &desk.org).await?.into_iter().map(|group| (group.id, group.name)).collect(),
        projects: orgs::projects(conn, &desk.org).await?,
        taken: taken.iter().map(|binding| binding.id.clone()).collect(),
    };
    let known: BTreeSet<&MembershipId> = receipt.members.iter().map(|one| &one.member).collect();
    let others: Vec<(MembershipId, String)> = people.into_iter().filter(|(id, _)| !known.contains(id)).collect();
    let all = receipt.members.len() + others.len();
    let mut rows = Vec::new();
    for one in receipt.members.iter().take(MOST) {
        rows.push(ImpactRow {
            member: one.member.to_string(),
            user_name: one.user_name.clone(),
            lost: lost(one, &books.projects),
            kept: kept(conn, desk, &books, &one.member, taken).await?,
            badge: badge(one.verdict),
        });
    }
    for (member, user_name) in others.into_iter().take(MOST - rows.len()) {
        let kept = kept(conn, desk, &books, &member, taken).await?;
        rows.push(ImpactRow {
            member: member.into_string(),
            user_name,
            lost: Vec::new(),
            kept,
            badge: badge(Verdict::Keep),
        });
    }
    let losing = receipt.members.iter().filter(|one| !one.lost.is_empty()).count();
    Ok(Impact { more: all - rows.len(), rows, summary: summary(losing, &receipt.ended) })
}

fn lost(one: &MemberReceipt, projects: &[Project]) -> Vec<String> {
    one.lost.iter().filter_map(|held| role_line(&held.role, &held.scope, projects)).collect()
}

/// What else gives somebody the same roles on the same scopes.
async fn kept(
    conn: &mut Conn,
    desk: &Desk,
    books: &Books,
    member: &MembershipId,
    taken: &[Binding],
) -> Result<Vec<String>> {
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let now = desk.app.now();
    let reaching = memberships::bindings_reaching(conn, member).await?;
    let mut lines = BTreeSet::new();
    for other in reaching.iter().filter(|one| !books.taken.contains(&one.id) && one.window.contains(now)) {
        if !taken.iter().any(|one| one.role == other.role && one.scope == other.scope) {
            continue;
        }
        let Some(title) = role_line(&other.role, &other.scope, &books.projects) else { continue };
        lines.insert(match &other.subject {
            Subject::Member(_) => format!("{title}, given directly"),
            Subject::Group(id) => match books.groups.get(id) {
                Some(name) => format!("{title}, through {name}"),
                None => title,
            },
        });
    }
    Ok(lines.into_iter().collect())
}

/// What ends for somebody, in words.
const fn badge(verdict: Verdict) -> Badge {
    match verdict {
        Verdict::Keep => Badge { word: "Stays signed in", class: "good" },
        Verdict::Narrow => Badge { word: "Needs a new token", class: "wait" },
        Verdict::End => Badge { word: "Sessions end", class: "off" },
    }
}

/// How much ends, in one sentence.
fn summary(losing: usize, ended: &Ended) -> String {
    let counted = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let who = match losing {
        0 => "Nobody loses a role".to_owned(),
        1 => "1 person loses a role".to_owned(),
        count => format!("{count} people lose a role"),
    };
    let sessions = counted(ended.sessions, "session ends", "sessions end");
    let tokens = counted(ended.token_families, "chain of tokens ends", "chains of tokens end");
    let keys = counted(ended.access_keys, "access key ends", "access keys end");
    format!("{who}. {sessions}, {tokens}, {keys}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_ends_is_said_in_one_sentence() {
        let ended = Ended { sessions: 1, access_keys: 0, token_families: 2 };
        assert_eq!(
            summary(1, &ended),
            "1 person loses a role. 1 session ends, 2 chains of tokens end, 0 access keys end."
        );
        assert!(summary(0, &ended).starts_with("Nobody loses") && summary(2, &ended).starts_with("2 people"));
    }
}
