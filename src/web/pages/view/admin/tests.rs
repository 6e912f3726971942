//! Every page of administrators, rendered with hostile values and read as a machine reads it.

mod groups;
mod identity_providers;

use super::*;
use crate::web::pages::view::Page;
use crate::web::pages::view::checks::{HOSTILE, is_read_by_machines, stays_text};

fn text() -> String {
    HOSTILE.to_owned()
}

fn shell(may_invite: bool) -> Shell {
    Shell {
        org: text(),
        base: "/o/acme/admin".to_owned(),
        person: text(),
        csrf: text(),
        here: Here::People,
        may_see: true,
        may_see_groups: true,
        may_see_keys: true,
        may_see_providers: true,
        may_invite,
        trail: vec![(text(), text())],
    }
}

fn moment() -> Moment {
    Moment { words: text(), machine: text() }
}

fn choices() -> Vec<Choice> {
    [true, false].map(|chosen| Choice { value: text(), label: text(), chosen }).to_vec()
}

fn access() -> AccessForm {
    AccessForm {
        groups: vec![GroupChoice { id: text(), name: text(), description: text(), chosen: true }],
        more_groups: true,
        roles: vec![RoleChoice { key: text(), title: text(), allows: vec!["See people"], chosen: false }],
        rows: vec![ProjectRow { number: 1, projects: choices(), roles: choices() }],
        may_add: true,
        bundles: choices(),
    }
}

fn errors() -> Errors {
    let mut errors = Errors::default();
    let fields = ["username", "given_name", "email", "phone", "password", "password_again", "access", "people", "file"];
    for field in fields {
        errors.add(field, HOSTILE);
    }
    errors
}

fn invitation() -> InvitationRow {
    InvitationRow {
        id: text(),
        email: text(),
        name: text(),
        badge: Badge { word: "Pending", class: "wait" },
        reason: text(),
        access: vec![text()],
        sent: text(),
        last_sent: moment(),
        ends_in: text(),
        ends: moment(),
        may_resend: true,
        resend_from: Some(moment()),
        may_cancel: true,
    }
}

fn people(may_invite: bool) -> PeoplePage {
    let mail = MailLine { ends_in: text(), ends: moment(), sent: text(), last_sent: moment() };
    PeoplePage {
        shell: shell(may_invite),
        notice: "Done.",
        alert: text(),
        rows: vec![invitation()],
        more_open: true,
        search: text(),
        may_group: may_invite,
        people: vec![PersonRow {
            member: text(),
            name: text(),
            user_name: text(),
            email: text(),
            badge: Badge { word: "Active", class: "good" },
            mail: Some(mail),
            may_send: true,
            source: "Registered here",
            keeper: text(),
            groups: vec![text()],
            roles: vec![text()],
        }],
        first: text(),
        next: text(),
        later: false,
    }
}

fn register(errors: Errors) -> RegisterPage {
    RegisterPage {
        shell: shell(true),
        errors,
        user_name: text(),
        given_name: text(),
        family_name: text(),
        email: text(),
        phone: text(),
        languages: choices(),
        link: true,
        generated: false,
        set: false,
        change_generated: true,
        change_set: true,
        link_days: 7,
        access: access(),
    }
}

fn bulk() -> BulkPage {
    BulkPage {
        shell: shell(true),
        errors: errors(),
        people: text(),
        link: true,
        generated: false,
        change_generated: true,
        whole: false,
        link_days: 7,
        most: 100,
        access: access(),
    }
}

fn results() -> ResultsPage {
    let badge = Badge { word: "Ready", class: "good" };
    ResultsPage {
        shell: shell(true),
        title: text(),
        summary: text(),
        alert: text(),
        rows: vec![ResultRow { number: 1, label: text(), badge, notes: vec![text()] }],
        access: vec![text()],
        action: text(),
        button: text(),
        back: text(),
        sealed: text(),
        file: text(),
        secret: true,
    }
}

fn every_page() -> Vec<String> {
    let registered = RegisteredPage {
        shell: shell(true),
        name: text(),
        user_name: text(),
        email: text(),
        groups: vec![text()],
        roles: vec![text()],
        next_step: text(),
        password: Some((text(), text())),
    };
    let invite = InvitePage {
        shell: shell(true),
        errors: errors(),
        people: text(),
        languages: choices(),
        most: 100,
        days: 30,
        access: access(),
    };
    let invitations = InvitationsPage {
        shell: shell(true),
        notice: "Done.",
        alert: text(),
        tabs: choices(),
        tab: "Pending",
        rows: vec![invitation()],
        first: text(),
        next: text(),
        later: true,
    };
    let kept = KeptPage {
        shell: shell(true),
        action: text(),
        prove: text(),
        loses_password: true,
        fields: vec![(text(), text())],
    };
    vec![
        people(true).render_page(),
        register(errors()).render_page(),
        registered.render_page(),
        bulk().render_page(),
        results().render_page(),
        invite.render_page(),
        invitations.render_page(),
        CancelPage { shell: shell(true), row: invitation() }.render_page(),
        kept.render_page(),
    ]
}

#[test]
fn what_people_typed_stays_text_and_no_page_carries_a_script_or_a_style() {
    for page in every_page() {
        stays_text(&page);
    }
}

#[test]
fn every_page_has_a_skip_link_its_places_one_heading_captions_and_labels() {
    for page in every_page() {
        for part in
            ["<html lang=\"en\">", "href=\"#main\"", "aria-label=\"Administration\"", "aria-label=\"Breadcrumb\""]
        {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
        is_read_by_machines(&page);
    }
}

#[test]
fn what_is_wrong_is_summed_up_with_links_and_said_again_at_its_field() {
    let page = register(Errors::one("password_again", "Not the same.")).render_page();
    for part in [
        "<title>Error: Register a person",
        "role=\"alert\"",
        "<a href=\"#password_again\">Not the same.</a>",
        "aria-invalid=\"true\" aria-describedby=\"password_again-error\"",
        "id=\"password_again-error\">Not the same.",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!register(Errors::default()).render_page().contains("Error:"));
}

#[test]
fn who_may_not_invite_sees_no_button() {
    let page = people(false).render_page();
    let acts = ["id=\"register\"", "id=\"bulk\"", "id=\"invite\"", "id=\"resend-", "id=\"cancel-", "id=\"link-"];
    for act in acts.into_iter().chain(["people/register", "people/bulk", "people/invite", "method=\"post\""]) {
        assert!(!page.contains(act), "{act} in {page}");
        assert!(people(true).render_page().contains(act), "{act}");
    }
}
