//! What travels in a page's hidden field: an authorization request in progress, or a plain sign-in. Sealed, bound to
//! the browser, and good for half an hour; or for ten minutes, where a password was typed and must be changed first.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::flows::authorize::Pending;
use crate::flows::change_password;
use crate::flows::sign_in::ChangeFirst;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::web::extract::browser::Browser;

const PURPOSE: &str = "page.request";
const CHANGE_FIRST: &str = "page.change_first";
/// How long a page may stand open, in milliseconds.
const LIFE: i64 = 30 * MINUTE;

/// The content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Sealed {
    /// An authorization request.
    Authorize(Box<Pending>),
    /// A sign-in without an application.
    Plain {
        /// The organisation's slug, from `/o/{slug}/login`.
        organisation: Option<String>,
        /// When the page was made.
        made: UnixMillis,
        /// Where it leads: a path of ours, which is set here and by nobody else. Without one, to `/me`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
}

/// Seals for this browser.
#[must_use]
pub fn seal(browser: &Browser, content: &Sealed) -> String {
    browser.seal(PURPOSE, &serde_json::to_string(content).unwrap_or_default())
}

/// Opens what came back; `None` when it is another browser's, was changed, or is too old.
#[must_use]
pub fn open(app: &App, browser: &Browser, text: &str) -> Option<Sealed> {
    let content: Sealed = serde_json::from_str(&browser.open(PURPOSE, text)?).ok()?;
    let made = match &content {
        Sealed::Authorize(pending) => pending.started,
        Sealed::Plain { made, .. } => *made,
    };
    (app.now().since(made) < LIFE).then_some(content)
}

/// A sign-in that stands before its end: the password was right, and must be changed first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Where the sign-in leads.
    pub content: Sealed,
    /// Whose password, and what proves that they knew it.
    pub first: ChangeFirst,
}

/// Seals a sign-in that waits, for this browser. It opens as nothing else.
#[must_use]
pub fn seal_waiting(browser: &Browser, waiting: &Waiting) -> String {
    browser.seal(CHANGE_FIRST, &serde_json::to_string(waiting).unwrap_or_default())
}

/// Opens a sign-in that waits; `None` when it is another browser's, was changed, or is too old.
#[must_use]
pub fn open_waiting(app: &App, browser: &Browser, text: &str) -> Option<Waiting> {
    let waiting: Waiting = serde_json::from_str(&browser.open(CHANGE_FIRST, text)?).ok()?;
    (app.now().since(waiting.first.at) < change_password::LIFE).then_some(waiting)
}
