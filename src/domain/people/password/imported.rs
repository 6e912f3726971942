//! Hashes of passwords that other systems made, as text: bcrypt, PBKDF2 and scrypt, within what we are ready to pay.
//!
//! They are read here and tried in `outside::hasher`; at the first sign-in the password gets a hash of ours.
//!
//! | text | scheme |
//! |---|---|
//! | `$2a$`, `$2b$`, `$2y$` and cost, salt, hash | bcrypt |
//! | `$pbkdf2-sha256$i=…,l=…$salt$hash`, also with `sha512` | PBKDF2 as PHC text; `l` may be absent |
//! | `$pbkdf2-sha256$…$salt$hash`, also with `sha512` | PBKDF2 as passlib writes it |
//! | `pbkdf2_sha256$…$salt$hash` | PBKDF2 as Django writes it |
//! | `$scrypt$ln=…,r=…,p=…$salt$hash` | scrypt |

use std::ops::RangeInclusive;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// bcrypt looks at no more bytes of a password than these; a longer one never matches, for it would be cut.
pub const BCRYPT_BYTES: usize = 72;

const MOST_TEXT: usize = 512;
const BCRYPT_COST: RangeInclusive<u32> = 4..=14;
const PBKDF2_ROUNDS: RangeInclusive<u32> = 1_000..=2_000_000;
/// scrypt's memory is 128 · r · N bytes; its work that, p times.
const SCRYPT_MEMORY: u64 = 128 << 20;
const SCRYPT_WORK: u64 = 256 << 20;
const SALT: RangeInclusive<usize> = 4..=64;
const OUTPUT: RangeInclusive<usize> = 16..=64;

/// The hash function under PBKDF2's HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prf {
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

/// A hash that another system made.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the schemes' own parameters")]
pub enum Imported {
    /// bcrypt.
    Bcrypt { cost: u32, salt: [u8; 16], output: [u8; 23] },
    /// PBKDF2 (RFC 8018 §5.2).
    Pbkdf2 { prf: Prf, rounds: u32, salt: Vec<u8>, output: Vec<u8> },
    /// scrypt (RFC 7914).
    Scrypt { log_n: u8, r: u32, p: u32, salt: Vec<u8>, output: Vec<u8> },
}

/// Why a text is no hash that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// None of the schemes.
    #[error(
        "this is no hash that Muster knows; it takes Argon2 ($argon2id$…), bcrypt ($2b$…), PBKDF2 ($pbkdf2-sha256$… or \
         pbkdf2_sha256$…) and scrypt ($scrypt$…)"
    )]
    Unknown,
    /// A part is missing, too long or not what it should be.
    #[error("this hash is damaged: a part is missing, or is not what it should be")]
    Damaged,
    /// Trying it would cost too much, or it would protect nothing.
    #[error("this hash asks for {0}")]
    Cost(&'static str),
}

impl Imported {
    /// Whether this scheme can try a password as it is, all of it.
    #[must_use]
    pub fn takes(&self, password: &str) -> bool {
        match self {
            // Implementations in C end at a NUL.
            Self::Bcrypt { .. } => password.len() <= BCRYPT_BYTES && !password.contains('\0'),
            Self::Pbkdf2 { .. } | Self::Scrypt { .. } => true,
        }
    }
}

impl FromStr for Imported {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text.len() > MOST_TEXT || !text.is_ascii() {
            return Err(Unreadable::Unknown);
        }
        let parts: Vec<&str> = text.split('$').collect();
        match parts.as_slice() {
            ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(cost, rest),
            ["", "pbkdf2-sha256", costs, salt, output] => pbkdf2(Prf::Sha256, costs, salt, output),
            ["", "pbkdf2-sha512", costs, salt, output] => pbkdf2(Prf::Sha512, costs, salt, output),
            ["pbkdf2_sha256", rounds, salt, output] => django(rounds, salt, output),
            ["", "scrypt", costs, salt, output] => scrypt(costs, salt, output),
            ["", "2a" | "2b" | "2y" | "pbkdf2-sha256" | "pbkdf2-sha512" | "scrypt", ..] | ["pbkdf2_sha256", ..] => {
                Err(Unreadable::Damaged)
            }
            _ => Err(Unreadable::Unknown),
        }
    }
}

