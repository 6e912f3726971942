//! What the pages of an invitation show: the one behind its link, and a person's inbox.

use askama::Template;

/// Who looks at an invitation, and so what they are offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// Somebody whose address has no account: they choose a password.
    New,
    /// Somebody whose address has an account: they sign in with it.
    SignIn,
    /// The account that it is for, so called.
    Account(String),
    /// Another account, so called.
    Other(String),
}

/// What an invitation says, the same on every page.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The organisation's name.
    pub organisation: String,
    /// Who invites.
    pub inviter: String,
    /// The address that it was sent to.
    pub email: String,
    /// The whole name; may be empty.
    pub name: String,
    /// First name; may be empty.
    pub given_name: String,
    /// Surname; may be empty.
    pub family_name: String,
    /// The roles, a line each.
    pub roles: Vec<String>,
    /// The groups, by name.
    pub groups: Vec<String>,
    /// Until when it can be answered, in words.
    pub until: String,
}

/// `GET /invite/{secret}`. Posts to the same address; `act` says what.
#[derive(Template)]
#[template(path = "invite.html")]
pub struct InvitePage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The link's secret.
    pub link: String,
    /// What is offered.
    pub offer: Offer,
    /// Who looks.
    pub visitor: Visitor,
    /// What a password must be like, a sentence each.
    pub rules: Vec<String>,
    /// What to mend, one sentence each.
    pub error: Vec<String>,
}

/// The question before an invitation is declined. Posts to `/invite/{secret}`.
#[derive(Template)]
#[template(path = "invite_decline.html")]
pub struct InviteDeclinePage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// Where the form is sent, and where the way back leads.
    pub action: String,
    /// The organisation's id, where the address doesn't say it already; else empty.
    pub org: String,
    /// The organisation's name.
    pub organisation: String,
}

/// A link that leads to no invitation any more.
#[derive(Template)]
#[template(path = "invite_dead.html")]
pub struct InviteDeadPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The link's secret.
    pub link: String,
    /// The heading.
    pub title: String,
    /// What happened, what to do.
    pub message: String,
    /// Whether a new link can be sent.
    pub can_renew: bool,
}

/// An invitation in the inbox.
#[derive(Clone, Debug)]
pub struct InvitationLine {
    /// The organisation's id: the value of the field `org`.
    pub org: String,
    /// What it says.
    pub offer: Offer,
}

/// `GET /me/invitations`. Posts to the same address.
#[derive(Template)]
#[template(path = "me_invitations.html")]
pub struct InboxPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// What was searched for.
    pub search: String,
    /// Whether anything waits, searched for or not.
    pub any: bool,
    /// What was found.
    pub invitations: Vec<InvitationLine>,
    /// What was done, if something was.
    pub done: Option<String>,
    /// Why it was not, if it wasn't.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::Page as _;
    use super::*;
    use crate::web::pages::view::checks::HOSTILE;

    fn text() -> String {
        HOSTILE.to_owned()
    }

    fn offer() -> Offer {
        Offer {
            organisation: text(),
            inviter: text(),
            email: text(),
            name: text(),
            given_name: text(),
            family_name: text(),
            roles: vec![text()],
            groups: vec![text()],
            until: text(),
        }
    }

    fn invite(visitor: Visitor) -> String {
        let (rules, error) = (vec![text()], vec![text()]);
        InvitePage { csrf: text(), link: text(), offer: offer(), visitor, rules, error }.render_page()
    }

    fn every_page() -> Vec<String> {
        let dead = |can_renew| InviteDeadPage { csrf: text(), link: text(), title: text(), message: text(), can_renew };
        let line = InvitationLine { org: text(), offer: offer() };
        vec![
            invite(Visitor::New),
            invite(Visitor::SignIn),
            invite(Visitor::Account(text())),
            invite(Visitor::Other(text())),
            InviteDeclinePage { csrf: text(), action: text(), org: text(), organisation: text() }.render_page(),
            dead(true).render_page(),
            dead(false).render_page(),
            InboxPage {
                csrf: text(),
                search: text(),
                any: true,
                invitations: vec![line],
                done: Some(text()),
                error: Some(text()),
            }
            .render_page(),
        ]
    }

    #[test]
    fn what_comes_from_outside_stays_text_and_no_page_carries_a_script() {
        for page in every_page() {
            assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
            assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>") && page.contains("href=\"/help\""));
        }
    }

    // N17
    #[test]
    fn name_organisation_and_address_are_shown_and_are_no_fields() {
        let page = invite(Visitor::New);
        for label in ["First name", "Last name", "Organisation", "E-mail"] {
            assert!(page.contains(&format!("<dt>{label}</dt>")), "{label}");
        }
        for name in ["name", "given_name", "family_name", "organisation"] {
            assert!(!page.contains(&format!("name=\"{name}\"")), "{name} can be typed");
        }
        assert!(page.contains("name=\"password\"") && page.contains("name=\"password_again\""));
        assert!(!invite(Visitor::SignIn).contains("name=\"password\""));
    }

    #[test]
    fn somebody_else_is_told_whose_it_is_and_can_switch_but_not_accept() {
        let page = invite(Visitor::Other("bo@acme.com".to_owned()));
        assert!(page.contains("id=\"invite-switch\"") && !page.contains("id=\"invite-accept\""));
        assert!(invite(Visitor::Account(text())).contains("id=\"invite-accept\""));
    }
}
