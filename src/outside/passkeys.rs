//! Passkeys (WebAuthn Level 3): what a browser is asked, and whether what it sends back answers it.
//!
//! Origin and relying party are exactly the issuer's; the person is always verified by the authenticator. What an answer is
//! compared with goes out as text and comes back sealed; each challenge holds 256 random bits of the library's.
//!
//! # Why
//! An issuer whose host is an address has no passkeys: browsers bind them to names (WebAuthn §5.1.3), and the rest of
//! Muster works without.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

/// The longest answer of a browser, in bytes: keys and certificates of an authenticator are far shorter.
const LONGEST_ANSWER: usize = 32 * 1024;
/// The longest name that an authenticator calls a passkey, in bytes (WebAuthn §4, Credential ID).
const LONGEST_CREDENTIAL: usize = 1023;

/// Asks and judges; clones share it.
#[derive(Clone)]
pub struct Passkeys(Option<Arc<Webauthn>>);

impl fmt::Debug for Passkeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passkeys").field("available", &self.available()).finish()
    }
}

/// What a browser is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// For the browser, as JSON: `{"publicKey": …}`.
    pub options: String,
    /// What the answer is compared with, to be sealed.
    pub state: String,
}

/// A passkey that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What the authenticator calls it.
    pub credential: Vec<u8>,
    /// The public key and what belongs to it, as JSON.
    pub content: String,
    /// Its signature counter.
    pub counter: i64,
}

/// Who an answer says it is from; nothing of it is proven.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The handle that the passkey was made with; `None` where the authenticator gives none.
    pub handle: Option<u128>,
    /// What the authenticator calls the passkey.
    pub credential: Vec<u8>,
}

/// A passkey that answered.
#[derive(Clone, Debug)]
pub struct Used {
    /// What the authenticator calls it.
    pub credential: Vec<u8>,
    /// The public key and what belongs to it, brought up to date.
    pub content: String,
    /// Its signature counter.
    pub counter: i64,
}

/// Why there is no passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPasskey {
    /// The issuer's host is an address.
    #[error("there are no passkeys on an issuer without a name")]
    Unavailable,
    /// What the browser sent does not answer what it was asked.
    #[error("this does not answer the challenge")]
    Wrong,
    /// The signature is right, but its counter went back: there may be two of the passkey.
    #[error("the passkey's counter went back")]
    Cloned,
}

impl From<WebauthnError> for NoPasskey {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::CredentialPossibleCompromise => Self::Cloned,
            _ => Self::Wrong,
        }
    }
}

impl From<serde_json::Error> for NoPasskey {
    fn from(_: serde_json::Error) -> Self {
        Self::Wrong
    }
}

impl Passkeys {
    /// For an issuer, under the name that people see.
    #[must_use]
    pub fn new(issuer: &str, name: &str) -> Self {
        let built = Url::parse(issuer).ok().and_then(|origin| {
            let host = origin.domain()?.to_owned();
            WebauthnBuilder::new(&host, &origin).ok()?.rp_name(name).build().ok()
        });
        Self(built.map(Arc::new))
    }

    /// Whether there are passkeys here.
    #[must_use]
    pub fn available(&self) -> bool {
        self.0.is_some()
    }

    fn party(&self) -> Result<&Webauthn, NoPasskey> {
        self.0.as_deref().ok_or(NoPasskey::Unavailable)
    }

    /// Asks for a new passkey that finds its account by itself. `known` are those that the person has.
    ///
    /// # Errors
    /// [`NoPasskey::Unavailable`], or the library's own.
    pub fn ask_for_new(
        &self,
        handle: u128,
        (user_name, name): (&str, &str),
        known: Vec<Vec<u8>>,
    ) -> Result<Asked, NoPasskey> {
        let known = Some(known).filter(|known| !known.is_empty());
        let (options, state) =
            self.party()?.start_passkey_registration(Uuid::from_u128(handle), user_name, name, known)?;
        let mut options = serde_json::to_value(options)?;
        // The library leaves it to the authenticator whether a passkey is found without a name; here it always is.
        let wanted = serde_json::json!({
            "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
        });
        options
            .pointer_mut("/publicKey")
            .and_then(Value::as_object_mut)
            .ok_or(NoPasskey::Wrong)?
            .insert("authenticatorSelection".to_owned(), wanted);
        Ok(Asked { options: options.to_string(), state: serde_json::to_string(&state)? })
    }

