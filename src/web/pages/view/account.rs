//! What the pages of a person's own account show, and those on which one is made or its address is confirmed.

use askama::Template;

/// That something is done, and where to go from here.
#[derive(Template)]
#[template(path = "account_done.html")]
pub struct DonePage {
    /// The heading.
    pub title: String,
    /// What happened, what to do.
    pub message: String,
    /// Label and address of the way on; an address of ours.
    pub to: Option<(String, String)>,
}

/// `GET /register`. Posts to `/register`.
#[derive(Template)]
#[template(path = "register.html")]
pub struct RegisterPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The address as typed.
    pub email: String,
    /// What to mend.
    pub error: Option<String>,
}

/// `GET /register/{secret}`. Posts to the same address.
#[derive(Template)]
#[template(path = "register_finish.html")]
pub struct RegisterFinishPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The link's secret.
    pub link: String,
    /// The address that the link was sent to.
    pub email: String,
    /// The name as typed.
    pub name: String,
    /// What a password must be like, a sentence each.
    pub rules: Vec<String>,
    /// What to mend, one sentence each.
    pub error: Vec<String>,
}

/// `GET /email/{secret}`. Posts to the same address.
#[derive(Template)]
#[template(path = "email_confirm.html")]
pub struct EmailConfirmPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The link's secret.
    pub link: String,
    /// The address that the link was sent to.
    pub email: String,
    /// The account's user name.
    pub user_name: String,
    /// Why it is not confirmed, if the last try failed.
    pub error: Option<String>,
}

/// `GET /me/password`. Posts to the same address.
#[derive(Template)]
#[template(path = "me_password.html")]
pub struct PasswordPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The user name, for the browser's store of passwords.
    pub user_name: String,
    /// Why the password can't be changed here, if it can't.
    pub locked: Option<String>,
    /// What a password must be like, a sentence each.
    pub rules: Vec<String>,
    /// Whether the box "end my other sessions and tokens" is ticked.
    pub end_others: bool,
    /// What to mend, one sentence each.
    pub error: Vec<String>,
    /// What was done, if something was.
    pub done: Option<String>,
}

/// A language to choose.
#[derive(Clone, Debug)]
pub struct LanguageChoice {
    /// Its BCP 47 tag; empty for none.
    pub tag: String,
    /// What people call it.
    pub label: String,
    /// Whether it is the one that is set.
    pub chosen: bool,
}

/// `GET /me/profile`. Posts to the same address; `act` says which of the forms.
#[derive(Template, Default)]
#[template(path = "me_profile.html")]
pub struct ProfilePage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The user name, which never changes.
    pub user_name: String,
    /// The whole name.
    pub name: String,
    /// First name.
    pub given_name: String,
    /// Surname.
    pub family_name: String,
    /// Time zone.
    pub zoneinfo: String,
    /// Languages to choose from.
    pub languages: Vec<LanguageChoice>,
    /// The address that holds.
    pub email: String,
    /// The number that holds.
    pub phone: String,
    /// The address as typed, when it is asked for again.
    pub typed_email: String,
    /// The number as typed, when it is asked for again.
    pub typed_phone: String,
    /// Why names and the like can't be changed here, if they can't.
    pub profile_locked: Option<String>,
    /// Why the address can't be changed here, if it can't.
    pub email_locked: Option<String>,
    /// Why the number can't be changed here, if it can't.
    pub phone_locked: Option<String>,
    /// What to mend.
    pub error: Option<String>,
    /// What was done, if something was.
    pub done: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::Page as _;
    use super::*;
    use crate::web::pages::view::checks::HOSTILE;

    fn text() -> String {
        HOSTILE.to_owned()
    }

    fn profile(locked: Option<String>) -> ProfilePage {
        let choice = LanguageChoice { tag: text(), label: text(), chosen: true };
        ProfilePage {
            csrf: text(),
            user_name: text(),
            name: text(),
            given_name: text(),
            family_name: text(),
            zoneinfo: text(),
            languages: vec![choice],
            email: text(),
            phone: text(),
            typed_email: text(),
            typed_phone: text(),
            profile_locked: locked.clone(),
            email_locked: locked.clone(),
            phone_locked: locked,
            error: Some(text()),
            done: Some(text()),
        }
    }

    fn password(locked: Option<String>) -> PasswordPage {
        PasswordPage {
            csrf: text(),
            user_name: text(),
            locked,
            rules: vec![text()],
            end_others: true,
            error: vec![text()],
            done: Some(text()),
        }
    }

    fn every_page() -> Vec<String> {
        vec![
            DonePage { title: text(), message: text(), to: Some((text(), "/me".to_owned())) }.render_page(),
            RegisterPage { csrf: text(), email: text(), error: Some(text()) }.render_page(),
            RegisterFinishPage {
                csrf: text(),
                link: text(),
                email: text(),
                name: text(),
                rules: vec![text()],
                error: vec![text()],
            }
            .render_page(),
            EmailConfirmPage { csrf: text(), link: text(), email: text(), user_name: text(), error: Some(text()) }
                .render_page(),
            password(None).render_page(),
            password(Some(text())).render_page(),
            profile(None).render_page(),
            profile(Some(text())).render_page(),
        ]
    }

    #[test]
    fn what_comes_from_outside_stays_text_and_no_page_carries_a_script() {
        for page in every_page() {
            assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>") && page.contains("href=\"/help\""));
        }
    }

    #[test]
    fn what_is_locked_is_text_with_its_reason_and_no_field() {
        let locked = || Some("Managed by okta.".to_owned());
        let page = profile(locked()).render_page();
        assert_eq!(page.matches("Managed by okta.").count(), 3);
        assert!(!page.contains("<input id=\"name\"") && !page.contains("name=\"email\""));
        let page = password(locked()).render_page();
        assert!(page.contains("Managed by okta.") && !page.contains("type=\"password\""));
        assert!(password(None).render_page().contains("name=\"end_others\" type=\"checkbox\" value=\"yes\" checked"));
    }
}
