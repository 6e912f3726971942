//! A mail server of somebody else's (aiosmtpd, `tests/clients/python/smtp_server.py`), and what it got.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use muster::config::Config;
use muster::config::mail::Tls;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::skip;

const SOON: Duration = Duration::from_secs(20);

/// A mail server; it is gone with this value.
pub struct PostOffice {
    _child: Child,
    port: u16,
    /// Where its authority's certificate is, if it speaks TLS.
    pub folder: PathBuf,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl PostOffice {
    /// A server in clear, or `None` where the clients are not fetched and none is required.
    pub async fn open(folder: &Path) -> Option<Self> {
        Self::with(folder, &[]).await
    }

    /// A server with arguments of the script's.
    pub async fn with(folder: &Path, arguments: &[&str]) -> Option<Self> {
        let clients = std::env::var_os("MUSTER_TEST_CLIENTS").map(PathBuf::from).filter(|clients| clients.is_dir());
        let Some(clients) = clients else {
            skip("python", "MUSTER_TEST_CLIENTS names no folder");
            return None;
        };
        let mut command = Command::new(clients.join("python/venv/bin/python"));
        command.arg(clients.join("python/smtp_server.py")).arg("--folder").arg(folder).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let first = tokio::time::timeout(SOON, lines.next_line()).await.expect("it says something").unwrap();
        let first: Value = serde_json::from_str(&first.expect("a line")).expect("a fact");
        let port = u16::try_from(first["port"].as_u64().expect("a port")).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let more = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                more.lock().unwrap().push(serde_json::from_str(&line).expect("a fact"));
            }
        });
        Some(Self { _child: child, port, folder: folder.to_owned(), seen })
    }

    /// Settings that send mail here in clear.
    pub fn serves(&self, config: &mut Config) {
        config.mail.host = Some("127.0.0.1".to_owned());
        (config.mail.port, config.mail.tls) = (Some(self.port), Tls::None);
        config.mail.from = "Muster <id@muster.example>".to_owned();
    }

    /// What it told so far.
    pub fn facts(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// The messages that came for an address.
    pub fn letters(&self, to: &str) -> Vec<Letter> {
        let of = |fact: &Value| fact["to"].as_array().is_some_and(|all| all.iter().any(|one| one == to));
        self.facts().into_iter().filter(of).map(Letter).collect()
    }

    /// Waits for a fact.
    pub async fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(fact) = self.facts().into_iter().find(&fits) {
                return fact;
            }
            assert!(begun.elapsed() < SOON, "{what} did not come: {:?}", self.facts());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the first message for an address.
    pub async fn letter(&self, to: &str) -> Letter {
        let of = |fact: &Value| fact["to"].as_array().is_some_and(|all| all.iter().any(|one| one == to));
        Letter(self.wait_for(&format!("a message for {to}"), of).await)
    }
}

/// A message as Python's email package read it.
#[derive(Clone, Debug)]
pub struct Letter(pub Value);

impl Letter {
    /// The one header of a name.
    pub fn header(&self, name: &str) -> String {
        let all = self.0["headers"].as_array().expect("headers");
        let of = |header: &&Value| header[0].as_str().is_some_and(|one| one.eq_ignore_ascii_case(name));
        let found: Vec<&Value> = all.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{name} in {all:?}");
        found[0][1].as_str().unwrap().to_owned()
    }

    /// Whether there is a header of a name.
    pub fn has(&self, name: &str) -> bool {
        let all = self.0["headers"].as_array().expect("headers");
        all.iter().any(|header| header[0].as_str().is_some_and(|one| one.eq_ignore_ascii_case(name)))
    }

    /// The text part; it stands first.
    pub fn text(&self) -> &str {
        assert_eq!(self.0["parts"][0][0], "text/plain");
        self.0["parts"][0][1].as_str().expect("a text part")
    }

    /// The HTML part.
    pub fn html(&self) -> &str {
        assert_eq!(self.0["parts"][1][0], "text/html");
        self.0["parts"][1][1].as_str().expect("an HTML part")
    }

    /// The one-time link: the same in both parts.
    pub fn link(&self, issuer: &str) -> String {
        let begin = format!("{issuer}/");
        let secret = |word: &&str| word.starts_with(&begin) && word.contains("mln_");
        let links: Vec<&str> = self.text().split_whitespace().filter(secret).collect();
        assert_eq!(links.len(), 1, "one link: {}", self.text());
        assert!(self.html().contains(&format!("href=\"{}\"", links[0])), "{}", self.html());
        links[0].to_owned()
    }
}
