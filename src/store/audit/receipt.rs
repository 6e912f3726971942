//! Receipts as they are kept: members to whom the same happened stand together, with what happened said once. A change
//! that touches a hundred thousand members writes a few megabytes then, not a few dozen.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::access::Verdict;
use crate::domain::access::difference::Held;
use crate::domain::change::{Ended, MemberReceipt, Receipt, Told};
use crate::kernel::id::{ChangeId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Result, Tx, corrupt};

/// What happened, and to whom: memberships with their accounts and user names.
#[derive(Serialize, Deserialize)]
struct Case {
    org: OrgId,
    lost: Vec<Held>,
    gained: Vec<Held>,
    verdict: Verdict,
    members: Vec<(MembershipId, UserId, String)>,
}

/// What tells one case from another.
type Key<'a> = (&'a OrgId, &'a [Held], &'a [Held], Verdict);

/// The text of a row.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: ChangeId,
    at: UnixMillis,
    actor: String,
    dry_run: bool,
    acts: Vec<String>,
    #[serde(default)]
    cases: Vec<Case>,
    /// Members one by one, as rows before this form have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<MemberReceipt>,
    ended: Ended,
    told: Vec<Told>,
}

impl Kept {
    fn of(receipt: &Receipt) -> Self {
        let mut cases: Vec<Case> = Vec::new();
        let mut places: HashMap<Key<'_>, usize> = HashMap::new();
        for member in &receipt.members {
            let MemberReceipt { org, member, user, user_name, lost, gained, verdict } = member;
            let place = *places.entry((org, lost, gained, *verdict)).or_insert_with(|| {
                let (org, lost, gained) = (org.clone(), lost.clone(), gained.clone());
                cases.push(Case { org, lost, gained, verdict: *verdict, members: Vec::new() });
                cases.len() - 1
            });
            cases[place].members.push((member.clone(), user.clone(), user_name.clone()));
        }
        Self {
            id: receipt.id.clone(),
            at: receipt.at,
            actor: receipt.actor.clone(),
            dry_run: receipt.dry_run,
            acts: receipt.acts.clone(),
            cases,
            members: Vec::new(),
            ended: receipt.ended,
            told: receipt.told.clone(),
        }
    }

    fn receipt(self) -> Receipt {
        let Self { id, at, actor, dry_run, acts, cases, mut members, ended, told } = self;
        for Case { org, lost, gained, verdict, members: of } in cases {
            members.extend(of.into_iter().map(|(member, user, user_name)| {
                let (org, lost, gained) = (org.clone(), lost.clone(), gained.clone());
                MemberReceipt { org, member, user, user_name, lost, gained, verdict }
            }));
        }
        members.sort_by(|a, b| a.member.cmp(&b.member));
        Receipt { id, at, actor, dry_run, acts, members, ended, told }
    }
}

/// Keeps a receipt, and notes which organisations it concerns.
///
/// # Errors
/// The database's.
pub async fn keep_receipt(tx: &mut Tx, receipt: &Receipt, orgs: &[OrgId]) -> Result<()> {
    tx.query("INSERT INTO changes (id, actor, summary, receipt, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(receipt.id.as_str().to_owned())
        .bind(receipt.actor.clone())
        .bind(receipt.acts.join("; "))
        .bind(serde_json::to_string(&Kept::of(receipt)).map_err(|e| corrupt(&e.to_string()))?)
        .bind(receipt.at.0)
        .execute()
        .await?;
    for org in orgs {
        tx.query("INSERT INTO change_orgs (change_id, org_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(receipt.id.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .execute()
            .await?;
    }
    Ok(())
}

/// A change's receipt.
///
/// # Errors
/// The database's.
pub async fn receipt(conn: &mut Conn, id: &ChangeId) -> Result<Option<Receipt>> {
    let row: Option<(String,)> =
        conn.query("SELECT receipt FROM changes WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    let read = |(text,): (String,)| serde_json::from_str(&text).map(Kept::receipt).map_err(|e| corrupt(&e.to_string()));
    row.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{Role, Scope};

    fn member(number: u128, verdict: Verdict, roles: &[Role]) -> MemberReceipt {
        MemberReceipt {
            org: OrgId::from_u128(1),
            member: MembershipId::from_u128(number),
            user: UserId::from_u128(number),
            user_name: format!("person-{number}"),
            lost: roles.iter().map(|role| Held { role: role.clone(), scope: Scope::Org }).collect(),
            gained: Vec::new(),
            verdict,
        }
    }

    fn receipt_of(members: Vec<MemberReceipt>) -> Receipt {
        Receipt {
            id: ChangeId::from_u128(1),
            at: UnixMillis(1),
            actor: "user:usr_1".to_owned(),
            dry_run: false,
            acts: vec!["delete group".to_owned()],
            members,
            ended: Ended { sessions: 2, access_keys: 0, token_families: 1 },
            told: vec![Told { client_id: "shop".to_owned(), logout_tokens: 2, security_events: 1 }],
        }
    }

    #[test]
    fn a_receipt_reads_back_as_it_was_and_says_the_same_loss_once() {
        let all = receipt_of(vec![
            member(1, Verdict::End, &[Role::OrgReader]),
            member(2, Verdict::Keep, &[]),
            member(3, Verdict::End, &[Role::OrgReader]),
        ]);
        let text = serde_json::to_string(&Kept::of(&all)).unwrap();
        assert_eq!(text.matches("org.reader").count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap().receipt(), all);
    }

    #[test]
    fn a_row_of_the_form_before_is_still_read() {
        let all = receipt_of(vec![member(1, Verdict::Narrow, &[Role::OrgAdmin])]);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap().receipt(), all);
    }
}
