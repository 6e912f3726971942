//! SMTP: a handful of connections that are kept for a while, and one transaction for each message.
//!
//! # Why
//! The library's own pool puts a connection back whenever it is let go of, also one that was left in the middle because
//! the server took too long, and it doesn't tell which command was refused. Here a connection is kept only after a
//! transaction that went through, and a refusal counts as the address's only when it answers RCPT.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::time::timeout;

use super::message::Letter;
use super::{MailError, SetUpError, values};
use crate::config::mail::{Mail as Config, Tls};

/// So many connections are kept …
const KEPT: usize = 8;
/// … for so long.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Saying goodbye, and asking a kept connection for a sign of life, take no longer.
const SHORT: Duration = Duration::from_secs(2);
/// The most of a server's answer that is kept, in characters.
const MOST_ANSWER: usize = 200;

/// A mail server.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    extra: Option<Certificate>,
    timeout: Duration,
    hello: ClientId,
    // Made at first use: reading the system's certificates takes longer than all the rest of a start.
    parameters: OnceLock<Option<TlsParameters>>,
    kept: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    /// A server as the settings say.
    ///
    /// # Errors
    /// A password file that can't be read, or certificates that are none.
    pub fn new(config: &Config, host: &str, extra_ca_pem: Option<&[u8]>) -> Result<Self, SetUpError> {
        let password = match (&config.password, &config.password_file) {
            (Some(password), _) => Some(password.expose().to_owned()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|error| SetUpError::new("mail.password_file", error))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            (None, None) => None,
        };
        let extra = extra_ca_pem.map(Certificate::from_pem).transpose();
        Ok(Self {
            host: host.to_owned(),
            port: config.port(),
            tls: config.tls,
            credentials: config.user.clone().zip(password).map(Credentials::from),
            extra: extra.map_err(|_| SetUpError::new("outbound.extra_ca", "holds no certificates"))?,
            timeout: Duration::from_secs(config.timeout_secs),
            hello: ClientId::default(),
            parameters: OnceLock::new(),
            kept: Mutex::default(),
        })
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        let how = match self.tls {
            Tls::Starttls => "STARTTLS",
            Tls::Tls => "TLS",
            Tls::None => "in clear",
        };
        format!("{}:{} ({how})", self.host, self.port)
    }

    /// Sends a message; what the server said when it took it.
    ///
    /// # Errors
    /// See [`MailError`].
    pub async fn send(&self, letter: Letter) -> Result<String, MailError> {
        // Whoever is dropped here in the middle of a sentence takes the connection with them.
        let sent = timeout(self.timeout, self.deliver(&letter)).await;
        sent.unwrap_or_else(|_| Err(MailError::Unreachable("the mail server did not answer in time".to_owned())))
    }

    async fn deliver(&self, letter: &Letter) -> Result<String, MailError> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let outcome = transaction(&mut connection, letter).await;
        if outcome.is_ok() {
            self.keep(connection);
        } else {
            let _ = timeout(SHORT, connection.abort()).await;
        }
        outcome
    }

    /// A kept connection that still answers.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let fresh = since.elapsed() < KEPT_FOR;
            if fresh && timeout(SHORT, connection.test_connected()).await.unwrap_or(false) {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, since)| since.elapsed() < KEPT_FOR);
        if kept.len() < KEPT {
            kept.push((connection, Instant::now()));
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let parameters = match self.tls {
            Tls::None => None,
            Tls::Tls | Tls::Starttls => Some(self.parameters().ok_or_else(no_tls)?),
        };
        let (at_once, later) = if self.tls == Tls::Tls { (parameters, None) } else { (None, parameters) };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, at_once, None)
                .await
                .map_err(|error| unreachable(&error))?;
        if let Some(parameters) = later {
            connection.starttls(parameters, &self.hello).await.map_err(|error| unreachable(&error))?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(|error| unreachable(&error))?;
        }
        Ok(connection)
    }

    fn parameters(&self) -> Option<TlsParameters> {
        let builder = |store| {
            let builder = TlsParametersBuilder::new(self.host.clone()).certificate_store(store);
            match &self.extra {
                Some(extra) => builder.add_root_certificate(extra.clone()),
                None => builder,
            }
        };
        // A machine without any certificates can still reach a server whose own authority is named.
        let make = || {
            let all = builder(CertificateStore::Default).build();
            all.or_else(|_| builder(CertificateStore::None).build()).ok()
        };
        self.parameters.get_or_init(make).clone()
    }
}

/// One message: MAIL, RCPT, DATA.
async fn transaction(connection: &mut AsyncSmtpConnection, letter: &Letter) -> Result<String, MailError> {
    let Letter { from, to, bytes } = letter;
    let beyond_ascii = !from.to_string().is_ascii() || !to.to_string().is_ascii();
    let mut parameters = Vec::new();
    if beyond_ascii {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let reason = "the mail server takes no addresses with letters beyond ASCII";
            return Err(MailError::Rejected(reason.to_owned()));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    // What is written is 7 bits wide: both parts are encoded, and headers are.
    connection.command(Mail::new(Some(from.clone()), parameters)).await.map_err(|error| later(&error))?;
    connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(|error| refused(&error))?;
    connection.command(Data).await.map_err(|error| later(&error))?;
    let answer = connection.message(bytes).await.map_err(|error| later(&error))?;
    Ok(shown(&format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" "))))
}

/// A refusal of the address itself; what tells of the session (no authentication, wrong order) is not the address's fault.
fn refused(error: &Error) -> MailError {
    let of_session = |code: u16| matches!(code, 500 | 502..=504 | 530..=539);
    match error.status().map(u16::from) {
        Some(code) if code >= 500 && !of_session(code) => MailError::Rejected(answer(error, code)),
        _ => later(error),
    }
}

/// Whatever the server said about this one message; without a word from it, it is not there.
fn later(error: &Error) -> MailError {
    match error.status().map(u16::from) {
        Some(code) => MailError::Later(answer(error, code)),
        None => unreachable(error),
    }
}

fn unreachable(error: &Error) -> MailError {
    // Addresses and certificates' details are for whoever reads the log.
    tracing::warn!(%error, "the mail server can't be used");
    MailError::Unreachable(match error.status().map(u16::from) {
        Some(code) => answer(error, code),
        None if error.is_tls() => "no TLS with the mail server".to_owned(),
        None => "the mail server could not be reached".to_owned(),
    })
}

fn no_tls() -> MailError {
    tracing::error!("no certificates to check the mail server's with");
    MailError::Unreachable("no TLS with the mail server".to_owned())
}

/// The server's own words: they tell people what to do about an address.
fn answer(error: &Error, code: u16) -> String {
    let words = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    shown(&format!("{code} {words}"))
}

fn shown(text: &str) -> String {
    values::line(text).chars().take(MOST_ANSWER).collect()
}
