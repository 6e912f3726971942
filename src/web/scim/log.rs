//! A request's line in the log of its connection: begun when it is known who asks, ended when it is answered, and ended too
//! when it never is.

use std::time::Instant;

use crate::app::App;
use crate::flows::scim::log;
use crate::kernel::id::{ChangeId, ConnectionId, GroupId, UserId};
use crate::store::scim::requests::Logged;

/// So many characters of an error's words are kept.
const LONGEST: usize = 500;

/// The line. Dropped before its end, because the handler panicked or took too long, it says so.
pub struct Line {
    app: App,
    logged: Option<Logged>,
    begun: Instant,
}

impl Line {
    /// Begins the line of a request that came at `begun`.
    #[must_use]
    pub fn begin(app: &App, connection: &ConnectionId, method: &str, path: String, begun: Instant) -> Self {
        Self { app: app.clone(), logged: Some(log::begin(app, connection, method, path)), begun }
    }

    /// Notes what the body looks like.
    pub fn note_body(&mut self, shape: String) {
        if let Some(logged) = &mut self.logged {
            logged.body = shape;
        }
    }

    /// Notes why it was not carried out.
    pub fn note_detail(&mut self, detail: &str) {
        if let Some(logged) = &mut self.logged {
            logged.detail = without_values(detail);
        }
    }

    /// Notes what it changed.
    pub fn note_change(&mut self, change: Option<ChangeId>) {
        if let Some(logged) = &mut self.logged {
            logged.change = change;
        }
    }

    /// Ends the line.
    pub fn end(mut self, status: u16) {
        self.put(status);
    }

    /// Throws the line away: it is one of very many that say the same.
    pub fn forget(mut self) {
        self.logged = None;
    }

    fn put(&mut self, status: u16) {
        if let Some(logged) = self.logged.take() {
            log::end(&self.app, logged, status, self.begun.elapsed());
        }
    }
}

/// An error's words without what the client had said: what stands in quotes is a star, but for ids of ours.
fn without_values(detail: &str) -> String {
    let ours = |text: &str| text.parse::<UserId>().is_ok() || text.parse::<GroupId>().is_ok();
    let short: String = detail.chars().take(LONGEST).collect();
    let parts: Vec<&str> = short
        .split('"')
        .enumerate()
        .map(|(place, part)| if place % 2 == 0 || ours(part) { part } else { "*" })
        .collect();
    parts.join("\"")
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.logged.is_some() {
            self.note_detail("The request was not answered.");
            self.put(if std::thread::panicking() { 500 } else { 503 });
        }
    }
}
