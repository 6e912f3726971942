//! An app that shows codes (RFC 6238), written from the standard alone: what is tested has an implementation of its own.

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use muster::kernel::time::{SECOND, UnixMillis};

use super::page::Page;

/// How long a code is shown, in milliseconds.
pub const STEP: i64 = 30 * SECOND;
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The app on somebody's phone, with one key.
#[derive(Clone)]
pub struct Phone {
    typed: String,
    key: Vec<u8>,
}

impl Phone {
    /// With the key that somebody types from a page.
    pub fn typed(key: &str) -> Self {
        let letters: Vec<u8> = key.bytes().filter(|letter| *letter != b' ').collect();
        let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
        for letter in letters {
            let value = LETTERS.iter().position(|known| *known == letter).expect("a letter of base32");
            bits = (bits << 5) | u32::try_from(value).unwrap();
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
            }
        }
        Self { typed: key.to_owned(), key: bytes }
    }

    /// With the key that a page shows.
    pub fn of(page: &Page) -> Self {
        Self::typed(&page.text_of("totp-secret").unwrap_or_else(|| panic!("no key on {page:?}")))
    }

    /// The key as it was typed.
    pub fn typed_from(&self) -> &str {
        &self.typed
    }

    /// The key's bytes.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The code that it shows at a moment.
    pub fn code(&self, at: UnixMillis) -> String {
        let step = u64::try_from(at.0.div_euclid(STEP)).expect("after 1970");
        let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.key), &step.to_be_bytes());
        let tag = tag.as_ref();
        let from = usize::from(tag[19] & 0xf);
        let word = u32::from_be_bytes([tag[from] & 0x7f, tag[from + 1], tag[from + 2], tag[from + 3]]);
        format!("{:06}", word % 1_000_000)
    }
}

/// RFC 6238, appendix B: the last six of its eight digits.
#[test]
fn the_app_shows_the_codes_of_the_standard() {
    let phone = Phone::typed("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    assert_eq!(phone.key(), b"12345678901234567890");
    for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(phone.code(UnixMillis::from_seconds(seconds)), code);
    }
}
