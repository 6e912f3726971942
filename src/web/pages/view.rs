//! What each page shows: one struct a page, the template beside it.
//!
//! Plain values in, HTML out; askama escapes every one of them. Who is asking, what may be shown and
//! with which status and headers it goes out is left to the handlers. No page carries inline style
//! or script (the policy of our pages forbids it), and hardly any carries a script at all.

use askama::Template;

use super::assets;

pub mod admin;

pub mod passwords;

pub mod account;
pub mod factors;
pub mod groups;
pub mod identity_providers;
pub mod invitations;
pub mod my;
pub mod my_security;
pub mod person;
pub mod upstream;

/// A page as HTML text.
pub trait Page: Template {
    /// The whole document.
    ///
    /// # Panics
    /// Never: see the words of `expect`.
    #[must_use]
    fn render_page(&self) -> String {
        self.render().expect("templates call no filter that fails, and a String takes all that is written")
    }
}
impl<T: Template> Page for T {}

/// An application as people meet it.
#[derive(Clone, Debug, Default)]
pub struct ApplicationView {
    /// Its name, as registered.
    pub name: String,
    /// Its logo.
    pub logo_uri: Option<String>,
    /// Its privacy policy.
    pub policy_uri: Option<String>,
    /// Its terms of service.
    pub tos_uri: Option<String>,
}

impl ApplicationView {
    /// The logo, if it is something a browser may load.
    #[must_use]
    pub fn logo(&self) -> Option<&str> {
        web_address(self.logo_uri.as_deref())
    }

    /// The privacy policy, if it is a web page.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        web_address(self.policy_uri.as_deref())
    }

    /// The terms of service, if they are a web page.
    #[must_use]
    pub fn terms(&self) -> Option<&str> {
        web_address(self.tos_uri.as_deref())
    }

    /// The letter shown where there is no logo.
    #[must_use]
    pub fn initial(&self) -> String {
        initial(&self.name)
    }
}

/// Registration refuses `javascript:` and its kin; pages don't rely on it alone.
#[must_use]
pub fn web_address(uri: Option<&str>) -> Option<&str> {
    uri.filter(|uri| ["https://", "http://"].iter().any(|scheme| uri.starts_with(scheme)))
}

fn initial(name: &str) -> String {
    name.chars()
        .find(|letter| letter.is_alphanumeric())
        .map_or_else(|| "·".into(), |letter| letter.to_uppercase().collect())
}

/// `GET /login`, and `/authorize` where nobody is signed in. Posts to `/login`.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    /// The sealed authorization request; empty when there is none.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// What was typed, or the `login_hint`. It can always be changed.
    pub identifier: String,
    /// Who asks for the sign-in.
    pub application: Option<ApplicationView>,
    /// Display name of the organisation this sign-in runs in.
    pub organisation: Option<String>,
    /// Why the last try failed, in the words of the house.
    pub error: Option<String>,
    /// Whether "Which organisation?" stands open; it is offered either way.
    pub show_organisation_field: bool,
    /// The slug typed there.
    pub organisation_slug: String,
    /// What was done elsewhere and ends here, in the words of the house.
    pub notice: Option<String>,
    /// Where a new password is asked for: an address of ours.
    pub forgot: String,
    /// The providers that the person can continue with.
    pub offers: Vec<upstream::OfferView>,
    /// Whether the provider of a typed address is looked for on demand: where no organisation is known.
    pub discover: bool,
    /// Whether a password is typed on purpose, whatever provider there is.
    pub local: bool,
    /// Whether somebody can sign in with a passkey here.
    pub passkeys: bool,
}

/// One organisation to choose.
#[derive(Clone, Debug)]
pub struct OrgChoice {
    /// Its id: the value of the field `org`.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// The person's roles there, summed up in one line; may be empty.
    pub roles: String,
}

impl OrgChoice {
    /// The letter on its card.
    #[must_use]
    pub fn initial(&self) -> String {
        initial(&self.name)
    }
}

/// Which organisation a person in several acts for. Posts to `/select-org`.
#[derive(Template)]
#[template(path = "select_org.html")]
pub struct SelectOrgPage {
    /// The sealed authorization request.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// The application that asks.
    pub application_name: Option<String>,
    /// What there is to choose from.
    pub organisations: Vec<OrgChoice>,
}

