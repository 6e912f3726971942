//! Front-Channel Logout 1.0: what a browser that signs out loads from each application, in a frame that nobody sees.

use url::Url;

/// The address with who says so and which session is over (§2). Both are always given, whether or not they are required.
#[must_use]
pub fn address(uri: &str, iss: &str, sid: &str) -> String {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("iss", iss).append_pair("sid", sid).finish();
    let joint = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{joint}{query}")
}

/// The origin of an address: what the page that loads it must be allowed to frame.
#[must_use]
pub fn origin(uri: &str) -> Option<String> {
    let origin = Url::parse(uri).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_query_and_gets_issuer_and_session() {
        let with = |uri: &str| address(uri, "https://id.example", "sid_1");
        assert_eq!(with("https://shop.example/out"), "https://shop.example/out?iss=https%3A%2F%2Fid.example&sid=sid_1");
        assert_eq!(
            with("https://shop.example/out?a=b"),
            "https://shop.example/out?a=b&iss=https%3A%2F%2Fid.example&sid=sid_1"
        );
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_alone() {
        assert_eq!(origin("https://Shop.example:8443/out?x=1").as_deref(), Some("https://shop.example:8443"));
        assert_eq!(origin("http://127.0.0.1:9000/").as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!((origin("data:text/html,x"), origin("no URL")), (None, None));
    }
}
