//! Registering people: accounts that belong to the organisation, one or up to a hundred at once, each with one of three
//! first passwords (`give_password`).
//!
//! Of a list each row is a transaction of its own, and the hashes are made one after another: a list of a hundred takes
//! one place in the pool's queue, as one person does.

use std::collections::BTreeMap;

use super::change_access::{Refusal, change_access_from};
pub use super::give_password::{Credential, NotRegistered, send_link_again};
use super::give_password::{Ready, prepare_new};
use crate::app::App;
use crate::domain::access::{Binding, Subject};
use crate::domain::change::{Actor, Change, Mode, NewUser, Origin, Receipt};
use crate::domain::language::Language;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::domain::people::invitation::{Access, MOST_AT_ONCE};
use crate::domain::people::roster::{self, Entry};
use crate::domain::people::user::{Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{BindingId, GroupId, MembershipId, OrgId, UserId};
use crate::kernel::secret::Secret;
use crate::store::groups::{self, Group};
use crate::store::users::{self, User};

/// Somebody to be registered.
#[derive(Clone, Debug)]
pub struct Person {
    /// User name; it never changes.
    pub user_name: String,
    /// The whole name; may be empty.
    pub name: String,
    /// First name; may be empty.
    pub given_name: String,
    /// Surname; may be empty.
    pub family_name: String,
    /// E-mail address; needed for a link.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// The language of mails to them; the organisation's if none is given.
    pub language: Option<Language>,
    /// The groups and roles that they hold from the beginning.
    pub access: Access,
    /// The first password.
    pub credential: Credential,
    /// Whether a password that is not the person's own choice must be changed at the first sign-in.
    pub must_change: bool,
}

/// What registering somebody takes.
#[derive(Debug)]
pub struct Planned {
    /// The account's id.
    pub user: UserId,
    /// The membership's id.
    pub member: MembershipId,
    /// The changes, in an order that works.
    pub changes: Vec<Change>,
    /// The password that was made, to be shown once.
    pub password: Option<Secret>,
}

/// Somebody who was registered.
#[derive(Debug)]
pub struct Registered {
    /// The account.
    pub user: UserId,
    /// The membership.
    pub member: MembershipId,
    /// The password that was made, to be shown once; none in a dry run.
    pub password: Option<Secret>,
    /// What the change did.
    pub receipt: Receipt,
}

/// A list that is longer than one call takes. Nothing of it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("You can {act} {MOST_AT_ONCE} people at a time. This list has {count}.")]
pub struct TooMany {
    /// `register` or `invite`.
    pub act: &'static str,
    /// How many there are.
    pub count: usize,
}

/// Why a row of a list was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The field; empty where it is none in particular.
    pub field: String,
    /// A sentence for people.
    pub reason: String,
    /// A word for programs.
    pub code: &'static str,
}

/// What became of a row.
#[derive(Debug)]
pub struct RowResult {
    /// Which, as people count.
    pub row: usize,
    /// Whom it is about, as far as it could be read.
    pub label: String,
    /// What became of it.
    pub outcome: Result<Registered, RowFault>,
}

/// What the people of a list have in common.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The groups and roles of everybody.
    pub access: Access,
    /// The kind of the first password.
    pub credential: Credential,
    /// Whether it must be changed at the first sign-in.
    pub must_change: bool,
    /// The language of mails to those of whom the list says none.
    pub language: Option<Language>,
}

/// The people of a pasted text or a CSV file, as rows for [`many`]. Groups are found by name or id.
///
/// # Errors
/// The database's.
pub async fn read_list(
    app: &App,
    org: &OrgId,
    text: &str,
    shared: &Shared,
) -> Result<Vec<(usize, Result<Person, RowFault>)>, sqlx::Error> {
    let entries = roster::read(text);
    if entries.len() > MOST_AT_ONCE {
        // All that [`many`] needs to refuse them is their number.
        let fault = || RowFault { field: String::new(), reason: String::new(), code: "invalid" };
        return Ok(entries.into_iter().map(|(row, _)| (row, Err(fault()))).collect());
    }
    let known = by_name(&groups::of_org(&mut app.db.read().await?, org).await?);
    let person = |entry: Result<Entry, String>| {
        let fault = |field: &str, reason: String| RowFault { field: field.to_owned(), reason, code: "invalid" };
        person_of(entry.map_err(|reason| fault("", reason))?, &known, shared).map_err(|(field, why)| fault(field, why))
    };
    Ok(entries.into_iter().map(|(row, entry)| (row, person(entry))).collect())
}