/// One scope in plain words.
#[derive(Clone, Debug)]
pub struct ScopeLine {
    /// The scope as it stands in the request.
    pub name: String,
    /// What it lets the application do.
    pub text: String,
}

/// Whether the application may have what it asks for. Posts to `/consent`, `act` is `allow` or `deny`.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    /// The sealed authorization request.
    pub request: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// The application that asks.
    pub application: ApplicationView,
    /// The organisation the person acts for.
    pub organisation: Option<String>,
    /// Who is signed in.
    pub user: String,
    /// What is asked for.
    pub scopes: Vec<ScopeLine>,
    /// The roles that would be disclosed.
    pub roles: Vec<String>,
}

/// Whether to sign out. Posts to `/end_session/confirm`.
#[derive(Template)]
#[template(path = "sign_out.html")]
pub struct SignOutPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The sealed parameters of the log-out request; empty when there are none.
    pub request: String,
    /// Who is signed in.
    pub user: Option<String>,
    /// The application that asked for it.
    pub application: Option<String>,
}

/// The end of a session, where nothing leads back to an application by itself.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub struct SignedOutPage {
    /// Label and verified URL of the way on.
    pub return_to: Option<(String, String)>,
    /// Where the browser goes by itself after two seconds.
    pub refresh: Option<String>,
    /// What it loads meanwhile, each in a frame that nobody sees.
    pub frames: Vec<String>,
}

/// What went wrong and what to do, for a person.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The heading: "Request error" where the client or its redirect URI is bad.
    pub title: String,
    /// What happened, what to do.
    pub message: String,
    /// The protocol's error word.
    pub code: Option<String>,
    /// The request's id in our logs.
    pub trace: Option<String>,
    /// The HTTP status it goes out with.
    pub status: u16,
}

/// The answer to an authorization request with `response_mode=form_post`: it submits itself, or by its button.
#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPostPage {
    /// The verified redirect URI.
    pub action: String,
    /// The parameters of the response.
    pub fields: Vec<(String, String)>,
    /// The application's name.
    pub application: Option<String>,
}

/// The one-time page on which the first operator is made. Posts to `/setup/{token}`.
#[derive(Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    /// The token against cross-site posts.
    pub csrf: String,
    /// The one-time token of the link.
    pub token: String,
    /// What to mend, one sentence each.
    pub error: Vec<String>,
    /// The username as typed.
    pub user_name: String,
    /// The e-mail address as typed.
    pub email: String,
    /// The full name as typed.
    pub name: String,
}

/// The first operator exists.
#[derive(Template)]
#[template(path = "setup_done.html")]
pub struct SetupDonePage;

/// What a person holds in one organisation.
#[derive(Clone, Debug)]
pub struct OrgAccess {
    /// The organisation's display name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// What the organisation says to its members, a line each.
    pub welcome: Vec<String>,
    /// Roles on the organisation.
    pub roles: Vec<String>,
    /// Roles by project.
    pub projects: Vec<(String, Vec<String>)>,
    /// Whether the person sees people in its console.
    pub console: bool,
}

/// `GET /me`: who I am, and what I may do.
#[derive(Template)]
#[template(path = "me.html")]
pub struct MePage {
    /// The username.
    pub user_name: String,
    /// The full name; may be empty.
    pub name: String,
    /// The e-mail address; may be empty.
    pub email: String,
    /// Access by organisation.
    pub organisations: Vec<OrgAccess>,
    /// How many invitations wait for an answer.
    pub invitations: usize,
    /// In how many browsers the person is signed in.
    pub sessions: usize,
    /// Whether the account has the instance role.
    pub operator: bool,
    /// When, with what and from where the account was used before; empty when it isn't shown.
    pub last_sign_in: String,
}

impl MePage {
    /// What to call the person.
    #[must_use]
    pub fn called(&self) -> &str {
        if self.name.is_empty() { &self.user_name } else { &self.name }
    }
}

/// `GET /help`: where the help link of every page leads.
#[derive(Template)]
#[template(path = "help.html")]
pub struct HelpPage;

#[cfg(test)]
pub mod checks;
#[cfg(test)]
mod tests;
