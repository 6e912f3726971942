//! `/o/{slug}/admin/people/register`: one person, with one of three kinds of first password.

use axum::http::StatusCode;
use axum::response::Response;

use super::access::{Chosen, Offer, role_line};
use super::form::Form;
use super::shell::of_newcomers::{Bring, Bringing};
use super::shell::{Desk, Viewing};
use super::{download, wording};
use crate::domain::change::Mode;
use crate::domain::language::Language;
use crate::domain::people::invitation::Access;
use crate::domain::people::user::UserState;
use crate::flows::register::{self, Credential, Person};
use crate::kernel::id::MembershipId;
use crate::kernel::secret::{Secret, same};
use crate::store::db::Result;
use crate::store::{orgs, people_read, users};
use crate::web::oidc::reply;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Choice, Errors, Here, RegisterPage, RegisteredPage};

/// The fields at which something may be wrong; what is wrong with none of them is said at the first.
const FIELDS: [&str; 7] = ["username", "given_name", "family_name", "email", "phone", "password", "access"];

/// The empty form.
pub async fn get(Bringing(desk): Bringing) -> Response {
    let empty = Form::parse(b"credential=link&change_generated=1&change_set=1").unwrap_or_default();
    show(&desk, &empty, StatusCode::OK, Errors::default()).await
}

/// Registers the person, or shows the form again with what is wrong.
pub async fn post(Bring { desk, form }: Bring) -> Response {
    if form.text("act") == "more" {
        return show(&desk, &form, StatusCode::OK, Errors::default()).await;
    }
    let offer = match offer(&desk).await {
        Ok(offer) => offer,
        Err(fault) => return desk.failed(fault),
    };
    let person = match person(&desk, &offer, &form) {
        Ok(person) => person,
        Err(errors) => return show(&desk, &form, StatusCode::BAD_REQUEST, errors).await,
    };
    match register::one(&desk.app, &desk.actor, &desk.origin, &desk.org, &person, Mode::Act).await {
        Ok(made) if made.password.is_none() && desk.may("users.read") => {
            desk.answer(reply::see_other(&desk.path(&format!("people/{}/registered", made.member))))
        }
        // A password exists on this one page; and who may not see people sees whom they registered this once.
        Ok(made) => done(&desk, &made.member, made.password).await,
        Err(why) => match wording::not_registered(why, &FIELDS) {
            Ok(said) => show(&desk, &form, said.status, said.errors).await,
            Err(page) => desk.answer(*page),
        },
    }
}

/// `GET …/people/{member}/registered`: who was registered, and what happens next.
pub async fn registered(Viewing(desk): Viewing) -> Response {
    match desk.named("member").parse::<MembershipId>() {
        Ok(member) => done(&desk, &member, None).await,
        Err(_) => desk.answer(error::not_found().await),
    }
}

async fn offer(desk: &Desk) -> Result<Offer> {
    Offer::read(&mut desk.app.db.read().await?, desk).await
}

/// The languages to choose from; the empty one is the organisation's.
pub(super) fn languages(chosen: &str) -> Vec<Choice> {
    let name = |language: Language| match language {
        Language::En => "English",
        Language::Ko => "한국어 (Korean)",
    };
    let own = Choice { value: String::new(), label: "The organisation's".to_owned(), chosen: chosen.is_empty() };
    let others = Language::ALL.into_iter().map(|language| Choice {
        value: language.as_str().to_owned(),
        label: name(language).to_owned(),
        chosen: language.as_str() == chosen,
    });
    std::iter::once(own).chain(others).collect()
}

async fn show(desk: &Desk, form: &Form, status: StatusCode, errors: Errors) -> Response {
    let offer = match offer(desk).await {
        Ok(offer) => offer,
        Err(fault) => return desk.failed(fault),
    };
    let text = |name: &str| form.sent(name).to_owned();
    let credential = form.text("credential");
    let view = RegisterPage {
        shell: desk.shell(Here::Register, &trail(desk)),
        errors,
        user_name: text("username"),
        given_name: text("given_name"),
        family_name: text("family_name"),
        email: text("email"),
        phone: text("phone"),
        languages: languages(form.text("language")),
        link: credential == "link",
        generated: credential == "generated",
        set: credential == "set",
        change_generated: form.has("change_generated"),
        change_set: form.has("change_set"),
        link_days: desk.settings.invitations.link_days,
        access: offer.form(&Chosen::of(form), form.text("act") == "more"),
    };
    desk.show(status, &view)
}