/// Groups by their ids, and by their names in one spelling.
fn by_name(groups: &[Group]) -> BTreeMap<String, GroupId> {
    let ids = groups.iter().map(|group| (group.id.as_str().to_owned(), group.id.clone()));
    let mut known: BTreeMap<String, GroupId> = ids.collect();
    for group in groups {
        known.entry(fold::key(&group.name)).or_insert_with(|| group.id.clone());
    }
    known
}

fn person_of(
    entry: Entry,
    known: &BTreeMap<String, GroupId>,
    shared: &Shared,
) -> Result<Person, (&'static str, String)> {
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let mut access = shared.access.clone();
    for name in &entry.groups {
        let found = known.get(name).or_else(|| known.get(&fold::key(name)));
        let missing = || ("groups", format!("There is no group \"{name}\"."));
        access.groups.insert(found.ok_or_else(missing)?.clone());
    }
    let language = match filled(entry.language) {
        None => shared.language,
        Some(tag) => {
            let unknown = || ("language", format!("\"{tag}\" is no language that Muster writes: use en or ko."));
            Some(Language::of_tag(&tag).ok_or_else(unknown)?)
        }
    };
    Ok(Person {
        user_name: entry.user_name,
        name: entry.name,
        given_name: entry.given_name,
        family_name: entry.family_name,
        email: filled(entry.email),
        phone: filled(entry.phone),
        language,
        access,
        credential: shared.credential.clone(),
        must_change: shared.must_change,
    })
}

/// The changes that register somebody: the account, its membership with groups and roles, and the mail with the link
/// where the person sets the password.
///
/// # Errors
/// See [`NotRegistered`].
pub async fn plan(app: &App, org: &OrgId, person: &Person) -> Result<Planned, NotRegistered> {
    plan_for(app, org, person, Mode::Act).await
}

/// Registers somebody.
///
/// # Errors
/// See [`NotRegistered`].
pub async fn one(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    person: &Person,
    mode: Mode,
) -> Result<Registered, NotRegistered> {
    let Planned { user, member, changes, password } = plan_for(app, org, person, mode).await?;
    let receipt = change_access_from(app, actor, origin, changes, mode).await?;
    Ok(Registered { user, member, password: password.filter(|_| mode == Mode::Act), receipt })
}

/// Registers the people of a list, each in a transaction of their own: rows that can't be taken are told, the others
/// are carried out. Who stands in it twice is taken once.
///
/// # Errors
/// The list is longer than a hundred; nothing was carried out then.
pub async fn many(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    rows: Vec<(usize, Result<Person, RowFault>)>,
    mode: Mode,
) -> Result<Vec<RowResult>, TooMany> {
    if rows.len() > MOST_AT_ONCE {
        return Err(TooMany { act: "register", count: rows.len() });
    }
    // A list whose answer was lost may be sent again: who is there by then is told as such.
    let origin = Origin { repeatable: None, ..origin.clone() };
    let (mut seen, mut results) = (BTreeMap::new(), Vec::with_capacity(rows.len()));
    for (row, person) in rows {
        let (label, outcome) = match person {
            Err(fault) => (String::new(), Err(fault)),
            Ok(person) => {
                let outcome = match twice(&mut seen, row, &person) {
                    Some(fault) => Err(fault),
                    None => match one(app, actor, &origin, org, &person, mode).await {
                        Ok(registered) => Ok(registered),
                        Err(why) => Err(fault(app, org, &person, why).await),
                    },
                };
                (label(&person), outcome)
            }
        };
        results.push(RowResult { row, label, outcome });
    }
    Ok(results)
}

/// Whom a row is about.
fn label(person: &Person) -> String {
    match &person.email {
        Some(email) => email.clone(),
        None => person.user_name.clone(),
    }
}

