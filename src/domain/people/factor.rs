//! What an account may have besides a password: kinds of second factors, and the codes that stand in for them.

use std::collections::BTreeSet;

use super::assurance::{Level, Method};
use crate::domain::oauth::words;
use crate::domain::oidc::claims::Profile;
use crate::kernel::id::{FactorId, PasskeyId};
use crate::kernel::time::MINUTE;

words! {
    /// A kind of second factor.
    pub enum FactorKind {
        /// An app that shows codes (RFC 6238).
        Totp = "totp",
        /// A passkey (WebAuthn).
        Passkey = "passkey",
        /// A code that is mailed.
        Email = "email",
        /// A code that is sent to a phone.
        Sms = "sms",
    }
}

impl FactorKind {
    /// What somebody does who proves it.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Totp => Method::Totp,
            Self::Passkey => Method::Passkey,
            Self::Email => Method::EmailCode,
            Self::Sms => Method::SmsCode,
        }
    }

    /// Whether it is in the person's own hands. What is sent goes wherever an address leads, and can be switched on by whoever
    /// knows the password.
    #[must_use]
    pub const fn is_strong(self) -> bool {
        match self {
            Self::Totp | Self::Passkey => true,
            Self::Email | Self::Sms => false,
        }
    }

    /// What stands in for it beside a password that was set through a link which came by the same way. Codes count only while
    /// both addresses are known to be the person's, so there is always the other one.
    #[must_use]
    pub const fn stand_in(self) -> Option<Self> {
        match self {
            Self::Email => Some(Self::Sms),
            Self::Sms => Some(Self::Email),
            Self::Totp | Self::Passkey => None,
        }
    }

    /// The level that somebody reaches with it.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Passkey => Level::PhishingResistant,
            Self::Totp | Self::Email | Self::Sms => Level::TwoFactor,
        }
    }
}

/// The most passkeys of one person.
pub const MOST_PASSKEYS: usize = 10;
/// So many recovery codes make a set.
pub const RECOVERY_CODES: usize = 10;
/// How long a code lives that was sent, in milliseconds.
pub const CODE_LIFE: i64 = 10 * MINUTE;
/// How often somebody may be wrong with one that was sent; then it is dead.
pub const CODE_TRIES: i64 = 5;
/// The longest name of a passkey, in characters.
const LONGEST_NAME: usize = 64;
/// The letters of recovery codes: none looks like another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many letters a recovery code has.
const CODE_LETTERS: usize = 16;

/// What an account has, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The kinds of which it has one at least, and which count now.
    pub kinds: BTreeSet<FactorKind>,
    /// How many passkeys.
    pub passkeys: u32,
    /// How many recovery codes that were not used.
    pub recovery_left: u32,
}

impl Held {
    /// Whether there is a second factor at all. Recovery codes alone are none.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Whether one of them is in the person's own hands.
    #[must_use]
    pub fn any_strong(&self) -> bool {
        self.kinds.iter().any(|kind| kind.is_strong())
    }

    /// What of it does beside a password that was set through a link which came `by` this way: whoever reads there has both
    /// already, so a code goes to the other address.
    #[must_use]
    pub fn beside(mut self, by: FactorKind) -> Self {
        if let Some(other) = by.stand_in()
            && self.kinds.remove(&by)
        {
            self.kinds.insert(other);
        }
        self
    }

    /// The level that the person can reach.
    #[must_use]
    pub fn best(&self) -> Level {
        self.kinds.iter().map(|kind| kind.level()).max().unwrap_or(Level::Password)
    }
}

/// A factor that an account is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewFactor {
    /// An app that shows codes.
    Totp {
        /// Its id, minted by the caller.
        id: FactorId,
        /// The seed, sealed and bound to the id.
        sealed: Vec<u8>,
        /// The step of the newest code that was shown to bind it.
        last_step: i64,
    },
    /// Codes by mail or to a phone.
    Code {
        /// Its id, minted by the caller.
        id: FactorId,
        /// Which of the two: [`FactorKind::Email`] or [`FactorKind::Sms`].
        kind: FactorKind,
    },
    /// A passkey.
    Passkey {
        /// Its id, minted by the caller.
        id: PasskeyId,
        /// What the authenticator calls it.
        credential: Vec<u8>,
        /// What the person calls it.
        name: String,
        /// The public key and what belongs to it, as JSON.
        content: String,
        /// The signature counter.
        counter: i64,
    },
}

