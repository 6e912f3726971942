//! Messages to people: what they look like, and how they leave, by SMTP or, without a server, as files.
//!
//! A message is a [`Mail`](crate::domain::mail::Mail): a template, a language, an address, and values by name. What the
//! templates may name:
//!
//! | name | is | in |
//! |---|---|---|
//! | `product`, `issuer` | what Muster is called, and where it is | all |
//! | `org`, `support` | the organisation's name and contact, read when the message is sent; may be empty | all |
//! | `link` | where the button leads: the one-time link, else a page of the issuer's | all; may be empty |
//! | `name`, `user_name` | the reader, and what they sign in with | all; may be empty |
//! | `expires` | when the link ends (from `expires_at`, milliseconds since 1970) | those with a one-time link |
//! | `inviter`, `roles`, `groups` | who invites, and what comes with it, separated by commas | invitations, first passwords |
//! | `at`, `by` | when it happened (milliseconds), and who did it | what tells that something was done |
//! | `address` | from where; of `email_changed_*` the new e-mail address | sign-ins; changed addresses |
//! | `browser` | with what | sign-ins |
//! | `until` | when the pause, the key or the token ends (milliseconds) | `locked`, `key_*`, `scim_token_expiring` |
//! | `key`, `project` | an access key's name and its project's key | `key_*` |
//! | `connection`, `key` | a connection's name, and its token's | `scim_token_expiring` |
//! | `connection`, `error`, `since` | a connection's name, its provider's last failure, since when | `connection_failing` |
//! | `factor` | `totp`, `passkey`, `email`, `sms`, or `codes` for both of these | `factor_added`, `factor_removed` |
//! | `key` | a passkey's name | `factor_added`, `passkey_cloned` |
//! | `code`, `expires` | the code, and when it ends | `factor_code` |
//! | `left` | how many recovery codes are left | `recovery_code_used` |
//! | `rule`, `event`, `actor`, `action`, `outcome` | the rule, if one fitted, and what happened | `alert` |
//!
//! A name that isn't given is empty. Values are text that people typed: one line each, at most 300 characters, never
//! structure ([`values`]).

pub mod blocks;
pub mod eml;
mod html;
pub(super) mod kept;
mod message;
mod smtp;
pub mod templates;
pub mod values;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lettre::message::Mailbox;

use self::smtp::Smtp;
use crate::config::mail::Mail as MailConfig;
use crate::domain::language::Language;
use crate::kernel::time::UnixMillis;

/// How an organisation wants its messages to look, and where their button leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What Muster is called.
    pub product: String,
    /// The issuer.
    pub issuer: String,
    /// The organisation's name; empty where the message is about none.
    pub org_name: String,
    /// Its colour, as `#rrggbb`; empty is Muster's own.
    pub colour: String,
    /// Whom to write to for help: an e-mail address, or empty.
    pub support: String,
    /// Where the button leads.
    pub link: Option<String>,
}

/// A message as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The one address that it goes to.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// The text part, complete by itself.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// In which language.
    pub language: Language,
    /// Where answers go, if not to the configured place.
    pub reply_to: Option<String>,
}

/// Why a message did not leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The address is refused for good (a 5xx answer to RCPT), or is none.
    #[error("{0}")]
    Rejected(String),
    /// It may go through another time.
    #[error("{0}")]
    Later(String),
    /// No server took the message in time; whatever else is to be sent can wait, too.
    #[error("{0}")]
    Unreachable(String),
}

/// That mail or text messages can't be set up as the settings say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct SetUpError {
    /// The setting.
    pub key: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl SetUpError {
    /// A fault of one setting.
    pub(super) fn new(key: &'static str, reason: impl fmt::Display) -> Self {
        Self { key, reason: reason.to_string() }
    }
}

/// Sends messages; clones share its connections.
#[derive(Clone, Debug)]
pub struct Mailer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    /// What stands behind the `@` of message ids.
    host: String,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Smtp(Box<Smtp>),
    Folder(PathBuf),
}

impl Mailer {
    /// A mailer as the settings say. Nothing is connected yet.
    ///
    /// # Errors
    /// An address that is none, a password file that can't be read, or certificates that are none.
    pub fn new(
        config: &MailConfig,
        issuer: &str,
        data_dir: &Path,
        extra_ca_pem: Option<&[u8]>,
    ) -> Result<Self, SetUpError> {
        let from = if config.from.is_empty() {
            let address = "no-reply@localhost".parse::<lettre::Address>();
            let address = address.map_err(|error| SetUpError::new("mail.from", error))?;
            Mailbox::new(Some(config.product.clone()), address)
        } else {
            mailbox("mail.from", &config.from)?
        };
        let reply_to = config.reply_to.as_deref().map(|text| mailbox("mail.reply_to", text)).transpose()?;
        let way = match &config.host {
            Some(host) => Way::Smtp(Box::new(Smtp::new(config, host, extra_ca_pem)?)),
            None => Way::Folder(data_dir.join("mail")),
        };
        Ok(Self(Arc::new(Inner { from, reply_to, host: id_host(issuer), way })))
    }