/// What identifies somebody, field by field.
fn identifiers(person: &Person) -> Vec<(&'static str, String)> {
    let all =
        [("user_name", Some(&person.user_name)), ("email", person.email.as_ref()), ("phone", person.phone.as_ref())];
    all.into_iter().filter_map(|(field, text)| Some((field, identifier::key(text?)))).collect()
}

/// Whether a row before has one of these identifiers; if none has, they are noted.
fn twice(seen: &mut BTreeMap<String, usize>, row: usize, person: &Person) -> Option<RowFault> {
    let identifiers = identifiers(person);
    for (field, key) in &identifiers {
        if let Some(before) = seen.get(key) {
            let reason = format!("Row {before} has this already.");
            return Some(RowFault { field: (*field).to_owned(), reason, code: "conflict" });
        }
    }
    seen.extend(identifiers.into_iter().map(|(_, key)| (key, row)));
    None
}

/// Why a row was not taken, with the field that is meant.
async fn fault(app: &App, org: &OrgId, person: &Person, why: NotRegistered) -> RowFault {
    let (field, reason, code) = match why {
        NotRegistered::Invalid { field, reason } => (field, reason, "invalid"),
        NotRegistered::Short(found) => {
            let ways: Vec<String> = found.iter().map(ToString::to_string).collect();
            ("password".to_owned(), ways.join(" "), "invalid")
        }
        NotRegistered::Busy(_) => (String::new(), "Too many passwords wait; try this one again.".to_owned(), "busy"),
        NotRegistered::Refused(refusal) => match refusal {
            Refusal::Invalid { field, reason } => (field.to_owned(), reason, "invalid"),
            Refusal::Conflict(reason) => {
                let field = taken(app, org, person).await.unwrap_or_default();
                (field.to_owned(), format!("{reason}."), "conflict")
            }
            other => {
                let code = other.code();
                (String::new(), format!("{other}."), code)
            }
        },
    };
    RowFault { field, reason, code }
}

/// The field whose text identifies somebody else of the organisation.
async fn taken(app: &App, org: &OrgId, person: &Person) -> Option<&'static str> {
    let mut conn = app.db.read().await.ok()?;
    for (field, key) in identifiers(person) {
        if users::by_identifier(&mut conn, org.as_str(), &key).await.ok()?.is_some() {
            return Some(field);
        }
    }
    None
}

async fn plan_for(app: &App, org: &OrgId, person: &Person, mode: Mode) -> Result<Planned, NotRegistered> {
    check(person)?;
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let account = account(app, org, &user, person);
    let (ready, password) = prepare_new(app, &account, &person.credential, mode).await?;
    let mut changes = Vec::new();
    let (hash, must_change, state, link) = match ready {
        Ready::Password(hash) => (Some(hash), person.must_change, UserState::Active, None),
        Ready::Link(link) => (None, false, UserState::Pending, Some(link)),
        Ready::Nothing => (None, false, UserState::Pending, None),
    };
    let User { kind, user_name, profile, source, .. } = account;
    changes.push(Change::CreateUser(Box::new(NewUser {
        id: user.clone(),
        kind,
        user_name,
        profile,
        state,
        source,
        password: hash,
        must_change,
    })));
    let (of, state, source) = (user.clone(), MembershipState::Active, Source::Local);
    changes.push(Change::AddMember { org: org.clone(), member: member.clone(), user: of, state, source });
    // The link before the roles: whoever may register somebody may send it, whatever the person is given besides.
    changes.extend(link.map(|link| Change::SendLink { user: user.clone(), link }));
    if !person.access.groups.is_empty() {
        let groups = person.access.groups.clone();
        changes.push(Change::SetGroupsOf { org: org.clone(), member: member.clone(), groups });
    }
    for offered in &person.access.roles {
        let (role, scope, window) = (offered.role.clone(), offered.scope.clone(), offered.window);
        let subject = Subject::Member(member.clone());
        let binding = Binding { id: BindingId::fresh(), role, scope, subject, window };
        changes.push(Change::Bind { org: org.clone(), binding });
    }
    Ok(Planned { user, member, changes, password })
}

