//! Every page of a person, rendered with hostile values and read as a machine reads it.

use super::super::admin::Here;
use super::*;
use crate::web::pages::view::Page;
use crate::web::pages::view::checks::{HOSTILE, is_read_by_machines, stays_text};

fn text() -> String {
    HOSTILE.to_owned()
}

fn moment() -> Moment {
    Moment { words: text(), machine: text() }
}

fn shell() -> Shell {
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
        may_invite: true,
        trail: vec![(text(), text())],
    }
}

fn frame() -> Frame {
    Frame {
        member: text(),
        name: text(),
        word: "Account",
        tabs: vec![TabLink { id: "tab-account", word: "Account", href: text(), here: true }],
        badge: Badge { word: "Active", class: "good" },
        keeper: Some(Keeper {
            name: text(),
            admin_url: Some(text()),
            mapping: Some(text()),
            last_sync: Some(moment()),
        }),
        notice: "Done.",
        alert: text(),
    }
}

fn given(binding: &str) -> GivenRow {
    GivenRow {
        binding: binding.to_owned(),
        role: text(),
        implied: vec!["Billing Viewer", "Billing Manager"],
        scope: text(),
        source: text(),
        window: text(),
    }
}

fn places() -> Vec<PlaceRow> {
    vec![PlaceRow { name: text(), scope: text(), source: text() }]
}

fn choices() -> Vec<Choice> {
    [true, false].map(|chosen| Choice { value: text(), label: text(), chosen }).to_vec()
}

fn account(may_send: bool) -> String {
    let mail = MailLine { ends_in: text(), ends: moment(), sent: text(), last_sent: moment() };
    let fact = || vec![Fact { name: "E-mail", value: text() }];
    let guarded = Some(Guarded { facts: fact(), may_unlock: may_send, may_reset: may_send });
    AccountPage { shell: shell(), frame: frame(), profile: fact(), facts: fact(), mail: Some(mail), may_send, guarded }
        .render_page()
}

fn roles(may: bool) -> String {
    let role = RoleChoice { key: text(), title: text(), allows: vec!["See people"], chosen: true };
    let give = GiveForm { roles: vec![role], projects: choices(), project_roles: choices() };
    let own = if may { HOSTILE } else { "" };
    RolesPage {
        shell: shell(),
        frame: frame(),
        seen: text(),
        idle: true,
        org_roles: vec![given("")],
        project_roles: vec![given(own), given("")],
        places: places(),
        may_take: may,
        may_group: may,
        give: if may { give } else { GiveForm::default() },
    }
    .render_page()
}

fn checklist() -> String {
    let group = GroupChoice { id: text(), name: text(), description: text(), chosen: true };
    let (groups, fixed) = (vec![group], places());
    GroupsPage { shell: shell(), frame: frame(), seen: text(), groups, more: true, fixed }.render_page()
}

fn projects(may_leave: bool) -> String {
    let card = ProjectCard { id: text(), key: text(), name: text(), roles: vec![given("")], may_leave };
    ProjectsPage { shell: shell(), frame: frame(), seen: text(), projects: vec![card] }.render_page()
}

fn sessions(may_end: bool) -> String {
    let row = SessionRow {
        id: text(),
        device: text(),
        address: text(),
        signed_in: moment(),
        last_used: moment(),
        applications: vec![text()],
    };
    SessionsPage { shell: shell(), frame: frame(), rows: vec![row], may_end }.render_page()
}

fn every_page() -> Vec<String> {
    let badge = Badge { word: "May use", class: "good" };
    let application = ApplicationRow { name: text(), client_id: text(), badge, last: Some(moment()) };
    let key = KeyRow { id: text(), name: text(), project: text(), expires: moment(), badge };
    let confirm = ConfirmPage {
        shell: shell(),
        title: text(),
        impact: text(),
        lost: vec![text()],
        gained: vec![text()],
        action: text(),
        fields: vec![(text(), text())],
        button: "Remove",
    };
    vec![
        account(true),
        roles(true),
        roles(false),
        checklist(),
        projects(true),
        ApplicationsPage { shell: shell(), frame: frame(), restricted: true, rows: vec![application] }.render_page(),
        KeysPage { shell: shell(), frame: frame(), rows: vec![key] }.render_page(),
        sessions(true),
        confirm.render_page(),
    ]
}

#[test]
fn what_people_typed_stays_text_and_no_page_carries_a_script_or_a_style() {
    for page in every_page() {
        stays_text(&page);
    }
}

#[test]
fn every_page_has_one_heading_a_caption_for_each_table_and_a_label_for_each_field() {
    for page in every_page() {
        is_read_by_machines(&page);
    }
}

#[test]
fn who_may_only_read_meets_no_form() {
    for page in [account(false), roles(false), projects(false), sessions(false)] {
        assert!(!page.contains("<form") && !page.contains("<button"), "{page}");
    }
    for page in [account(true), roles(true), projects(true), sessions(true)] {
        assert!(page.contains("<form method=\"post\"") || page.contains("method=\"post\""), "{page}");
    }
}
