//! A token status list (draft-ietf-oauth-status-list): one bit for each index, compressed.
//!
//! 0 is VALID, 1 INVALID (§7). Our choice: an index that stands for nothing, or nothing any more, is INVALID too.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Map, Value, json};

use super::STATUS;
use crate::kernel::time::{SECOND, UnixMillis};

/// The `typ` of a list's JOSE header (§5.1).
pub const TYP: &str = "statuslist+jwt";
/// The indexes of one list.
pub const INDEXES: i64 = 100_000;
/// How long a list may be kept, in seconds.
pub const TTL_SECS: i64 = 10;
/// How long a list counts, in milliseconds.
const LIFE: i64 = 60 * SECOND;

/// The address of the list in which an index stands.
#[must_use]
pub fn uri(issuer: &str, number: i64) -> String {
    format!("{issuer}{STATUS}/{number}")
}

/// The `status` claim of a token with an index (§6.1).
#[must_use]
pub fn reference(issuer: &str, index: i64) -> Value {
    json!({ "status_list": { "idx": index % INDEXES, "uri": uri(issuer, index / INDEXES) } })
}

/// The bits of one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits(Vec<u8>);

impl Bits {
    /// The bits of the list with this number, of which these indexes are valid.
    #[must_use]
    pub fn of(number: i64, valid: &[i64]) -> Self {
        let mut bits = vec![0xff; usize::try_from(INDEXES.div_euclid(8)).unwrap_or_default()];
        for index in valid {
            // The first index of a byte is its lowest bit (§4.1).
            let place = usize::try_from(index - number * INDEXES).unwrap_or(usize::MAX);
            if let Some(byte) = bits.get_mut(place / 8) {
                *byte &= !(1 << (place % 8));
            }
        }
        Self(bits)
    }

    /// In zlib's format, as base64url (§4.2).
    ///
    /// # Panics
    /// Never: a vector takes whatever is written to it.
    #[must_use]
    pub fn packed(&self) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&self.0).expect("a vector takes what is written");
        URL_SAFE_NO_PAD.encode(encoder.finish().expect("a vector takes what is written"))
    }
}

/// The claims of a list (§5.1).
#[must_use]
pub fn claims(issuer: &str, number: i64, bits: &Bits, now: UnixMillis) -> Map<String, Value> {
    let list = json!({ "bits": 1, "lst": bits.packed() });
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("sub", uri(issuer, number).into());
    put("iat", now.seconds().into());
    put("exp", now.plus(LIFE).seconds().into());
    put("ttl", TTL_SECS.into());
    put("status_list", list);
    claims
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;

    fn unpacked(packed: &str) -> Vec<u8> {
        let bytes = URL_SAFE_NO_PAD.decode(packed).expect("base64url");
        let mut plain = Vec::new();
        ZlibDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("zlib");
        plain
    }

    fn is_valid(bytes: &[u8], place: usize) -> bool {
        bytes[place / 8] & (1 << (place % 8)) == 0
    }

    #[test]
    fn what_is_valid_is_nought_and_everything_else_is_one() {
        let bits = Bits::of(2, &[200_000, 200_009, 299_999]);
        let bytes = unpacked(&bits.packed());
        assert_eq!(bytes.len(), 12_500);
        assert_eq!((bytes[0], bytes[1], bytes[12_499]), (0b1111_1110, 0b1111_1101, 0b0111_1111));
        let valid: Vec<usize> = (0..100_000).filter(|place| is_valid(&bytes, *place)).collect();
        assert_eq!(valid, [0, 9, 99_999]);
    }

    #[test]
    fn an_index_of_another_list_says_nothing_in_this_one() {
        assert_eq!(Bits::of(1, &[0, 99_999, 200_000, 250_000]), Bits::of(1, &[]));
    }

    #[test]
    fn a_token_names_its_list_and_the_list_itself() {
        let reference = reference("https://id.example", 123_456);
        let list = &reference["status_list"];
        assert_eq!((&list["idx"], &list["uri"]), (&json!(23_456), &json!("https://id.example/status/1")));
        let claims = claims("https://id.example", 1, &Bits::of(1, &[123_456]), UnixMillis(5_000));
        assert_eq!((&claims["sub"], &claims["iat"], &claims["exp"]), (&list["uri"], &json!(5), &json!(65)));
        assert_eq!((&claims["ttl"], &claims["status_list"]["bits"]), (&json!(10), &json!(1)));
        let packed = claims["status_list"]["lst"].as_str().expect("a text");
        assert!(is_valid(&unpacked(packed), 23_456));
        assert!(packed.len() < 200, "what is the same all over is short");
    }
}
