//! Claims as honest providers send them, as hostile ones might, and at random.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::domain::federation::mapping::{Condition, Op, Rule};
use crate::domain::scim::filter::tests::config;
use crate::kernel::id::GroupId;

fn claims(value: Value) -> Claims {
    let Value::Object(claims) = value else { panic!("an object") };
    claims
}

/// The claims with one more.
fn and(mut to: Claims, name: &str, value: Value) -> Claims {
    to.insert(name.to_owned(), value);
    to
}

fn of(value: Value) -> Said {
    said(&claims(value), &ClaimNames::default(), |domain| domain == "acme.test" || domain == "xn--bcher-kva.example", 7)
}

fn groups_from(name: &str) -> ClaimNames {
    ClaimNames { groups: name.to_owned(), ..ClaimNames::default() }
}

/// A mapping with one rule on one claim.
fn asking(claim: &str) -> Mapping {
    let condition = Condition { claim: claim.to_owned(), op: Op::NotEquals, values: vec!["x".to_owned()] };
    let rule = Rule {
        name: "rule".to_owned(),
        conditions: vec![condition],
        groups: [GroupId::from_u128(1)].into_iter().collect(),
    };
    Mapping { on: true, rules: vec![rule], ..Mapping::default() }
}

#[test]
fn a_dot_leads_into_an_object_but_for_names_that_are_there_whole_or_are_addresses() {
    let claims = claims(json!({
        "realm_access": { "roles": ["a", "b"], "deep": { "er": "c" } },
        "acme.test/groups": ["whole"],
        "https://acme.test/groups": ["address"],
        "https://other": { "test/groups": ["no"] },
        "both": { "ways": "inside" }, "both.ways": "whole",
    }));
    assert_eq!(texts(&claims, "realm_access.roles"), ["a", "b"]);
    assert_eq!(text(&claims, "realm_access.deep.er"), Some("c"));
    assert_eq!(texts(&claims, "acme.test/groups"), ["whole"]);
    assert_eq!(texts(&claims, "https://acme.test/groups"), ["address"]);
    assert_eq!(text(&claims, "both.ways"), Some("whole"));
    for nowhere in ["https://other.test/groups", "realm_access.none", "realm_access.roles.0", "realm_access.", ".", ""]
    {
        assert_eq!(find(&claims, nowhere), None, "{nowhere}");
    }
}

#[test]
fn one_text_and_a_list_of_one_are_the_same_and_what_is_no_text_is_left_aside() {
    let claims = claims(json!({
        "one": "a", "list": ["a"], "two": ["a", "b"], "mixed": ["a", 1, null, true, {}], "blank": "  ", "none": null,
        "flag": true, "number": 7,
    }));
    assert_eq!((text(&claims, "one"), text(&claims, "list")), (Some("a"), Some("a")));
    for none in ["two", "mixed", "blank", "none", "flag", "number", "absent"] {
        assert_eq!(text(&claims, none), None, "{none}");
    }
    assert_eq!(texts(&claims, "one"), ["a"]);
    assert_eq!(texts(&claims, "mixed"), ["a"]);
    assert_eq!(values(&claims, "mixed"), ["a", "1", "true"]);
    assert_eq!((values(&claims, "flag"), values(&claims, "number")), (vec!["true".into()], vec!["7".into()]));
    assert!(texts(&claims, "none").is_empty() && values(&claims, "absent").is_empty());
}

#[test]
fn the_subject_is_refused_and_never_cut_where_it_is_unfit() {
    let of = |subject: Value| upstream(&claims(json!({ "iss": "https://idp.test", "sub": subject })));
    for good in ["ana", "auth0|0123", "Ana Kim", "박지민", "a<!--b-->c", &"x".repeat(255)] {
        assert_eq!(of(json!(good)).unwrap().subject, good);
    }
    let long = "x".repeat(10_000);
    for bad in [
        "",
        " ",
        "a\u{0}b",
        "a\nb",
        "a\u{200b}b",
        "a\u{200d}b",
        "a\u{feff}",
        "\u{202e}ana",
        "a\u{2067}b",
        "a\u{ad}b",
        "a\u{e0041}b",
        &"x".repeat(256),
        &"é".repeat(128),
        &long,
    ] {
        assert_eq!(of(json!(bad)).unwrap_err().field, "sub", "{bad:?}");
    }
    for bad in [json!(null), json!(7), json!(["ana"]), json!({ "sub": "ana" })] {
        assert!(of(bad).is_err());
    }
    let missing = upstream(&claims(json!({ "sub": "ana" })));
    assert_eq!(missing.unwrap_err().field, "iss");
    let long = upstream(&claims(json!({ "iss": format!("https://{}", "x".repeat(500)), "sub": "ana" })));
    assert_eq!(long.unwrap_err().field, "iss");
}

