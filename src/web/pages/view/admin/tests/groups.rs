//! The pages of groups and of access keys, rendered with hostile values.

use super::{access, choices, moment, shell, text};
use crate::web::pages::view::Page;
use crate::web::pages::view::admin::{Badge, Errors};
use crate::web::pages::view::checks::{HOSTILE, is_read_by_machines, stays_text};
use crate::web::pages::view::groups::{
    Column, DeleteGroupPage, GroupHead, GroupRow, GroupsPage, Impact, ImpactRow, KeyRow, KeysPage, Lock, MemberRow,
    MembersPage, NewGroupMembersPage, NewGroupPage, NewGroupRolesPage, PermissionsPage, ReviewPage, RoleRow,
    SettingsPage,
};

fn errors() -> Errors {
    let mut errors = Errors::default();
    for field in ["name", "description", "access", "people", "confirm"] {
        errors.add(field, HOSTILE);
    }
    errors
}

fn head() -> GroupHead {
    GroupHead {
        id: text(),
        name: text(),
        description: text(),
        source: "SCIM",
        lock: Some(Lock { name: text(), admin_url: text(), mapping: Some(text()), last_sync: Some(moment()) }),
        is_system: true,
        members: 2,
        tabs: choices(),
        notice: text(),
        alert: text(),
    }
}

fn impact() -> Impact {
    let badge = Badge { word: "Sessions end", class: "off" };
    let row = ImpactRow { member: text(), user_name: text(), lost: vec![text()], kept: vec![text()], badge };
    Impact { rows: vec![row], more: 3, summary: text() }
}

fn members(may_change: bool) -> MembersPage {
    let row = MemberRow {
        member: text(),
        name: text(),
        user_name: text(),
        source: text(),
        until: Some(moment()),
        may_remove: may_change,
    };
    MembersPage {
        shell: shell(true),
        head: head(),
        errors: errors(),
        people: text(),
        may_change,
        members: vec![row],
        first: text(),
        next: text(),
        later: true,
    }
}

fn permissions(may: bool) -> PermissionsPage {
    PermissionsPage {
        shell: shell(true),
        head: head(),
        errors: errors(),
        roles: vec![RoleRow { id: text(), title: text(), window: text(), may_take: may }],
        may_take: may,
        may_give: may,
        access: access(),
    }
}

fn settings(may_change: bool) -> SettingsPage {
    SettingsPage { shell: shell(true), head: head(), errors: errors(), name: text(), description: text(), may_change }
}

fn review(may_add: bool) -> ReviewPage {
    ReviewPage {
        shell: shell(true),
        title: text(),
        group: text(),
        action: "members/remove",
        back: "",
        field: "member",
        taken: choices(),
        may_add,
        people: text(),
        errors: errors(),
        impact: impact(),
        button: text(),
    }
}

fn list(may_change: bool) -> GroupsPage {
    let row = GroupRow {
        id: text(),
        name: text(),
        description: text(),
        source: "Local",
        keeper: text(),
        members: 1,
        roles: vec![text()],
    };
    GroupsPage {
        shell: shell(true),
        notice: "Done.",
        alert: text(),
        search: text(),
        groups: vec![row],
        may_change,
        first: text(),
        next: text(),
        later: true,
    }
}

fn keys() -> KeysPage {
    let badge = Some(Badge { word: "Expired", class: "off" });
    let key =
        KeyRow { creator: text(), holder: text(), name: text(), id: text(), project: text(), expires: moment(), badge };
    KeysPage {
        shell: shell(true),
        columns: vec![Column { name: "name", title: "Name", href: text(), order: "ascending" }],
        keys: vec![key],
        count: 1,
        expired: true,
        sort: "name",
        order: "asc",
        other: text(),
        first: text(),
        next: text(),
        later: true,
    }
}

fn every_page() -> Vec<String> {
    let name = NewGroupPage { shell: shell(true), errors: errors(), name: text(), description: text() };
    let roles = NewGroupRolesPage {
        shell: shell(true),
        errors: errors(),
        group: text(),
        name: text(),
        held: vec![text()],
        access: access(),
    };
    let people = NewGroupMembersPage {
        shell: shell(true),
        errors: errors(),
        notice: text(),
        group: text(),
        name: text(),
        people: text(),
    };
    let delete = DeleteGroupPage {
        shell: shell(true),
        errors: errors(),
        group: text(),
        name: text(),
        typed: text(),
        roles: vec![text()],
        members: 2,
        impact: impact(),
    };
    let mut pages = vec![name.render_page(), roles.render_page(), people.render_page(), delete.render_page()];
    for may in [true, false] {
        pages.extend([members(may).render_page(), permissions(may).render_page(), settings(may).render_page()]);
        pages.extend([review(may).render_page(), list(may).render_page()]);
    }
    pages.push(keys().render_page());
    pages
}

#[test]
fn what_people_typed_stays_text_in_the_pages_of_groups_and_keys() {
    for page in every_page() {
        stays_text(&page);
    }
}

#[test]
fn pages_of_groups_and_keys_have_one_heading_captions_and_labels() {
    for page in every_page() {
        is_read_by_machines(&page);
    }
}

#[test]
fn who_may_change_nothing_sees_no_form_that_posts() {
    for page in [members(false).render_page(), permissions(false).render_page(), settings(false).render_page()] {
        assert!(!page.contains("<button") && !page.contains("type=\"checkbox\""), "{page}");
    }
    assert!(!list(false).render_page().contains("groups/new"));
    assert!(list(true).render_page().contains("groups/new"));
}
