//! Events as the specifications, Google and Okta write them, and one mistake at a time.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::domain::scim::filter::tests::config;
use crate::kernel::time::MINUTE;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const SECONDS: i64 = 1_700_000_000;
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

fn good() -> Claims {
    let token = json!({
        "iss": "https://ssf.test", "aud": "https://id.test/events", "iat": SECONDS, "jti": "j1", "txn": "8675309",
        "sub_id": { "format": "iss_sub", "iss": "https://idp.test", "sub": "ana" },
        "events": { REVOKED: { "event_timestamp": SECONDS } },
    });
    token.as_object().cloned().unwrap()
}

fn with(name: &str, value: Option<Value>) -> Claims {
    let mut claims: Claims = good().into_iter().filter(|(one, _)| one != name).collect();
    claims.extend(value.map(|value| (name.to_owned(), value)));
    claims
}

fn of(claims: &Claims) -> Result<SecurityEvent, EventError> {
    check(claims, "https://ssf.test", "https://id.test/events", NOW)
}

fn iss_sub(issuer: &str, subject: &str) -> Subject {
    Subject::IssSub(Upstream { issuer: issuer.to_owned(), subject: subject.to_owned() })
}

fn ana() -> Subject {
    iss_sub("https://idp.test", "ana")
}

#[test]
fn an_event_says_what_happened_to_whom() {
    let event = of(&good()).unwrap();
    let expected =
        SecurityEvent { jti: "j1".to_owned(), issued: NOW, subject: Some(ana()), kinds: vec![Kind::SessionRevoked] };
    assert_eq!(event, expected);
    for fine in [
        with("aud", Some(json!(["other", "https://id.test/events"]))),
        with("iat", Some(json!(SECONDS + 60))),
        with("iat", Some(json!(SECONDS - 7 * 86_400))),
        with("exp", Some(json!(SECONDS + 1))),
        with("sub", Some(json!("somebody"))),
    ] {
        let event = of(&fine).unwrap();
        assert_eq!((event.subject, event.kinds), (Some(ana()), vec![Kind::SessionRevoked]));
    }
}

#[test]
fn a_token_with_one_wrong_claim_is_refused_with_the_word_of_the_rfc() {
    let long = "x".repeat(256);
    let many: Map<String, Value> = (0..11).map(|n| (format!("urn:{n}"), json!({}))).collect();
    let wrong = [
        ("iss", json!("https://ssf.test/"), "invalid_issuer"),
        ("iss", json!(["https://ssf.test"]), "invalid_issuer"),
        ("aud", json!("https://id.test/events/"), "invalid_audience"),
        ("aud", json!([]), "invalid_audience"),
        ("aud", json!(["https://id.test/events", null]), "invalid_audience"),
        ("jti", json!(""), "invalid_request"),
        ("jti", json!(1), "invalid_request"),
        ("jti", json!(long), "invalid_request"),
        ("iat", json!(SECONDS + 61), "invalid_request"),
        ("iat", json!(SECONDS - 7 * 86_400 - 1), "invalid_request"),
        ("iat", json!("now"), "invalid_request"),
        ("exp", json!(SECONDS - 60), "invalid_request"),
        ("exp", json!("later"), "invalid_request"),
        ("nonce", json!("n"), "invalid_request"),
        ("events", json!({}), "invalid_request"),
        ("events", json!([REVOKED]), "invalid_request"),
        ("events", json!({ REVOKED: true }), "invalid_request"),
        ("events", json!({ REVOKED: {}, "urn:x": null }), "invalid_request"),
        ("events", json!(many), "invalid_request"),
        ("sub_id", json!("ana"), "invalid_request"),
        ("sub_id", json!(null), "invalid_request"),
        ("sub_id", json!({ "format": 1 }), "invalid_request"),
    ];
    for (name, value, err) in wrong {
        let error = of(&with(name, Some(value.clone()))).expect_err(name);
        assert_eq!(error.err, err, "{name} {value}");
        assert!(!error.description.is_empty());
    }
    for (name, err) in [("iss", "invalid_issuer"), ("aud", "invalid_audience")] {
        assert_eq!(of(&with(name, None)).unwrap_err().err, err);
    }
    for name in ["jti", "iat", "events"] {
        assert_eq!(of(&with(name, None)).unwrap_err().err, "invalid_request", "{name}");
    }
    assert_eq!(of(&with("sub_id", None)).unwrap().subject, None);
}

