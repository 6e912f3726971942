//! What the keyring promises, on real keys.

use super::*;
use serde_json::json;

const NOW: UnixMillis = UnixMillis(1_000_000);

fn material(alg: Alg, from: i64) -> KeyMaterial {
    let kid = KeyId::fresh();
    let NewKey { private_der, public_jwk } = generate(alg, &kid, RsaBits::Bits2048).unwrap();
    KeyMaterial {
        kid,
        alg,
        private_der,
        public_jwk,
        publish_from: UnixMillis(from),
        sign_from: UnixMillis(from + 1_000),
        sign_until: UnixMillis(from + 2_000_000),
        verify_until: UnixMillis(from + 3_000_000),
    }
}

fn ring(keys: &[KeyMaterial]) -> Keyring {
    let ring = Keyring::empty();
    ring.replace(keys.to_vec()).unwrap();
    ring
}

fn claims() -> Map<String, Value> {
    json!({"iss": "https://id.example", "sub": "usr_1", "exp": 1_000, "org_roles": ["org.reader"]})
        .as_object()
        .unwrap()
        .clone()
}

/// A ring of its own with the same keys: nothing it verifies was signed by it.
fn other_node(keys: &[KeyMaterial]) -> Keyring {
    ring(keys)
}

#[test]
fn a_token_of_each_algorithm_verifies_here_and_on_another_node() {
    let keys: Vec<_> = [Alg::Es256, Alg::EdDsa, Alg::Rs256].into_iter().map(|alg| material(alg, 0)).collect();
    let (here, there) = (ring(&keys), other_node(&keys));
    for key in &keys {
        let token = here.sign(key.alg, "at+jwt", &claims(), NOW).unwrap();
        for _ in 0..2 {
            assert_eq!(here.verify(&token, &["at+jwt"], NOW), Ok(claims()));
            assert_eq!(there.verify(&token, &["at+jwt"], NOW), Ok(claims()));
        }
        let header = jws_header(&token);
        assert_eq!(header["alg"], key.alg.name());
        assert_eq!(header["kid"], key.kid.as_str());
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header.as_object().unwrap().len(), 3);
    }
}

