//! What proves an application's identity and what doesn't; the sentences of `client_auth`.

use serde_json::json;

use super::*;
use crate::domain::oauth::application::sample;
use crate::domain::oauth::error::ErrorCode;

const NOW: UnixMillis = UnixMillis(1_000_000_000);
const ENDPOINTS: AcceptedAudiences<'static> = AcceptedAudiences {
    issuer: "https://id.example",
    token_endpoint: "https://id.example/token",
    this_endpoint: "https://id.example/revoke",
};

fn form(text: &str) -> Params {
    Params::from_query(text).expect("well formed")
}

fn header(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn refused(authorization: Option<&str>, params: &str) -> ErrorCode {
    present(authorization, &form(params)).expect_err("refused").code
}

fn good() -> Value {
    json!({ "iss": "shop", "sub": "shop", "aud": "https://id.example/token", "exp": NOW.seconds() + 60, "iat": NOW.seconds(), "jti": "1" })
}

fn judge(profile: Profile, claim: &str, value: Value) -> Result<Jti, OAuthError> {
    let mut claims = good().as_object().expect("an object").clone();
    if value.is_null() {
        claims.remove(claim);
    } else {
        claims.insert(claim.to_owned(), value);
    }
    check_assertion(&claims, &Application { profile, ..sample() }, &ENDPOINTS, NOW)
}

fn accepts(claim: &str, value: Value) -> bool {
    judge(Profile::Standard, claim, value).is_ok()
}

#[test]
fn basic_credentials_are_decoded_as_a_form_and_no_other_way() {
    match present(Some(&header("a%3Ab+c:s%25+%C3%A9")), &form("")).expect("well formed") {
        Presented::Basic { client_id, secret } => {
            assert_eq!((client_id.as_str(), secret.expose()), ("a:b c", "s% é"));
        }
        other => panic!("{other:?}"),
    }
    assert!(present(Some(&header("shop:s").replace("Basic", "bAsIc")), &form("client_id=shop")).is_ok());
}

#[test]
fn a_secret_may_have_colons() {
    match present(Some(&header("shop:a:b")), &form("")).expect("well formed") {
        Presented::Basic { secret, .. } => assert_eq!(secret.expose(), "a:b"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn loose_basic_credentials_are_refused() {
    let escaped = [
        header("shop:%zz"),
        header("shop:50%"),
        header("sh%op:s"),
        header("shop"),
        header(":s"),
        header("shop:%FF"),
        header("shop:%00"),
    ];
    let shapes = ["Basic", "Basic ", "Basic !!!!", "Basic c2hvcDpz=", "Bearer abc", "", "c2hvcDpz"].map(str::to_owned);
    for bad in escaped.iter().chain(&shapes) {
        assert_eq!(refused(Some(bad), "client_id=shop"), ErrorCode::InvalidClient, "{bad}");
    }
}

#[test]
fn more_than_one_method_is_refused() {
    let basic = header("shop:s");
    let jwt = format!("client_assertion=x&client_assertion_type={JWT_BEARER}");
    for (authorization, params) in [
        (Some(basic.as_str()), "client_id=shop&client_secret=s".to_owned()),
        (Some(basic.as_str()), "client_secret=s".to_owned()),
        (Some(basic.as_str()), jwt.clone()),
        (None, format!("client_id=shop&client_secret=s&{jwt}")),
        (Some(basic.as_str()), "client_id=other".to_owned()),
    ] {
        assert_eq!(refused(authorization, &params), ErrorCode::InvalidRequest, "{params}");
    }
}

#[test]
fn a_request_without_any_name_is_refused() {
    assert_eq!(refused(None, ""), ErrorCode::InvalidClient);
    assert_eq!(refused(None, "client_secret=s"), ErrorCode::InvalidClient);
    assert_eq!(refused(None, "client_id=shop&client_assertion=x"), ErrorCode::InvalidClient);
    assert_eq!(refused(None, "client_id=shop&client_assertion=x&client_assertion_type=saml"), ErrorCode::InvalidClient);
}

#[test]
fn what_is_presented_says_its_method_and_never_its_secret() {
    let post = present(None, &form("client_id=shop&client_secret=hush")).expect("well formed");
    assert_eq!((post.method(), post.client_id().as_deref()), (AuthMethod::ClientSecretPost, Some("shop")));
    assert!(!format!("{post:?}").contains("hush"));
    for public in ["client_id=shop", "client_id=shop&client_secret="] {
        assert_eq!(present(None, &form(public)).expect("well formed").method(), AuthMethod::None);
    }
}

#[test]
fn an_assertion_names_its_application() {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"shop"}"#);
    let named = |jwt: &str| {
        let query = format!("client_assertion={jwt}&client_assertion_type={JWT_BEARER}");
        present(None, &form(&query)).expect("well formed").client_id()
    };
    assert_eq!(named(&format!("e30.{payload}.x")).as_deref(), Some("shop"));
    for bad in [
        format!("e30.{payload}"),
        format!("e30.{payload}.x.y"),
        "e30.!!.x".to_owned(),
        ".".repeat(5000),
        "e30.e30.x".to_owned(),
    ] {
        assert_eq!(named(&bad), None, "{bad}");
    }
}

#[test]
fn any_live_secret_works_and_no_other() {
    let mut application = sample();
    let of = |text: &str| Secret::presented(text);
    assert!(!check_secret(&application, &of("")) && !check_secret(&application, &of("a")));
    application.secrets = vec![of("a").digest(), of("b").digest()];
    assert!(check_secret(&application, &of("a")) && check_secret(&application, &of("b")));
    assert!(!check_secret(&application, &of("c")) && !check_secret(&application, &of("A")));
    application.secrets.push(of("").digest());
    assert!(!check_secret(&application, &of("")), "an empty secret never works");
}

#[test]
fn an_application_with_keys_can_not_be_talked_down_to_a_secret() {
    let mut application = sample();
    application.secrets = vec![Secret::presented("a").digest()];
    for method in [AuthMethod::PrivateKeyJwt, AuthMethod::None] {
        application.auth_method = method;
        assert!(!check_secret(&application, &Secret::presented("a")));
    }
}

#[test]
fn a_good_assertion_is_remembered_until_it_expires() {
    let jti = judge(Profile::Standard, "x", json!(1)).expect("good");
    assert_eq!(jti.expires, UnixMillis::from_seconds(NOW.seconds() + 60));
}

#[test]
fn issuer_and_subject_are_the_application() {
    for claim in ["iss", "sub"] {
        for bad in [json!(null), json!("other"), json!(["shop"]), json!("")] {
            assert!(!accepts(claim, bad.clone()), "{claim} {bad}");
        }
    }
}

#[test]
fn an_assertion_is_addressed_to_us_and_nobody_else() {
    for good in [
        json!("https://id.example"),
        json!("https://id.example/token"),
        json!("https://id.example/revoke"),
        json!(["https://id.example", "https://id.example/token"]),
    ] {
        assert!(accepts("aud", good.clone()), "{good}");
    }
    for bad in [
        json!(null),
        json!([]),
        json!("https://id.example/"),
        json!("https://evil.example"),
        json!(["https://id.example", "https://evil.example"]),
        json!(["https://id.example", 1]),
        json!({ "a": "https://id.example" }),
    ] {
        assert!(!accepts("aud", bad.clone()), "{bad}");
    }
}

#[test]
fn under_fapi2_the_audience_is_the_issuer_as_a_string() {
    assert!(judge(Profile::Fapi2, "aud", json!("https://id.example")).is_ok());
    for bad in [
        json!("https://id.example/token"),
        json!("https://id.example/revoke"),
        json!(["https://id.example"]),
        json!(null),
    ] {
        assert!(judge(Profile::Fapi2, "aud", bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn an_assertion_expires_soon_and_is_not_from_the_future() {
    let at = |seconds: i64| json!(NOW.seconds() + seconds);
    assert!(accepts("exp", at(1)) && accepts("exp", at(3600)) && accepts("exp", json!(1_000_060.5)));
    for bad in [at(0), at(-300), at(3661), at(86_400), json!("soon"), json!(null), json!(1e300)] {
        assert!(!accepts("exp", bad.clone()), "{bad}");
    }
    for claim in ["iat", "nbf"] {
        assert!(
            accepts(claim, at(8)) && accepts(claim, at(60)) && accepts(claim, at(-600)) && accepts(claim, json!(null))
        );
        assert!(!accepts(claim, at(61)) && !accepts(claim, json!("now")));
    }
}

#[test]
fn a_jti_is_required_and_belongs_to_its_application() {
    for bad in [json!(null), json!(""), json!(1), json!("x".repeat(MAX_JTI + 1))] {
        assert!(!accepts("jti", bad.clone()), "{bad}");
    }
    let key = |client_id: &str, jti: &str| {
        let claims = json!({ "iss": client_id, "sub": client_id, "aud": "https://id.example", "exp": NOW.seconds() + 60, "jti": jti });
        let application = Application { client_id: client_id.to_owned(), ..sample() };
        check_assertion(claims.as_object().expect("an object"), &application, &ENDPOINTS, NOW).expect("good").key
    };
    assert_eq!(key("a", "1"), key("a", "1"));
    assert_ne!(key("a", "1"), key("b", "1"));
    assert_ne!(key("a", "bc"), key("ab", "c"));
}