    /// Where messages go, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.0.way {
            Way::Smtp(smtp) => format!("to the mail server {}", smtp.place()),
            Way::Folder(folder) => format!("into the folder {}", folder.display()),
        }
    }

    /// Whether messages leave this machine.
    #[must_use]
    pub fn leaves(&self) -> bool {
        matches!(self.0.way, Way::Smtp(_))
    }

    /// Sends a message to its one address; what the server said. `id` makes the Message-ID: a message that is sent again
    /// has the same.
    ///
    /// # Errors
    /// See [`MailError`].
    pub async fn send(&self, rendered: &Rendered, id: &str, at: UnixMillis) -> Result<String, MailError> {
        let inner = &self.0;
        let letter = message::write(rendered, &inner.from, inner.reply_to.as_ref(), (id, &inner.host), at)?;
        match &inner.way {
            Way::Smtp(smtp) => smtp.send(letter).await,
            Way::Folder(folder) => {
                let name = format!("{}-{id}.eml", values::stamp(at));
                let bytes = letter.bytes;
                kept::write(folder.clone(), name.clone(), bytes)
                    .await
                    .map_err(|error| MailError::Later(format!("the file can't be written: {error}")))?;
                Ok(format!("written to {name}"))
            }
        }
    }
}

fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, SetUpError> {
    text.parse().map_err(|_| SetUpError::new(key, "is no address like `Name <address@host>`"))
}

/// The issuer's host where it can stand in a message id, else `localhost`.
fn id_host(issuer: &str) -> String {
    let host = url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let fits = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    if fits { host } else { "localhost".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered() -> Rendered {
        Rendered {
            to: "ana@acme.test".to_owned(),
            subject: "안녕하세요".to_owned(),
            text: "Hello\n\nhttps://id.acme.test/reset/x".to_owned(),
            html: "<p>Hello</p>".to_owned(),
            language: Language::En,
            reply_to: None,
        }
    }

    #[tokio::test]
    async fn without_a_server_a_message_is_a_file_that_its_owner_alone_may_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mailer = Mailer::new(&MailConfig::default(), "https://id.acme.test", folder.path(), None).unwrap();
        assert!(!mailer.leaves() && mailer.place().starts_with("into the folder "));
        for id in ["out_1", "out_2"] {
            mailer.send(&rendered(), id, UnixMillis(1_750_000_000_123)).await.unwrap();
        }
        let files: Vec<_> = std::fs::read_dir(folder.path().join("mail")).unwrap().map(|one| one.unwrap()).collect();
        assert_eq!(files.len(), 2);
        for file in files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            let seen = eml::read(&std::fs::read(file.path()).unwrap());
            assert_eq!((seen.subject.as_str(), seen.to.as_str()), ("안녕하세요", "ana@acme.test"));
            assert!(seen.text.contains("https://id.acme.test/reset/x") && seen.html.contains("<p>Hello</p>"));
        }
    }

    #[tokio::test]
    async fn what_is_no_single_address_is_rejected_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = Mailer::new(&MailConfig::default(), "https://id.acme.test", folder.path(), None).unwrap();
        for to in ["", "ana", "a@b.test, c@d.test", "a@b.test\r\nBcc: c@d.test", "Ana <ana@acme.test>", "a b@acme.test"]
        {
            let outcome = mailer.send(&Rendered { to: to.to_owned(), ..rendered() }, "out_1", UnixMillis(0)).await;
            assert!(matches!(outcome, Err(MailError::Rejected(_))), "{to:?}: {outcome:?}");
        }
        assert!(!folder.path().join("mail").exists());
    }

    #[test]
    fn settings_that_no_mail_can_be_sent_with_are_named() {
        let with = |change: fn(&mut MailConfig)| {
            let mut config = MailConfig::default();
            change(&mut config);
            Mailer::new(&config, "https://id.acme.test", Path::new("/nowhere"), None).map(|_| ()).map_err(|e| e.key)
        };
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|config| config.product = "Acme \"ID\", <b>".to_owned()), Ok(()));
        assert_eq!(with(|config| config.from = "nobody@".to_owned()), Err("mail.from"));
        assert_eq!(with(|config| config.reply_to = Some("not an address".to_owned())), Err("mail.reply_to"));
        let file = |config: &mut MailConfig| {
            config.host = Some("127.0.0.1".to_owned());
            (config.user, config.password_file) = (Some("u".to_owned()), Some("/nowhere/password".into()));
        };
        assert_eq!(with(file), Err("mail.password_file"));
    }

    #[test]
    fn message_ids_carry_the_issuers_host() {
        assert_eq!(id_host("https://id.acme.test:8443"), "id.acme.test");
        assert_eq!(id_host("http://[::1]:8080"), "localhost");
    }
}
