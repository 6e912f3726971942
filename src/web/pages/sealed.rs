//! What travels in a page's hidden field: an authorization request in progress, or a plain sign-in. Sealed, bound to
//! the browser, and good for half an hour; or for ten minutes, where a password was typed and must be changed first, or a
//! second factor is still to be shown.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::flows::authorize::Pending;
use crate::flows::change_password;
use crate::flows::entering::Ask;
use crate::flows::halfway::{self, Halfway};
use crate::flows::sign_in::ChangeFirst;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::web::extract::browser::Browser;

const PURPOSE: &str = "page.request";
const CHANGE_FIRST: &str = "page.change_first";
const AT_FACTOR: &str = "page.factor";
const BACK: &str = "page.back";
/// How long a page may stand open, in milliseconds.
const LIFE: i64 = 30 * MINUTE;
/// The longest way back, in bytes: sealed it still fits into an address.
const LONGEST_BACK: usize = 1_500;

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
        /// Whether it is somebody's who is signed in and is to prove anew who they are: a provider must say that they did.
        #[serde(default)]
        anew: bool,
    },
}

impl Sealed {
    /// When it began.
    #[must_use]
    pub fn made(&self) -> UnixMillis {
        match self {
            Self::Authorize(pending) => pending.started,
            Self::Plain { made, .. } => *made,
        }
    }
}

/// What is kept for somebody who is away at a provider; it is sealed where it is kept, and bound to the browser there.
#[must_use]
pub fn to_text(content: &Sealed) -> String {
    serde_json::to_string(content).unwrap_or_default()
}

/// Reads what [`to_text`] wrote. How long somebody may be away is for who kept it to judge.
#[must_use]
pub fn from_text(text: &str) -> Option<Sealed> {
    serde_json::from_str(text).ok()
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
    (app.now().since(content.made()) < LIFE).then_some(content)
}

/// Where a plain sign-in leads, on its way through the address of the sign-in page.
#[derive(Debug, Serialize, Deserialize)]
struct Back {
    path: String,
    made: UnixMillis,
}

/// Whether this is a path of ours: nothing that a browser could take for another host.
fn is_path(path: &str) -> bool {
    let graphic = path.len() <= LONGEST_BACK && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    graphic && path.starts_with('/') && !path.starts_with("//")
}

/// Seals where a sign-in leads, for this browser; `None` for what is no path of ours, or too long.
#[must_use]
pub fn seal_back(app: &App, browser: &Browser, path: &str) -> Option<String> {
    let back = Back { path: is_path(path).then(|| path.to_owned())?, made: app.now() };
    Some(browser.seal(BACK, &serde_json::to_string(&back).ok()?))
}

/// Opens where a sign-in leads; `None` when it is another browser's, was changed, or is too old.
#[must_use]
pub fn open_back(app: &App, browser: &Browser, text: &str) -> Option<String> {
    let back: Back = serde_json::from_str(&browser.open(BACK, text)?).ok()?;
    (app.now().since(back.made) < LIFE && is_path(&back.path)).then_some(back.path)
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

/// Somebody who is asked for a factor, or for a proof once more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AtFactor {
    /// Where it leads.
    pub content: Sealed,
    /// Who.
    pub who: Asked,
    /// What is asked for.
    pub ask: Ask,
    /// When the page was made; for half a sign-in, when the password was compared.
    pub made: UnixMillis,
}

/// Who is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Asked {
    /// Somebody whose password was right, and who has no session.
    Halfway(Halfway),
    /// Somebody who is signed in, with this session of theirs.
    Session(SessionId, UserId),
}

impl AtFactor {
    /// The account.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        match &self.who {
            Asked::Halfway(half) => &half.user,
            Asked::Session(_, user) => user,
        }
    }
}

/// Seals that somebody is asked for a factor, for this browser. It opens as nothing else.
#[must_use]
pub fn seal_factor(browser: &Browser, at: &AtFactor) -> String {
    browser.seal(AT_FACTOR, &serde_json::to_string(at).unwrap_or_default())
}

/// Opens that somebody is asked for a factor; `None` when it is another browser's, was changed, or is too old, and where the
/// session that it is about is not the browser's any more.
#[must_use]
pub fn open_factor(app: &App, browser: &Browser, text: &str) -> Option<AtFactor> {
    let at: AtFactor = serde_json::from_str(&browser.open(AT_FACTOR, text)?).ok()?;
    let stands = match &at.who {
        Asked::Halfway(half) => half.at == at.made,
        Asked::Session(session, user) => {
            browser.facts.as_ref().is_some_and(|facts| facts.id == *session && facts.user == *user)
        }
    };
    (stands && app.now().since(at.made) < halfway::LIFE).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_is_a_path_of_ours_and_no_other_address() {
        for good in ["/", "/o/acme/admin", "/o/acme/admin/people?q=%2F%2Fana&after=mem_1"] {
            assert!(is_path(good), "{good}");
        }
        let elsewhere = ["", "me", "//evil.test", "/\\evil.test", "\\/evil.test", "https://evil.test/"];
        for bad in elsewhere.into_iter().chain(["/a b", "/a\r\nb", "/\u{e9}"]) {
            assert!(!is_path(bad), "{bad:?}");
        }
        assert!(is_path(&format!("/{}", "a".repeat(LONGEST_BACK - 1))));
        assert!(!is_path(&format!("/{}", "a".repeat(LONGEST_BACK))));
    }
}