// N10
#[test]
fn the_profile_follows_from_the_claims() {
    let said = of(json!({
        "sub": "00u1", "preferred_username": "ana", "given_name": " Ana\u{7} ", "family_name": "\u{202e}Kim",
        "email": "Ana@Acme.test", "email_verified": true, "phone_number": "+82 10-1234-5678", "locale": "ko-KR",
        "zoneinfo": "Asia/Seoul", "nickname": "An", "picture": "https://idp.test/ana.png", "phone_number_verified": true,
    }));
    let profile = said.profile;
    assert_eq!((said.user_name.as_str(), said.left_out), ("ana", None));
    assert_eq!(profile.name.as_deref(), Some("Ana Kim"));
    assert_eq!((profile.email.as_deref(), profile.email_verified), (Some("Ana@Acme.test"), true));
    assert_eq!((profile.phone_number.as_deref(), profile.phone_number_verified), (Some("+821012345678"), false));
    assert_eq!((profile.locale.as_deref(), profile.zoneinfo.as_deref()), (Some("ko-KR"), Some("Asia/Seoul")));
    assert_eq!((profile.updated_at, profile.picture, profile.preferred_username), (7, None, Some("ana".to_owned())));
    let long = of(json!({ "sub": "00u1", "name": "é".repeat(10_000), "phone_number": "010", "locale": "ko KR" }));
    assert_eq!(long.profile.name.map(|name| name.chars().count()), Some(200));
    assert_eq!((long.profile.phone_number, long.profile.locale), (None, None));
}

#[test]
fn an_address_of_another_domain_becomes_neither_claim_nor_identifier() {
    for email in [
        "ceo@other.test",
        "ceo@sub.acme.test",
        "ceo@acme.test.evil.test",
        "ceo@other.test@acme.test",
        "\"ceo@other.test\"@acme.test",
        "ceo@acme.test.",
        "ceo@acme.test\u{0}",
        "ce\u{200b}o@acme.test",
        "ceo@ac\u{200b}me.test",
        "\u{202e}ceo@acme.test",
        "ceo\u{ff20}other.test@acme.test",
        "ceo\u{ff20}acme.test",
        "ceo@acme.test<!-- -->",
        &format!("{}@acme.test", "x".repeat(10_000)),
    ] {
        let said = of(json!({ "sub": "00u1", "email": email, "preferred_username": email, "email_verified": true }));
        assert_eq!((said.user_name.as_str(), said.profile.email, said.profile.email_verified), ("00u1", None, false));
        assert!(said.left_out.is_some_and(|left| left.chars().count() <= 254 && !left.chars().any(is_hidden)));
    }
}

#[test]
fn an_address_that_the_provider_calls_unverified_is_left_out() {
    let with = |verified: Value| of(json!({ "sub": "00u1", "email": "ana@acme.test", "email_verified": verified }));
    for verified in [json!(true), json!("true"), json!("True"), json!(null)] {
        let said = with(verified);
        assert_eq!((said.user_name.as_str(), said.profile.email_verified), ("ana@acme.test", true));
    }
    for unverified in
        [json!(false), json!("false"), json!("no"), json!(""), json!(0), json!(1), json!([true]), json!({})]
    {
        let said = with(unverified.clone());
        assert_eq!((said.user_name.as_str(), said.profile.email), ("00u1", None), "{unverified}");
        assert_eq!(said.left_out.as_deref(), Some("ana@acme.test"));
    }
    // It is no user name under another claim's name either.
    let said = of(json!({
        "sub": "00u1", "preferred_username": "ANA@acme.test", "email": "ana@acme.test", "email_verified": false
    }));
    assert_eq!((said.user_name.as_str(), said.profile.email), ("00u1", None));
}

