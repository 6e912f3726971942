//! Passwords that chance makes up, for somebody who is handed one.

use super::{About, Rules, check};
use crate::kernel::secret::{Chance, Secret};

/// How many characters one has, unless the rules ask for more (H15, H16).
pub const GENERATED_LENGTH: usize = 10;

/// What they are made of: four kinds, without 0 and O, 1, l and I, which look alike, and without signs that shells,
/// spreadsheets and quotation marks change.
const CHARACTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789!#%*+-=?_~";

/// A password that keeps every rule. All those that keep them are equally likely.
#[must_use]
pub fn generate(chance: &dyn Chance, rules: &Rules, about: &About) -> Secret {
    let length = GENERATED_LENGTH.max(rules.least).min(rules.most);
    loop {
        let drawn = draw(chance, length);
        if check(rules, drawn.expose(), about).is_empty() {
            return drawn;
        }
    }
}

/// So many characters, each as likely as any other: bytes beyond the last whole multiple are drawn again.
fn draw(chance: &dyn Chance, length: usize) -> Secret {
    let fair = 256 - 256 % CHARACTERS.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in chance.bytes32().into_iter().map(usize::from) {
            if byte < fair && text.len() < length {
                text.push(char::from(CHARACTERS[byte % CHARACTERS.len()]));
            }
        }
    }
    Secret::presented(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU64, Ordering};

    use sha2::{Digest as _, Sha256};

    use super::super::{PasswordPolicy, Preset};
    use super::*;

    /// The same chance at every run: SHA-256 of a counter.
    #[derive(Debug, Default)]
    struct Counted(AtomicU64);
    impl Chance for Counted {
        fn fill(&self, into: &mut [u8]) {
            for chunk in into.chunks_mut(32) {
                let block = Sha256::digest(self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
                chunk.copy_from_slice(&block[..chunk.len()]);
            }
        }
    }

    // H15 H16
    #[test]
    fn a_thousand_made_up_passwords_of_every_preset_keep_all_its_rules() {
        let chance = Counted::default();
        let about = About { user_name: "ana".to_owned(), words: vec!["acme".to_owned()], ..About::default() };
        for (preset, length) in
            [(Preset::CloudIam, 10), (Preset::KakaoCloud, 10), (Preset::Konnect, 12), (Preset::Nist, 15)]
        {
            let rules = preset.rules();
            let mut seen = BTreeSet::new();
            for _ in 0..1000 {
                let made = generate(&chance, &rules, &about);
                assert!(check(&rules, made.expose(), &about).is_empty(), "{preset:?}");
                assert_eq!(made.expose().chars().count(), length);
                assert!(!made.expose().contains(['0', 'O', '1', 'l', 'I']));
                seen.insert(made.expose().to_owned());
            }
            assert_eq!(seen.len(), 1000, "none is made twice");
        }
        let long = PasswordPolicy { min_length: Some(20), ..PasswordPolicy::of(Preset::CloudIam) };
        assert_eq!(generate(&chance, &long.rules(), &about).expose().len(), 20);
    }

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let (chance, draws) = (Counted::default(), 67 * 3000);
        let made = draw(&chance, draws);
        assert_eq!(CHARACTERS.iter().collect::<BTreeSet<_>>().len(), CHARACTERS.len());
        for character in CHARACTERS {
            let times = made.expose().bytes().filter(|byte| byte == character).count();
            // Five standard deviations around 3,000.
            assert!((2726..=3274).contains(&times), "{} {times}", char::from(*character));
        }
    }
}
