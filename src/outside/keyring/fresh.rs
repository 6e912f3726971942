//! Making keys: the private half as PKCS#8, the public half as a JWK (RFC 7517, 7518 §6, 8037).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use serde_json::Value;
use zeroize::Zeroizing;

use super::KeyError;
use crate::domain::keys::Alg;
use crate::kernel::id::KeyId;

/// How long RSA keys are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaBits {
    /// 2048 bits, the default.
    #[default]
    Bits2048,
    /// 3072 bits: three times the cost of a signature.
    Bits3072,
}

impl RsaBits {
    /// The length for a setting's number; `None` when it is neither 2048 nor 3072.
    #[must_use]
    pub const fn from_number(bits: u32) -> Option<Self> {
        match bits {
            2048 => Some(Self::Bits2048),
            3072 => Some(Self::Bits3072),
            _ => None,
        }
    }
}

/// A key that was just made.
pub struct NewKey {
    /// The private key as PKCS#8. It is sealed before it is stored.
    pub private_der: Zeroizing<Vec<u8>>,
    /// The public key as a JWK with `kid`, `use` and `alg`.
    pub public_jwk: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("public_jwk", &self.public_jwk).finish_non_exhaustive()
    }
}

/// Makes a key of `alg` named `kid`. An RSA key takes tens of milliseconds of this thread.
///
/// # Errors
/// [`KeyError::NotMade`] when the library fails.
pub fn generate(alg: Alg, kid: &KeyId, rsa_bits: RsaBits) -> Result<NewKey, KeyError> {
    let failed = |_| KeyError::NotMade(alg);
    let (private_der, mut jwk) = match alg {
        Alg::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            (pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(), p256(pair.public_key().as_ref()))
        }
        Alg::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            (pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(), ed25519(pair.public_key().as_ref()))
        }
        Alg::Rs256 => {
            let size = match rsa_bits {
                RsaBits::Bits2048 => KeySize::Rsa2048,
                RsaBits::Bits3072 => KeySize::Rsa3072,
            };
            let pair = RsaKeyPair::generate(size).map_err(failed)?;
            let der: Pkcs8V1Der<'static> = pair.as_der().map_err(failed)?;
            (der.as_ref().to_vec(), rsa(&pair))
        }
    };
    jwk.set_key_id(kid.as_str());
    jwk.set_key_use("sig");
    jwk.set_algorithm(alg.name());
    let public_jwk = serde_json::to_string(&jwk).map_err(|_| KeyError::NotMade(alg))?;
    Ok(NewKey { private_der: Zeroizing::new(private_der), public_jwk })
}

/// The JWK of an uncompressed point of P-256: 4, then x and y of 32 bytes each.
pub(super) fn p256(point: &[u8]) -> Jwk {
    let mut jwk = Jwk::new("EC");
    jwk.set_curve("P-256");
    set(&mut jwk, "x", &point[1..33]);
    set(&mut jwk, "y", &point[33..65]);
    jwk
}

/// The JWK of an Ed25519 public key.
pub(super) fn ed25519(key: &[u8]) -> Jwk {
    let mut jwk = Jwk::new("OKP");
    jwk.set_curve("Ed25519");
    set(&mut jwk, "x", key);
    jwk
}

/// The JWK of an RSA key's public half.
pub(super) fn rsa(pair: &RsaKeyPair) -> Jwk {
    let public = pair.public_key();
    let mut jwk = Jwk::new("RSA");
    set(&mut jwk, "n", public.modulus().big_endian_without_leading_zero());
    set(&mut jwk, "e", public.exponent().big_endian_without_leading_zero());
    jwk
}

fn set(jwk: &mut Jwk, name: &str, bytes: &[u8]) {
    jwk.set_parameter(name, Some(Value::String(URL_SAFE_NO_PAD.encode(bytes)))).expect("base64url is what it wants");
}
