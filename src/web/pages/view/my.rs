//! What the pages of a person's own account show: where they are signed in, what they allowed, what they hold, and what
//! happened. How they prove who they are is in [`super::my_security`].

use askama::Template;

/// A session, in words.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its id; never the cookie.
    pub id: String,
    /// Browser and system.
    pub device: String,
    /// The address that it began at.
    pub address: String,
    /// Where that is; empty where nothing is known.
    pub place: String,
    /// The name of the provider that it came through; empty for none.
    pub through: String,
    /// When it began.
    pub started: String,
    /// When it was used last.
    pub last_used: String,
    /// The names of the applications that were used in it.
    pub applications: Vec<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// `GET /me/sessions`. Posts to the same address.
#[derive(Template)]
#[template(path = "me_sessions.html")]
pub struct SessionsPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The sessions that are alive.
    pub sessions: Vec<SessionRow>,
    /// Whether there are others than the one that asks.
    pub others: bool,
    /// What was done, if something was.
    pub done: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// An application, in words.
#[derive(Clone, Debug)]
pub struct ApplicationLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was allowed what it has; empty where nobody was asked.
    pub allowed: String,
    /// What it was allowed, in sentences.
    pub scopes: Vec<String>,
    /// When it was used last; empty where nothing tells.
    pub used: String,
    /// Whether it is signed in.
    pub signed_in: bool,
    /// Whether it may act while the person is away.
    pub offline: bool,
}

/// `GET /me/applications`. Posts to the same address.
#[derive(Template)]
#[template(path = "me_applications.html")]
pub struct ApplicationsPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The applications, by name.
    pub applications: Vec<ApplicationLine>,
    /// What was done, if something was.
    pub done: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// An organisation, in words.
#[derive(Clone, Debug)]
pub struct OrganisationLine {
    /// Its id.
    pub org: String,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// The roles on it, in one line; empty for none.
    pub roles: String,
    /// When the person signed in to it last; empty for never.
    pub last_sign_in: String,
    /// Why it can't be left here, if it can't.
    pub kept: Option<String>,
}

/// `GET /me/organisations`.
#[derive(Template)]
#[template(path = "me_organisations.html")]
pub struct OrganisationsPage {
    /// How many invitations wait for an answer.
    pub invitations: usize,
    /// The organisations, by slug.
    pub organisations: Vec<OrganisationLine>,
    /// What was done, if something was.
    pub done: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// `GET /me/organisations/leave`. Posts to the same address.
#[derive(Template)]
#[template(path = "me_leave.html")]
pub struct LeavePage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The organisation's id.
    pub org: String,
    /// Its name.
    pub name: String,
    /// Its slug, which is typed to confirm.
    pub slug: String,
    /// What ends, a sentence each.
    pub consequences: Vec<String>,
    /// Why it was not left.
    pub error: Option<String>,
}

/// A role that is held, in words.
#[derive(Clone, Debug)]
pub struct AccessRow {
    /// What people call it.
    pub role: String,
    /// What it is held on.
    pub on: String,
    /// Through what, a line each.
    pub ways: Vec<String>,
}

/// What is held in an organisation.
#[derive(Clone, Debug)]
pub struct AccessIn {
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// What is held.
    pub rows: Vec<AccessRow>,
}

/// `GET /me/access`.
#[derive(Template)]
#[template(path = "me_access.html")]
pub struct AccessPage {
    /// Whether what other roles bring along is shown too.
    pub implied: bool,
    /// By organisation.
    pub organisations: Vec<AccessIn>,
}

/// Something that happened, in words.
#[derive(Clone, Debug)]
pub struct ActivityLine {
    /// What.
    pub text: String,
    /// The organisation and the application that it concerned; empty for neither.
    pub about: String,
    /// When.
    pub at: String,
    /// Who.
    pub by: &'static str,
    /// Device, address and place, as far as they are known.
    pub from: String,
}

/// `GET /me/activity`.
#[derive(Template)]
#[template(path = "me_activity.html")]
pub struct ActivityPage {
    /// The newest first.
    pub lines: Vec<ActivityLine>,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
}

/// A project to make a key for.
#[derive(Clone, Debug)]
pub struct ProjectChoice {
    /// Its id.
    pub id: String,
    /// Its key, and how many keys there are already.
    pub label: String,
    /// Whether it was chosen.
    pub chosen: bool,
}

/// An access key, in words; never its secret.
#[derive(Clone, Debug)]
pub struct KeyLine {
    /// Its id.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// The key of its project.
    pub project: String,
    /// `Disabled`, `Expired` or `Ended`; empty for one that works.
    pub state: &'static str,
    /// When it was used last; empty for never.
    pub last_used: String,
    /// When it ends.
    pub expires: String,
    /// Whether it can be disabled.
    pub may_disable: bool,
    /// Whether it can be enabled.
    pub may_enable: bool,
}

