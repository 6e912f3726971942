//! An authenticator in software (WebAuthn Level 3): it makes one passkey and answers with it, truly or not.
//!
//! # Why
//! What a browser's own authenticator never says is what a server must refuse. So each part of an answer can be another
//! one; what is right is checked with Chromium's, in `clients::passkeys`.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster::kernel::secret::Chance as _;
use muster::outside::chance::SystemChance;
use serde_json::{Value, json};

/// Bits of the authenticator's data (WebAuthn §6.1).
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// A device with one passkey.
pub struct Authenticator {
    key: EcdsaKeyPair,
    /// What it calls the passkey.
    pub credential: Vec<u8>,
    /// Whose it is, as the server said.
    pub handle: String,
    /// How often it was used.
    pub counter: u32,
    origin: String,
}

/// What goes into an answer.
pub struct Says {
    /// The origin that the browser saw.
    pub origin: String,
    /// The name that the passkey is bound to.
    pub rp_id: String,
    /// What is being done: `webauthn.create` or `webauthn.get`.
    pub kind: String,
    /// The challenge that is answered.
    pub challenge: String,
    /// Whether the person was there.
    pub present: bool,
    /// Whether the authenticator verified the person.
    pub verified: bool,
    /// The counter.
    pub counter: u32,
    /// Whose the passkey is said to be; nothing where the answer doesn't say.
    pub handle: Option<String>,
    /// Which passkey it is said to be.
    pub credential: Vec<u8>,
    /// Whether the signature is that of what was said.
    pub signs: bool,
}

impl Says {
    fn client_data(&self) -> Vec<u8> {
        let data = json!({
            "type": self.kind, "challenge": self.challenge, "origin": self.origin, "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    fn authenticator_data(&self, more: u8) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flag(self.present, PRESENT) | flag(self.verified, VERIFIED) | more);
        data.extend(self.counter.to_be_bytes());
        data
    }
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn text(options: &Value, pointer: &str) -> String {
    options.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {options}")).to_owned()
}

impl Authenticator {
    /// A new passkey for an issuer, and the answer to what the page asks that makes it.
    pub fn make(issuer: &str, options: &str) -> (Self, String) {
        Self::make_with(issuer, options, |_| {})
    }

    /// As [`Authenticator::make`], with something about the answer changed.
    pub fn make_with(issuer: &str, options: &str, change: impl FnOnce(&mut Says)) -> (Self, String) {
        let options: Value = serde_json::from_str(options).expect("the page asks in JSON");
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key can be made");
        let handle = text(&options, "/publicKey/user/id");
        let made =
            Self { key, credential: SystemChance.bytes32().to_vec(), handle, counter: 1, origin: issuer.to_owned() };
        let mut says = made.says("webauthn.create", &options, "/publicKey/rp/id");
        change(&mut says);
        let answer = made.attested(&says);
        (made, answer)
    }

    fn says(&self, kind: &str, options: &Value, rp_id: &str) -> Says {
        Says {
            origin: self.origin.clone(),
            rp_id: text(options, rp_id),
            kind: kind.to_owned(),
            challenge: text(options, "/publicKey/challenge"),
            present: true,
            verified: true,
            counter: self.counter,
            handle: Some(self.handle.clone()),
            credential: self.credential.clone(),
            signs: true,
        }
    }

    /// The public key as COSE has it (RFC 9053 §7.1.1).
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        assert_eq!((point.len(), point[0]), (65, 4), "a point that is not compressed");
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        key.extend(&point[1..33]);
        key.extend([0x22, 0x58, 0x20]);
        key.extend(&point[33..]);
        key
    }

    fn attested(&self, says: &Says) -> String {
        let mut data = says.authenticator_data(ATTESTED);
        data.extend([0; 16]); // of no model
        data.extend(u16::try_from(says.credential.len()).expect("it is short").to_be_bytes());
        data.extend(&says.credential);
        data.extend(self.public_key());
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt\x64none\x67attStmt\xa0\x68authData\x59");
        object.extend(u16::try_from(data.len()).expect("it is short").to_be_bytes());
        object.extend(&data);
        let id = base64(&says.credential);
        let response = json!({
            "clientDataJSON": base64(&says.client_data()), "attestationObject": base64(&object), "transports": ["internal"],
        });
        let answer = json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {}, "response": response,
        });
        answer.to_string()
    }

    /// The answer to what a page asks.
    pub fn answer(&mut self, options: &str) -> String {
        self.answer_with(options, |_| {})
    }

    /// As [`Authenticator::answer`], with something about it changed.
    pub fn answer_with(&mut self, options: &str, change: impl FnOnce(&mut Says)) -> String {
        self.counter += 1;
        let options: Value = serde_json::from_str(options).expect("the page asks in JSON");
        let mut says = self.says("webauthn.get", &options, "/publicKey/rpId");
        change(&mut says);
        let (client, data) = (says.client_data(), says.authenticator_data(0));
        let mut signed = data.clone();
        signed.extend(digest(&SHA256, &client).as_ref());
        if !says.signs {
            signed.push(0);
        }
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("it can be signed");
        let id = base64(&says.credential);
        let mut response = json!({
            "clientDataJSON": base64(&client), "authenticatorData": base64(&data),
            "signature": base64(signature.as_ref()),
        });
        if let Some(handle) = &says.handle {
            response["userHandle"] = json!(handle);
        }
        let answer = json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {}, "response": response,
        });
        answer.to_string()
    }
}