#[test]
fn a_domain_of_another_writing_has_one_form() {
    for email in ["ana@bücher.example", "ana@BÜCHER.example", "ana@ｂücher.example"] {
        assert_eq!(
            of(json!({ "sub": "1", "email": email })).profile.email.as_deref(),
            Some("ana@xn--bcher-kva.example")
        );
    }
    assert_eq!(of(json!({ "sub": "1", "email": "ana@ＡＣＭＥ.test" })).profile.email.as_deref(), Some("ana@acme.test"));
}

#[test]
fn the_user_name_is_the_first_that_can_be_one_and_never_cut() {
    let long = "x".repeat(257);
    for unfit in ["a\u{0}b", "a\u{200b}b", "a\u{202e}b", "+82 10 1234 5678", "＋８２１０１２３４５６７８", " ", &long]
    {
        let said = of(json!({ "sub": "00u1", "preferred_username": unfit, "email": "ana@acme.test" }));
        assert_eq!(said.user_name, "ana@acme.test", "{unfit:?}");
    }
    assert_eq!(of(json!({ "sub": "auth0|1", "preferred_username": "Ana Kim" })).user_name, "Ana Kim");
    assert_eq!(of(json!({ "sub": "auth0|1" })).user_name, "auth0|1");
    // A subject that looks like somebody's address is nobody's user name.
    let digest = |issuer: &str| of(json!({ "iss": issuer, "sub": "ceo@other.test" })).user_name;
    assert!(digest("https://a.test").starts_with("sub-") && digest("https://a.test").len() == 26);
    assert_ne!(digest("https://a.test"), digest("https://b.test"));
    assert_eq!(of(json!({ "sub": "ana@acme.test" })).user_name, "ana@acme.test");
}

#[test]
fn too_many_groups_are_never_a_part_of_them() {
    let names = ClaimNames::default();
    let many = |count: usize| claims(json!({ "groups": (0..count).map(|n| n.to_string()).collect::<Vec<_>>() }));
    assert!(matches!(groups(&many(50_000), &names), Groups::Listed(all) if all.len() == 50_000));
    assert_eq!(groups(&many(50_001), &names), Groups::Overage);
    let entra =
        json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": "https://x" } } });
    assert_eq!(groups(&claims(entra.clone()), &names), Groups::Overage);
    assert_eq!(groups(&and(claims(entra.clone()), "groups", json!(["a"])), &names), Groups::Overage);
    // Another claim that holds groups is not concerned.
    let roles = and(claims(entra), "roles", json!(["admin"]));
    assert_eq!(groups(&roles, &groups_from("roles")), Groups::Listed(vec!["admin"]));
    for (has, overage) in [(json!(true), true), (json!("true"), true), (json!(false), false), (json!("no"), false)] {
        let said = claims(json!({ "hasgroups": has }));
        assert_eq!(groups(&said, &names) == Groups::Overage, overage);
        assert_eq!(groups(&said, &groups_from("roles")), Groups::Listed(vec![]));
    }
    assert_eq!(groups(&claims(json!({ "groups": "one" })), &names), Groups::Listed(vec!["one"]));
    assert_eq!(groups(&claims(json!({})), &names), Groups::Listed(vec![]));
}

