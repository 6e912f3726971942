//! `[mail]`: through which server mail goes, whom it is from, and what Muster is called in it.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::error::Faults;
use super::keys::secret;
use super::outbound::is_host;
use crate::kernel::secret::Secret;

/// The languages that there are templates in; `domain::language` names them too.
const LANGUAGES: [&str; 2] = ["en", "ko"];

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// In clear at first, then TLS before anything is said (RFC 3207); a server that can't is not used.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// In clear, to this machine only.
    None,
}

/// How mail is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Mail {
    /// The mail server; without one, messages land as `.eml` files in `mail` under the data directory.
    pub host: Option<String>,
    /// Its port; without one 587 for STARTTLS, 465 for TLS, 25 in clear.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub tls: Tls,
    /// The user name there.
    pub user: Option<String>,
    /// The password there.
    #[serde(deserialize_with = "secret")]
    pub password: Option<Secret>,
    /// The file with the password there.
    pub password_file: Option<PathBuf>,
    /// Whom mail is from, as `Name <address>`.
    pub from: String,
    /// Where answers go if an organisation names no contact of its own.
    pub reply_to: Option<String>,
    /// The language of mails to people whose own isn't known: `en` or `ko`.
    pub language: String,
    /// A folder with templates that stand in for the built-in ones of the same name.
    pub templates: Option<PathBuf>,
    /// What Muster is called in mails.
    pub product: String,
    /// How long one message may take.
    pub timeout_secs: u64,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            host: None,
            port: None,
            tls: Tls::default(),
            user: None,
            password: None,
            password_file: None,
            from: String::new(),
            reply_to: None,
            language: LANGUAGES[0].to_owned(),
            templates: None,
            product: "Muster".to_owned(),
            timeout_secs: 30,
        }
    }
}

impl Mail {
    /// The server's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Starttls => 587,
            Tls::Tls => 465,
            Tls::None => 25,
        })
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        if let Some(host) = &self.host {
            self.check_server(host, faults);
        } else if self.user.is_some() || self.password.is_some() || self.password_file.is_some() {
            faults.add("mail.host", "is not set, but a user or a password for it is");
        }
        for (key, text) in [("mail.from", Some(&self.from)), ("mail.reply_to", self.reply_to.as_ref())] {
            if text.is_some_and(|text| !text.is_empty() && !is_mailbox(text)) {
                faults.add(key, "is no address like `Name <address@host>`");
            }
        }
        if !LANGUAGES.contains(&self.language.as_str()) {
            faults.add("mail.language", format!("{:?} is none of {}", self.language, LANGUAGES.join(", ")));
        }
        let length = self.product.chars().count();
        if !(1..=60).contains(&length) || self.product.chars().any(char::is_control) {
            faults.add("mail.product", "has 1 to 60 characters, no control characters");
        }
        faults.within("mail.timeout_secs", self.timeout_secs, 1..=60);
    }

    fn check_server(&self, host: &str, faults: &mut Faults) {
        if !is_host(host) || host.contains('[') || host.contains(':') && host.parse::<IpAddr>().is_err() {
            faults.add("mail.host", format!("{host:?} is no host; the port is mail.port"));
        }
        if self.tls == Tls::None && !is_loopback(host) {
            faults.add("mail.tls", "may be none for a server on this machine only");
        }
        if self.from.is_empty() {
            faults.add("mail.from", "is not set: say whom mail is from");
        }
        if self.password.is_some() && self.password_file.is_some() {
            faults.add("mail.password", "and mail.password_file are both given: keep one");
        }
        if self.user.is_some() != (self.password.is_some() || self.password_file.is_some()) {
            faults.add(
                "mail.user",
                "and a password (mail.password or mail.password_file) are given together or not at all",
            );
        }
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a text looks like a mailbox; the mail library reads it at the start.
fn is_mailbox(text: &str) -> bool {
    text.contains('@') && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mail: &Mail) -> String {
        let mut faults = Faults::default();
        mail.check(&mut faults);
        faults.finish().map_or_else(|error| error.to_string(), |()| String::new())
    }

    fn server(host: &str) -> Mail {
        Mail { host: Some(host.to_owned()), from: "Acme <id@acme.test>".to_owned(), ..Mail::default() }
    }

    #[test]
    fn nothing_must_be_given_and_a_server_needs_a_sender() {
        assert_eq!(told(&Mail::default()), "");
        assert_eq!(told(&server("smtp.acme.test")), "");
        let without = Mail { from: String::new(), ..server("smtp.acme.test") };
        assert!(told(&without).starts_with("mail.from: is not set"));
        assert!(told(&server("smtp.acme.test:587")).starts_with("mail.host: "));
        assert_eq!(told(&server("::1")), "");
    }

    #[test]
    fn mail_goes_in_clear_to_this_machine_only() {
        let clear = |host: &str| Mail { tls: Tls::None, ..server(host) };
        for host in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(told(&clear(host)), "", "{host}");
        }
        for host in ["smtp.acme.test", "10.0.0.1", "127.0.0.1.acme.test"] {
            assert!(told(&clear(host)).starts_with("mail.tls: "), "{host}");
        }
    }

    #[test]
    fn a_user_and_one_password_belong_together_and_are_never_printed() {
        let both = Mail {
            user: Some("u".to_owned()),
            password: Some(Secret::presented("hunter2")),
            password_file: Some("p".into()),
            ..server("smtp.acme.test")
        };
        assert!(told(&both).starts_with("mail.password: ") && !format!("{both:?}").contains("hunter2"));
        assert!(told(&Mail { user: Some("u".to_owned()), ..server("a.test") }).starts_with("mail.user: "));
        assert!(told(&Mail { user: Some("u".to_owned()), ..Mail::default() }).starts_with("mail.host: "));
    }

    #[test]
    fn a_language_without_templates_and_an_address_that_is_none_are_refused() {
        let bad = Mail { language: "tlh".to_owned(), reply_to: Some("help".to_owned()), ..Mail::default() };
        let told = told(&bad);
        assert!(told.contains("mail.language: ") && told.contains("mail.reply_to: "), "{told}");
    }

    #[test]
    fn the_port_follows_the_protection() {
        let port = |tls| Mail { tls, ..Mail::default() }.port();
        assert_eq!((port(Tls::Starttls), port(Tls::Tls), port(Tls::None)), (587, 465, 25));
    }
}
