//! What the DNS says under a name: the texts that show whose a domain is.
//!
//! # Why
//! A resolver is made for each question, and nothing is remembered: questions are few, the system's servers may change
//! while Muster runs, and whoever has just put a record there wants to be believed. Where `/etc/resolv.conf` can't be
//! read, a question fails and not the start.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RData;

use crate::config::dns::Dns as Config;

/// How long one server is waited for …
const ONE: Duration = Duration::from_secs(2);
/// … how often it is asked again …
const AGAIN: usize = 1;
/// … and how long all of it may take.
const ALL: Duration = Duration::from_secs(8);

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The texts of the records under the name; a record of several pieces is one text.
    Texts(Vec<String>),
    /// There is no such record: somebody who knows says so.
    Nothing,
    /// Nobody who knows could be asked: why.
    Unanswered(String),
}

/// Asks the DNS.
#[derive(Clone, Debug)]
pub struct Dns {
    servers: Vec<SocketAddr>,
}

impl Dns {
    /// The servers that the settings name, or the system's. Nothing is asked yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { servers: config.addresses() }
    }

    /// The texts (TXT records, RFC 1035 §3.3.14) under a name. Names are whole: no suffix is tried.
    pub async fn texts(&self, name: &str) -> Answer {
        match tokio::time::timeout(ALL, self.ask(name)).await {
            Ok(Ok(texts)) if texts.is_empty() => Answer::Nothing,
            Ok(Ok(texts)) => Answer::Texts(texts),
            Ok(Err(error)) if is_negative(&error) => Answer::Nothing,
            Ok(Err(error)) => Answer::Unanswered(error.to_string()),
            Err(_) => Answer::Unanswered("no server answered in time".to_owned()),
        }
    }

    async fn ask(&self, name: &str) -> Result<Vec<String>, NetError> {
        let found = self.resolver()?.txt_lookup(format!("{}.", name.trim_end_matches('.'))).await?;
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => {
                let bytes: Vec<u8> = text.txt_data.iter().flat_map(|piece| piece.iter().copied()).collect();
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => None, // an alias on the way there
        });
        Ok(texts.collect())
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = if self.servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = self.servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = ONE;
        options.attempts = AGAIN;
        options.cache_size = 0;
        options.try_tcp_on_error = true;
        builder.build()
    }
}

/// Whether somebody who knows says that there is no such record: a server that failed says nothing (RFC 2308 §2).
fn is_negative(error: &NetError) -> bool {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = error else { return false };
    matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
}

/// A server that is asked by UDP, and by TCP where an answer is too long for that.
fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_not_there_leaves_the_question_open() {
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dns = Dns::new(&Config { servers: vec![format!("127.0.0.1:{port}")] });
        assert!(matches!(dns.texts("_muster-challenge.acme.test").await, Answer::Unanswered(_)));
        assert!(matches!(dns.texts(&"x".repeat(300)).await, Answer::Unanswered(_)));
    }
}
