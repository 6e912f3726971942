//! Which claims come out of a profile and which wishes are understood; the sentences of `claims`.

use serde_json::json;

use super::*;

fn ana() -> Profile {
    let some = |text: &str| Some(text.to_owned());
    Profile {
        name: some("Ana Kim"),
        family_name: some("Kim"),
        given_name: some("Ana"),
        middle_name: some("B"),
        nickname: some("an"),
        preferred_username: some("ana"),
        profile: some("https://ana.example/"),
        picture: some("https://ana.example/me.png"),
        website: some("https://ana.example/"),
        gender: some("female"),
        birthdate: some("1990-02-03"),
        zoneinfo: some("Asia/Seoul"),
        locale: some("ko-KR"),
        updated_at: 1_700_000_000,
        email: some("ana@acme.test"),
        email_verified: true,
        phone_number: some("+821012345678"),
        phone_number_verified: false,
        address: Some(Address { country: some("KR"), region: some(""), ..Address::default() }),
    }
}

fn claims(profile: &Profile, scopes: &str, requested: &[&str]) -> Map<String, Value> {
    let requested = requested.iter().map(|name| (*name).to_owned()).collect();
    standard_claims(profile, &Scopes::parse(scopes).expect("well formed"), &requested)
}

fn names(claims: &Map<String, Value>) -> BTreeSet<&str> {
    claims.keys().map(String::as_str).collect()
}

#[test]
fn the_profile_scope_brings_fourteen_claims_and_no_mail() {
    let found = claims(&ana(), "openid profile", &[]);
    assert_eq!(found.len(), 14);
    assert!(!found.contains_key("email") && !found.contains_key("phone_number") && !found.contains_key("address"));
    assert!(found["updated_at"].is_i64());
}

#[test]
fn each_scope_brings_its_own_claims_and_nothing_else() {
    assert_eq!(names(&claims(&ana(), "openid email", &[])), BTreeSet::from(["email", "email_verified"]));
    assert_eq!(names(&claims(&ana(), "phone", &[])), BTreeSet::from(["phone_number", "phone_number_verified"]));
    assert_eq!(
        claims(&ana(), "address", &[]),
        json!({ "address": { "country": "KR" } }).as_object().expect("object").clone()
    );
    assert!(claims(&ana(), "openid roles", &[]).is_empty());
}

#[test]
fn a_single_wish_brings_a_single_claim() {
    assert_eq!(names(&claims(&ana(), "openid", &["name", "sub", "password_hash"])), BTreeSet::from(["name"]));
}

#[test]
fn neither_null_nor_empty_nor_malformed_claims_are_given_out() {
    assert!(claims(&Profile::default(), "profile email phone address", &[]).is_empty());
    let mut profile = ana();
    (profile.name, profile.email, profile.address) = (Some(" ".to_owned()), None, Some(Address::default()));
    let found = claims(&profile, "profile email address", &[]);
    assert!(["name", "email", "email_verified", "address"].iter().all(|name| !found.contains_key(*name)));
    assert!(found.values().all(|value| !value.is_null() && value != ""));
}

#[test]
fn a_birthdate_has_one_of_three_forms() {
    for good in ["1990-02-03", "0000-02-03", "1990"] {
        assert!(is_birthdate(good), "{good}");
    }
    for bad in ["1990-13-01", "1990-2-3", "03.02.1990", "1990-02", "1990-02-32", "+990-01-01", "1990-02-03-04", ""] {
        assert!(!is_birthdate(bad), "{bad}");
    }
}

#[test]
fn every_standard_claim_has_a_value_in_a_full_profile() {
    let requested: Vec<&str> = STANDARD.iter().map(|(name, _)| *name).collect();
    assert_eq!(claims(&ana(), "", &requested).len(), STANDARD.len());
}

#[test]
fn the_claims_parameter_is_understood() {
    let request = ClaimsRequest::parse(
        r#"{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"sub":{"value":"usr_1"},"acr":{"essential":true,"values":["a","b"]},"auth_time":{}},"other":1}"#,
    )
    .expect("well formed");
    assert_eq!(request.userinfo_names(), BTreeSet::from(["email".to_owned(), "name".to_owned()]));
    assert!(request.userinfo["name"].essential && !request.userinfo["email"].essential);
    assert_eq!(request.wanted_sub(), Some("usr_1"));
    assert_eq!(request.essential_acr(), Some(&["a".to_owned(), "b".to_owned()][..]));
    assert!(request.id_token_names().contains("auth_time"));
    let sealed = serde_json::to_string(&request).expect("plain data");
    assert_eq!(serde_json::from_str::<ClaimsRequest>(&sealed).expect("what we wrote"), request);
}

#[test]
fn a_voluntary_acr_demands_nothing() {
    assert_eq!(
        ClaimsRequest::parse(r#"{"id_token":{"acr":{"values":["a"]}}}"#).expect("well formed").essential_acr(),
        None
    );
}

#[test]
fn malformed_claims_parameters_are_refused() {
    for bad in [
        "",
        "[]",
        "null",
        "{",
        r#"{"userinfo":[]}"#,
        r#"{"userinfo":null}"#,
        r#"{"userinfo":{"name":true}}"#,
        r#"{"userinfo":{"name":{"essential":"yes"}}}"#,
        r#"{"id_token":{"sub":{"value":1}}}"#,
        r#"{"id_token":{"acr":{"values":"a"}}}"#,
    ] {
        assert_eq!(ClaimsRequest::parse(bad), Err(MalformedClaims::Shape), "{bad}");
    }
}

#[test]
fn the_claims_parameter_is_bounded() {
    let many: Vec<String> = (0..=MAX_NAMES).map(|n| format!(r#""c{n}":null"#)).collect();
    assert_eq!(ClaimsRequest::parse(&format!(r#"{{"userinfo":{{{}}}}}"#, many.join(","))), Err(MalformedClaims::Size));
    assert_eq!(ClaimsRequest::parse(&" ".repeat(MAX_BYTES + 1)), Err(MalformedClaims::Size));
    let deep = format!("{{\"userinfo\":{}", "[".repeat(4000));
    assert!(ClaimsRequest::parse(&deep).is_err());
}
