//! What lists of people are ordered and searched by: folded user names and terms, kept beside each membership; and the
//! pages of such a list.
//!
//! # Why
//! A page is read in two steps, first its keys from one index, then the rows by their ids. So neither database has a
//! plan to choose: a page costs the same among a thousand members and among a million, whatever is searched for.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Cells, Conn, Database, LIST, Record, Result, Tx};
use super::instance;
use super::users::{self, User};
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// A term is searched by no more than so many bytes of its beginning.
const LONGEST: usize = 64;
/// The fact that says that members from before have their places.
const FILLED: &str = "member_terms";
/// So many members get their places in one transaction.
const FILL: i64 = 500;
/// The most rows of one page.
pub const LARGEST_PAGE: usize = 500;

/// The folded beginnings that a person is found by: user name, the name and each of its words, e-mail address, and
/// phone number.
fn terms(user: &User) -> BTreeSet<Vec<u8>> {
    let mut terms: BTreeSet<String> = BTreeSet::new();
    terms.insert(fold::key(&user.user_name));
    terms.insert(fold::key(&user.name));
    terms.extend(user.name.split_whitespace().map(fold::key));
    terms.extend(user.profile.email.as_deref().map(fold::key));
    terms.extend(user.profile.phone_number.as_deref().map(fold::phone_key));
    terms.into_iter().filter(|term| !term.is_empty()).map(|term| prefix(&term).into_bytes()).collect()
}

/// The beginning that counts, whole characters only.
fn prefix(term: &str) -> String {
    term[..term.floor_char_boundary(LONGEST)].to_owned()
}

/// Writes a membership's place in the list. A service account has a place, and is found by no search for people.
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
    if user.kind.project().is_some() {
        return Ok(());
    }
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

/// What is searched for, as terms are kept.
fn folded(search: &str) -> String {
    prefix(&if fold::looks_like_phone(search) { fold::phone_key(search) } else { fold::key(search) })
}

/// The bounds of a search: every term that begins so lies in `[from, to)`.
#[must_use]
pub fn bounds(search: &str) -> (Vec<u8>, Vec<u8>) {
    let from = folded(search).into_bytes();
    let mut to = from.clone();
    to.push(0xff); // no UTF-8 text has this byte
    (from, to)
}

/// Which page is wanted.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// How a user name, a word of a name, an address or a number begins; `None` or blank is everybody.
    pub search: Option<&'a str>,
    /// The `cursor` of the last row of the page before, of the same search.
    pub after: Option<(String, MembershipId)>,
    /// How many rows at most, up to [`LARGEST_PAGE`].
    pub limit: usize,
    /// Whether service accounts are left out. A search finds people only.
    pub people_only: bool,
}

/// A member as lists show it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The membership.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// User name as typed.
    pub user_name: String,
    /// What people see.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Whose account it is.
    pub kind: Kind,
    /// The account's state.
    pub user_state: UserState,
    /// The membership's state.
    pub member_state: MembershipState,
    /// Where the account comes from.
    pub source: Source,
    /// How the account is used.
    pub access_type: AccessType,
    /// Sign-in is paused until then.
    pub locked_until: UnixMillis,
    /// When the membership was made.
    pub created_at: UnixMillis,
    /// The last sign-in to this organisation.
    pub last_sign_in_at: Option<UnixMillis>,
    /// Where the next page begins, if this is the last row.
    pub cursor: (String, MembershipId),
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let member = MembershipId::trusted(cells.take()?);
        let user = UserId::trusted(cells.take()?);
        let (user_name, name) = (cells.take()?, cells.take()?);
        let (email, phone) = (cells.take()?, cells.take()?);
        let word: String = cells.take()?;
        let kind = users::kind(&word, cells.take()?, cells.take()?)?;
        Ok(Self {
            cursor: (String::new(), member.clone()),
            member,
            user,
            user_name,
            name,
            email,
            phone,
            kind,
            user_state: cells.parse()?,
            member_state: cells.parse()?,
            source: cells.parse()?,
            access_type: cells.parse()?,
            locked_until: UnixMillis(cells.take()?),
            created_at: UnixMillis(cells.take()?),
            last_sign_in_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// A place in the order of a list.
type Place = (String, MembershipId);

/// A page of the members of an organisation: by user name, or, of a search, by the terms that were found. Deleted
/// accounts are in none.
///
/// # Errors
/// The database's.
pub async fn page(conn: &mut Conn, org: &OrgId, query: &Query<'_>) -> Result<Vec<Listed>> {
    let limit = query.limit.clamp(1, LARGEST_PAGE);
    let search = query.search.map(str::trim).filter(|text| !text.is_empty());
    let mut after = query.after.clone().unwrap_or_else(|| (String::new(), MembershipId::trusted(String::new())));
    let mut listed: Vec<Listed> = Vec::new();
    loop {
        let wanted = limit - listed.len();
        // What is found twice, or is no person, leaves gaps: a few more are read than are wanted.
        let most = (2 * wanted).clamp(16, LIST);
        let places = match search {
            Some(text) => found(conn, org, text, &after, most).await?,
            None => in_order(conn, org, &after, most).await?,
        };
        let Some(last) = places.last().cloned() else {
            return Ok(listed);
        };
        let whole = places.len() < most;
        let first = match search {
            Some(text) => first_hits(conn, text, places).await?,
            None => places,
        };
        listed.extend(rows(conn, first, query.people_only).await?.into_iter().take(wanted));
        if whole || listed.len() == limit {
            return Ok(listed);
        }
        after = last;
    }
}

async fn in_order(conn: &mut Conn, org: &OrgId, after: &Place, most: usize) -> Result<Vec<Place>> {
    let rows: Vec<(String, String)> = conn
        .query(
            "SELECT user_key, id FROM memberships WHERE org_id = $1 AND (user_key, id) > ($2, $3)
             ORDER BY user_key, id LIMIT $4",
        )
        .bind(org.as_str().to_owned())
        .bind(after.0.clone())
        .bind(after.1.as_str().to_owned())
        .bind(count(most))
        .all()
        .await?;
    Ok(rows.into_iter().map(|(key, id)| (key, MembershipId::trusted(id))).collect())
}

async fn found(conn: &mut Conn, org: &OrgId, search: &str, after: &Place, most: usize) -> Result<Vec<Place>> {
    let (from, to) = bounds(search);
    // The beginning of the search, or the place that was reached in it: one lower bound is enough.
    let place = if after.0.as_bytes() < from.as_slice() {
        (from, String::new())
    } else {
        (after.0.clone().into_bytes(), after.1.as_str().to_owned())
    };
    let rows: Vec<(Vec<u8>, String)> = conn
        .query(
            "SELECT term, membership_id FROM member_terms WHERE org_id = $1 AND (term, membership_id) > ($2, $3)
             AND term < $4 ORDER BY term, membership_id LIMIT $5",
        )
        .bind(org.as_str().to_owned())
        .bind(place.0)
        .bind(place.1)
        .bind(to)
        .bind(count(most))
        .all()
        .await?;
    Ok(rows.into_iter().map(|(term, id)| (text(term), MembershipId::trusted(id))).collect())
}

/// Leaves of each member the first term that fits, whatever page it is on: nobody is listed twice.
async fn first_hits(conn: &mut Conn, search: &str, places: Vec<Place>) -> Result<Vec<Place>> {
    let (from, to) = bounds(search);
    let ids: BTreeSet<&str> = places.iter().map(|(_, id)| id.as_str()).collect();
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    let mut first: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, Vec<u8>)> = conn
            .query_in("SELECT membership_id, term FROM member_terms WHERE membership_id IN (@)", chunk)
            .all()
            .await?;
        for (id, term) in rows.into_iter().filter(|(_, term)| *term >= from && *term < to) {
            let least = first.entry(id).or_insert_with(|| term.clone());
            if term < *least {
                *least = term;
            }
        }
    }
    let is_first = |(term, id): &Place| first.get(id.as_str()).is_some_and(|least| *least == term.as_bytes());
    Ok(places.into_iter().filter(is_first).collect())
}

