//! `[scim]`: how much the client of one connection may ask of one node, so that one customer's storm is not another's.

use serde::Deserialize;

use super::error::Faults;

/// What a connection's client may ask.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Scim {
    /// So many requests a second …
    pub requests_per_second: u32,
    /// … and so many at once, after a pause.
    pub burst: u32,
    /// So many are worked on at a time; those behind wait.
    pub in_flight: usize,
}

impl Default for Scim {
    fn default() -> Self {
        Self { requests_per_second: 200, burst: 400, in_flight: 16 }
    }
}

impl Scim {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.within("scim.requests_per_second", self.requests_per_second, 1..=1_000_000);
        faults.within("scim.burst", self.burst, 1..=1_000_000);
        faults.within("scim.in_flight", self.in_flight, 1..=1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_nobody_could_enter_is_refused() {
        let mut faults = Faults::default();
        Scim::default().check(&mut faults);
        Scim { requests_per_second: 0, burst: 0, in_flight: 0 }.check(&mut faults);
        let error = faults.finish().unwrap_err();
        assert_eq!(
            error.faults().iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(),
            ["scim.requests_per_second", "scim.burst", "scim.in_flight"]
        );
    }
}
