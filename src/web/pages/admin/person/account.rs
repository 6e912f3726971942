//! The tab "Account": the profile, how the account stands and is guarded, and the link for a first password.

use axum::response::Response;

use super::deed::{Deed, go, whom, wrong};
use super::{Desk, Form, Frame, Tab, called, is_own, shell};
use crate::domain::change::Change;
use crate::domain::people::lockout::{Counter, FOREVER};
use crate::domain::people::user::{AccessType, Kind, UserState};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Result};
use crate::store::people_read::Person;
use crate::store::{factors, federation, users};
use crate::web::pages::admin::people;
use crate::web::pages::me::date;
use crate::web::pages::view::person::{AccountPage, Fact, Guarded};

/// Reads the tab.
///
/// # Errors
/// The database's.
pub async fn read(conn: &mut Conn, desk: &Desk, person: &Person, frame: Frame) -> Result<AccountPage> {
    let waits = person.user_state == UserState::Pending && person.access_type == AccessType::Password;
    let is_kept_here = person.source.connection().is_none();
    let mail = if waits { people::mail(conn, &person.user, desk.app.now()).await? } else { None };
    let break_glass = federation::is_marked_break_glass(conn, &person.member).await?;
    Ok(AccountPage {
        shell: shell(desk),
        profile: profile(person),
        facts: facts(person, break_glass),
        may_send: waits && is_kept_here && person.profile.email.is_some() && desk.may("users.invite"),
        mail,
        guarded: guarded(conn, desk, person).await?,
        frame,
    })
}

/// How an account is guarded that somebody signs in with here, through whatever connection: the factors are the person's.
async fn guarded(conn: &mut Conn, desk: &Desk, person: &Person) -> Result<Option<Guarded>> {
    let signs_in = person.access_type == AccessType::Password;
    let Some(found) = users::candidate(conn, &person.user).await?.filter(|_| signs_in) else {
        return Ok(None);
    };
    let held = factors::held(conn, &person.user).await?;
    let (counter, now) = (found.counter, desk.app.now());
    let kinds: Vec<&str> = held.kinds.iter().map(|kind| wording(kind.as_str())).collect();
    let kinds = if kinds.is_empty() { "None".to_owned() } else { kinds.join(", ") };
    let mut facts = vec![Fact { name: "Second factors", value: kinds }];
    if held.any() {
        facts.push(Fact { name: "Recovery codes left", value: held.recovery_left.to_string() });
    }
    facts.push(Fact { name: "Lock", value: lock(&counter, now) });
    let may = desk.may("users.write") && matches!(person.kind, Kind::Managed(_)) && !is_own(desk, person);
    Ok(Some(Guarded {
        facts,
        may_unlock: may && (counter.locked(now) || counter.in_a_row > 0),
        may_reset: may && held.any(),
    }))
}

fn wording(kind: &str) -> &'static str {
    match kind {
        "totp" => "Authenticator app",
        "passkey" => "Passkey",
        "email" => "Codes by e-mail",
        "sms" => "Codes by text message",
        _ => "Another kind",
    }
}

fn lock(counter: &Counter, now: UnixMillis) -> String {
    match (counter.locked(now), counter.in_a_row) {
        (true, _) if counter.locked_until == FOREVER => {
            "Locked until a new password is set, or you unlock it".to_owned()
        }
        (true, _) => format!("Locked until {}", date(counter.locked_until)),
        (false, 0) => "Not locked".to_owned(),
        (false, 1) => "Not locked; 1 failure since the last sign-in".to_owned(),
        (false, failures) => format!("Not locked; {failures} failures since the last sign-in"),
    }
}

/// Lifts the lock, or takes the second factors away.
pub async fn act(desk: &Desk, form: &Form) -> Response {
    let person = match whom(desk).await {
        Ok(person) => person,
        Err(page) => return page,
    };
    let (user, name) = (person.user.clone(), called(&person).to_owned());
    let (title, button, done, always_ask, change) = match form.sent("act") {
        "unlock" => (format!("Unlock {name}?"), "Unlock", "unlocked", false, Change::Unlock { user }),
        "reset-factors" => {
            let title = format!("Take every second factor away from {name}?");
            (title, "Reset second factors", "factors-reset", true, Change::ResetFactors { user })
        }
        _ => return wrong(desk, form, Tab::Account, "Choose what to do").await,
    };
    let deed = Deed { tab: Tab::Account, title, button, done, always_ask, changes: vec![change] };
    go(desk, form, &person, &deed).await
}

fn profile(person: &Person) -> Vec<Fact> {
    let given = |text: Option<&str>| text.unwrap_or("Not given").to_owned();
    let of = &person.profile;
    let name = if person.name.is_empty() { "Not given" } else { person.name.as_str() };
    [
        ("Username", person.user_name.clone()),
        ("Name", name.to_owned()),
        ("First name", given(of.given_name.as_deref())),
        ("Last name", given(of.family_name.as_deref())),
        ("E-mail", given(of.email.as_deref())),
        ("Phone", given(of.phone_number.as_deref())),
    ]
    .map(|(name, value)| Fact { name, value })
    .into()
}

fn facts(person: &Person, break_glass: bool) -> Vec<Fact> {
    let use_of = match person.access_type {
        AccessType::Password => "By people",
        AccessType::Key => "By tools, with access keys alone",
    };
    let mut facts = vec![
        Fact { name: "Source", value: people::source(&person.kind, &person.source).to_owned() },
        Fact { name: "Use", value: use_of.to_owned() },
        Fact { name: "Member since", value: date(person.created_at) },
        Fact { name: "Last sign-in", value: person.last_sign_in_at.map_or_else(|| "Never".to_owned(), date) },
        Fact { name: "User ID", value: person.user.to_string() },
    ];
    if person.owner {
        facts.push(Fact { name: "Owner", value: "Owns this organisation".to_owned() });
    }
    if break_glass {
        facts.push(Fact { name: "Emergency", value: "May sign in with a password whatever is enforced".to_owned() });
    }
    facts
}