#[test]
fn each_event_has_its_kind_and_each_kind_is_told_once() {
    let kinds = |events: Value| of(&with("events", Some(events))).unwrap().kinds;
    for (uri, kind) in [
        ("caep/event-type/session-revoked", Kind::SessionRevoked),
        ("risc/event-type/sessions-revoked", Kind::SessionRevoked),
        ("oauth/event-type/tokens-revoked", Kind::SessionRevoked),
        ("caep/event-type/credential-change", Kind::CredentialChange),
        ("risc/event-type/credential-compromise", Kind::CredentialChange),
        ("risc/event-type/account-credential-change-required", Kind::CredentialChange),
        ("risc/event-type/account-disabled", Kind::AccountDisabled),
        ("risc/event-type/account-enabled", Kind::AccountEnabled),
        ("risc/event-type/account-purged", Kind::AccountPurged),
        ("ssf/event-type/verification", Kind::Verification { state: None }),
        ("sse/event-type/verification", Kind::Verification { state: None }),
        ("ssf/event-type/stream-updated", Kind::StreamUpdated),
        ("caep/event-type/session-established", Kind::Other),
        ("caep/event-type/session-revoked/", Kind::Other),
    ] {
        let events = json!({ (format!("https://schemas.openid.net/secevent/{uri}")): {} });
        assert_eq!(kinds(events), [kind], "{uri}");
    }
    assert_eq!(kinds(json!({ "caep/event-type/session-revoked": {} })), [Kind::Other]);
    let two = json!({
        REVOKED: {}, "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked": {}, "urn:x": {},
    });
    assert_eq!(kinds(two), [Kind::SessionRevoked, Kind::Other]);
    let verification = |state: Value| {
        kinds(json!({ "https://schemas.openid.net/secevent/ssf/event-type/verification": { "state": state } }))
    };
    assert_eq!(verification(json!("s")), [Kind::Verification { state: Some("s".to_owned()) }]);
    assert_eq!(verification(json!("s".repeat(1_001))), [Kind::Verification { state: None }]);
    assert_eq!(verification(json!(1)), [Kind::Verification { state: None }]);
}

#[test]
fn subjects_are_read_in_every_spelling() {
    let email = || Subject::Email("ana@acme.test".to_owned());
    let session = |user: Option<Subject>| Subject::Session { sid: "s1".to_owned(), user: user.map(Box::new) };
    let iss_sub = json!({ "format": "iss_sub", "iss": "https://idp.test", "sub": "ana" });
    let opaque = json!({ "format": "opaque", "id": "s1" });
    for (named, subject) in [
        (iss_sub.clone(), Some(ana())),
        (json!({ "subject_type": "iss-sub", "iss": "https://idp.test", "sub": "ana" }), Some(ana())),
        (json!({ "subject_type": "id_token_claims", "iss": "https://idp.test", "sub": "ana" }), Some(ana())),
        (opaque.clone(), Some(Subject::Opaque("s1".to_owned()))),
        (json!({ "format": "email", "email": "ana@acme.test" }), Some(email())),
        (json!({ "format": "complex", "user": iss_sub, "session": opaque }), Some(session(Some(ana())))),
        (json!({ "user": iss_sub, "tenant": { "format": "opaque", "id": "t" } }), Some(ana())),
        (json!({ "format": "complex", "session": opaque }), Some(session(None))),
        (json!({ "format": "complex", "session": iss_sub }), Some(ana())),
        (json!({ "user": iss_sub, "session": { "format": "jwt_id", "iss": "i", "jti": "j" } }), Some(ana())),
        (json!({ "user": iss_sub, "device": opaque }), Some(ana())),
        (json!({ "format": "complex", "tenant": opaque }), None),
        (json!({ "format": "phone_number", "phone_number": "+12065550100" }), None),
        (json!({ "format": "did", "url": "did:example:1" }), None),
        (json!({}), None),
        (
            json!({ "format": "aliases", "identifiers": [
                { "format": "phone_number", "phone_number": "+1" }, { "format": "email", "email": "ana@acme.test" }, iss_sub,
            ] }),
            Some(ana()),
        ),
        (
            json!({ "format": "aliases", "identifiers": [{ "format": "email", "email": "ana@acme.test" }] }),
            Some(email()),
        ),
        (json!({ "user": { "format": "aliases", "identifiers": [iss_sub] } }), Some(ana())),
    ] {
        assert_eq!(read(&named), Ok(subject), "{named}");
    }
}

