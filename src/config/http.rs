//! `[http]`: where Muster listens, whom it believes about addresses, and what it accepts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::error::Faults;
use super::network::Network;
use super::outbound::is_host;

/// The listening side.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Http {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// A PEM file with the certificate chain; with it Muster speaks TLS itself.
    pub tls_cert: Option<PathBuf>,
    /// The PEM file with the certificate's private key.
    pub tls_key: Option<PathBuf>,
    /// Names that requests may carry as Host besides the issuer's; `host` or `host:port`.
    pub allowed_hosts: Vec<String>,
    /// The proxies whose `X-Forwarded-For` is believed. None by default.
    pub trusted_proxies: Vec<Network>,
    /// Whether an http issuer on the loopback is accepted: for development and tests.
    pub allow_loopback_http: bool,
    /// How long a request's head may take.
    pub header_timeout_ms: u64,
    /// How long a request's body may take.
    pub body_timeout_ms: u64,
    /// How long a connection may lie without a request.
    pub idle_timeout_ms: u64,
    /// How long the work on a request may take.
    pub request_timeout_ms: u64,
    /// How long connections are still accepted after `/readyz` has said no; a second, or not at all on the loopback.
    pub notice_ms: Option<u64>,
    /// How long a request's body may be.
    pub max_body_bytes: usize,
    /// How long a request's head may be.
    pub max_header_bytes: usize,
    /// How many connections may be open.
    pub max_connections: usize,
    /// How many of them may come from one address (an IPv6 /64 counts as one).
    pub max_connections_per_ip: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_cert: None,
            tls_key: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            allow_loopback_http: false,
            header_timeout_ms: 10_000,
            body_timeout_ms: 15_000,
            idle_timeout_ms: 60_000,
            request_timeout_ms: 10_000,
            notice_ms: None,
            max_body_bytes: 65_536,
            max_header_bytes: 16_384,
            max_connections: 4096,
            max_connections_per_ip: 200,
        }
    }
}

impl Http {
    /// The certificate's and the key's file, when Muster speaks TLS itself.
    #[must_use]
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }

    /// How long others are given to notice that this process is about to stop.
    #[must_use]
    pub fn notice(&self) -> Duration {
        let usual = if self.listen.ip().is_loopback() { 0 } else { 1000 };
        Duration::from_millis(self.notice_ms.unwrap_or(usual))
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            faults.add("http.tls_cert", "and http.tls_key are given together or not at all");
        }
        for host in self.allowed_hosts.iter().filter(|host| !is_host(host)) {
            faults.add("http.allowed_hosts", format!("{host:?} is no host or host:port"));
        }
        faults.within("http.header_timeout_ms", self.header_timeout_ms, 100..=60_000);
        faults.within("http.body_timeout_ms", self.body_timeout_ms, 100..=300_000);
        faults.within("http.idle_timeout_ms", self.idle_timeout_ms, 100..=3_600_000);
        faults.within("http.request_timeout_ms", self.request_timeout_ms, 100..=300_000);
        faults.within("http.notice_ms", self.notice_ms.unwrap_or(0), 0..=60_000);
        faults.within("http.max_body_bytes", self.max_body_bytes, 1024..=2_097_152);
        faults.within("http.max_header_bytes", self.max_header_bytes, 8192..=1_048_576);
        faults.within("http.max_connections", self.max_connections, 1..=1_000_000);
        faults.within("http.max_connections_per_ip", self.max_connections_per_ip, 1..=1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_trusted_and_no_plain_http_allowed_unless_somebody_says_so() {
        let http = Http::default();
        assert!(http.trusted_proxies.is_empty() && !http.allow_loopback_http);
    }

    #[test]
    fn others_have_a_second_to_notice_a_stop_where_there_may_be_others() {
        let loopback = Http::default();
        assert!(loopback.notice().is_zero());
        let world = Http { listen: ([0, 0, 0, 0], 8080).into(), ..Http::default() };
        assert_eq!(world.notice(), Duration::from_secs(1));
        assert_eq!(Http { notice_ms: Some(7000), ..loopback }.notice(), Duration::from_secs(7));
    }

    #[test]
    fn a_certificate_without_its_key_and_a_wildcard_host_are_refused() {
        let mut faults = Faults::default();
        let http = Http { tls_cert: Some("cert.pem".into()), allowed_hosts: vec!["*".into()], ..Http::default() };
        http.check(&mut faults);
        assert!(http.tls().is_none());
        let error = faults.finish().unwrap_err();
        assert_eq!(
            error.faults().iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(),
            ["http.tls_cert", "http.allowed_hosts"]
        );
    }
}
