//! `[passwords]`: which rules hold for accounts of nobody's organisation, what a password's hash costs, how many are made
//! at once, and when guessing is stopped.

use serde::{Deserialize, Serialize};

use super::MINUTE;
use super::error::Faults;

/// The weakest of the settings that OWASP's Password Storage Cheat Sheet calls equal (7 MiB, five passes), in KiB × passes.
const LEAST_WORK: u64 = 7168 * 5;

/// A set of rules with a name. What each asks for stands in `domain::people::password`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preset {
    /// 6 to 32 characters of two kinds.
    #[default]
    #[serde(rename = "cloud-iam")]
    CloudIam,
    /// 9 to 30 characters of all four kinds, no keys side by side, none of the last three.
    #[serde(rename = "kakaocloud")]
    KakaoCloud,
    /// At least 12 characters of all four kinds, none of the last thirteen.
    #[serde(rename = "konnect")]
    Konnect,
    /// At least 15 characters of any kind.
    #[serde(rename = "nist")]
    Nist,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CloudIam, Self::KakaoCloud, Self::Konnect, Self::Nist];

    /// The word in files and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CloudIam => "cloud-iam",
            Self::KakaoCloud => "kakaocloud",
            Self::Konnect => "konnect",
            Self::Nist => "nist",
        }
    }
}

/// How a lock against guessing ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// By itself, after its time.
    #[default]
    Pause,
    /// By a link for a new password, or by an administrator.
    Reset,
}

impl LockMode {
    /// The word in files and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Reset => "reset",
        }
    }
}

/// The price of a password's hash and the lock against guessing.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Passwords {
    /// The rules for people's own accounts. Organisations set theirs; operators have one of their own.
    pub preset: Preset,
    /// Argon2id's memory, in KiB.
    pub memory_kib: u32,
    /// Argon2id's passes.
    pub iterations: u32,
    /// Argon2id's lanes.
    pub parallelism: u32,
    /// How many hashes are made at once; without it one less than the cores, at least one.
    pub threads: Option<usize>,
    /// How many may wait for a thread.
    pub queue: usize,
    /// How long one may wait, in milliseconds, before the answer is 429.
    pub queue_wait_ms: u64,
    /// After how many failures in the window an account's password is locked.
    pub lock_failures: i64,
    /// The window that failures are counted in.
    pub lock_window_secs: i64,
    /// How long the lock lasts.
    pub lock_secs: i64,
    /// How it ends.
    pub lock_mode: LockMode,
    /// How many minutes a mailed link for a new password lives.
    pub reset_minutes: i64,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            preset: Preset::default(),
            memory_kib: 19456,
            iterations: 2,
            parallelism: 1,
            threads: None,
            queue: 256,
            queue_wait_ms: 2000,
            lock_failures: 5,
            lock_window_secs: 15 * MINUTE,
            lock_secs: 15 * MINUTE,
            lock_mode: LockMode::default(),
            reset_minutes: 30,
        }
    }
}

impl Passwords {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.within("passwords.memory_kib", self.memory_kib, 7168..=1_048_576);
        faults.within("passwords.iterations", self.iterations, 1..=16);
        faults.within("passwords.parallelism", self.parallelism, 1..=8);
        let work = u64::from(self.memory_kib) * u64::from(self.iterations);
        if work < LEAST_WORK {
            faults.add("passwords.memory_kib", format!("times passwords.iterations is {work}, below {LEAST_WORK}"));
        }
        if let Some(threads) = self.threads {
            faults.within("passwords.threads", threads, 1..=256);
        }
        faults.within("passwords.queue", self.queue, 1..=65_536);
        faults.within("passwords.queue_wait_ms", self.queue_wait_ms, 100..=30_000);
        faults.within("passwords.lock_failures", self.lock_failures, 3..=10);
        faults.within("passwords.lock_window_secs", self.lock_window_secs, 15 * MINUTE..=60 * MINUTE);
        faults.within("passwords.lock_secs", self.lock_secs, 15 * MINUTE..=30 * MINUTE);
        faults.within("passwords.reset_minutes", self.reset_minutes, 15..=24 * 60);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presets_word_is_the_one_that_files_have() {
        for preset in Preset::ALL {
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.as_str());
            assert_eq!(serde_json::from_value::<Preset>(preset.as_str().into()).unwrap(), preset);
        }
    }

    #[test]
    fn the_word_of_a_lock_is_the_one_that_files_have() {
        for mode in [LockMode::Pause, LockMode::Reset] {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
        }
    }

    #[test]
    fn a_cheap_hash_is_refused_and_the_equals_of_owasp_pass() {
        let with = |memory_kib, iterations| {
            let mut faults = Faults::default();
            Passwords { memory_kib, iterations, ..Passwords::default() }.check(&mut faults);
            faults.finish()
        };
        for (memory, passes) in [(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)] {
            assert_eq!(with(memory, passes), Ok(()));
        }
        assert!(with(19456, 1).is_err() && with(1024, 16).is_err());
    }
}
