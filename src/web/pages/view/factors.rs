//! What the pages show between a password and a session, and where somebody proves once more who they are.

use askama::Template;

/// A field for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeField {
    /// The kind: the value of the field `kind`.
    pub kind: &'static str,
    /// What it is called.
    pub label: &'static str,
}

/// Asks for a second factor, or for the password once more. Posts to `/login/mfa`.
#[derive(Template)]
#[template(path = "factor.html")]
pub struct FactorPage {
    /// The sealed sign-in that waits.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// Whether the person is signed in and proves once more who they are.
    pub signed_in: bool,
    /// Why the last try failed, in the words of the house.
    pub error: Option<String>,
    /// Where a code was sent, in words.
    pub sent: Option<String>,
    /// Whether the password is asked for.
    pub password: bool,
    /// The codes that can be typed.
    pub codes: Vec<CodeField>,
    /// Whether a passkey can be used.
    pub passkey: bool,
    /// Whether a code can be mailed.
    pub email: bool,
    /// Whether a code can be sent to a phone.
    pub sms: bool,
    /// Whether a recovery code is taken.
    pub recovery: bool,
    /// For how many days the device may be remembered; 0 offers it not.
    pub remember_days: u32,
    /// Whether an application waits, to which the person may go back.
    pub can_cancel: bool,
}

/// Asks the browser for a passkey.
#[derive(Template)]
#[template(path = "passkey.html")]
pub struct PasskeyPage {
    /// Where it posts to: an address of ours.
    pub action: &'static str,
    /// The sealed sign-in that waits.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// The challenge's id.
    pub challenge: String,
    /// What the browser is asked, as JSON.
    pub options: String,
    /// As in [`FactorPage`].
    pub remember_days: u32,
    /// Why the last try failed, in the words of the house.
    pub error: Option<String>,
}

/// Which kinds of factors somebody can make who must have one. Posts to `/login/mfa/setup`.
#[derive(Template)]
#[template(path = "factor_setup.html")]
pub struct SetupPage {
    /// The sealed sign-in that waits.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// Why the last try failed, in the words of the house.
    pub error: Option<String>,
    /// Whether an app that shows codes counts.
    pub totp: bool,
    /// Whether a passkey counts, and can be made here.
    pub passkey: bool,
    /// Where codes would be mailed, if they count.
    pub email: Option<String>,
    /// Where codes would be sent to, if they count.
    pub sms: Option<String>,
    /// Why what would count can't be made.
    pub not_here: Vec<String>,
    /// Whether an application waits, to which the person may go back.
    pub can_cancel: bool,
}

/// An app that shows codes is bound. Posts to `/login/mfa/setup`.
#[derive(Template)]
#[template(path = "factor_totp.html")]
pub struct TotpPage {
    /// The sealed sign-in that waits.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// The sealed seed.
    pub begun: String,
    /// The picture: markup of ours.
    pub svg: String,
    /// The key, in groups of four.
    pub secret: String,
    /// The address that apps know.
    pub uri: String,
    /// Why the last try failed, in the words of the house.
    pub error: Option<String>,
}

/// A passkey is made. Posts to `/login/mfa/setup`.
#[derive(Template)]
#[template(path = "factor_passkey.html")]
pub struct NewPasskeyPage {
    /// The sealed sign-in that waits.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// The challenge's id.
    pub challenge: String,
    /// What the browser is asked, as JSON.
    pub options: String,
    /// What was typed, or a suggestion.
    pub name: String,
    /// Why the last try failed, in the words of the house.
    pub error: Option<String>,
}

/// The recovery codes that came with the first factor.
#[derive(Template)]
#[template(path = "factor_codes.html")]
pub struct FirstCodesPage {
    /// Where it posts to: an address of ours.
    pub action: &'static str,
    /// The sealed sign-in that waits.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// The codes.
    pub codes: Vec<String>,
}

/// Sign-in to an account is paused.
#[derive(Template)]
#[template(path = "locked.html")]
pub struct LockedPage {
    /// Until when, in words; `None` where it isn't said.
    pub until: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::Page as _;
    use super::*;
    use crate::web::pages::view::checks::HOSTILE;

    fn text() -> String {
        HOSTILE.to_owned()
    }

    fn factor(error: Option<&str>) -> FactorPage {
        FactorPage {
            request: text(),
            csrf: text(),
            signed_in: false,
            error: error.map(str::to_owned),
            sent: Some(text()),
            password: true,
            codes: vec![CodeField { kind: "totp", label: "Code from your app" }],
            passkey: true,
            email: true,
            sms: true,
            recovery: true,
            remember_days: 7,
            can_cancel: true,
        }
    }

    fn passkey(error: Option<&str>) -> PasskeyPage {
        PasskeyPage {
            action: "/login/mfa",
            request: text(),
            csrf: text(),
            challenge: text(),
            options: text(),
            remember_days: 1,
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        let setup = SetupPage {
            request: text(),
            csrf: text(),
            error: Some(text()),
            totp: true,
            passkey: true,
            email: Some(text()),
            sms: Some(text()),
            not_here: vec![text()],
            can_cancel: true,
        };
        let totp = TotpPage {
            request: text(),
            csrf: text(),
            begun: text(),
            svg: "<svg></svg>".to_owned(),
            secret: text(),
            uri: text(),
            error: Some(text()),
        };
        let make = NewPasskeyPage {
            request: text(),
            csrf: text(),
            challenge: text(),
            options: text(),
            name: text(),
            error: Some(text()),
        };
        let codes = FirstCodesPage { action: "/login/mfa/done", request: text(), csrf: text(), codes: vec![text()] };
        for page in [
            factor(Some(HOSTILE)).render_page(),
            passkey(Some(HOSTILE)).render_page(),
            setup.render_page(),
            totp.render_page(),
            make.render_page(),
            codes.render_page(),
            LockedPage { until: Some(text()) }.render_page(),
        ] {
            assert!(!page.contains("<script>") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>") && page.contains("href=\"/help\""));
        }
    }

    #[test]
    fn what_is_asked_for_can_be_typed_without_a_script_and_only_a_passkey_needs_one() {
        let page = factor(None).render_page();
        assert!(!page.contains("<script") && page.contains("autocomplete=\"one-time-code\""), "{page}");
        assert!(page.contains("on this device for 7 days") && page.contains("id=\"recovery-code\""), "{page}");
        let page = passkey(None).render_page();
        assert!(page.contains("data-passkey=\"get\"") && page.contains("data-passkey-none"), "{page}");
        assert!(page.contains("data-passkey-now") && page.contains("1 day<"), "{page}");
        // Whoever was refused is asked again by their own click alone.
        assert!(!passkey(Some("No.")).render_page().contains("data-passkey-now"));
    }

    #[test]
    fn nobody_is_told_a_moment_that_is_not_known() {
        assert!(LockedPage { until: None }.render_page().contains("After some minutes"));
        assert!(LockedPage { until: Some("14:35 UTC".to_owned()) }.render_page().contains("until 14:35 UTC"));
    }
}
