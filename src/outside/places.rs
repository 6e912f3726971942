//! Where in the world an address is, as far as a file of the operator says: the MaxMind DB format, in memory.
//!
//! Nothing is asked of anybody outside, and nothing is kept: a place is looked up when it is shown. Without a file nothing
//! is known of any address.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{Reader, geoip2};

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// It isn't there, or can't be read.
    #[error("the file can't be read: {0}")]
    File(#[from] std::io::Error),
    /// It is no MaxMind DB.
    #[error("the file is no MaxMind DB")]
    Format,
}

/// What is known of addresses.
#[derive(Debug, Default)]
pub struct Places(Option<Reader<Vec<u8>>>);

impl Places {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// It can't be read, or is no MaxMind DB.
    pub fn load(file: Option<&Path>) -> Result<Self, NotRead> {
        match file {
            Some(path) => Self::from_bytes(std::fs::read(path)?),
            None => Ok(Self::default()),
        }
    }

    /// As [`Places::load`], from what stands in a file.
    ///
    /// # Errors
    /// It is no MaxMind DB.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, NotRead> {
        Reader::from_source(bytes).map(|reader| Self(Some(reader))).map_err(|_| NotRead::Format)
    }

    /// City and country of an address, in English; `None` where the file says neither, or there is none.
    #[must_use]
    pub fn of(&self, address: &str) -> Option<String> {
        let address: IpAddr = address.parse().ok()?;
        let found = self.0.as_ref()?.lookup(address.to_canonical()).ok()?;
        let place = found.decode::<geoip2::City<'_>>().ok()??;
        let names: Vec<&str> = [place.city.names.english, place.country.names.english].into_iter().flatten().collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let mut bytes = vec![0b0100_0000 | u8::try_from(text.len()).unwrap()];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0b1110_0000 | u8::try_from(pairs.len()).unwrap()];
        for (name, value) in pairs {
            bytes.extend(text(name));
            bytes.extend_from_slice(value);
        }
        bytes
    }

    fn names(english: &str) -> Vec<u8> {
        map(&[("names", map(&[("en", text(english))]))])
    }

    /// A file of one node: the lower half of all addresses is in Seoul, of the upper half nothing is known.
    fn file() -> Vec<u8> {
        let short = |number: u8| vec![0b1010_0001, number];
        // Left: the data's beginning, which is the node count and sixteen bytes of nothing on; right: the node count.
        let mut bytes = vec![0, 0, 17, 0, 0, 1];
        bytes.extend([0; 16]);
        bytes.extend(map(&[("city", names("Seoul")), ("country", names("South Korea"))]));
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("node_count", vec![0b1100_0001, 1]),
            ("record_size", short(24)),
            ("ip_version", short(4)),
            ("database_type", text("Test-City")),
            ("languages", vec![0b0000_0001, 4, 0b0100_0010, b'e', b'n']),
            ("binary_format_major_version", short(2)),
            ("binary_format_minor_version", short(0)),
            ("build_epoch", vec![0b0000_0001, 2, 1]),
            ("description", map(&[("en", text("for a test"))])),
        ]));
        bytes
    }

    #[test]
    fn a_place_is_a_city_and_a_country_and_of_what_is_not_known_nothing_is_said() {
        let places = Places::from_bytes(file()).unwrap();
        assert_eq!(places.of("10.1.2.3").as_deref(), Some("Seoul, South Korea"));
        assert_eq!(places.of("::ffff:10.1.2.3").as_deref(), Some("Seoul, South Korea"), "the same address");
        for unknown in ["203.0.113.7", "2001:db8::1", "", "nowhere"] {
            assert_eq!(places.of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn without_a_file_nothing_is_known_and_a_bad_one_is_refused() {
        assert_eq!(Places::load(None).unwrap().of("10.1.2.3"), None);
        assert!(matches!(Places::from_bytes(b"no such thing".to_vec()), Err(NotRead::Format)));
        assert!(matches!(Places::load(Some(Path::new("/nowhere/at.all"))), Err(NotRead::File(_))));
    }
}