/// The way to a page about people, for those who may see the list.
pub(super) fn trail(desk: &Desk) -> Vec<(&'static str, &'static str)> {
    if desk.may("users.read") { vec![("People", "people")] } else { Vec::new() }
}

/// The person whom the form describes, or everything that is wrong with it.
fn person(desk: &Desk, offer: &Offer, form: &Form) -> std::result::Result<Person, Errors> {
    let mut errors = Errors::default();
    if form.text("username").is_empty() {
        errors.add("username", "Give a username.");
    }
    let access = offer.chosen(&desk.reach, &Chosen::of(form)).unwrap_or_else(|text| {
        errors.add("access", text);
        Access::default()
    });
    let (credential, must_change) = match form.text("credential") {
        "generated" => (Credential::Generated, form.has("change_generated")),
        "set" => (set(form, &mut errors), form.has("change_set")),
        "link" => {
            if form.text("email").is_empty() {
                errors.add("email", "Give an e-mail address: the link for the password is mailed there.");
            }
            (Credential::Link, false)
        }
        _ => {
            errors.add("credential", "Choose how the person gets a password.");
            (Credential::Link, false)
        }
    };
    if errors.any() {
        return Err(errors);
    }
    let (given_name, family_name) = (form.text("given_name").to_owned(), form.text("family_name").to_owned());
    Ok(Person {
        user_name: form.text("username").to_owned(),
        name: [given_name.as_str(), family_name.as_str()].join(" ").trim().to_owned(),
        given_name,
        family_name,
        email: form.given("email"),
        phone: form.given("phone"),
        language: form.text("language").parse().ok(),
        access,
        credential,
        must_change,
    })
}

/// The password that was typed twice.
fn set(form: &Form, errors: &mut Errors) -> Credential {
    let (password, again) = (form.sent("password"), form.sent("password_again"));
    if password.is_empty() {
        errors.add("password", "Type a password.");
    } else if !same(password.as_bytes(), again.as_bytes()) {
        errors.add("password_again", "The two passwords are not the same.");
    }
    Credential::Set(Secret::presented(password))
}

/// The result. A password that was made is shown this once.
async fn done(desk: &Desk, member: &MembershipId, password: Option<Secret>) -> Response {
    match read(desk, member, password).await {
        Ok(Some(view)) => desk.show(StatusCode::OK, &view),
        Ok(None) => desk.answer(error::not_found().await),
        Err(fault) => desk.failed(fault),
    }
}

async fn read(desk: &Desk, member: &MembershipId, password: Option<Secret>) -> Result<Option<RegisteredPage>> {
    let mut conn = desk.app.db.read().await?;
    let conn = &mut conn;
    let found = people_read::find(conn, &desk.org, member).await?.filter(|found| found.kind.project().is_none());
    let Some(found) = found else { return Ok(None) };
    let groups = people_read::groups_of(conn, std::slice::from_ref(member)).await?.remove(member).unwrap_or_default();
    let direct = people_read::direct_of(conn, std::slice::from_ref(member)).await?;
    let projects = orgs::projects(conn, &desk.org).await?;
    let must_change = users::password_facts(conn, &found.user).await?.is_some_and(|facts| facts.must_change);
    let email = found.profile.email.unwrap_or_default();
    let password = password.map(|password| {
        let head = download::line(&["username", "password"], None);
        let line = download::line(&[&found.user_name, password.expose()], Some(1));
        (password.expose().to_owned(), download::seal(desk, "password.csv", &format!("{head}{line}")))
    });
    Ok(Some(RegisteredPage {
        shell: desk.shell(Here::Register, &trail(desk)),
        next_step: next_step(found.user_state, &email, must_change),
        name: found.name,
        user_name: found.user_name,
        email,
        groups: groups.into_iter().map(|group| group.name).collect(),
        roles: direct.iter().filter_map(|one| role_line(&one.role, &one.scope, &projects)).collect(),
        password,
    }))
}

fn next_step(state: UserState, email: &str, must_change: bool) -> String {
    match (state, must_change) {
        (UserState::Pending, _) if email.is_empty() => "The account waits for a password.".to_owned(),
        (UserState::Pending, _) => format!("Next: the person sets a password with the link that is mailed to {email}."),
        (_, true) => "Next: hand the password over. It must be changed at the first sign-in.".to_owned(),
        (_, false) => "Next: hand the password over. The person can sign in at once.".to_owned(),
    }
}
