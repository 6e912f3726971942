//! What the pages of a sign-in through a customer's own provider show.

use askama::Template;

/// A provider that somebody can continue with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferView {
    /// The connection's id: the value of the field `connection`.
    pub connection: String,
    /// Its name.
    pub name: String,
}

/// On the way to a provider, after a form: it goes on by itself, or by its link.
#[derive(Template)]
#[template(path = "upstream_go.html")]
pub struct GoPage {
    /// The connection's name.
    pub name: String,
    /// The provider's address, with what it is asked.
    pub to: String,
    /// Where a password is typed instead: an address of ours.
    pub password_link: Option<String>,
    /// The sealed request that the same is posted with; one of both, or none.
    pub password_form: Option<String>,
    /// The token against cross-site posts.
    pub csrf: String,
    /// Whether the person is asked first: another session would take the place of theirs.
    pub waits: bool,
}

/// Nobody came through, and why.
#[derive(Template, Default)]
#[template(path = "upstream_error.html")]
pub struct UpstreamErrorPage {
    /// The heading.
    pub title: &'static str,
    /// What happened, what to do.
    pub message: String,
    /// The word of the refusal.
    pub code: &'static str,
    /// The request's id in our logs.
    pub trace: String,
    /// The HTTP status it goes out with.
    pub status: u16,
    /// The sealed request with which the same provider is tried again.
    pub again: Option<String>,
    /// The connection to try again.
    pub connection: String,
    /// Label and address of another way on; an address of ours.
    pub to: Option<(&'static str, &'static str)>,
    /// As in [`GoPage`].
    pub password_link: Option<String>,
    /// As in [`GoPage`].
    pub password_form: Option<String>,
    /// The token against cross-site posts.
    pub csrf: String,
}

/// `GET /upstream/test/{secret}`. Posts to the same address.
#[derive(Template)]
#[template(path = "upstream_trial.html")]
pub struct TrialPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The link's secret.
    pub link: String,
    /// The connection's name.
    pub name: String,
}

/// What a trial came to.
#[derive(Template)]
#[template(path = "upstream_tried.html")]
pub struct TriedPage {
    /// The user name that follows.
    pub user_name: String,
    /// The address that follows; may be empty.
    pub email: String,
    /// What would become of the account, in words.
    pub account: &'static str,
    /// The groups that the mapping gives, and what each comes from.
    pub groups: Vec<(String, String)>,
    /// The roles that follow.
    pub roles: Vec<String>,
    /// What to mend before people come, a sentence each.
    pub problems: Vec<String>,
    /// What the provider said: names, and values as far as they may be shown.
    pub claims: Vec<(String, String)>,
}

/// One identity of a person at a provider.
#[derive(Clone, Debug)]
pub struct IdentityLine {
    /// Its id.
    pub id: String,
    /// The connection's name.
    pub name: String,
    /// The organisation's name.
    pub organisation: String,
    /// Since when it is linked, in words.
    pub linked: String,
    /// When it was used last, in words; may be empty.
    pub last_used: String,
}

/// A sign-in that the person can link to their account.
#[derive(Clone, Debug)]
pub struct LinkOffer {
    /// The connection's id: the value of the field `connection`.
    pub connection: String,
    /// Its name.
    pub name: String,
    /// The organisation's name.
    pub organisation: String,
    /// Whether the password that was typed for it is wrong.
    pub wrong: bool,
}

