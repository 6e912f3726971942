//! Codes of an app (RFC 6238): SHA-1, six digits, thirty seconds, one step of tolerance to either side.
//!
//! # Why
//! Anything else than SHA-1, six digits and thirty seconds is ignored by some apps, which then show codes that never fit.
//! What is guarded is not the hash's collisions but its key of 160 bits.

use std::fmt;

use fast_qr::ECL;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use totp_rs::{Builder, Secret as Key, Totp};
use zeroize::Zeroizing;

use crate::kernel::secret::Chance;
use crate::kernel::time::UnixMillis;

/// How long a code is shown, in seconds.
const STEP_SECONDS: u64 = 30;
/// How many steps an app's clock may be off.
const SKEW: u16 = 1;
/// The longest name in the address that an app reads, in characters.
const LONGEST_NAME: usize = 64;

/// The secret that an app and Muster share: 160 random bits. It prints as `Seed(…)`.
#[derive(Clone)]
pub struct Seed(Zeroizing<[u8; 20]>);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

impl Seed {
    /// A new one.
    #[must_use]
    pub fn fresh(chance: &dyn Chance) -> Self {
        let mut bytes = Zeroizing::new([0; 20]);
        chance.fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// One that was kept; `None` when it is not 160 bits long.
    #[must_use]
    pub fn kept(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// Its bytes, to be sealed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As somebody types it who can't show their app a picture: base32, in groups of four.
    #[must_use]
    pub fn grouped(&self) -> String {
        let text = Key::new_stack(*self.0).to_base32();
        let mut grouped = String::with_capacity(text.len() * 5 / 4);
        for (at, letter) in text.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                grouped.push(' ');
            }
            grouped.push(letter);
        }
        grouped
    }

    /// The address that an app reads: whose account at whom, and the seed. `None` where no name is left to tell.
    #[must_use]
    pub fn uri(&self, issuer: &str, account: &str) -> Option<String> {
        // A colon ends the issuer's part of the label, and apps cut long ones anyhow.
        let name = |text: &str| text.chars().filter(|c| *c != ':' && !c.is_control()).take(LONGEST_NAME).collect();
        let (issuer, account): (String, String) = (name(issuer), name(account));
        let builder = self.builder(SKEW).with_issuer(Some(issuer).filter(|text| !text.is_empty()));
        builder.with_account_name(account).build().ok()?.to_url().ok()
    }

    fn builder(&self, skew: u16) -> Builder {
        Builder::new().with_secret(Key::new_stack(*self.0)).with_skew(skew).with_step_duration(STEP_SECONDS)
    }

    fn clock(&self, skew: u16) -> Option<Totp> {
        self.builder(skew).build().ok()
    }

    /// The time step that a code is of, if it is of one about now. Whether it counts, the newest step says that was taken.
    #[must_use]
    pub fn step_of(&self, code: &str, now: UnixMillis) -> Option<i64> {
        let seconds = u64::try_from(now.seconds()).ok()?;
        self.clock(SKEW)?.check(code, seconds).and_then(|step| i64::try_from(step).ok())
    }

    /// The step of the second of two codes, if an app showed both one after the other, the second about now.
    #[must_use]
    pub fn step_of_two(&self, (first, second): (&str, &str), now: UnixMillis) -> Option<i64> {
        let step = self.step_of(second, now)?;
        let before = u64::try_from(step).ok()?.checked_sub(1)?;
        self.clock(0)?.check(first, before * STEP_SECONDS).map(|_| step)
    }
}

/// A text as a QR code: markup that may stand in a page as it is, for it holds numbers and our own words alone.
#[must_use]
pub fn picture(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    Some(SvgBuilder::default().to_str(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the seed of its test vectors.
    fn seed() -> Seed {
        Seed::kept(b"12345678901234567890").unwrap()
    }

    const fn at(seconds: i64) -> UnixMillis {
        UnixMillis::from_seconds(seconds)
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // The last six of its eight digits.
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(seed().step_of(code, at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_counts_one_step_early_and_late_and_no_more() {
        let step = 1_111_111_109 / 30;
        let of = |seconds: i64| seed().step_of("081804", at(seconds));
        for seconds in [(step - 1) * 30, step * 30, step * 30 + 59] {
            assert_eq!(of(seconds), Some(step), "{seconds}");
        }
        for seconds in [(step - 1) * 30 - 1, step * 30 + 60] {
            assert_eq!(of(seconds), None, "{seconds}");
        }
        for wrong in ["", "81804", "0818040", "08180a", "081805", " 081804"] {
            assert_eq!(seed().step_of(wrong, at(1_111_111_109)), None, "{wrong:?}");
        }
        assert_eq!(seed().step_of("081804", UnixMillis(-1)), None);
    }

    #[test]
    fn two_codes_bind_when_they_follow_each_other() {
        let code = |step: u64| seed().clock(0).unwrap().generate(step * 30).to_string();
        let (step, now) = (37_037_036_u64, at(37_037_036 * 30 + 5));
        let two = |first: u64, second: u64| seed().step_of_two((&code(first), &code(second)), now);
        assert_eq!(two(step - 1, step), Some(37_037_036));
        assert_eq!(two(step, step + 1), Some(37_037_037));
        assert_eq!(two(step - 2, step - 1), Some(37_037_035));
        for (first, second) in [(step, step), (step, step - 1), (step - 2, step), (step - 3, step - 2)] {
            assert_eq!(two(first, second), None, "{first} {second}");
        }
    }

    #[test]
    fn an_app_reads_whose_account_it_is_and_where() {
        let uri = seed().uri("Muster: Acme", "ana@acme.test").unwrap();
        assert!(uri.starts_with("otpauth://totp/Muster%20Acme:ana"), "{uri}");
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{uri}");
        assert_eq!(seed().grouped(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(seed().uri("Muster", "").is_none());
        assert_eq!(format!("{:?}", seed()), "Seed(…)");
        assert!(Seed::kept(&[1; 19]).is_none());
    }

    #[test]
    fn the_picture_is_markup_of_numbers_alone() {
        let svg = picture(&seed().uri("Muster", "ana@acme.test").unwrap()).unwrap();
        assert!(svg.starts_with("<svg viewBox=") && svg.ends_with("</svg>"), "{svg}");
        for foreign in ["<script", "style", "href", "otpauth", "ana"] {
            assert!(!svg.contains(foreign), "{foreign}");
        }
    }
}
