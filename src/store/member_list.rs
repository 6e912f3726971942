//! What lists of people are ordered and searched by: folded user names and terms, kept beside each membership.

use std::collections::BTreeSet;

use super::db::{Conn, Result, Tx};
use super::users::User;
use crate::kernel::fold;
use crate::kernel::id::{MembershipId, OrgId};

/// A term is searched by no more than so many bytes of its beginning.
const LONGEST: usize = 64;

/// The folded beginnings that a person is found by: user name, each word of the name, e-mail address and its local
/// part, and phone number.
fn terms(user: &User) -> BTreeSet<Vec<u8>> {
    let mut terms: BTreeSet<String> = BTreeSet::new();
    terms.insert(fold::key(&user.user_name));
    terms.insert(fold::key(&user.name));
    terms.extend(user.name.split_whitespace().map(fold::key));
    terms.extend(user.profile.email.as_deref().map(fold::key));
    terms.extend(user.profile.phone_number.as_deref().map(fold::key));
    terms.into_iter().filter(|term| !term.is_empty()).map(|term| prefix(&term)).collect()
}

fn prefix(term: &str) -> Vec<u8> {
    let mut bytes = term.as_bytes().to_vec();
    bytes.truncate(LONGEST);
    bytes
}

/// Writes a membership's place in the list.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, org: &OrgId, member: &MembershipId, user: &User) -> Result<()> {
    tx.query("UPDATE memberships SET user_key = $2 WHERE id = $1")
        .bind(member.as_str().to_owned())
        .bind(fold::key(&user.user_name))
        .execute()
        .await?;
    tx.query("DELETE FROM member_terms WHERE membership_id = $1").bind(member.as_str().to_owned()).execute().await?;
    for term in terms(user) {
        tx.query("INSERT INTO member_terms (org_id, term, membership_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(org.as_str().to_owned())
            .bind(term)
            .bind(member.as_str().to_owned())
            .execute()
            .await?;
    }
    Ok(())
}

/// The bounds of a search: every term that begins so lies in `[from, to)`.
#[must_use]
pub fn bounds(search: &str) -> (Vec<u8>, Vec<u8>) {
    let from = prefix(&fold::key(search));
    let mut to = from.clone();
    to.push(0xff); // no UTF-8 text has this byte
    (from, to)
}

/// Whether the lists were written by a Muster that kept no terms: `run` of the migrations fills them then.
///
/// # Errors
/// The database's.
pub async fn is_missing(conn: &mut Conn) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT m.id FROM memberships m WHERE NOT EXISTS (SELECT 1 FROM member_terms t WHERE t.membership_id = m.id) LIMIT 1")
        .optional()
        .await?;
    Ok(row.is_some())
}