impl NewFactor {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FactorKind {
        match self {
            Self::Totp { .. } => FactorKind::Totp,
            Self::Code { kind, .. } => *kind,
            Self::Passkey { .. } => FactorKind::Passkey,
        }
    }

    /// Its id's text.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Totp { id, .. } | Self::Code { id, .. } => id.as_str(),
            Self::Passkey { id, .. } => id.as_str(),
        }
    }
}

/// One factor of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The app.
    Totp,
    /// Codes by mail.
    Email,
    /// Codes to the phone.
    Sms,
    /// This passkey.
    Passkey(PasskeyId),
}

impl Which {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FactorKind {
        match self {
            Self::Totp => FactorKind::Totp,
            Self::Email => FactorKind::Email,
            Self::Sms => FactorKind::Sms,
            Self::Passkey(_) => FactorKind::Passkey,
        }
    }
}

/// Why codes by mail and to the phone can't be switched on for somebody; `None` when they can. Either alone would be the
/// way by which a password is set anew, so both addresses must be there and known to be the person's (H23).
#[must_use]
pub fn why_no_codes(profile: &Profile) -> Option<&'static str> {
    let there = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
    let email = (there(profile.email.as_ref()), profile.email_verified);
    let phone = (there(profile.phone_number.as_ref()), profile.phone_number_verified);
    match (email, phone) {
        ((true, true), (true, true)) => None,
        ((false, _), (false, _)) => Some("Codes need an e-mail address and a phone number. Your account has neither."),
        ((false, _), _) => Some("Codes need an e-mail address, too. Add one to your account first."),
        (_, (false, _)) => Some("Codes need a phone number, too. Add one to your account first."),
        ((true, false), (true, false)) => {
            Some("Codes need an e-mail address and a phone number that are known to be yours. Confirm both first.")
        }
        ((true, false), _) => Some("Your e-mail address is not confirmed yet. Confirm it first."),
        (_, (true, false)) => Some("Your phone number is not confirmed yet. Confirm it first."),
    }
}

/// A passkey's name as it is kept.
///
/// # Errors
/// What is wrong with it.
pub fn check_passkey_name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if name.is_empty() {
        return Err("Give the passkey a name, for example the device that it is on.");
    }
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err("Use at most 64 characters, no control characters.");
    }
    Ok(name.to_owned())
}

/// A recovery code of 80 random bits, as people write it down: `abcd-efgh-jkmn-pqrs`.
#[must_use]
pub fn recovery_code(bits: [u8; 10]) -> String {
    let number = bits.iter().fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    let mut code = String::with_capacity(CODE_LETTERS + CODE_LETTERS / 4);
    for place in (0..CODE_LETTERS).rev() {
        code.push(char::from(LETTERS[((number >> (place * 5)) & 31) as usize]));
        if place % 4 == 0 && place > 0 {
            code.push('-');
        }
    }
    code
}

/// The letters of a recovery code that somebody typed, however they wrote it; `None` for what can't be one.
#[must_use]
pub fn recovery_key(typed: &str) -> Option<String> {
    let mut key = String::with_capacity(CODE_LETTERS);
    for letter in typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}')) {
        let letter = match letter.to_ascii_lowercase() {
            // As Crockford's base32 reads them.
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        if key.len() == CODE_LETTERS || !LETTERS.iter().any(|known| char::from(*known) == letter) {
            return None;
        }
        key.push(letter);
    }
    (key.len() == CODE_LETTERS).then_some(key)
}