fn invalid(field: &str, reason: impl Into<String>) -> NotRegistered {
    NotRegistered::Invalid { field: field.to_owned(), reason: reason.into() }
}

/// What can be said without asking anybody.
fn check(person: &Person) -> Result<(), NotRegistered> {
    identifier::check_user_name(&person.user_name).map_err(|reason| invalid("user_name", reason))?;
    if let Some(email) = &person.email {
        identifier::check_email(email).map_err(|reason| invalid("email", reason))?;
    }
    if let Some(phone) = &person.phone {
        identifier::check_phone(phone).map_err(|reason| invalid("phone", reason))?;
    }
    Ok(())
}

/// The account as it will be.
fn account(app: &App, org: &OrgId, id: &UserId, person: &Person) -> User {
    let filled = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (given_name, family_name) = (filled(&person.given_name), filled(&person.family_name));
    let whole = || {
        let parts: Vec<&str> = [&given_name, &family_name].into_iter().flatten().map(String::as_str).collect();
        Some(parts.join(" ")).filter(|name| !name.is_empty())
    };
    let profile = Profile {
        name: filled(&person.name).or_else(whole),
        given_name: given_name.clone(),
        family_name: family_name.clone(),
        preferred_username: Some(person.user_name.clone()),
        email: person.email.clone(),
        phone_number: person.phone.clone(),
        locale: person.language.map(|language| language.as_str().to_owned()),
        updated_at: app.now().seconds(),
        ..Profile::default()
    };
    User {
        id: id.clone(),
        kind: Kind::Managed(org.clone()),
        user_name: person.user_name.clone(),
        name: profile.name.clone().unwrap_or_else(|| person.user_name.clone()),
        profile,
        state: UserState::Pending,
        source: Source::Local,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(user_name: &str, email: Option<&str>) -> Person {
        Person {
            user_name: user_name.to_owned(),
            name: String::new(),
            given_name: String::new(),
            family_name: String::new(),
            email: email.map(str::to_owned),
            phone: None,
            language: None,
            access: Access::default(),
            credential: Credential::Link,
            must_change: true,
        }
    }

    #[test]
    fn a_line_names_groups_by_name_or_id_and_an_unknown_one_is_no_silence() {
        let group = |id: u128, name: &str| Group {
            id: GroupId::from_u128(id),
            name: name.to_owned(),
            description: String::new(),
            source: Source::Local,
        };
        let groups = [group(1, "Web team"), group(2, "Ops")];
        let known = by_name(&groups);
        let shared =
            Shared { access: Access::default(), credential: Credential::Link, must_change: true, language: None };
        let entry = |groups: &[&str]| Entry {
            user_name: "ana".to_owned(),
            language: "ko-KR".to_owned(),
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            ..Entry::default()
        };
        let id = groups[1].id.to_string();
        let person = person_of(entry(&["web TEAM", &id]), &known, &shared).unwrap();
        assert_eq!((person.access.groups.len(), person.language, person.email), (2, Some(Language::Ko), None));
        assert_eq!(person_of(entry(&["Webb"]), &known, &shared).unwrap_err().0, "groups");
    }

    // K04
    #[test]
    fn too_long_a_list_is_told_with_both_numbers() {
        let told = TooMany { act: "register", count: 101 }.to_string();
        assert_eq!(told, "You can register 100 people at a time. This list has 101.");
    }

    #[test]
    fn who_stands_twice_in_a_list_is_found_by_every_identifier_in_any_spelling() {
        let mut seen = BTreeMap::new();
        assert_eq!(twice(&mut seen, 1, &person("ana", Some("ana@acme.test"))), None);
        let again = twice(&mut seen, 2, &person("other", Some("ANA@acme.test"))).unwrap();
        assert_eq!((again.field.as_str(), again.reason.as_str()), ("email", "Row 1 has this already."));
        assert!(twice(&mut seen, 3, &person("ana@acme.test", None)).is_some_and(|fault| fault.field == "user_name"));
        // The user name of somebody may be their own address.
        assert_eq!(twice(&mut seen, 4, &person("bo@acme.test", Some("bo@acme.test"))), None);
        assert_eq!(twice(&mut seen, 5, &person("other", None)), None, "a row that was refused takes no name");
    }
}
