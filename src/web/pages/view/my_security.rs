//! What the pages show on which a person keeps the ways to prove who they are.

use askama::Template;

/// A factor other than a passkey, in words.
#[derive(Clone, Debug)]
pub struct FactorCard {
    /// What its ids on the page and its form call it: `totp`, `email` or `sms`.
    pub which: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it is, or where its codes go.
    pub text: String,
    /// Since when it is on; empty while it is off.
    pub since: String,
    /// When it was used last; empty for never.
    pub last_used: String,
    /// Why it can't be switched on, if it can't.
    pub barred: Option<String>,
}

impl FactorCard {
    /// Whether it is on.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.since.is_empty()
    }
}

/// A passkey, in words.
#[derive(Clone, Debug)]
pub struct PasskeyRow {
    /// Its id.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// When it was added.
    pub since: String,
    /// When it was used last; empty for never.
    pub last_used: String,
}

/// `GET /me/security`. Posts to the same address; `act` says what.
#[derive(Template)]
#[template(path = "me_security.html")]
pub struct SecurityPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// Why the password can't be changed here, if it can't.
    pub password_locked: Option<String>,
    /// Why no factor can be kept here, if none can.
    pub locked: Option<String>,
    /// The app, codes by mail, codes to the phone.
    pub factors: Vec<FactorCard>,
    /// The passkeys, the oldest first.
    pub passkeys: Vec<PasskeyRow>,
    /// Why none can be added, if none can.
    pub passkey_barred: Option<String>,
    /// Whether there is any factor, so that recovery codes are worth something.
    pub any: bool,
    /// How many recovery codes are left.
    pub codes_left: i64,
    /// When they were made; empty when there are none.
    pub codes_made: String,
    /// What was done, if something was.
    pub done: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// `GET /me/security/totp`. Posts to the same address.
#[derive(Template)]
#[template(path = "me_totp.html")]
pub struct TotpPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// What was begun, sealed.
    pub begun: String,
    /// The secret in groups of four, to be typed.
    pub secret: String,
    /// The same for programs.
    pub uri: String,
    /// The same as a picture: markup of our own, made of numbers alone.
    pub svg: String,
    /// Whether it takes the place of an app that the person has already.
    pub moves: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// `GET /me/security/passkey`. Posts to the same address.
#[derive(Template)]
#[template(path = "me_passkey.html")]
pub struct PasskeyPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The challenge's id.
    pub challenge: String,
    /// What the browser is asked, as JSON.
    pub options: String,
    /// The name as typed.
    pub name: String,
    /// What went wrong.
    pub error: Option<String>,
}

/// Recovery codes, shown this once. The file is posted to `/me/security/codes/download`.
#[derive(Template)]
#[template(path = "me_codes.html")]
pub struct CodesPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// What was done besides; empty for nothing.
    pub done: &'static str,
    /// The codes.
    pub codes: Vec<String>,
    /// The same as a file, sealed for this browser.
    pub file: String,
}

/// A question before a factor is removed, or recovery codes are made anew. Posts to `/me/security`.
#[derive(Template)]
#[template(path = "me_security_ask.html")]
pub struct AskPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The heading.
    pub title: String,
    /// What happens.
    pub text: String,
    /// What is posted as `act`.
    pub act: &'static str,
    /// What is posted as `which`.
    pub which: String,
    /// What the button says.
    pub button: &'static str,
}

#[cfg(test)]
mod tests {
    use super::super::Page as _;
    use super::*;
    use crate::web::pages::view::checks::HOSTILE;

    fn text() -> String {
        HOSTILE.to_owned()
    }

    fn security(barred: Option<String>, since: &str) -> SecurityPage {
        let card = FactorCard {
            which: "totp",
            title: "Authenticator app",
            text: text(),
            since: since.to_owned(),
            last_used: text(),
            barred: barred.clone(),
        };
        let row = PasskeyRow { id: "pky_1".to_owned(), name: text(), since: text(), last_used: text() };
        SecurityPage {
            csrf: text(),
            password_locked: barred.clone(),
            locked: None,
            factors: vec![card],
            passkeys: vec![row],
            passkey_barred: barred,
            any: true,
            codes_left: 9,
            codes_made: text(),
            done: Some(text()),
            error: Some(text()),
        }
    }

    fn totp() -> TotpPage {
        TotpPage {
            csrf: text(),
            begun: text(),
            secret: text(),
            uri: text(),
            svg: "<svg></svg>".to_owned(),
            moves: true,
            error: Some(text()),
        }
    }

    fn passkey() -> PasskeyPage {
        PasskeyPage { csrf: text(), challenge: text(), options: text(), name: text(), error: Some(text()) }
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        let ask = AskPage { csrf: text(), title: text(), text: text(), act: "remove", which: text(), button: "Remove" };
        let pages = [
            security(None, "").render_page(),
            security(Some(text()), HOSTILE).render_page(),
            totp().render_page(),
            passkey().render_page(),
            CodesPage { csrf: text(), done: "", codes: vec![text()], file: text() }.render_page(),
            ask.render_page(),
        ];
        for page in pages {
            assert!(!page.contains("<script>") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>") && page.contains("href=\"/help\""));
        }
    }

    #[test]
    fn only_the_page_that_asks_the_browser_for_a_passkey_carries_a_script() {
        assert_eq!(passkey().render_page().matches("<script").count(), 1);
        for page in [security(None, "").render_page(), totp().render_page()] {
            assert!(!page.contains("<script"), "{page}");
        }
        assert!(totp().render_page().contains("<svg></svg>"), "the picture is markup");
    }

    #[test]
    fn what_can_not_be_switched_on_says_why_and_what_is_on_can_be_removed() {
        let off = security(Some("Verify your phone number first.".to_owned()), "").render_page();
        assert!(off.contains("Verify your phone number first.") && !off.contains("id=\"add-totp\""));
        let on = security(None, "1 January 2026").render_page();
        assert!(on.contains("id=\"remove-totp\"") && on.contains("id=\"remove-pky_1\""));
        assert!(on.contains("id=\"move-totp\"") && !off.contains("id=\"move-totp\""), "and set up on another phone");
        assert!(totp().render_page().contains("id=\"moves\""));
    }
}