fn bcrypt(cost: &str, rest: &str) -> Result<Imported, Unreadable> {
    /// Of salt and hash, in bcrypt's own base64.
    const SALT_CHARACTERS: usize = 22;
    let (salt, output) = rest.split_at_checked(SALT_CHARACTERS).ok_or(Unreadable::Damaged)?;
    let cost = if cost.len() == 2 { number(cost)? } else { return Err(Unreadable::Damaged) };
    if !BCRYPT_COST.contains(&cost) {
        return Err(Unreadable::Cost("a bcrypt cost outside 4 to 14"));
    }
    let bytes = |text: &str| decoded(&alphabet::BCRYPT, text);
    Ok(Imported::Bcrypt {
        cost,
        salt: bytes(salt)?.try_into().map_err(|_| Unreadable::Damaged)?,
        output: bytes(output)?.try_into().map_err(|_| Unreadable::Damaged)?,
    })
}

fn pbkdf2(prf: Prf, costs: &str, salt: &str, output: &str) -> Result<Imported, Unreadable> {
    let rounds = if costs.contains('=') { named(costs, "i")? } else { number(costs)? };
    let (salt, output) = (bytes(salt)?, bytes(output)?);
    if let Ok(length) = named(costs, "l")
        && usize::try_from(length) != Ok(output.len())
    {
        return Err(Unreadable::Damaged);
    }
    stretched(prf, rounds, salt, output)
}

/// Django's salt is text, and its hash has its padding.
fn django(rounds: &str, salt: &str, output: &str) -> Result<Imported, Unreadable> {
    stretched(Prf::Sha256, number(rounds)?, salt.as_bytes().to_vec(), bytes(output)?)
}

fn stretched(prf: Prf, rounds: u32, salt: Vec<u8>, output: Vec<u8>) -> Result<Imported, Unreadable> {
    if !PBKDF2_ROUNDS.contains(&rounds) {
        return Err(Unreadable::Cost("a number of PBKDF2 iterations outside 1,000 to 2,000,000"));
    }
    sized(&salt, &output)?;
    Ok(Imported::Pbkdf2 { prf, rounds, salt, output })
}

fn scrypt(costs: &str, salt: &str, output: &str) -> Result<Imported, Unreadable> {
    let (log_n, r, p) = (named(costs, "ln")?, named(costs, "r")?, named(costs, "p")?);
    let (salt, output) = (bytes(salt)?, bytes(output)?);
    sized(&salt, &output)?;
    if !(1..=30).contains(&log_n) || r == 0 || p == 0 {
        return Err(Unreadable::Damaged);
    }
    let memory = (128_u64 << log_n).saturating_mul(u64::from(r));
    if memory > SCRYPT_MEMORY || memory.saturating_mul(u64::from(p)) > SCRYPT_WORK {
        return Err(Unreadable::Cost("more of scrypt than 128 MiB, or than 256 MiB in all its lanes"));
    }
    let log_n = u8::try_from(log_n).map_err(|_| Unreadable::Damaged)?;
    Ok(Imported::Scrypt { log_n, r, p, salt, output })
}

fn sized(salt: &[u8], output: &[u8]) -> Result<(), Unreadable> {
    let good = SALT.contains(&salt.len()) && OUTPUT.contains(&output.len());
    if good { Ok(()) } else { Err(Unreadable::Damaged) }
}

/// Digits and nothing else.
fn number(text: &str) -> Result<u32, Unreadable> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| Unreadable::Damaged) } else { Err(Unreadable::Damaged) }
}

/// One of `ln=16,r=8,p=1`.
fn named(costs: &str, name: &str) -> Result<u32, Unreadable> {
    let pairs = costs.split(',').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = values.next().ok_or(Unreadable::Damaged)?;
    if values.next().is_some() { Err(Unreadable::Damaged) } else { number(value) }
}

/// Base64 as PHC texts, passlib (`.` for `+`) and Django (with padding) write it.
fn bytes(text: &str) -> Result<Vec<u8>, Unreadable> {
    decoded(&alphabet::STANDARD, &text.replace('.', "+"))
}