#[test]
fn what_is_of_one_sign_in_is_not_kept_and_what_is_left_out_is_held_back() {
    let names = ClaimNames::default();
    let big = "x".repeat(5_000);
    let mut all = claims(json!({
        "iss": "i", "aud": "a", "exp": 1, "iat": 1, "nbf": 1, "nonce": "n", "at_hash": "h", "c_hash": "h", "azp": "a",
        "jti": "j", "sid": "s", "auth_time": 1, "acr": "1", "amr": ["pwd"], "picture": "p", "address": {},
        "sub": "00u1", "big": big, "asked": big, "groups": [big], "_left_out": ["groups"],
    }));
    let few = kept(all.clone(), &names, &asking("asked"), None);
    assert_eq!(few.keys().collect::<Vec<_>>(), ["sub", "asked", "groups", "_left_out"]);
    assert!(is_withheld(&few, "big") && is_withheld(&few, "acr") && !is_withheld(&few, "groups"));
    assert!(!is_withheld(&few, "asked") && !is_withheld(&few, "absent"));
    all.extend((0..300).map(|n| (format!("c{n}"), json!(n))));
    let many = kept(all.clone(), &names, &asking("c299"), None);
    // "big" and "asked", which nothing asks for now, are two of the 200.
    assert_eq!(many.keys().filter(|name| name.starts_with('c')).count(), 198 + 1);
    assert!(is_withheld(&many, "c298") && !is_withheld(&many, "c299") && !is_withheld(&many, "c5"));
    all.extend((300..800).map(|n| (format!("c{n}"), json!(n))));
    let most = kept(all, &names, &asking("asked"), None);
    assert!(is_withheld(&most, "c700") && is_withheld(&most, "whatever") && !is_withheld(&most, "c5"));
}

#[test]
fn groups_that_are_too_many_are_left_out_as_a_whole() {
    let list: Vec<String> = (0..50_001).map(|n| n.to_string()).collect();
    let names = groups_from("access.groups");
    let few = kept(claims(json!({ "access": { "groups": list }, "sub": "1" })), &names, &Mapping::default(), None);
    assert!(!few.contains_key("access"));
    assert_eq!(groups(&few, &names), Groups::Overage);
    let entra =
        kept(claims(json!({ "_claim_names": { "groups": "s" } })), &ClaimNames::default(), &Mapping::default(), None);
    assert_eq!(groups(&entra, &ClaimNames::default()), Groups::Overage);
}

#[test]
fn the_log_shows_names_and_groups_and_no_text() {
    let said = claims(json!({
        "sub": "secret-1", "name": "secret-2", "age": 7, "flag": true, "none": null, "groups": ["g1", "g2", 3],
        "realm_access": { "roles": ["secret-3"], "n": [1, { "deep": "secret-4" }] },
    }));
    let shown = redacted(&said, &ClaimNames::default());
    let expected = json!({
        "sub": "…", "name": "…", "age": 7, "flag": true, "none": null, "groups": ["g1", "g2"],
        "realm_access": { "roles": ["…"], "n": [1, { "deep": "…" }] },
    });
    assert_eq!(Value::Object(shown), expected);
    let nested = redacted(&said, &groups_from("realm_access.roles"));
    assert_eq!(nested["realm_access"]["roles"], json!(["secret-3"]));
    assert_eq!(nested["groups"], json!(["…", "…", 3]));
    assert_eq!(redacted(&claims(json!({ "groups": "g1" })), &ClaimNames::default())["groups"], "g1");
    let many: Vec<String> = (0..50_000).map(|n| format!("{n}{}", "x".repeat(300))).collect();
    let shown = redacted(&claims(json!({ "groups": many, "list": many })), &ClaimNames::default());
    assert!(Value::Object(shown).to_string().len() < 150_000);
}

#[test]
fn the_id_token_wins_and_alone_says_what_is_of_this_sign_in() {
    let id_token = claims(json!({ "sub": "1", "name": "Ana", "email": null }));
    let userinfo = claims(json!({
        "sub": "2", "name": "Bob", "email": "ana@acme.test", "auth_time": 1, "acr": "high", "amr": ["mfa"], "iss": "x",
        "aud": "x", "nonce": "x", "sid": "x", "groups": ["g"],
    }));
    let merged = merge(id_token, userinfo);
    let expected = json!({ "sub": "1", "name": "Ana", "email": "ana@acme.test", "groups": ["g"] });
    assert_eq!(Value::Object(merged), expected);
}

