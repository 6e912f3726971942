//! Signatures of webhooks as Standard Webhooks 1.0 has them: the receiver knows who sent what, and when.
//!
//! The secret is `whsec_` and 32 bytes in base64; what is signed is the message's id, the moment in seconds and the
//! body, with dots between. A message keeps its id however often it is sent.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::kernel::secret::{Chance, Secret};

const PREFIX: &str = "whsec_";

/// A new signing secret.
#[must_use]
pub fn secret(chance: &dyn Chance) -> Secret {
    let bytes = Zeroizing::new(chance.bytes32());
    Secret::presented(format!("{PREFIX}{}", STANDARD.encode(bytes.as_slice())))
}

/// The signature of a message; `None` when the secret is none of this kind.
#[must_use]
pub fn signature(secret: &Secret, id: &str, seconds: i64, body: &str) -> Option<String> {
    let key = Zeroizing::new(STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()?);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body.as_bytes());
    Some(format!("v1,{}", STANDARD.encode(context.sign().as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::chance::SystemChance;

    #[test]
    fn the_signature_is_that_of_the_specification_s_own_example() {
        let secret = Secret::presented("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed =
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}").unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_new_secret_signs_and_no_two_are_alike() {
        let (one, other) = (secret(&SystemChance), secret(&SystemChance));
        assert_eq!(one.expose().len(), 6 + 44);
        assert_ne!(signature(&one, "m", 1, "b"), signature(&other, "m", 1, "b"));
        assert!(signature(&one, "m", 1, "b").is_some());
        assert_eq!(signature(&Secret::presented("mst_x"), "m", 1, "b"), None);
    }
}
