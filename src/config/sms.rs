//! `[sms]`: the gateway that text messages go through, as one HTTP request with templates for its headers and body.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::error::Faults;
use super::keys::secret;
use super::mail::is_loopback;
use crate::kernel::secret::Secret;

/// How the gateway is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// By POST.
    #[default]
    Post,
    /// By PUT.
    Put,
}

/// How text messages are sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Sms {
    /// The gateway; without one, messages land as files in `sms` under the data directory.
    pub url: Option<String>,
    /// The method.
    pub method: Method,
    /// Headers; their values are templates.
    pub headers: BTreeMap<String, String>,
    /// The body, a template over `to`, `text` and `token`.
    pub body: String,
    /// The body's type. It decides how values are written into the template: as a form's, as a JSON text's, or as
    /// they are.
    pub content_type: String,
    /// The secret that templates name `token`.
    #[serde(deserialize_with = "secret")]
    pub token: Option<Secret>,
    /// How long the request may take.
    pub timeout_secs: u64,
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            url: None,
            method: Method::default(),
            headers: BTreeMap::new(),
            body: "to={{ to }}&text={{ text }}".to_owned(),
            content_type: "application/x-www-form-urlencoded".to_owned(),
            token: None,
            timeout_secs: 10,
        }
    }
}

impl Sms {
    pub(super) fn check(&self, faults: &mut Faults) {
        if self.url.as_deref().is_some_and(|url| !may_be_called(url)) {
            // The text itself is not shown: gateways' addresses often hold a key.
            faults.add("sms.url", "is no https address without a user in it (http: on this machine only)");
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        if let Some(name) = self.headers.keys().find(|name| !is_name(name)) {
            faults.add("sms.headers", format!("{name:?} is no name of a header"));
        }
        if self.content_type.is_empty() || self.content_type.chars().any(char::is_control) {
            faults.add("sms.content_type", "is empty or has control characters");
        }
        faults.within("sms.timeout_secs", self.timeout_secs, 1..=60);
    }
}

/// One-time links travel there, so nothing goes in clear over a network.
fn may_be_called(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let local = url.host_str().is_some_and(is_loopback);
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && local);
        scheme && url.host_str().is_some() && url.username().is_empty() && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_asked_over_https_or_on_this_machine() {
        for url in ["https://sms.acme.test/send?key=1", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]:9/"] {
            assert!(may_be_called(url), "{url}");
        }
        for url in ["http://sms.acme.test/", "http://10.0.0.1/", "https://u:p@sms.acme.test/", "ftp://localhost/", "x"]
        {
            assert!(!may_be_called(url), "{url}");
        }
    }

    #[test]
    fn a_fault_of_the_gateways_address_does_not_show_it_and_the_token_is_never_printed() {
        let sms = Sms {
            url: Some("http://sms.acme.test/?key=hunter2".to_owned()),
            token: Some(Secret::presented("hunter2")),
            headers: BTreeMap::from([("X Key".to_owned(), "{{ token }}".to_owned())]),
            ..Sms::default()
        };
        let mut faults = Faults::default();
        sms.check(&mut faults);
        let told = faults.finish().unwrap_err().to_string();
        assert!(told.contains("sms.url: ") && told.contains("sms.headers: ") && !told.contains("hunter2"), "{told}");
        assert!(!format!("{:?}", sms.token).contains("hunter2"));
    }
}