/// The keys in an organisation, and the form for another.
#[derive(Clone, Debug)]
pub struct KeysIn {
    /// The organisation's id.
    pub org: String,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// The keys, the oldest first.
    pub keys: Vec<KeyLine>,
    /// The projects that another can be made for.
    pub projects: Vec<ProjectChoice>,
    /// Why there is none.
    pub why_none: &'static str,
    /// Whether the form stands open.
    pub open: bool,
    /// The name as typed.
    pub typed_name: String,
    /// The days as typed.
    pub typed_days: String,
}

/// `GET /me/keys`. Posts to the same address; `act` says what.
#[derive(Template)]
#[template(path = "me_keys.html")]
pub struct KeysPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// By organisation.
    pub organisations: Vec<KeysIn>,
    /// What was done, if something was.
    pub done: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A key that was just made, with its secret, this once. Posts to `/me/keys/download`.
#[derive(Template)]
#[template(path = "me_key_made.html")]
pub struct KeyMadePage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// What the person calls it.
    pub name: String,
    /// The key of its project.
    pub project: String,
    /// Its id.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// When it ends.
    pub expires: String,
    /// The same as a file, sealed for this browser.
    pub file: String,
}

#[cfg(test)]
mod tests {
    use super::super::Page as _;
    use super::*;
    use crate::web::pages::view::checks::HOSTILE;

    fn text() -> String {
        HOSTILE.to_owned()
    }

    fn sessions() -> SessionsPage {
        let row = SessionRow {
            id: "ses_1".to_owned(),
            device: text(),
            address: text(),
            place: text(),
            through: text(),
            started: text(),
            last_used: text(),
            applications: vec![text()],
            current: false,
        };
        SessionsPage { csrf: text(), sessions: vec![row], others: true, done: Some(text()), error: Some(text()) }
    }

    fn applications() -> ApplicationsPage {
        let line = ApplicationLine {
            id: "app_1".to_owned(),
            name: text(),
            allowed: text(),
            scopes: vec![text()],
            used: text(),
            signed_in: true,
            offline: true,
        };
        ApplicationsPage { csrf: text(), applications: vec![line], done: Some(text()), error: Some(text()) }
    }

    fn organisations(kept: Option<String>) -> OrganisationsPage {
        let line = OrganisationLine {
            org: text(),
            name: text(),
            slug: "acme".to_owned(),
            roles: text(),
            last_sign_in: text(),
            kept,
        };
        OrganisationsPage { invitations: 1, organisations: vec![line], done: Some(text()), error: Some(text()) }
    }

    fn keys() -> KeysPage {
        let key = KeyLine {
            id: "ack_1".to_owned(),
            name: text(),
            project: text(),
            state: "Disabled",
            last_used: text(),
            expires: text(),
            may_disable: true,
            may_enable: true,
        };
        let of_acme = KeysIn {
            org: text(),
            name: text(),
            slug: "acme".to_owned(),
            keys: vec![key],
            projects: vec![ProjectChoice { id: text(), label: text(), chosen: true }],
            why_none: "",
            open: true,
            typed_name: text(),
            typed_days: text(),
        };
        KeysPage { csrf: text(), organisations: vec![of_acme], done: Some(text()), error: Some(text()) }
    }

    fn every_page() -> Vec<String> {
        let row = AccessRow { role: text(), on: text(), ways: vec![text()] };
        let held = AccessIn { name: text(), slug: "acme".to_owned(), rows: vec![row] };
        let line = ActivityLine { text: text(), about: text(), at: text(), by: "You", from: text() };
        let leave = LeavePage {
            csrf: text(),
            org: text(),
            name: text(),
            slug: text(),
            consequences: vec![text()],
            error: Some(text()),
        };
        let made = KeyMadePage {
            csrf: text(),
            name: text(),
            project: text(),
            id: text(),
            secret: text(),
            expires: text(),
            file: text(),
        };
        vec![
            sessions().render_page(),
            applications().render_page(),
            organisations(None).render_page(),
            organisations(Some(text())).render_page(),
            leave.render_page(),
            AccessPage { implied: true, organisations: vec![held] }.render_page(),
            ActivityPage { lines: vec![line], next: "/me/activity?after=x".to_owned(), later: true }.render_page(),
            keys().render_page(),
            made.render_page(),
        ]
    }

    #[test]
    fn what_comes_from_outside_stays_text_and_no_page_carries_a_script() {
        for page in every_page() {
            assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>") && page.contains("href=\"/help\""));
            assert_eq!(page.matches("aria-current=\"page\"").count(), 1, "the tab that one is on: {page}");
        }
    }

    #[test]
    fn an_organisation_that_can_not_be_left_says_why_and_has_no_button() {
        let page = organisations(Some("You own it.".to_owned())).render_page();
        assert!(page.contains("You own it.") && !page.contains("id=\"leave-acme\""));
        assert!(organisations(None).render_page().contains("id=\"leave-acme\""));
    }
}
