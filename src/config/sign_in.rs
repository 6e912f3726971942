//! `[sign_in]`: what the sign-in asks of operators, and how much may be tried and sent before it is enough.
//!
//! When an account's password is locked stands in `[passwords]`; organisations set theirs within those bounds.

use serde::Deserialize;

use super::error::Faults;

/// How much may be tried.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct SignIn {
    /// Whether an operator who has a second factor must have shown it wherever they act, not at the sign-in alone.
    pub operators_second_factor: bool,
    /// After so many failures in a row, locks between them or not, each more costs a pause that grows.
    pub free_failures: i64,
    /// So many in a row since the last success lock an account until a reset link or an administrator opens it.
    pub most_failures: i64,
    /// So many failures from one network within a minute; 0 is no limit.
    pub address_failures_minute: i64,
    /// So many failures from one network within an hour; 0 is no limit.
    pub address_failures_hour: i64,
    /// So many messages that one network may cause within an hour without having proven anything.
    pub mails_hour_network: i64,
}

impl Default for SignIn {
    fn default() -> Self {
        Self {
            operators_second_factor: true,
            free_failures: 5,
            most_failures: 100,
            address_failures_minute: 20,
            address_failures_hour: 300,
            mails_hour_network: 10,
        }
    }
}

impl SignIn {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.within("sign_in.free_failures", self.free_failures, 3..=10);
        // NIST SP 800-63B-4 §3.2.2: no more than a hundred in a row.
        faults.within("sign_in.most_failures", self.most_failures, 10..=100);
        faults.within("sign_in.address_failures_minute", self.address_failures_minute, 0..=100_000);
        faults.within("sign_in.address_failures_hour", self.address_failures_hour, 0..=1_000_000);
        faults.within("sign_in.mails_hour_network", self.mails_hour_network, 1..=10_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundred_of_the_standard_can_be_lowered_and_not_raised() {
        let with = |most_failures| {
            let mut faults = Faults::default();
            SignIn { most_failures, ..SignIn::default() }.check(&mut faults);
            faults.finish()
        };
        assert!(with(10).is_ok() && with(100).is_ok());
        assert!(with(101).is_err() && with(0).is_err());
    }
}