/// Bits beyond the last byte may be anything: some makers of salts leave them as chance had them.
fn decoded(alphabet: &Alphabet, text: &str) -> Result<Vec<u8>, Unreadable> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config).decode(text).map_err(|_| Unreadable::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
    const PASSLIB: &str = "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$JwgcbJZlHBoE0uPBMy9SZsCsIJXsYLx/8XwH97PVwMU";
    const PHC: &str = "$pbkdf2-sha256$i=1000,l=32$AQIDBAUGBwgJCgsMDQ4PEA$YwKfNMrnHLcz6zlkYSHCNthMmUVmRkplZtxCdAZgV8M";
    const DJANGO: &str = "pbkdf2_sha256$1000$seasalt1AB$ZOxCiu6uKqsOsHD4wivhO5e7uySQf1i0kHLafu2fni4=";
    const SCRYPT: &str = "$scrypt$ln=10,r=8,p=2$AQIDBAUGBwgJCgsMDQ4PEA$9L1PjSChig3MnVD1MqflrR5v9CzmN+UB8+J75EnV+R4";

    fn fault(text: &str) -> Unreadable {
        text.parse::<Imported>().err().unwrap_or_else(|| panic!("{text} was read"))
    }

    #[test]
    fn the_texts_of_other_systems_are_read() {
        let read = |text: &str| text.parse::<Imported>().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(matches!(read(BCRYPT), Imported::Bcrypt { cost: 4, .. }));
        assert!(matches!(read(&BCRYPT.replace("$2b$", "$2y$")), Imported::Bcrypt { .. }));
        let salted = |text: &str, salt: &[u8]| match read(text) {
            Imported::Pbkdf2 { rounds: 1000, salt: found, output, .. } => found == salt && output.len() == 32,
            _ => false,
        };
        assert!(salted(PASSLIB, &(240..=255).collect::<Vec<u8>>()));
        assert!(salted(PHC, &(1..=16).collect::<Vec<u8>>()));
        assert!(salted(DJANGO, b"seasalt1AB"), "Django's salt is its text");
        assert!(matches!(read(SCRYPT), Imported::Scrypt { log_n: 10, r: 8, p: 2, .. }));
        assert_eq!(fault("plain"), Unreadable::Unknown);
        assert_eq!(fault("$2x$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"), Unreadable::Unknown);
    }

    #[test]
    fn a_hash_that_costs_too_much_or_protects_nothing_is_refused() {
        let with = |text: &str, from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            fault(&text.replacen(from, to, 1))
        };
        for (text, from, to) in [
            (BCRYPT, "$04$", "$15$"),
            (BCRYPT, "$04$", "$03$"),
            (PASSLIB, "$1000$", "$2000001$"),
            (DJANGO, "$1000$", "$999$"),
            (PHC, "i=1000", "i=4294967295"),
            (SCRYPT, "ln=10", "ln=18"),
            (SCRYPT, "r=8", "r=4294967295"),
            (SCRYPT, "p=2", "p=4000"),
        ] {
            assert!(matches!(with(text, from, to), Unreadable::Cost(_)), "{to}");
        }
    }

    #[test]
    fn a_damaged_hash_is_refused() {
        for text in [BCRYPT, PASSLIB, PHC, DJANGO, SCRYPT] {
            for damaged in [format!("{text}$"), text.replace("10", "+10").replace("04", "+4"), text[..26].to_owned()] {
                assert!(damaged.parse::<Imported>().is_err(), "{damaged}");
            }
        }
        for damaged in [
            &BCRYPT[..59],
            &BCRYPT.replace("abcd", "ab!d"),
            &PHC.replace("l=32", "l=31"),
            &PHC.replace("i=1000,l=32", "l=32"),
            &PHC.replace("i=1000", "i=1000,i=1000"),
            &SCRYPT.replace("r=8,", ""),
            &SCRYPT.replace("ln=10", "ln=0"),
            &SCRYPT.replace("AQIDBAUGBwgJCgsMDQ4PEA", "AQI"),
        ] {
            assert_eq!(fault(damaged), Unreadable::Damaged, "{damaged}");
        }
        assert_eq!(fault(&format!("{BCRYPT}{}", "x".repeat(500))), Unreadable::Unknown);
        assert_eq!(fault("$2b$04$abcdefghijklmnopqrst€"), Unreadable::Unknown);
    }

    #[test]
    fn bcrypt_takes_no_password_that_it_would_cut() {
        let bcrypt: Imported = BCRYPT.parse().unwrap();
        assert!(bcrypt.takes(&"x".repeat(72)) && !bcrypt.takes(&"x".repeat(73)) && !bcrypt.takes("a\0b"));
        assert!(PASSLIB.parse::<Imported>().unwrap().takes(&"x".repeat(500)));
    }
}
