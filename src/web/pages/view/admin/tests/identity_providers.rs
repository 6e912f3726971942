//! The pages of identity providers, rendered with hostile values.

use super::{choices, moment, shell, text};
use crate::web::pages::view::Page;
use crate::web::pages::view::admin::{Badge, Errors, GroupChoice};
use crate::web::pages::view::checks::{HOSTILE, is_read_by_machines, stays_text};
use crate::web::pages::view::groups::{Impact, ImpactRow};
use crate::web::pages::view::identity_providers::{
    Address, ConditionRow, FormPart, LogRow, MappedRow, MappingPage, OverviewPage, ProviderHead, ProviderReviewPage,
    ProviderRow, ProviderSettingsPage, ProvidersPage, RuleForm, RuleRow, SelectField, SignInsPage, Step, TesterForm,
    TextField, TickField, TriedSide, TriedView, Trouble, Typed,
};
use crate::web::pages::view::person::Fact;

const BADGE: Badge = Badge { word: "Optional", class: "good" };

fn errors() -> Errors {
    let mut errors = Errors::default();
    let of_forms = ["name", "preset", "admin_url", "issuer", "acr", "external_id", "label", "group", "rule_name"];
    let of_rules = ["conditions", "rule_groups", "life_hours", "require_match", "claims", "identity", "draft"];
    for field in of_forms.into_iter().chain(of_rules) {
        errors.add(field, HOSTILE);
    }
    errors
}

fn head() -> ProviderHead {
    ProviderHead {
        id: text(),
        name: text(),
        kind: "Sign-in",
        stage: BADGE,
        preset: "Okta",
        admin_url: text(),
        tabs: choices(),
        notice: text(),
        alert: text(),
    }
}

fn addresses() -> Vec<Address> {
    vec![Address { id: "redirect_uri", label: "Redirect address", hint: "Where people come back to.", value: text() }]
}

fn facts() -> Vec<Fact> {
    vec![Fact { name: "Last sign-in", value: text() }]
}

fn list(may_change: bool) -> String {
    let row = ProviderRow {
        id: text(),
        name: text(),
        kind: "Sign-in",
        stage: BADGE,
        preset: "Okta",
        last_sign_in: Some(moment()),
        last_error: Some(Trouble { at: moment(), why: text() }),
        last_sync: Some(moment()),
    };
    let page = ProvidersPage {
        shell: shell(true),
        errors: errors(),
        rows: vec![row],
        may_change,
        name: text(),
        presets: choices(),
        admin_url: text(),
    };
    page.render_page()
}

fn overview(may_change: bool) -> String {
    let page = OverviewPage {
        shell: shell(true),
        head: head(),
        errors: errors(),
        facts: facts(),
        standing: "People may choose it.",
        is_set_up: true,
        steps: vec![Step { stage: "enforced", word: "Enforce it …", class: "danger" }],
        seen_stage: text(),
        break_glass: vec![text()],
        addresses: addresses(),
        may_change,
        is_active: true,
        seen_name: text(),
        name: text(),
        admin_url: text(),
        local_grants: true,
    };
    page.render_page()
}

fn settings(may_change: bool) -> String {
    let field = |id, typed| TextField { id, label: "Something", hint: "To know.", value: text(), typed };
    let part = FormPart {
        id: "who",
        title: "The provider",
        selects: vec![SelectField { id: "preset", label: "Kind", hint: "To know.", choices: choices() }],
        texts: vec![
            field("issuer", Typed::Line),
            field("acr", Typed::Lines),
            TextField { value: String::new(), ..field("client_secret", Typed::Secret) },
        ],
        ticks: vec![TickField { id: "amr", label: "Tell it on", hint: "To know.", ticked: true }],
    };
    let page = ProviderSettingsPage {
        shell: shell(true),
        head: head(),
        errors: errors(),
        seen: text(),
        may_change,
        guide: "Register an application.",
        console: Some("https://console.test"),
        addresses: addresses(),
        parts: vec![part],
        facts: facts(),
    };
    page.render_page()
}

fn tried() -> TriedView {
    let side = |id| TriedSide { id, title: "Now", groups: vec![(text(), text())], roles: vec![text()] };
    TriedView { sides: vec![side("tried-before"), side("tried-after")], problems: vec![text()] }
}

fn mapping(may_change: bool, is_set_up: bool) -> String {
    let condition = |number| ConditionRow { number, claim: text(), ops: choices(), values: text() };
    let page = MappingPage {
        shell: shell(true),
        head: head(),
        errors: errors(),
        is_set_up,
        may_change,
        seen: text(),
        is_on: false,
        on: true,
        life_hours: text(),
        require_match: true,
        rules: vec![RuleRow { place: 0, name: text(), conditions: vec![text()], groups: vec![text()] }],
        mapped: vec![MappedRow { place: 0, external_id: text(), label: text(), group: text() }],
        count: 1,
        first: text(),
        next: text(),
        later: true,
        external_id: text(),
        label: text(),
        groups: choices(),
        rule: RuleForm {
            name: text(),
            conditions: vec![condition(1), condition(2)],
            may_add: true,
            groups: vec![GroupChoice { id: text(), name: text(), description: String::new(), chosen: true }],
        },
        tester: TesterForm { claims: text(), identities: choices(), draft: text(), switched_on: true },
        tried: Some(tried()),
    };
    page.render_page()
}

fn sign_ins() -> String {
    let row = LogRow {
        id: text(),
        at: moment(),
        badge: BADGE,
        outcome: text(),
        person: text(),
        href: text(),
        claims: vec![(text(), text())],
    };
    let page =
        SignInsPage { shell: shell(true), head: head(), rows: vec![row], first: text(), next: text(), later: true };
    page.render_page()
}

fn review(break_glass: Option<Vec<String>>) -> String {
    let badge = Badge { word: "Sessions end", class: "off" };
    let row = ImpactRow { member: text(), user_name: text(), lost: vec![text()], kept: vec![text()], badge };
    let page = ProviderReviewPage {
        shell: shell(true),
        title: text(),
        lines: vec![text()],
        break_glass,
        impact: Impact { rows: vec![row], more: 3, summary: text() },
        action: text(),
        back: text(),
        fields: vec![(text(), text())],
        button: "Do it",
    };
    page.render_page()
}

fn every_page() -> Vec<String> {
    let mut pages = vec![sign_ins(), review(Some(vec![text()])), review(None), mapping(true, false)];
    for may in [true, false] {
        pages.extend([list(may), overview(may), settings(may), mapping(may, true)]);
    }
    pages
}

#[test]
fn what_people_typed_and_providers_said_stays_text_in_the_pages_of_identity_providers() {
    for page in every_page() {
        stays_text(&page);
    }
}

#[test]
fn pages_of_identity_providers_have_one_heading_captions_and_labels() {
    for page in every_page() {
        is_read_by_machines(&page);
    }
}

#[test]
fn who_may_set_nothing_up_sees_no_form_that_posts() {
    for page in [list(false), overview(false), settings(false), mapping(false, true), sign_ins()] {
        assert!(!page.contains("<button") && !page.contains("type=\"checkbox\""), "{page}");
        assert!(!page.contains("method=\"post\""), "{page}");
    }
    for page in [list(true), overview(true), settings(true), mapping(true, true)] {
        assert!(page.contains("method=\"post\""), "{page}");
    }
}
