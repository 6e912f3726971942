//! Set-ups as presets begin them, and one mistake at a time.

use serde_json::json;

use super::*;

fn core(issuer: &str) -> Core {
    Core { issuer: issuer.to_owned(), client_id: "muster".to_owned(), client_auth: ClientAuth::SecretBasic }
}

fn good() -> SignInSettings {
    SignInSettings::begun_from(Preset::Generic, core("https://idp.acme.test"))
}

fn spoilt(field: &str, spoil: impl Fn(&mut SignInSettings)) {
    let mut bad = good();
    spoil(&mut bad);
    let unfit = bad.check().expect_err(field);
    assert_eq!(unfit.field, field);
    assert!(!unfit.reason.is_empty());
}

#[test]
fn every_preset_begins_with_what_can_be_meant_so() {
    for preset in Preset::ALL {
        let begun = SignInSettings::begun_from(*preset, core(preset.issuer_hint()));
        assert_eq!(begun.check(), Ok(()), "{preset}");
        assert!(begun.scopes.contains("openid") && begun.provision && !begun.amr);
        let text = serde_json::to_string(&begun).unwrap();
        assert_eq!(serde_json::from_str::<SignInSettings>(&text).unwrap(), begun);
    }
    let of = |preset: Preset| SignInSettings::begun_from(preset, core("https://idp.acme.test"));
    assert_eq!((of(Preset::Entra).scim_claim.as_deref(), of(Preset::Entra).userinfo), (Some("oid"), false));
    assert_eq!(
        (of(Preset::Okta).scim_claim.as_deref(), of(Preset::Okta).scopes.contains("groups")),
        (Some("sub"), true)
    );
    assert!(of(Preset::Google).userinfo && of(Preset::Google).scim_claim.is_none());
}

#[test]
fn an_issuer_is_https_or_this_machine_and_nothing_but_an_address() {
    for fine in [
        "https://idp.acme.test/",
        "https://idp.acme.test/a/b",
        "https://idp.acme.test:8443",
        "http://127.0.0.1:9000",
        "http://localhost:9000/x",
        "http://[::1]:9",
    ] {
        let mut settings = good();
        settings.core.issuer = fine.to_owned();
        assert_eq!(settings.check(), Ok(()), "{fine}");
    }
    let long = format!("https://idp.acme.test/{}", "x".repeat(500));
    for bad in [
        "",
        "idp.acme.test",
        "http://idp.acme.test",
        "http://169.254.169.254",
        "https://idp.acme.test?x=1",
        "https://idp.acme.test#x",
        "https://user:pass@idp.acme.test",
        "https://",
        "ftp://idp.acme.test",
        "com.acme:/x",
        "https://idp.acme.test/\u{0}",
        "https://idp .acme.test",
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/Organizations/v2.0",
        "https://login.microsoftonline.com",
        "https://idp.acme.test/.well-known/openid-configuration",
        &long,
    ] {
        spoilt("core.issuer", |settings| settings.core.issuer = bad.to_owned());
    }
    spoilt("core.issuer", |settings| settings.preset = Preset::Google);
}

#[test]
fn a_set_up_is_checked_one_mistake_at_a_time() {
    for bad in ["", "a b", "é", &"x".repeat(256)] {
        spoilt("core.client_id", |settings| settings.core.client_id = bad.to_owned());
    }
    spoilt("scopes", |settings| {
        settings.scopes.remove("openid");
    });
    spoilt("scopes", |settings| settings.scopes.extend((0..30).map(|n| format!("s{n}"))));
    for bad in ["", "a b", "a\"b", "a\\b", "é", &"x".repeat(101)] {
        spoilt("scopes", |settings| {
            settings.scopes.insert(bad.to_owned());
        });
    }
    spoilt("claims.user_name", |settings| settings.claims.user_name.clear());
    spoilt("claims.user_name", |settings| settings.claims.user_name = vec!["a".to_owned(); 11]);
    for bad in ["", " ", "a..b", "a.", "a\nb", "a\u{200b}", "nonce", "amr.0", &"x".repeat(201)] {
        spoilt("claims.user_name", |settings| settings.claims.user_name[0] = bad.to_owned());
        spoilt("claims.email", |settings| settings.claims.email = bad.to_owned());
        spoilt("claims.groups", |settings| settings.claims.groups = bad.to_owned());
        spoilt("scim_claim", |settings| settings.scim_claim = Some(bad.to_owned()));
    }
    for personal in ["sub", "email", "name", "preferred_username", "phone_number"] {
        spoilt("claims.groups", |settings| settings.claims.groups = personal.to_owned());
    }
    spoilt("acr", |settings| settings.acr = (0..21).map(|n| (n.to_string(), "urn:x".to_owned())).collect());
    for (theirs, ours) in [("", "urn:x"), ("1", ""), ("1", "a b"), ("1 2", "a"), ("1", "é")] {
        spoilt("acr", |settings| {
            settings.acr.insert(theirs.to_owned(), ours.to_owned());
        });
    }
}

#[test]
fn an_address_of_a_claim_may_have_dots_and_slashes() {
    let mut settings = good();
    settings.claims.groups = "https://acme.test/a..b/groups".to_owned();
    assert_eq!(settings.check(), Ok(()));
}

#[test]
fn events_need_an_issuer_and_addresses_that_can_be_called() {
    let on = |settings: &mut SignInSettings| settings.signals.issuer = Some("https://ssf.acme.test".to_owned());
    let mut fine = good();
    on(&mut fine);
    fine.signals.audience = Some("https://id.test/upstream/con_1/events".to_owned());
    fine.signals.poll_url = Some("https://ssf.acme.test/poll?stream=1".to_owned());
    assert_eq!(fine.check(), Ok(()));
    spoilt("signals.issuer", |settings| settings.signals.audience = Some("a".to_owned()));
    spoilt("signals.issuer", |settings| settings.signals.poll_url = Some("https://ssf.acme.test".to_owned()));
    spoilt("signals.issuer", |settings| settings.signals.issuer = Some("http://ssf.acme.test".to_owned()));
    for bad in ["", "a b", &"x".repeat(501)] {
        spoilt("signals.audience", |settings| {
            on(settings);
            settings.signals.audience = Some(bad.to_owned());
        });
    }
    for bad in ["", "http://10.0.0.1/poll", "file:///etc/passwd", "https://u:p@ssf.acme.test/"] {
        spoilt("signals.poll_url", |settings| {
            on(settings);
            settings.signals.poll_url = Some(bad.to_owned());
        });
    }
}

#[test]
fn names_that_are_not_given_are_the_standard_ones_and_unknown_words_are_refused() {
    let names: ClaimNames = serde_json::from_value(json!({ "groups": "roles" })).unwrap();
    assert_eq!(names, ClaimNames { groups: "roles".to_owned(), ..ClaimNames::default() });
    assert!(serde_json::from_value::<ClaimNames>(json!({ "groop": "roles" })).is_err());
    let all = ClaimNames::default();
    assert_eq!(all.all().count(), 9);
}