/// `GET /me/identities`. Posts to the same address, `act` is `link` or `unlink`.
#[derive(Template)]
#[template(path = "me_identities.html")]
pub struct IdentitiesPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The user name, for the browser's store of passwords.
    pub user_name: String,
    /// What is linked.
    pub identities: Vec<IdentityLine>,
    /// What can be linked.
    pub offers: Vec<LinkOffer>,
    /// Why nothing can be changed here, if nothing can.
    pub locked: Option<String>,
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

    fn go(form: Option<String>) -> String {
        let password_link = form.is_none().then(text);
        GoPage { name: text(), to: text(), waits: false, password_link, password_form: form, csrf: text() }
            .render_page()
    }

    fn error(again: Option<String>) -> String {
        UpstreamErrorPage {
            title: "You weren't signed in",
            message: text(),
            code: "refused_upstream",
            trace: text(),
            status: 403,
            to: again.is_none().then_some(("Sign in", "/login")),
            password_form: again.clone(),
            again,
            connection: text(),
            csrf: text(),
            ..UpstreamErrorPage::default()
        }
        .render_page()
    }

    fn identities(locked: Option<String>) -> String {
        let line = IdentityLine {
            id: "idn_1".to_owned(),
            name: text(),
            organisation: text(),
            linked: text(),
            last_used: String::new(),
        };
        let offer = LinkOffer { connection: "con_1".to_owned(), name: text(), organisation: text(), wrong: true };
        IdentitiesPage {
            csrf: text(),
            user_name: text(),
            identities: vec![line],
            offers: if locked.is_some() { Vec::new() } else { vec![offer] },
            locked,
            error: Some(text()),
            done: Some(text()),
        }
        .render_page()
    }

    fn tried(problems: Vec<String>) -> String {
        let claims = vec![(text(), text())];
        TriedPage {
            user_name: text(),
            email: text(),
            account: "is linked already",
            groups: vec![(text(), text())],
            roles: vec![text()],
            problems,
            claims,
        }
        .render_page()
    }

    #[test]
    fn what_comes_from_a_provider_stays_text_and_no_page_carries_a_script() {
        let trial = TrialPage { csrf: text(), link: text(), name: text() }.render_page();
        let pages = [go(None), go(Some(text())), error(None), error(Some(text())), identities(None)];
        let others = [identities(Some(text())), tried(Vec::new()), tried(vec![text()]), trial];
        for page in pages.into_iter().chain(others) {
            assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>") && page.contains("href=\"/help\""));
        }
    }

    #[test]
    fn the_way_to_a_provider_needs_no_script_and_no_refresh() {
        let to = "https://idp.test/authorize?client_id=a&state=ust_1".to_owned();
        let page = GoPage {
            waits: false,
            name: "Okta".to_owned(),
            to,
            password_link: Some("/o/acme/login?local=1".to_owned()),
            password_form: None,
            csrf: String::new(),
        };
        let page = page.render_page();
        let head = page.split("</head>").next().unwrap_or_default();
        let refresh =
            "<meta http-equiv=\"refresh\" content=\"0; url=https://idp.test/authorize?client_id=a&#38;state=ust_1\">";
        assert!(head.contains(refresh), "{head}");
        assert!(page.contains("id=\"upstream-go\" href=\"https://idp.test/authorize?client_id=a&#38;state=ust_1\""));
        assert!(page.contains("id=\"with-password\" href=\"/o/acme/login?local=1\""));
        assert!(!page.contains("<form"));
    }

    #[test]
    fn a_refusal_tells_its_word_and_its_reference_and_leads_on() {
        let page = error(Some("sealed".to_owned()));
        assert!(
            page.contains("<dd id=\"error-code\"><code>refused_upstream</code>") && page.contains("id=\"error-trace\"")
        );
        assert!(page.contains("id=\"upstream-again\" name=\"connection\"") && page.contains("value=\"local\""));
        let page = error(None);
        assert!(page.contains("id=\"go-on\" href=\"/login\"") && !page.contains("<form"));
    }

    #[test]
    fn what_is_locked_shows_no_form() {
        let page = identities(Some("Managed by Okta.".to_owned()));
        assert!(page.contains("id=\"identities-locked\"") && !page.contains("<form"));
        let page = identities(None);
        assert!(page.contains("id=\"unlink-idn_1\"") && page.contains("id=\"link-con_1\""));
        assert!(page.contains("required aria-invalid=\"true\" aria-describedby=\"error\">"));
    }
}