    /// Judges the answer to [`Self::ask_for_new`].
    ///
    /// # Errors
    /// [`NoPasskey`].
    pub fn made(&self, answer: &str, state: &str) -> Result<Made, NoPasskey> {
        let answer: RegisterPublicKeyCredential = read(answer)?;
        let state: PasskeyRegistration = serde_json::from_str(state)?;
        let passkey = self.party()?.finish_passkey_registration(&answer, &state)?;
        let credential = passkey.cred_id().clone();
        if credential.is_empty() || credential.len() > LONGEST_CREDENTIAL {
            return Err(NoPasskey::Wrong);
        }
        let content = serde_json::to_value(&passkey)?;
        let counter = content.pointer("/cred/counter").and_then(Value::as_i64).unwrap_or_default();
        Ok(Made { credential, content: content.to_string(), counter })
    }

    /// Asks whoever is there, by any passkey of theirs.
    ///
    /// # Errors
    /// As [`Self::ask_for_new`].
    pub fn ask_anybody(&self) -> Result<Asked, NoPasskey> {
        let (mut options, state) = self.party()?.start_discoverable_authentication()?;
        // Where it may be offered without being asked for is for the page to say.
        options.mediation = None;
        Ok(Asked { options: serde_json::to_string(&options)?, state: serde_json::to_string(&state)? })
    }

    /// Who an answer says it is from.
    ///
    /// # Errors
    /// [`NoPasskey::Wrong`] for what is no answer at all.
    pub fn claimed(&self, answer: &str) -> Result<Claimed, NoPasskey> {
        let answer: PublicKeyCredential = read(answer)?;
        let handle = match answer.get_user_unique_id() {
            Some(handle) => Some(u128::from_be_bytes(handle.try_into().map_err(|_| NoPasskey::Wrong)?)),
            None => None,
        };
        Ok(Claimed { handle, credential: answer.get_credential_id().to_vec() })
    }

    /// Judges the answer to [`Self::ask_anybody`] by the passkey that it claims to be from.
    ///
    /// # Errors
    /// [`NoPasskey`].
    pub fn answered(&self, answer: &str, state: &str, content: &str) -> Result<Used, NoPasskey> {
        let answer: PublicKeyCredential = read(answer)?;
        let state: DiscoverableAuthentication = serde_json::from_str(state)?;
        let mut passkey: Passkey = serde_json::from_str(content)?;
        let key = DiscoverableKey::from(&passkey);
        let result = self.party()?.finish_discoverable_authentication_v2(&answer, state, &key)?;
        if !result.user_verified() {
            return Err(NoPasskey::Wrong);
        }
        passkey.update_credential(&result).ok_or(NoPasskey::Wrong)?;
        used(&passkey, result.counter())
    }

    /// Asks somebody who is known, by one of these passkeys.
    ///
    /// # Errors
    /// As [`Self::ask_for_new`].
    pub fn ask_somebody(&self, contents: &[String]) -> Result<Asked, NoPasskey> {
        let passkeys = contents.iter().map(|text| serde_json::from_str(text)).collect::<Result<Vec<Passkey>, _>>()?;
        let (options, state) = self.party()?.start_passkey_authentication(&passkeys)?;
        Ok(Asked { options: serde_json::to_string(&options)?, state: serde_json::to_string(&state)? })
    }

