//! The signing keys: who signs now, whose signatures count, and what `/jwks` shows (RFC 7515, 7517, 7518).
//!
//! josekit does headers and the token's format; the signature itself is aws-lc's, with keys that were parsed once
//! (`pair`). Claims are the caller's matter: a token that verifies here is ours and of the type that was asked
//! for, no more.
//!
//! # Why
//! A key is published before it signs and verified after it has stopped signing, so that no relying party meets a
//! signature whose key its copy of the set doesn't hold. A key that left the set is refused at once.

mod fresh;
mod pair;
mod seen;

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use josekit::JoseHeader;
use josekit::jwk::JwkSet;
use josekit::jws::{self, JwsHeader};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

pub use self::fresh::{NewKey, RsaBits, generate};
use self::pair::Pair;
use self::seen::Seen;
use crate::domain::keys::Alg;
use crate::kernel::id::KeyId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A token longer than this is refused unread; ours stay under 8 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a key could not be made, kept or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key of this algorithm may sign at this moment.
    #[error("no key may sign {0} now")]
    NoKey(Alg),
    /// A stored key does not parse, or its two halves do not belong together.
    #[error("the signing key {0} is damaged")]
    Damaged(KeyId),
    /// The library could not make a key.
    #[error("a key of {0} could not be made")]
    NotMade(Alg),
    /// The library could not sign.
    #[error("a token could not be signed")]
    NotSigned,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than any token of ours.
    #[error("the token is too long")]
    TooLong,
    /// It is no JWT in compact form, or it has a `crit` header.
    #[error("the token is not well formed")]
    Malformed,
    /// No key of ours has its `kid`, or that key's time is over.
    #[error("the token's key is not known")]
    UnknownKey,
    /// Its `alg` is not that of the key, or not an allowed one.
    #[error("the token's algorithm is not the key's")]
    WrongAlgorithm,
    /// Its `typ` is not the one asked for.
    #[error("the token is of another type")]
    WrongType,
    /// The signature does not match.
    #[error("the token's signature does not match")]
    BadSignature,
}

/// A key as the store gives it back, opened.
#[derive(Clone)]
pub struct KeyMaterial {
    /// The key's name, its `kid`.
    pub kid: KeyId,
    /// What it signs with.
    pub alg: Alg,
    /// The private key as PKCS#8.
    pub private_der: Zeroizing<Vec<u8>>,
    /// The public key as a JWK.
    pub public_jwk: String,
    /// From when `/jwks` shows it.
    pub publish_from: UnixMillis,
    /// From when it signs.
    pub sign_from: UnixMillis,
    /// When it stops signing.
    pub sign_until: UnixMillis,
    /// When its signatures stop counting and `/jwks` drops it.
    pub verify_until: UnixMillis,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// What `/jwks` answers, ready to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Jwks {
    /// The JWK set.
    pub body: Vec<u8>,
    /// Its strong entity tag, with the quotes.
    pub etag: String,
}

/// The keys of this instance; clones share them.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    set: RwLock<Arc<Set>>,
    seen: Arc<Seen>,
}

/// One state of the keys, the newest first.
#[derive(Debug, Default)]
struct Set {
    keys: Vec<Key>,
    published: RwLock<Option<Published>>,
}

#[derive(Debug)]
struct Key {
    pair: Arc<Pair>,
    publish_from: UnixMillis,
    sign_from: UnixMillis,
    sign_until: UnixMillis,
    verify_until: UnixMillis,
}

/// A rendered JWK set and the moments between which it stays the same.
#[derive(Debug)]
struct Published {
    from: UnixMillis,
    until: UnixMillis,
    jwks: Arc<Jwks>,
}