/// The digits of a code that somebody typed, with or without a gap in the middle; `None` for what is no code.
#[must_use]
pub fn digits(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).take(7).collect();
    (digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_read_however_it_was_written_down() {
        let code = recovery_code([0xff, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf1]);
        assert_eq!((code.len(), code.matches('-').count()), (19, 3));
        let key = code.replace('-', "");
        for written in [code.clone(), key.clone(), code.to_uppercase(), format!(" {} ", code.replace('-', " "))] {
            assert_eq!(recovery_key(&written), Some(key.clone()), "{written}");
        }
        assert_eq!(recovery_code([0; 10]), "0000-0000-0000-0000");
        assert_eq!(recovery_key("oooo-0000-0000-0000").as_deref(), Some("0000000000000000"));
        for wrong in ["", "0000-0000-0000-000", "0000-0000-0000-00000", "uuuu-0000-0000-0000", "123456"] {
            assert_eq!(recovery_key(wrong), None, "{wrong}");
        }
        assert_ne!(recovery_code([1; 10]), recovery_code([2; 10]));
    }

    #[test]
    fn a_code_is_six_digits_and_nothing_else() {
        assert_eq!(digits("123 456").as_deref(), Some("123456"));
        assert_eq!(digits(" 012345 ").as_deref(), Some("012345"));
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６", "+12345", "12 34 5 6 7"] {
            assert_eq!(digits(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_best_of_what_is_held_is_what_can_be_reached() {
        let held = |kinds: &[FactorKind]| Held { kinds: kinds.iter().copied().collect(), ..Held::default() };
        assert_eq!(held(&[]).best(), Level::Password);
        assert_eq!(held(&[FactorKind::Sms, FactorKind::Totp]).best(), Level::TwoFactor);
        assert_eq!(held(&[FactorKind::Totp, FactorKind::Passkey]).best(), Level::PhishingResistant);
        assert!(!Held { recovery_left: 3, ..Held::default() }.any());
        assert!(!held(&[FactorKind::Email, FactorKind::Sms]).any_strong(), "what is sent is in nobody's hands");
        assert!(held(&[FactorKind::Sms, FactorKind::Totp]).any_strong() && held(&[FactorKind::Passkey]).any_strong());
    }

    #[test]
    fn one_address_is_never_both_factors_and_the_other_stands_in_for_it() {
        let beside = |kinds: &[FactorKind], by| {
            let held = Held { kinds: kinds.iter().copied().collect(), ..Held::default() };
            let after = held.clone().beside(by);
            assert_eq!(
                (after.any(), after.best()),
                (held.any(), held.best()),
                "nobody is stuck, and nobody is let off"
            );
            after.kinds.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(beside(&[FactorKind::Email], FactorKind::Email), [FactorKind::Sms]);
        assert_eq!(beside(&[FactorKind::Sms], FactorKind::Sms), [FactorKind::Email]);
        assert_eq!(beside(&[FactorKind::Email, FactorKind::Sms], FactorKind::Email), [FactorKind::Sms]);
        assert_eq!(beside(&[FactorKind::Totp], FactorKind::Email), [FactorKind::Totp], "nothing comes of nothing");
        assert_eq!(beside(&[FactorKind::Sms], FactorKind::Email), [FactorKind::Sms]);
        assert!(beside(&[], FactorKind::Email).is_empty());
    }

    // H23
    #[test]
    fn codes_need_both_addresses_and_both_confirmed() {
        let profile = |email: Option<bool>, phone: Option<bool>| Profile {
            email: email.map(|_| "ana@acme.test".to_owned()),
            email_verified: email.unwrap_or_default(),
            phone_number: phone.map(|_| "+821012345678".to_owned()),
            phone_number_verified: phone.unwrap_or_default(),
            ..Profile::default()
        };
        assert_eq!(why_no_codes(&profile(Some(true), Some(true))), None);
        let states = [None, Some(false), Some(true)];
        let mut reasons = BTreeSet::new();
        for (email, phone) in states.iter().flat_map(|email| states.iter().map(move |phone| (*email, *phone))) {
            if (email, phone) != (Some(true), Some(true)) {
                reasons.insert(why_no_codes(&profile(email, phone)).unwrap());
            }
        }
        assert_eq!(reasons.len(), 6, "{reasons:?}");
    }

    #[test]
    fn a_passkey_has_a_name_of_one_line() {
        assert_eq!(check_passkey_name("  Blue key "), Ok("Blue key".to_owned()));
        assert!(check_passkey_name(" ").is_err() && check_passkey_name("a\nb").is_err());
        assert!(check_passkey_name(&"x".repeat(64)).is_ok() && check_passkey_name(&"x".repeat(65)).is_err());
    }
}