    /// Judges the answer to [`Self::ask_somebody`] by the passkey that it is from, as it is kept now.
    ///
    /// # Errors
    /// [`NoPasskey`].
    pub fn proven(&self, answer: &str, state: &str, content: &str) -> Result<Used, NoPasskey> {
        let answer: PublicKeyCredential = read(answer)?;
        let state: PasskeyAuthentication = serde_json::from_str(state)?;
        let result = self.party()?.finish_passkey_authentication(&answer, &state)?;
        if !result.user_verified() {
            return Err(NoPasskey::Wrong);
        }
        let mut passkey: Passkey = serde_json::from_str(content)?;
        passkey.update_credential(&result).ok_or(NoPasskey::Wrong)?;
        used(&passkey, result.counter())
    }
}

fn used(passkey: &Passkey, counter: u32) -> Result<Used, NoPasskey> {
    let credential = passkey.cred_id().clone();
    Ok(Used { credential, content: serde_json::to_string(passkey)?, counter: i64::from(counter) })
}

fn read<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, NoPasskey> {
    if answer.len() > LONGEST_ANSWER {
        return Err(NoPasskey::Wrong);
    }
    Ok(serde_json::from_str(answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_without_a_name_has_no_passkeys() {
        for issuer in ["https://id.acme.test", "http://localhost:8080"] {
            assert!(Passkeys::new(issuer, "Muster").available(), "{issuer}");
        }
        for issuer in ["https://192.0.2.1", "http://127.0.0.1:8080", "https://[::1]", "nonsense"] {
            let passkeys = Passkeys::new(issuer, "Muster");
            assert!(!passkeys.available(), "{issuer}");
            assert_eq!(passkeys.ask_anybody().err(), Some(NoPasskey::Unavailable));
        }
    }

    #[test]
    fn a_new_passkey_is_asked_for_that_knows_its_person_and_is_found_without_a_name() {
        let passkeys = Passkeys::new("https://id.acme.test", "Muster");
        let asked = passkeys.ask_for_new(7, ("ana", "Ana Kim"), vec![vec![1, 2, 3]]).unwrap();
        let options: Value = serde_json::from_str(&asked.options).unwrap();
        let at = |pointer: &str| options.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/publicKey/rp/id"), "id.acme.test");
        assert_eq!(at("/publicKey/rp/name"), "Muster");
        assert_eq!(at("/publicKey/authenticatorSelection/residentKey"), "required");
        assert_eq!(at("/publicKey/authenticatorSelection/userVerification"), "required");
        assert_eq!(at("/publicKey/excludeCredentials/0/id"), "AQID");
        // 256 bits, and never the same.
        assert_eq!(at("/publicKey/challenge").as_str().map(str::len), Some(43));
        let again = passkeys.ask_for_new(7, ("ana", "Ana Kim"), Vec::new()).unwrap();
        assert_ne!(asked.state, again.state);
    }

    #[test]
    fn who_signs_in_is_verified_and_need_not_be_named() {
        let asked = Passkeys::new("https://id.acme.test", "Muster").ask_anybody().unwrap();
        let options: Value = serde_json::from_str(&asked.options).unwrap();
        assert_eq!(options["publicKey"]["userVerification"], "required");
        assert_eq!(options["publicKey"]["rpId"], "id.acme.test");
        assert!(options.get("mediation").is_none_or(Value::is_null));
    }

    #[test]
    fn nonsense_is_no_answer() {
        let passkeys = Passkeys::new("https://id.acme.test", "Muster");
        let asked = passkeys.ask_for_new(7, ("ana", "Ana Kim"), Vec::new()).unwrap();
        let long = format!("\"{}\"", "x".repeat(LONGEST_ANSWER));
        for answer in ["", "null", "[]", "{}", "{\"id\":1}", long.as_str()] {
            assert_eq!(passkeys.made(answer, &asked.state).err(), Some(NoPasskey::Wrong), "{answer:.20}");
            assert_eq!(passkeys.claimed(answer).err(), Some(NoPasskey::Wrong), "{answer:.20}");
            assert_eq!(passkeys.answered(answer, &asked.state, "{}").err(), Some(NoPasskey::Wrong), "{answer:.20}");
        }
    }
}
