//! Who is at the other end: the address a request really comes from.
//!
//! `X-Forwarded-For` is read only when the connection comes from a proxy that the settings trust, from the right, up to
//! the first address that isn't such a proxy. No other header is ever read for this, whatever its spelling.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use super::Arrival;
use crate::config::network::Network;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address, as an extractor. Unspecified when a request came by no connection (in tests).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Arrival>().map_or(Self(NOWHERE), |arrival| Self(arrival.client)))
    }
}

const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The client's address of a request.
pub(super) fn client(request: &Request, trusted: &[Network]) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(NOWHERE, |info| info.0.ip().to_canonical());
    if is_trusted(peer, trusted) { beyond_proxies(peer, request.headers(), trusted) } else { peer }
}

/// Whether a request's connection comes from a proxy that the settings trust.
#[cfg(feature = "otel")]
pub(super) fn came_by_proxy(request: &Request, trusted: &[Network]) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(NOWHERE, |info| info.0.ip().to_canonical());
    is_trusted(peer, trusted)
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The rightmost address that is no trusted proxy. What can't be read ends the walk at the proxy that reported it.
fn beyond_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut nearest = peer;
    for line in headers.get_all(&FORWARDED_FOR).iter().rev() {
        for entry in line.to_str().unwrap_or("?").rsplit(',') {
            let Some(address) = address_of(entry.trim()) else {
                return nearest;
            };
            nearest = address;
            if !is_trusted(address, trusted) {
                return address;
            }
        }
    }
    nearest
}

/// An entry's address, with or without a port, an IPv6 one with or without brackets.
fn address_of(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn seen(peer: &str, trusted: &[&str], forwarded: &[&str]) -> String {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        for line in forwarded {
            request.headers_mut().append(&FORWARDED_FOR, line.parse().unwrap());
        }
        request.headers_mut().insert("x-real-ip", "6.6.6.6".parse().unwrap());
        request.headers_mut().insert("x_forwarded_for", "6.6.6.6".parse().unwrap());
        request.headers_mut().insert("forwarded", "for=6.6.6.6".parse().unwrap());
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client(&request, &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(seen("1.2.3.4:5", &[], &["6.6.6.6"]), "1.2.3.4");
        assert_eq!(seen("1.2.3.4:5", &["10.0.0.0/8"], &["6.6.6.6"]), "1.2.3.4");
        assert_eq!(seen("[::ffff:1.2.3.4]:5", &[], &[]), "1.2.3.4");
    }

    #[test]
    fn behind_a_trusted_proxy_the_rightmost_stranger_is_the_client() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(seen("10.0.0.1:5", &proxies, &["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
        assert_eq!(seen("10.0.0.1:5", &proxies, &["6.6.6.6, 1.2.3.4, 10.0.0.2"]), "1.2.3.4");
        assert_eq!(seen("10.0.0.1:5", &proxies, &["6.6.6.6", "1.2.3.4:99", "10.0.0.2"]), "1.2.3.4");
        assert_eq!(seen("10.0.0.1:5", &proxies, &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(seen("10.0.0.1:5", &proxies, &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn what_cannot_be_read_hides_everything_left_of_it() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(seen("10.0.0.1:5", &proxies, &["6.6.6.6, unknown"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1:5", &proxies, &["6.6.6.6, , 10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen("10.0.0.1:5", &proxies, &[]), "10.0.0.1");
    }
}
