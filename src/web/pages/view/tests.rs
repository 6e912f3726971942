//! Every page, rendered with hostile values and read as a machine reads it.

use super::checks::HOSTILE;
use super::*;

fn application(uri: &str) -> ApplicationView {
    let uri = Some(uri.to_owned());
    ApplicationView { name: HOSTILE.into(), logo_uri: uri.clone(), policy_uri: uri.clone(), tos_uri: uri }
}

fn sign_in(application: Option<ApplicationView>, error: Option<&str>) -> SignInPage {
    SignInPage {
        request: HOSTILE.into(),
        csrf: HOSTILE.into(),
        identifier: HOSTILE.into(),
        application,
        organisation: Some(HOSTILE.into()),
        error: error.map(Into::into),
        show_organisation_field: false,
        organisation_slug: HOSTILE.into(),
        notice: Some(HOSTILE.into()),
        forgot: HOSTILE.into(),
        offers: vec![upstream::OfferView { connection: HOSTILE.into(), name: HOSTILE.into() }],
        discover: true,
        local: true,
        passkeys: true,
    }
}

fn consent() -> ConsentPage {
    ConsentPage {
        request: HOSTILE.into(),
        csrf: HOSTILE.into(),
        application: application("https://shop.test/"),
        organisation: Some(HOSTILE.into()),
        user: HOSTILE.into(),
        scopes: vec![ScopeLine { name: HOSTILE.into(), text: HOSTILE.into() }],
        roles: vec![HOSTILE.into()],
    }
}

fn form_post() -> FormPostPage {
    let fields = vec![("code".into(), "mst_ac_1".into()), ("state".into(), HOSTILE.into())];
    FormPostPage { action: "https://shop.test/callback?a=1".into(), fields, application: Some(HOSTILE.into()) }
}

fn me() -> MePage {
    MePage {
        user_name: HOSTILE.into(),
        name: HOSTILE.into(),
        email: HOSTILE.into(),
        organisations: vec![OrgAccess {
            name: HOSTILE.into(),
            slug: HOSTILE.into(),
            welcome: vec![HOSTILE.into()],
            roles: vec![HOSTILE.into()],
            projects: vec![(HOSTILE.into(), vec![HOSTILE.into()])],
            console: true,
        }],
        invitations: 2,
        sessions: 2,
        operator: true,
        last_sign_in: HOSTILE.into(),
    }
}

/// Every page, each value of it hostile.
fn every_page() -> Vec<String> {
    let text = || HOSTILE.to_owned();
    let choice = OrgChoice { id: text(), name: text(), slug: text(), roles: text() };
    vec![
        sign_in(Some(application("https://shop.test/")), Some(HOSTILE)).render_page(),
        SelectOrgPage { request: text(), csrf: text(), application_name: Some(text()), organisations: vec![choice] }
            .render_page(),
        consent().render_page(),
        SignOutPage { csrf: text(), request: text(), user: Some(text()), application: Some(text()) }.render_page(),
        SignedOutPage { return_to: Some((text(), text())), refresh: Some(text()), frames: vec![text()] }.render_page(),
        ErrorPage { title: text(), message: text(), code: Some(text()), trace: Some(text()), status: 400 }
            .render_page(),
        form_post().render_page(),
        SetupPage { csrf: text(), token: text(), error: vec![text()], user_name: text(), email: text(), name: text() }
            .render_page(),
        SetupDonePage.render_page(),
        me().render_page(),
        HelpPage.render_page(),
    ]
}

fn has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}

#[test]
fn what_comes_from_outside_stays_text_on_every_page() {
    for page in every_page() {
        assert!(!page.contains("<script>") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
    }
}

#[test]
fn every_page_says_its_language_links_help_and_only_form_post_carries_a_script() {
    for page in every_page() {
        has(&page, &["<html lang=\"en\">", "<h1>", "href=\"/help\"", "/style.css\"", " · Muster</title>"]);
        assert_eq!(page.contains("<script src=\"/assets/"), page.contains("id=\"form-post\""));
        assert!(!page.contains("<style"));
    }
}

#[test]
fn the_sign_in_form_keeps_the_ids_that_machines_rely_on() {
    let page = sign_in(Some(application("https://shop.test/x")), None).render_page();
    has(
        &page,
        &[
            "<h1>Sign in</h1>",
            "<form id=\"login-form\" method=\"post\" action=\"/login\">",
            "<input id=\"username\" name=\"username\"",
            "<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required",
            "id=\"login-submit\"",
            "id=\"login-cancel\" name=\"act\" value=\"cancel\" formnovalidate",
            "<img class=\"mark\" src=\"https://shop.test/x\"",
            "Privacy policy",
            "Terms of service",
        ],
    );
    assert!(!page.contains("readonly"));
    has(
        &consent().render_page(),
        &["id=\"consent-allow\" name=\"act\" value=\"allow\"", "id=\"consent-deny\" name=\"act\" value=\"deny\""],
    );
    let leaving = SignOutPage { csrf: String::new(), request: String::new(), user: None, application: None };
    has(&leaving.render_page(), &["action=\"/end_session/confirm\"", "id=\"logout-confirm\""]);
    let left = SignedOutPage { return_to: None, refresh: None, frames: Vec::new() }.render_page();
    has(&left, &["You have been signed out"]);
    assert!(!left.contains("iframe") && !left.contains("http-equiv"));
}

#[test]
fn a_failed_sign_in_marks_the_title_and_takes_the_focus() {
    let page = sign_in(None, Some("That sign-in didn't work.")).render_page();
    has(&page, &["<title>Error: Sign in", "role=\"alert\" tabindex=\"-1\" autofocus"]);
    assert_eq!(page.matches("autofocus").count(), 1);
    assert!(!sign_in(None, None).render_page().contains("Error:"));
}

#[test]
fn a_provider_to_continue_with_is_a_button_of_its_own_form() {
    let offer = upstream::OfferView { connection: "con_1".into(), name: "Okta".into() };
    let with = SignInPage { offers: vec![offer], discover: false, local: false, ..sign_in(None, None) }.render_page();
    has(
        &with,
        &[
            "<form id=\"upstream-form\" method=\"post\" action=\"/login\">",
            "<input type=\"hidden\" name=\"act\" value=\"upstream\">",
            "id=\"continue-con_1\" name=\"connection\" value=\"con_1\"><span>Continue with <bdi>Okta</bdi>",
        ],
    );
    assert!(!with.contains("login-discover") && !with.contains("name=\"local\""));
    let without = SignInPage { offers: Vec::new(), ..sign_in(None, None) }.render_page();
    assert!(!without.contains("upstream-form"));
    has(&without, &["value=\"discover\" formnovalidate", "<input type=\"hidden\" name=\"local\" value=\"1\">"]);
}

#[test]
fn an_address_that_is_no_web_page_is_never_linked() {
    for uri in ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", " https://shop.test", "//shop.test"] {
        let page = sign_in(Some(application(uri)), None).render_page();
        assert!(
            !page.contains("<img class=\"mark\"") && !page.contains("Privacy policy") && !page.contains("Terms of")
        );
    }
}

#[test]
fn the_form_post_page_carries_the_response_and_a_button_for_browsers_without_scripts() {
    has(
        &form_post().render_page(),
        &[
            "<form id=\"form-post\" method=\"post\" action=\"https://shop.test/callback?a=1\">",
            "<input type=\"hidden\" name=\"code\" value=\"mst_ac_1\">",
            "id=\"form-post-continue\"",
            "/form-post.js\"></script>",
        ],
    );
}
