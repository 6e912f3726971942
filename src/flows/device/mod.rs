//! Sign-in on another device (RFC 8628): the device begins, a person decides, the device polls.
//!
//! What the person decides is an authorization request like any other, on its way through [`super::authorize`]; it ends
//! at the device's row instead of a redirect.

pub mod decide;
pub mod poll;
pub mod start;

use std::net::{IpAddr, Ipv6Addr};

use crate::app::App;
use crate::domain::oauth::device::UserCode;
use crate::kernel::secret::Digest;
use crate::kernel::time::SECOND;

/// What the database keeps of a user code. It is too short for a plain digest: 35 bits are tried out in a minute.
#[must_use]
pub fn user_code_digest(app: &App, code: &UserCode) -> Digest {
    Digest::of(&app.sealer.mac("device.user_code", &[code.letters().as_bytes()]))
}

/// Counts a try under a key, before anything is looked at; the seconds to wait when there were more than `most` within
/// `window` milliseconds. The counters are this node's own, bounded, and lost at a restart: they keep load away. What is
/// guessed at, and what is sent, is counted by all nodes together ([`super::guard`]).
pub(super) fn count(app: &App, key: &str, most: u32, window: i64) -> Option<i64> {
    let now = app.now();
    let entry = app.tries.entry_by_ref(key).and_upsert_with(|before| match before.map(moka::Entry::into_value) {
        Some((since, count)) if now.since(since) < window => (since, count.saturating_add(1)),
        _ => (now, 1),
    });
    let (since, count) = entry.into_value();
    (count > most).then(|| ((window - now.since(since)) / SECOND).max(1))
}

/// Whose tries count together: an IPv4 address, or a network of 64 bits, which one customer has to itself.
pub(super) fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_customer_count_together() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!((network("192.0.2.1"), network("?")), ("192.0.2.1".to_owned(), "?".to_owned()));
    }
}
