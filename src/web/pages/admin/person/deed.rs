//! Something that is done about a person: asked about first where it takes something away, done once, refused in a sentence.

use axum::http::StatusCode;
use axum::response::Response;

use super::held::Names;
use super::{Form, Saying, Tab, called, found, shell, show};
use crate::domain::access::Verdict;
use crate::domain::access::difference::Held;
use crate::domain::change::{Change, Mode, Receipt};
use crate::flows::change_access::{Refusal, change_access_from};
use crate::kernel::id::MembershipId;
use crate::kernel::secret::Digest;
use crate::store::db::{Conn, Result};
use crate::store::orgs;
use crate::store::people_read::{self, Person};
use crate::web::oidc::reply;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::wording;
use crate::web::pages::error;
use crate::web::pages::view::person::ConfirmPage;

/// What is to be done.
pub struct Deed {
    /// The page that it belongs to.
    pub tab: Tab,
    /// The question, should it take something away.
    pub title: String,
    /// What the button of the question says.
    pub button: &'static str,
    /// What the address says when it is done.
    pub done: &'static str,
    /// Whether it is asked about even where nothing is lost.
    pub always_ask: bool,
    /// The changes, which are one.
    pub changes: Vec<Change>,
}

/// A state of somebody's groups and direct roles, as a page carries it: the tag of what it shows.
///
/// # Errors
/// The database's.
pub async fn seen(conn: &mut Conn, member: &MembershipId) -> Result<String> {
    let one = std::slice::from_ref(member);
    let groups = people_read::groups_of(conn, one).await?.remove(member).unwrap_or_default();
    let direct = people_read::direct_of(conn, one).await?;
    let mut text = String::new();
    for group in groups {
        text.push_str(group.id.as_str());
        text.push(' ');
    }
    for binding in direct {
        text.push_str(binding.id.as_str());
        text.push(' ');
    }
    Ok(Digest::of(text.as_bytes()).base64url())
}

/// Does it, or asks whether to: what takes nothing away is done at once. The form says from which state it was decided
/// (`seen`), and whether the question was answered (`confirmed`).
pub async fn go(desk: &Desk, form: &Form, person: &Person, deed: &Deed) -> Response {
    if !form.has("confirmed") {
        match send(desk, form, person, &deed.changes, Mode::DryRun).await {
            Ok(receipt) if deed.always_ask || takes(&receipt) => return ask(desk, form, person, deed, &receipt).await,
            Ok(_) => {}
            Err(why) => {
                desk.note_denial(&why).await;
                return refused(desk, form, person, deed, why).await;
            }
        }
    }
    match send(desk, form, person, &deed.changes, Mode::Act).await {
        Ok(_) => {
            let page = format!("{}?done={}", after(deed.tab).path(&person.member), deed.done);
            desk.answer(reply::see_other(&desk.path(&page)))
        }
        Err(why) => refused(desk, form, person, deed, why).await,
    }
}

/// Where one stands after something was done on a page.
const fn after(tab: Tab) -> Tab {
    match tab {
        Tab::Groups => Tab::Roles,
        other => other,
    }
}

/// Whether anybody loses anything by it.
fn takes(receipt: &Receipt) -> bool {
    let ended = &receipt.ended;
    ended.sessions + ended.token_families + ended.access_keys > 0
        || receipt.members.iter().any(|member| !member.lost.is_empty() || member.verdict != Verdict::Keep)
}

/// Through the door. Where the form says what was seen, only from that state: the door refuses when anything in the
/// organisation was edited between the reading and its lock, and then it is read anew.
async fn send(
    desk: &Desk,
    form: &Form,
    person: &Person,
    changes: &[Change],
    mode: Mode,
) -> std::result::Result<Receipt, Refusal> {
    const TRIES: usize = 20;
    if !form.has("seen") {
        return change_access_from(&desk.app, &desk.actor, &desk.origin, changes.to_vec(), mode).await;
    }
    for _ in 0..TRIES {
        let mut conn = desk.app.db.read().await?;
        // The version is read first: whatever is read after it and was edited meanwhile is found out under the lock.
        let version = orgs::access_version(&mut conn, &desk.org).await?.unwrap_or_default();
        let now = seen(&mut conn, &person.member).await?;
        drop(conn);
        if now != form.sent("seen") {
            return Err(Refusal::Stale);
        }
        let mut all = vec![Change::ExpectVersion { org: desk.org.clone(), version }];
        all.extend_from_slice(changes);
        match change_access_from(&desk.app, &desk.actor, &desk.origin, all, mode).await {
            Err(Refusal::Stale) => {}
            outcome => return outcome,
        }
    }
    Err(Refusal::Stale)
}