#[test]
fn the_published_jwk_verifies_the_signature_with_josekit_alone() {
    for alg in [Alg::Es256, Alg::EdDsa, Alg::Rs256] {
        let key = material(alg, 0);
        let token = ring(std::slice::from_ref(&key)).sign(alg, "JWT", &claims(), NOW).unwrap();
        let jwk = josekit::jwk::Jwk::from_bytes(&key.public_jwk).unwrap();
        let payload = match alg {
            Alg::Es256 => jws::deserialize_compact(&token, &jws::ES256.verifier_from_jwk(&jwk).unwrap()),
            Alg::EdDsa => jws::deserialize_compact(&token, &jws::EdDSA.verifier_from_jwk(&jwk).unwrap()),
            Alg::Rs256 => jws::deserialize_compact(&token, &jws::RS256.verifier_from_jwk(&jwk).unwrap()),
        };
        assert_eq!(serde_json::from_slice::<Value>(&payload.unwrap().0).unwrap(), Value::Object(claims()));
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused_even_after_the_token_was_seen() {
    let keys = [material(Alg::Es256, 0)];
    let ring = other_node(&keys);
    let token = super::tests::ring(&keys).sign(Alg::Es256, "at+jwt", &claims(), NOW).unwrap();
    assert!(ring.verify(&token, &["at+jwt"], NOW).is_ok());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(ring.verify(&changed, &["at+jwt"], NOW).is_err(), "at {at}");
    }
    for end in [1, 2, 3, token.len() / 2] {
        assert!(ring.verify(&token[..token.len() - end], &["at+jwt"], NOW).is_err());
    }
    assert!(ring.verify(&format!("{token}="), &["at+jwt"], NOW).is_err());
    assert!(ring.verify(&token, &["at+jwt"], NOW).is_ok());
}

#[test]
fn a_token_of_another_type_is_refused() {
    let ring = ring(&[material(Alg::EdDsa, 0)]);
    let id_token = ring.sign(Alg::EdDsa, "JWT", &claims(), NOW).unwrap();
    assert_eq!(ring.verify(&id_token, &["at+jwt"], NOW), Err(TokenError::WrongType));
    assert!(ring.verify(&id_token, &["at+jwt", "jwt"], NOW).is_ok());
    let spelled_out = ring.sign(Alg::EdDsa, "application/AT+JWT", &claims(), NOW).unwrap();
    assert!(ring.verify(&spelled_out, &["at+jwt"], NOW).is_ok());
    assert!(!same_type("text/at+jwt", "at+jwt") && !same_type("application/", "at+jwt"));
}

#[test]
fn a_header_cannot_choose_the_algorithm_or_the_key() {
    let key = material(Alg::Rs256, 0);
    let ring = ring(std::slice::from_ref(&key));
    let jwk: Value = serde_json::from_str(&key.public_jwk).unwrap();
    let forge = |header: Value| {
        let part = |value: &Value| encode(value.to_string().as_bytes());
        format!("{}.{}.{}", part(&header), part(&Value::Object(claims())), encode(&[7; 64]))
    };
    for alg in ["none", "None", "nOnE", "", "HS256", "ES256", "PS256"] {
        let token = forge(json!({"alg": alg, "kid": key.kid, "typ": "at+jwt"}));
        assert_eq!(ring.verify(&token, &["at+jwt"], NOW), Err(TokenError::WrongAlgorithm), "{alg}");
    }
    let absent = forge(json!({"kid": key.kid, "typ": "at+jwt"}));
    assert_eq!(ring.verify(&absent, &["at+jwt"], NOW), Err(TokenError::WrongAlgorithm));
    let crit = forge(json!({"alg": "RS256", "kid": key.kid, "typ": "at+jwt", "crit": []}));
    assert_eq!(ring.verify(&crit, &["at+jwt"], NOW), Err(TokenError::Malformed));
    let embedded = forge(json!({"alg": "RS256", "typ": "at+jwt", "jwk": jwk, "jku": "https://evil.example/jwks"}));
    assert_eq!(ring.verify(&embedded, &["at+jwt"], NOW), Err(TokenError::UnknownKey));
    for kid in ["../../etc/passwd", "' OR 1=1 --", ""] {
        let token = forge(json!({"alg": "RS256", "kid": kid, "typ": "at+jwt"}));
        assert_eq!(ring.verify(&token, &["at+jwt"], NOW), Err(TokenError::UnknownKey));
    }
    let signed_wrong = forge(json!({"alg": "RS256", "kid": key.kid, "typ": "at+jwt"}));
    assert_eq!(ring.verify(&signed_wrong, &["at+jwt"], NOW), Err(TokenError::BadSignature));
}

#[test]
fn what_is_no_token_is_refused_without_work() {
    let ring = ring(&[material(Alg::Es256, 0)]);
    assert_eq!(ring.verify(&".".repeat(1 << 20), &["JWT"], NOW), Err(TokenError::TooLong));
    for text in ["", ".", "..", "...", "a.b.c", "a.b.c.d.e", "\u{0}", "é.é.é", "mst_rt_abc"] {
        assert_eq!(ring.verify(text, &["JWT"], NOW), Err(TokenError::Malformed), "{text:?}");
    }
}

#[test]
fn the_newest_key_that_may_sign_signs() {
    let (old, new) = (material(Alg::Es256, 0), material(Alg::Es256, 500_000));
    let ring = ring(&[old.clone(), new.clone()]);
    let signer = |now| jws_header(&ring.sign(Alg::Es256, "JWT", &claims(), UnixMillis(now)).unwrap())["kid"].clone();
    assert_eq!(signer(500_999), old.kid.as_str());
    assert_eq!(signer(501_000), new.kid.as_str());
    assert_eq!(ring.sign(Alg::Es256, "JWT", &claims(), UnixMillis(999)), Err(KeyError::NoKey(Alg::Es256)));
    assert_eq!(ring.sign(Alg::EdDsa, "JWT", &claims(), NOW), Err(KeyError::NoKey(Alg::EdDsa)));
    assert_eq!(Keyring::empty().sign(Alg::Rs256, "JWT", &claims(), NOW), Err(KeyError::NoKey(Alg::Rs256)));
}

#[test]
fn a_key_that_is_over_or_left_the_ring_no_longer_counts() {
    let (gone, stays) = (material(Alg::Es256, 0), material(Alg::EdDsa, 0));
    let ring = ring(&[gone.clone(), stays.clone()]);
    let token = ring.sign(Alg::Es256, "JWT", &claims(), NOW).unwrap();
    let other = ring.sign(Alg::EdDsa, "JWT", &claims(), NOW).unwrap();
    assert!(ring.verify(&token, &["JWT"], UnixMillis(2_999_999)).is_ok());
    assert_eq!(ring.verify(&token, &["JWT"], UnixMillis(3_000_000)), Err(TokenError::UnknownKey));
    assert!(ring.knows(&gone.kid));
    ring.replace(vec![stays]).unwrap();
    assert!(!ring.knows(&gone.kid));
    assert_eq!(ring.verify(&token, &["JWT"], NOW), Err(TokenError::UnknownKey));
    assert!(ring.verify(&other, &["JWT"], NOW).is_ok());
}

#[test]
fn a_key_whose_halves_do_not_belong_together_is_named_and_nothing_changes() {
    let good = material(Alg::Es256, 0);
    let ring = ring(std::slice::from_ref(&good));
    let mut mixed = material(Alg::Es256, 0);
    mixed.private_der = material(Alg::Es256, 0).private_der;
    assert_eq!(ring.replace(vec![mixed.clone()]), Err(KeyError::Damaged(mixed.kid)));
    let mut torn = material(Alg::Rs256, 0);
    torn.private_der.truncate(100);
    assert_eq!(ring.replace(vec![torn.clone()]), Err(KeyError::Damaged(torn.kid)));
    assert!(ring.knows(&good.kid));
}

#[test]
fn the_published_set_follows_the_clock_and_never_shows_a_private_part() {
    let (old, new) = (material(Alg::Rs256, 0), material(Alg::Es256, 500_000));
    let ring = ring(&[old.clone(), new.clone()]);
    let kids = |now| -> Vec<String> {
        let set: Value = serde_json::from_slice(&ring.jwks(UnixMillis(now)).body).unwrap();
        let keys = set["keys"].as_array().unwrap();
        for key in keys {
            assert_eq!(key["use"], "sig");
            assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|part| key.get(part).is_none()));
        }
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kids(499_999), [old.kid.as_str()]);
    assert_eq!(kids(500_000), [new.kid.as_str(), old.kid.as_str()]);
    assert_eq!(kids(3_000_000), [new.kid.as_str()]);
    assert_eq!(kids(3_500_000), Vec::<String>::new());
    assert_eq!(kids(0), [old.kid.as_str()]);
    let (first, again, later) = (ring.jwks(UnixMillis(1)), ring.jwks(UnixMillis(2)), ring.jwks(UnixMillis(500_000)));
    assert!(Arc::ptr_eq(&first, &again) && first.etag != later.etag);
    assert!(first.etag.starts_with('"') && first.etag.ends_with('"') && first.etag.len() == 45);
}

#[test]
fn keys_never_print() {
    let key = material(Alg::Es256, 0);
    let shown = format!("{key:?} {:?}", ring(std::slice::from_ref(&key)));
    let bytes = format!("{:?}", &key.private_der[20..30]);
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])));
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn jws_header(token: &str) -> Value {
    use base64::Engine;
    let part = token.split('.').next().unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
