//! The tab "Account": the profile, how the account stands, and the link for a first password.

use super::{Desk, Frame, shell};
use crate::domain::people::user::{AccessType, UserState};
use crate::store::db::{Conn, Result};
use crate::store::federation;
use crate::store::people_read::Person;
use crate::web::pages::admin::people;
use crate::web::pages::me::date;
use crate::web::pages::view::person::{AccountPage, Fact};

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
        frame,
    })
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
