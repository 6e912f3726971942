//! `[dns]`: which servers are asked whether an e-mail domain is an organisation's own.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use super::error::Faults;

/// The port of a server whose entry names none.
const PORT: u16 = 53;

/// The servers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// `address` or `address:port`; none are those of the system.
    pub servers: Vec<String>,
}

impl Dns {
    pub(super) fn check(&self, faults: &mut Faults) {
        for server in self.servers.iter().filter(|server| address(server).is_none()) {
            faults.add("dns.servers", format!("{server:?} is no IP address, with or without a port"));
        }
    }

    /// The servers' addresses; empty where the system's are asked.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().filter_map(|server| address(server)).collect()
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let bare = |text: &str| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, PORT));
    text.parse().ok().or_else(|| bare(text)).filter(|address: &SocketAddr| address.port() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_and_its_port_is_that_of_dns() {
        assert_eq!(address("192.0.2.53").unwrap().to_string(), "192.0.2.53:53");
        assert_eq!(address("127.0.0.1:5353").unwrap().port(), 5353);
        assert_eq!(address("2001:db8::53").unwrap().to_string(), "[2001:db8::53]:53");
        assert_eq!(address("[::1]:5353").unwrap().to_string(), "[::1]:5353");
        for bad in ["", "dns.acme.test", "192.0.2.53:", "127.0.0.1:0", "127.0.0.1:99999"] {
            assert_eq!(address(bad), None, "{bad:?}");
        }
        let mut faults = Faults::default();
        Dns { servers: vec!["1.1.1.1".to_owned(), "one".to_owned()] }.check(&mut faults);
        assert_eq!(faults.finish().unwrap_err().faults().len(), 1);
    }
}