/// The rows at some places, in their order.
async fn rows(conn: &mut Conn, places: Vec<Place>, people_only: bool) -> Result<Vec<Listed>> {
    let ids: Vec<String> = places.iter().map(|(_, id)| id.as_str().to_owned()).collect();
    let mut known: BTreeMap<MembershipId, Listed> = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<Listed> = conn
            .query_in(
                "SELECT m.id, u.id, u.user_name, u.name, u.email, u.phone, u.kind, u.org_id, u.project_id, u.state, m.state,
                   u.source, u.access_type, u.locked_until, m.created_at, m.last_sign_in_at
                 FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.id IN (@)",
                chunk,
            )
            .all()
            .await?;
        known.extend(rows.into_iter().map(|row| (row.member.clone(), row)));
    }
    let shown = |row: &Listed| row.user_state != UserState::Deleted && !(people_only && row.kind.project().is_some());
    let row = |place: Place| known.remove(&place.1).map(|row| Listed { cursor: place, ..row });
    Ok(places.into_iter().filter_map(row).filter(shown).collect())
}

fn text(term: Vec<u8>) -> String {
    String::from_utf8(term).unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned())
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Writes the places of members whom a Muster before this one let in, which kept none. It looks once: a row of the
/// table `instance` says that it was done.
///
/// # Errors
/// The database's.
pub async fn fill(db: &Database) -> Result<()> {
    let mut conn = db.read().await?;
    if instance::get(&mut conn, FILLED).await?.is_some() {
        return Ok(());
    }
    drop(conn);
    let mut after = String::new();
    loop {
        let from = after.clone();
        let last: Option<String> = db
            .write(move |tx| {
                Box::pin(async move {
                    let rows: Vec<(String, String, String)> = tx
                        .query("SELECT id, org_id, user_id FROM memberships WHERE id > $1 ORDER BY id LIMIT $2")
                        .bind(from)
                        .bind(FILL)
                        .all()
                        .await?;
                    let last = rows.last().map(|(id, ..)| id.clone());
                    for (id, org, user) in rows {
                        if let Some(user) = users::find(tx, &UserId::trusted(user)).await? {
                            put(tx, &OrgId::trusted(org), &MembershipId::trusted(id), &user).await?;
                        }
                    }
                    Ok::<_, sqlx::Error>(last)
                })
            })
            .await?;
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    db.write(|tx| Box::pin(async move { instance::set_once(tx, FILLED, "1").await.map(|_| ()) })).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_spans_every_term_that_begins_so_and_none_that_does_not() {
        let (from, to) = bounds(" An");
        let inside = |term: &str| term.as_bytes() >= from.as_slice() && term.as_bytes() < to.as_slice();
        assert!(inside("an") && inside("ana") && inside("anécdota") && inside("an\u{10ffff}"));
        assert!(!inside("a") && !inside("am") && !inside("ao") && !inside("b"));
        assert_eq!(bounds("+82 (10) 12").0, b"+821012");
    }

    #[test]
    fn a_long_term_is_cut_between_characters_and_so_is_what_is_searched() {
        let long = "é".repeat(40);
        assert_eq!(prefix(&long).len(), 64);
        assert_eq!(prefix(&format!("x{long}")).len(), 63);
        assert_eq!(bounds(&format!("X{long}{long}")).0, prefix(&format!("x{long}")).into_bytes());
    }
}