#[test]
fn subjects_that_lack_a_part_or_hold_one_another_are_refused() {
    let nested = json!({ "format": "aliases", "identifiers": [{ "format": "opaque", "id": "1" }] });
    let aliases: Vec<Value> = (0..21).map(|n| json!({ "format": "opaque", "id": n.to_string() })).collect();
    for bad in [
        json!("ana"),
        json!(null),
        json!(["ana"]),
        json!({ "format": null }),
        json!({ "format": "iss_sub", "sub": "ana" }),
        json!({ "format": "iss_sub", "iss": "https://idp.test" }),
        json!({ "format": "iss_sub", "iss": "https://idp.test", "sub": 7 }),
        json!({ "format": "iss_sub", "iss": "https://idp.test", "sub": "a\u{0}" }),
        json!({ "format": "iss_sub", "iss": "https://idp.test", "sub": "x".repeat(10_000) }),
        json!({ "format": "opaque", "id": "" }),
        json!({ "format": "email", "email": "ana" }),
        json!({ "format": "email", "email": "a@evil.test@acme.test" }),
        json!({ "format": "aliases" }),
        json!({ "format": "aliases", "identifiers": [] }),
        json!({ "format": "aliases", "identifiers": [{ "id": "1" }] }),
        json!({ "format": "aliases", "identifiers": aliases }),
        json!({ "user": "ana" }),
        json!({ "user": { "format": "complex", "user": nested } }),
        json!({ "user": { "user": nested } }),
        json!({ "user": { "format": "opaque" } }),
        json!({ "user": { "format": "opaque", "id": "1" }, "session": 7 }),
    ] {
        assert!(read(&bad).is_err(), "{bad}");
    }
    // Aliases inside aliases name nobody, and lead nowhere.
    assert_eq!(read(&json!({ "format": "aliases", "identifiers": [nested] })), Ok(None));
}

#[test]
fn a_subject_inside_the_event_is_read_where_none_stands_outside() {
    let inside = |subject: Value| {
        let mut claims = with("sub_id", None);
        claims.insert("events".to_owned(), json!({ REVOKED: { "subject": subject } }));
        claims
    };
    let google = json!({ "subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": "7375626A656374" });
    let event = of(&inside(google)).unwrap();
    assert_eq!(event.subject, Some(iss_sub("https://accounts.google.com/", "7375626A656374")));
    let okta = json!({ "user": { "format": "iss_sub", "iss": "https://idp.test", "sub": "ana" } });
    assert_eq!(of(&inside(okta)).unwrap().subject, Some(ana()));
    assert!(of(&inside(json!("ana"))).is_err());
    // What stands outside wins; two that differ are two events.
    let mut both = inside(json!({ "format": "opaque", "id": "other" }));
    both.insert("sub_id".to_owned(), json!({ "format": "iss_sub", "iss": "https://idp.test", "sub": "ana" }));
    assert_eq!(of(&both).unwrap().subject, Some(ana()));
    let two = json!({
        REVOKED: { "subject": { "format": "opaque", "id": "1" } }, "urn:x": { "subject": { "format": "opaque", "id": "2" } },
    });
    let mut claims = with("sub_id", None);
    claims.insert("events".to_owned(), two);
    assert_eq!(of(&claims).unwrap_err().err, "invalid_request");
}

#[test]
fn a_subject_of_another_issuer_is_nobody_at_this_one() {
    let google = "https://accounts.google.com";
    let known = Upstream { issuer: google.to_owned(), subject: "7".to_owned() };
    assert_eq!(iss_sub("https://accounts.google.com/", "7").upstream(google), Some(known.clone()));
    assert_eq!(iss_sub(google, "7").upstream(google), Some(known.clone()));
    for other in [
        "https://accounts.google.com//",
        "https://accounts.google.com/x",
        "https://evil.test",
        "HTTPS://accounts.google.com",
    ] {
        assert_eq!(iss_sub(other, "7").upstream(google), None, "{other}");
    }
    assert_eq!(Subject::Opaque("7".to_owned()).upstream(google), Some(known.clone()));
    assert_eq!(Subject::Email("ana@acme.test".to_owned()).upstream(google), None);
    let session = |user| Subject::Session { sid: "s".to_owned(), user };
    assert_eq!(session(None).upstream(google), None);
    assert_eq!(session(Some(Box::new(iss_sub(google, "7")))).upstream(google), Some(known));
    assert_eq!(OLDEST + SKEW, 7 * DAY + MINUTE);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_refusal_tells_nothing_of_the_token(
        name in select(vec!["iss", "aud", "iat", "exp", "jti", "events", "sub_id", "nonce"]), text in "secret-[a-z]{8}",
        shape in 0..4,
    ) {
        let value = match shape {
            0 => json!(text),
            1 => json!([text]),
            2 => json!({ "format": text, (text.as_str()): text }),
            _ => json!({ "format": "iss_sub", "iss": text }),
        };
        if let Err(error) = of(&with(name, Some(value))) {
            prop_assert!(!error.description.contains("secret-") && !error.err.contains("secret-"));
        }
    }
}
