//! What travels in a page's hidden field: an authorization request in progress, or a plain sign-in. Sealed, bound to
//! the browser, and good for half an hour.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::flows::authorize::Pending;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::web::extract::browser::Browser;

const PURPOSE: &str = "page.request";
/// How long a page may stand open, in milliseconds.
const LIFE: i64 = 30 * MINUTE;

/// The content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Sealed {
    /// An authorization request.
    Authorize(Box<Pending>),
    /// A sign-in that leads to `/me`.
    Plain {
        /// The organisation's slug, from `/o/{slug}/login`.
        organisation: Option<String>,
        /// When the page was made.
        made: UnixMillis,
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
