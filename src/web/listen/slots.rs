//! How many connections are open, together and from one address.
//!
//! Over the limit a connection is closed at once instead of left waiting: who waits in the backlog can't be told from
//! who attacks, and probes must get through as soon as a slot is free.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{counter, gauge};

use super::Limits;
use crate::config::network::Network;

/// The slots that are left; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    most_each: usize,
    unlimited: Vec<Network>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// A slot in use; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    key: Option<IpAddr>,
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Shared {
            most: limits.max_connections,
            most_each: limits.max_connections_per_ip,
            unlimited: limits.trusted_proxies.clone(),
            taken: Mutex::default(),
        }))
    }

    /// A slot for a connection from `address`, unless all are taken or the address has its share.
    pub(super) fn take(&self, address: IpAddr) -> Option<Slot> {
        let shared = &self.0;
        let key = (!shared.unlimited.iter().any(|network| network.contains(address))).then(|| key_of(address));
        let mut taken = shared.lock();
        if taken.all >= shared.most {
            counter!("muster_http_connections_refused_total", "reason" => "all").increment(1);
            return None;
        }
        if let Some(key) = key {
            let own = taken.each.entry(key).or_default();
            if *own >= shared.most_each {
                counter!("muster_http_connections_refused_total", "reason" => "address").increment(1);
                return None;
            }
            *own += 1;
        }
        taken.all += 1;
        gauge!("muster_http_connections").increment(1.0);
        Some(Slot { shared: Arc::clone(shared), key })
    }
}

impl Shared {
    /// A count stays true whoever panicked beside it.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.shared.lock();
        taken.all -= 1;
        gauge!("muster_http_connections").decrement(1.0);
        let Some(key) = self.key else { return };
        if let Some(own) = taken.each.get_mut(&key) {
            *own -= 1;
            if *own == 0 {
                taken.each.remove(&key);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has.
fn key_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http::Http;

    fn slots(most: usize, most_each: usize) -> Slots {
        let http = Http {
            max_connections: most,
            max_connections_per_ip: most_each,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Http::default()
        };
        Slots::new(&Limits::from(&http))
    }

    fn take(slots: &Slots, address: &str) -> Option<Slot> {
        slots.take(address.parse().unwrap())
    }

    #[test]
    fn an_address_gets_its_share_and_gets_it_back() {
        let slots = slots(10, 2);
        let (first, second) = (take(&slots, "1.1.1.1"), take(&slots, "::ffff:1.1.1.1"));
        assert!(first.is_some() && second.is_some());
        assert!(take(&slots, "1.1.1.1").is_none() && take(&slots, "2.2.2.2").is_some());
        drop(first);
        assert!(take(&slots, "1.1.1.1").is_some());
        drop(second);
        assert!(slots.0.lock().each.is_empty() && slots.0.lock().all == 0);
    }

    #[test]
    fn a_subscriber_with_many_addresses_of_one_network_has_one_share() {
        let slots = slots(10, 1);
        let held = take(&slots, "2001:db8::1");
        assert!(held.is_some() && take(&slots, "2001:db8::2").is_none() && take(&slots, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn a_trusted_proxy_is_held_to_the_total_alone() {
        let slots = slots(3, 1);
        let held: Vec<_> = (0..3).map(|_| take(&slots, "10.0.0.1")).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(take(&slots, "10.0.0.1").is_none() && take(&slots, "1.1.1.1").is_none());
    }
}