#[test]
fn times_are_numbers_and_audiences_texts() {
    let all = claims(json!({ "a": 10, "b": 10.9, "c": 1e9, "d": "10", "e": null, "f": 1e300, "g": u64::MAX }));
    let of = |name: &str| moment(&all, name);
    assert_eq!((of("a"), of("b")), (Ok(Some(UnixMillis(10_000))), Ok(Some(UnixMillis(10_000)))));
    assert_eq!((of("c"), of("none")), (Ok(Some(UnixMillis(1_000_000_000_000))), Ok(None)));
    for bad in ["d", "e", "f", "g"] {
        assert_eq!(of(bad), Err(NotATime), "{bad}");
    }
    let aud = |aud: Value| is_for(&claims(json!({ "aud": aud })), "us");
    assert!(aud(json!("us")) && aud(json!(["them", "us"])));
    assert!(
        !aud(json!("US")) && !aud(json!([])) && !aud(json!(["us", 1])) && !aud(json!([["us"]])) && !aud(json!(null))
    );
    assert!(!is_for(&Claims::new(), "us") && !is_for(&claims(json!({ "aud": "" })), "us"));
}

/// Any JSON whose texts begin with `txt-`, under any names.
fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "txt-[a-z]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((names(), inner), 0..5).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    select(vec![
        "groups",
        "sub",
        "email",
        "a",
        "b",
        "a.b",
        "https://x.y",
        "_claim_names",
        "hasgroups",
        "_left_out",
        "amr",
    ])
    .prop_map(str::to_owned)
}

fn any_claims() -> impl Strategy<Value = Claims> {
    vec((names(), json_values()), 0..8).prop_map(|all| all.into_iter().collect::<Claims>())
}

/// Every text in a value.
fn all_texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(all_texts).collect(),
        Value::Object(object) => object.values().flat_map(all_texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn redaction_leaks_no_text_but_groups_and_keeps_every_name(claims in any_claims(), from in names()) {
        let shown = redacted(&claims, &groups_from(&from));
        let open: Vec<&str> = texts(&claims, &from);
        for text in shown.values().flat_map(all_texts) {
            prop_assert!(text == BLACK || open.contains(&text), "{} leaks", text);
        }
        prop_assert!(claims.keys().eq(shown.keys()));
        let elsewhere = shown.iter().filter(|(name, _)| **name != from && !from.starts_with(&format!("{name}.")));
        for text in elsewhere.flat_map(|(_, value)| all_texts(value)) {
            prop_assert_eq!(text, BLACK);
        }
    }

    #[test]
    fn what_is_kept_is_what_was_said_or_is_held_back(claims in any_claims(), from in names(), rule in names()) {
        let (names, mapping) = (groups_from(&from), asking(&rule));
        let few = kept(claims.clone(), &names, &mapping, None);
        for (name, value) in &few {
            prop_assert!(name == LEFT_OUT || claims.get(name) == Some(value));
            prop_assert!(!is_dropped(name));
        }
        if !is_withheld(&few, &rule) {
            let all: Claims = claims.into_iter().filter(|(name, _)| name != LEFT_OUT).collect();
            prop_assert_eq!(values(&few, &rule), values(&all, &rule));
        }
    }

    #[test]
    fn an_account_never_gets_an_identifier_that_is_not_the_connections_to_give(
        name in "[a-z＠@.\u{200b}+]{0,12}", email in "[a-c@.＠]{0,6}(@acme\\.test|@other\\.test)?", sub in "\\PC{1,40}",
    ) {
        let said = of(json!({ "sub": sub, "preferred_username": name, "email": email }));
        prop_assert!(said.user_name.chars().count() <= 256 && username::prepare(&said.user_name, false).is_ok());
        let domain = |address: &str| DomainName::of_email(address).map(DomainName::into_string);
        for address in said.profile.email.iter().chain(said.user_name.contains('@').then_some(&said.user_name)) {
            let found = domain(address);
            prop_assert_eq!(found.as_deref(), Some("acme.test"));
        }
        prop_assert_eq!(said.profile.email_verified, said.profile.email.is_some());
    }

    #[test]
    fn a_subject_is_taken_whole_or_not_at_all(sub in ".{0,300}") {
        let claims = claims(json!({ "iss": "https://idp.test", "sub": sub }));
        match upstream(&claims) {
            Ok(upstream) => prop_assert_eq!(upstream.subject, sub),
            Err(unfit) => prop_assert_eq!(unfit.field, "sub"),
        }
    }
}
