//! What the pages of passwords show: forgotten ones, new ones, first ones, and links that lead nowhere any more.

use askama::Template;

/// What is wrong with a new password that was typed twice. What was typed is never shown again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordFaults {
    /// The rules that it breaks, a sentence each.
    pub password: Vec<String>,
    /// What is wrong with the second field.
    pub again: Option<String>,
}

impl PasswordFaults {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.password.is_empty() && self.again.is_none()
    }
}

/// A password that must be changed before anything else. Posts to `/login/password-change`.
#[derive(Template)]
#[template(path = "password_change.html")]
pub struct PasswordChangePage {
    /// The sealed sign-in that waits.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// Why it must be changed.
    pub reason: &'static str,
    /// What the new one must be like, a sentence each.
    pub rules: Vec<String>,
    /// What to mend.
    pub faults: PasswordFaults,
    /// Whether an application waits, to which the person may go back.
    pub can_cancel: bool,
}

/// `GET /forgot`, and what is answered to whoever asked. Posts to `/forgot`.
#[derive(Template)]
#[template(path = "forgot.html")]
pub struct ForgotPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// Whether the link is to come by a text message.
    pub sms: bool,
    /// What was typed.
    pub identifier: String,
    /// The organisation's slug, as it came with the address or was typed.
    pub organisation_slug: String,
    /// What to mend.
    pub error: Option<String>,
}

/// The one answer to whoever asked for a link.
#[derive(Template)]
#[template(path = "forgot_done.html")]
pub struct ForgotDonePage {
    /// How long the link is good, in words.
    pub life: String,
}

/// `GET /reset/{secret}`. Posts to the same address.
#[derive(Template)]
#[template(path = "reset.html")]
pub struct ResetPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The link's secret.
    pub link: String,
    /// What the new password must be like, a sentence each.
    pub rules: Vec<String>,
    /// What to mend.
    pub faults: PasswordFaults,
}

/// `GET /welcome/{secret}`: who registered whom is text, and no field. Posts to the same address.
#[derive(Template)]
#[template(path = "welcome.html")]
pub struct WelcomePage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The link's secret.
    pub link: String,
    /// The whole name.
    pub name: String,
    /// The user name.
    pub user_name: String,
    /// The organisation's name.
    pub organisation: String,
    /// The e-mail address.
    pub email: String,
    /// What the password must be like, a sentence each.
    pub rules: Vec<String>,
    /// What to mend.
    pub faults: PasswordFaults,
}

/// A link that leads nowhere any more, and what to do instead; or that a new one is on its way.
#[derive(Template)]
#[template(path = "link_dead.html")]
pub struct LinkDeadPage {
    /// Whether this is good news.
    pub good: bool,
    /// The heading.
    pub title: &'static str,
    /// What happened, what to do.
    pub message: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// Where a new link can be asked for: an address of ours, posted to.
    pub renew: Option<String>,
    /// Label and address of the way on; an address of ours.
    pub to: Option<(&'static str, &'static str)>,
}

#[cfg(test)]
mod tests {
    use super::super::Page;
    use super::*;
    use crate::web::pages::view::checks::HOSTILE;

    fn faults() -> PasswordFaults {
        PasswordFaults { password: vec![HOSTILE.to_owned()], again: Some(HOSTILE.to_owned()) }
    }

    fn every_page() -> Vec<String> {
        let (text, rules) = (|| HOSTILE.to_owned(), || vec![HOSTILE.to_owned()]);
        vec![
            PasswordChangePage {
                request: text(),
                csrf: text(),
                reason: HOSTILE,
                rules: rules(),
                faults: faults(),
                can_cancel: true,
            }
            .render_page(),
            ForgotPage { csrf: text(), sms: true, identifier: text(), organisation_slug: text(), error: Some(text()) }
                .render_page(),
            ForgotDonePage { life: text() }.render_page(),
            ResetPage { csrf: text(), link: text(), rules: rules(), faults: faults() }.render_page(),
            WelcomePage {
                csrf: text(),
                link: text(),
                name: text(),
                user_name: text(),
                organisation: text(),
                email: text(),
                rules: rules(),
                faults: faults(),
            }
            .render_page(),
            LinkDeadPage {
                good: false,
                title: HOSTILE,
                message: text(),
                csrf: text(),
                renew: Some(text()),
                to: Some((HOSTILE, HOSTILE)),
            }
            .render_page(),
        ]
    }

    #[test]
    fn what_comes_from_outside_stays_text_and_no_page_carries_a_script() {
        for page in every_page() {
            assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            for part in ["<html lang=\"en\">", "<h1>", "href=\"/help\"", "/style.css\"", " · Muster</title>"] {
                assert!(page.contains(part), "{part} is missing in {page}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_the_top_in_the_title_and_at_its_field() {
        let page =
            |faults| ResetPage { csrf: String::new(), link: "mln_x".to_owned(), rules: vec![], faults }.render_page();
        let wrong = page(PasswordFaults { password: vec!["Use 6.".to_owned()], again: None });
        for part in [
            "<title>Error: New password",
            "role=\"alert\" tabindex=\"-1\" autofocus",
            "<a href=\"#password\">Use 6.</a>",
            "id=\"password-error\"",
            "aria-describedby=\"password-rules password-error\"",
            "aria-invalid=\"true\"",
        ] {
            assert!(wrong.contains(part), "{part} is missing in {wrong}");
        }
        assert_eq!(wrong.matches("autofocus").count(), 1);
        assert!(!wrong.contains("password-again-error"));
        let fresh = page(PasswordFaults::default());
        assert!(!fresh.contains("Error:") && !fresh.contains("aria-invalid") && !fresh.contains("role=\"alert\""));
        assert!(fresh.contains("action=\"/reset/mln_x\"") && fresh.contains("autocomplete=\"new-password\""));
    }
}