impl Keyring {
    /// A ring without keys.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(Shared { set: RwLock::default(), seen: Arc::new(Seen::new()) }))
    }

    /// Puts these keys in the place of all others. Keys that were there already are not parsed again.
    ///
    /// # Errors
    /// [`KeyError::Damaged`] names a key that can't be used; the ring then stays as it was.
    pub fn replace(&self, material: Vec<KeyMaterial>) -> Result<(), KeyError> {
        let before = self.set();
        let mut keys = Vec::with_capacity(material.len());
        for one in material {
            let pair = match before.find(one.kid.as_str()) {
                Some(known) if known.pair.is_of(&one) => Arc::clone(&known.pair),
                _ => Arc::new(Pair::parse(&one, &self.0.seen)?),
            };
            let KeyMaterial { publish_from, sign_from, sign_until, verify_until, .. } = one;
            keys.push(Key { pair, publish_from, sign_from, sign_until, verify_until });
        }
        keys.sort_by(|a, b| b.sign_from.cmp(&a.sign_from).then_with(|| b.pair.kid().cmp(a.pair.kid())));
        let vanished = before.keys.iter().any(|old| !keys.iter().any(|new| Arc::ptr_eq(&old.pair, &new.pair)));
        *self.0.set.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Set { keys, published: RwLock::default() });
        if vanished {
            self.0.seen.forget();
        }
        Ok(())
    }

    /// Whether a key of this name is in the ring.
    #[must_use]
    pub fn knows(&self, kid: &KeyId) -> bool {
        self.set().find(kid.as_str()).is_some()
    }

    /// Signs `claims` with the newest key of `alg` that may sign now; the header is `typ`, `alg` and `kid`.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] when no key of `alg` may sign now.
    pub fn sign(&self, alg: Alg, typ: &str, claims: &Map<String, Value>, now: UnixMillis) -> Result<String, KeyError> {
        let set = self.set();
        let key = set
            .keys
            .iter()
            .find(|key| key.pair.alg() == alg && key.sign_from <= now && now < key.sign_until)
            .ok_or(KeyError::NoKey(alg))?;
        let mut header = JwsHeader::new();
        header.set_token_type(typ);
        let payload = serde_json::to_vec(claims).map_err(|_| KeyError::NotSigned)?;
        jws::serialize_compact(&payload, &header, key.pair.signer()).map_err(|_| KeyError::NotSigned)
    }

    /// The claims of a token that we signed and whose `typ` is one of `typ`. The claims themselves are not checked.
    ///
    /// # Errors
    /// See [`TokenError`]; [`TokenError::UnknownKey`] may mean that another node has a newer key.
    pub fn verify(&self, token: &str, typ: &[&str], now: UnixMillis) -> Result<Map<String, Value>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let set = self.set();
        let refused = Cell::new(None);
        let outcome = jws::deserialize_compact_with_selector(token, |header| {
            Ok(match set.admit(header, typ, now) {
                Ok(key) => Some(key.pair.verifier()),
                Err(why) => {
                    refused.set(Some(why));
                    None
                }
            })
        });
        match outcome {
            Ok((payload, _)) => serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed),
            Err(josekit::JoseError::InvalidSignature(_)) => Err(TokenError::BadSignature),
            Err(_) => Err(refused.get().unwrap_or(TokenError::Malformed)),
        }
    }

    /// The public keys that `/jwks` shows now; rendered anew only when they change.
    #[must_use]
    pub fn jwks(&self, now: UnixMillis) -> Arc<Jwks> {
        let set = self.set();
        if let Some(rendered) = &*set.published.read().unwrap_or_else(PoisonError::into_inner)
            && rendered.from <= now
            && now < rendered.until
        {
            return Arc::clone(&rendered.jwks);
        }
        let rendered = set.render(now);
        let jwks = Arc::clone(&rendered.jwks);
        *set.published.write().unwrap_or_else(PoisonError::into_inner) = Some(rendered);
        jwks
    }

    fn set(&self) -> Arc<Set> {
        Arc::clone(&self.0.set.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Set {
    fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.pair.kid() == kid)
    }

    /// The key that must have signed a token with this header. Nothing in the header chooses a key but the name of
    /// one of ours: `jwk`, `jku`, `x5u` and `x5c` are not read.
    fn admit(&self, header: &JwsHeader, typ: &[&str], now: UnixMillis) -> Result<&Key, TokenError> {
        // RFC 7515 §4.1.11: an extension that is not understood makes the token invalid; we understand none.
        if header.claim("crit").is_some() {
            return Err(TokenError::Malformed);
        }
        let key = header
            .key_id()
            .and_then(|kid| self.find(kid))
            .filter(|key| now < key.verify_until)
            .ok_or(TokenError::UnknownKey)?;
        // RFC 8725 §3.1: the algorithm is the key's, whatever the token says.
        if header.algorithm() != Some(key.pair.alg().name()) {
            return Err(TokenError::WrongAlgorithm);
        }
        match header.token_type() {
            Some(given) if typ.iter().any(|wanted| same_type(given, wanted)) => Ok(key),
            _ => Err(TokenError::WrongType),
        }
    }

    fn render(&self, now: UnixMillis) -> Published {
        let mut set = JwkSet::new();
        for key in self.keys.iter().filter(|key| key.publish_from <= now && now < key.verify_until) {
            set.push_key(key.pair.public_jwk().clone());
        }
        let members: &Map<String, Value> = set.as_ref();
        let body = serde_json::to_vec(members).expect("a map of texts is JSON");
        let etag = format!("\"{}\"", Digest::of(&body).base64url());
        let moments = || self.keys.iter().flat_map(|key| [key.publish_from, key.verify_until]);
        Published {
            from: moments().filter(|moment| *moment <= now).max().unwrap_or(UnixMillis(i64::MIN)),
            until: moments().filter(|moment| *moment > now).min().unwrap_or(UnixMillis::MAX),
            jwks: Arc::new(Jwks { body, etag }),
        }
    }
}

/// RFC 7515 §4.1.9: a media type whose `application/` may be left out, compared without regard to case.
pub(super) fn same_type(given: &str, wanted: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match given.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &given[PREFIX.len()..],
        _ => given,
    };
    short.eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests;
