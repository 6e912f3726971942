//! E-mail domains: how one is written and compared, and the DNS record by which an organisation shows that one is its
//! own.

use std::fmt;

use url::Host;

/// What the name of the record begins with.
const RECORD: &str = "_muster-challenge.";
/// What the record's text begins with.
const VALUE: &str = "muster-domain-verification=";
/// A name in the DNS has at most 253 characters (RFC 1035 §2.3.4), and the record's must fit too.
const LONGEST: usize = 253 - RECORD.len();
/// The longest label.
const LONGEST_LABEL: usize = 63;

/// A domain in the one form in which domains are kept and compared: lower case, A-labels (RFC 5890).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

impl DomainName {
    /// Reads what somebody typed: capitals, characters of any writing and a dot at the end are welcome.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn parse(typed: &str) -> Result<Self, &'static str> {
        const NOT_ONE: &str = "Write a domain such as example.com.";
        let typed = typed.trim();
        let typed = typed.strip_suffix('.').unwrap_or(typed);
        // What only addresses of the web have; a percent sign would be read as such.
        if typed.is_empty() || typed.len() > 4 * LONGEST || typed.contains(['%', '@', '/', ':', '[', '*']) {
            return Err(NOT_ONE);
        }
        let Ok(Host::Domain(domain)) = Host::parse(typed) else {
            return Err(NOT_ONE);
        };
        if domain.len() > LONGEST {
            return Err("This domain is too long.");
        }
        let label = |label: &str| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if domain.split('.').count() < 2 || !domain.split('.').all(label) {
            return Err(NOT_ONE);
        }
        Ok(Self(domain))
    }

    /// The domain of an e-mail address; `None` when the text is none.
    #[must_use]
    pub fn of_email(address: &str) -> Option<Self> {
        let (local, domain) = address.trim().rsplit_once('@')?;
        if local.is_empty() || local.contains('@') { None } else { Self::parse(domain).ok() }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, given away.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of the TXT record that shows whose a domain is.
#[must_use]
pub fn record_name(domain: &str) -> String {
    format!("{RECORD}{domain}")
}

/// What that record says.
#[must_use]
pub fn record_value(token: &str) -> String {
    format!("{VALUE}{token}")
}

/// Whether one of the record's texts is the one that was asked for. Spaces around it are the fault of forms.
#[must_use]
pub fn is_shown(token: &str, texts: &[String]) -> bool {
    let wanted = record_value(token);
    texts.iter().any(|text| text.trim() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        DomainName::parse(text).ok().map(DomainName::into_string)
    }

    #[test]
    fn every_spelling_of_a_domain_is_one_and_what_is_none_is_refused() {
        for text in ["acme.test", "ACME.Test", " acme.test. ", "ａｃｍｅ.test"] {
            assert_eq!(parsed(text).as_deref(), Some("acme.test"), "{text}");
        }
        assert_eq!(parsed("Bücher.example").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(parsed("xn--bcher-kva.example"), parsed("bücher.example"));
        assert_eq!(parsed("한국.kr").as_deref(), Some("xn--3e0b707e.kr"));
        for bad in [
            "",
            ".",
            "localhost",
            "acme..test",
            ".acme.test",
            "acme.test..",
            "-acme.test",
            "acme-.test",
            "ac_me.test",
            "*.acme.test",
            "a b.test",
            "acme.test:25",
            "http://acme.test",
            "ana@acme.test",
            "192.0.2.1",
            "[::1]",
            "acme.test%2eevil.test",
            "acme.test\r\nx.test",
        ] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
        let long = format!("{}.{}.{}.{}.test", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(37));
        assert_eq!((long.len(), parsed(&long).is_some()), (234, true));
        assert_eq!(parsed(&format!("dd{long}")), None);
        assert_eq!(record_name(&long).len(), 252);
    }

    #[test]
    fn an_address_has_the_domain_behind_its_only_at_sign() {
        let of = |text: &str| DomainName::of_email(text).map(DomainName::into_string);
        assert_eq!(of("Ana@ACME.test").as_deref(), Some("acme.test"));
        for bad in ["acme.test", "@acme.test", "ana@evil.test@acme.test", "ana@", "ana@acme"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_record_must_say_the_token_whole() {
        assert_eq!(record_name("acme.test"), "_muster-challenge.acme.test");
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert!(is_shown("t0ken", &texts(&["v=spf1 -all", " muster-domain-verification=t0ken "])));
        for other in ["t0ken", "muster-domain-verification=", "muster-domain-verification=t0kenx", "x=t0ken"] {
            assert!(!is_shown("t0ken", &texts(&[other])), "{other}");
        }
        assert!(!is_shown("t0ken", &[]));
    }
}