/// The question, with what the dry run says.
async fn ask(desk: &Desk, form: &Form, person: &Person, deed: &Deed, receipt: &Receipt) -> Response {
    let names = match names(desk).await {
        Ok(names) => names,
        Err(fault) => return desk.failed(fault),
    };
    let own = receipt.members.iter().filter(|member| member.member == person.member);
    let line = |held: &Held| names.line(&held.role, &held.scope);
    let lost = own.clone().flat_map(|member| &member.lost).map(line).collect();
    let gained = own.flat_map(|member| &member.gained).map(line).collect();
    let kept = ["csrf", "confirmed"];
    let fields = form.pairs().filter(|(name, _)| !kept.contains(name));
    let view = ConfirmPage {
        shell: shell(desk),
        title: deed.title.clone(),
        impact: impact(called(person), receipt),
        lost,
        gained,
        action: desk.path(&deed.tab.path(&person.member)),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        button: deed.button,
    };
    desk.show(StatusCode::OK, &view)
}

async fn names(desk: &Desk) -> Result<Names> {
    let mut conn = desk.app.db.read().await?;
    Names::read(&mut conn, desk).await
}

/// What ends, in a sentence.
fn impact(name: &str, receipt: &Receipt) -> String {
    let ended = &receipt.ended;
    let all = [
        (ended.sessions, "session", "sessions"),
        (ended.token_families, "application's tokens", "applications' tokens"),
        (ended.access_keys, "access key", "access keys"),
    ];
    let some = all.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> =
        some.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many })).collect();
    match parts.as_slice() {
        [] => format!("No session of {name} ends."),
        [one] => format!("{one} of {name} {}.", if one.starts_with("1 ") { "ends" } else { "end" }),
        [first @ .., last] => format!("{} and {last} of {name} end.", first.join(", ")),
    }
}

/// The page again, with why it wasn't done.
async fn refused(desk: &Desk, form: &Form, person: &Person, deed: &Deed, why: Refusal) -> Response {
    let name = called(person);
    let (status, alert) = match why {
        Refusal::Stale => {
            let text = format!("What {name} holds was changed meanwhile. This is how it stands now: decide anew.");
            return show(desk, deed.tab, Saying { status: StatusCode::CONFLICT, alert: text, form: None }).await;
        }
        Refusal::Store(fault) => return desk.failed(fault),
        Refusal::Denied { needs, .. } => (StatusCode::FORBIDDEN, format!("You can't do this: it needs {needs}.")),
        Refusal::ManagedByIdp { connection } => {
            let text = format!(
                "{name} or one of the groups is managed by {connection}, so this can't be changed here. Change it there."
            );
            (StatusCode::CONFLICT, text)
        }
        Refusal::Invalid { reason, .. } => (StatusCode::BAD_REQUEST, wording::sentence(&reason)),
        Refusal::NotFound(what) => {
            let text = format!("{what} was not found. It may have been removed meanwhile; choose again.");
            (StatusCode::CONFLICT, wording::sentence(&text))
        }
        other => (StatusCode::CONFLICT, wording::sentence(&other.to_string())),
    };
    show(desk, deed.tab, Saying { status, alert, form: Some(form) }).await
}

/// What was posted can't be done as it stands: the page again, with what to mend.
pub async fn wrong(desk: &Desk, form: &Form, tab: Tab, text: &str) -> Response {
    let saying = Saying { status: StatusCode::BAD_REQUEST, alert: wording::sentence(text), form: Some(form) };
    show(desk, tab, saying).await
}

/// The person whom a form is about.
///
/// # Errors
/// The page that says that there is nobody, or that something isn't working.
pub async fn whom(desk: &Desk) -> std::result::Result<Person, Response> {
    match read(desk).await {
        Ok(Some(person)) => Ok(person),
        Ok(None) => Err(desk.answer(error::not_found().await)),
        Err(fault) => Err(desk.failed(fault)),
    }
}

async fn read(desk: &Desk) -> Result<Option<Person>> {
    let mut conn = desk.app.db.read().await?;
    found(&mut conn, desk).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Ended;
    use crate::kernel::id::ChangeId;
    use crate::kernel::time::UnixMillis;

    fn receipt(sessions: u64, token_families: u64, access_keys: u64) -> Receipt {
        Receipt {
            id: ChangeId::from_u128(1),
            at: UnixMillis(0),
            actor: String::new(),
            dry_run: true,
            acts: Vec::new(),
            members: Vec::new(),
            ended: Ended { sessions, access_keys, token_families },
            told: Vec::new(),
        }
    }

    #[test]
    fn what_ends_is_said_in_one_sentence() {
        let said = |sessions, families, keys| impact("Ana", &receipt(sessions, families, keys));
        assert_eq!(said(0, 0, 0), "No session of Ana ends.");
        assert_eq!(said(1, 0, 0), "1 session of Ana ends.");
        assert_eq!(said(3, 0, 0), "3 sessions of Ana end.");
        assert_eq!(said(2, 1, 1), "2 sessions, 1 application's tokens and 1 access key of Ana end.");
        assert!(takes(&receipt(0, 0, 1)) && !takes(&receipt(0, 0, 0)));
    }
}
