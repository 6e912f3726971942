//! What the shop shows: its templates, its style sheet and the headers that go with them.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::kernel::time::UnixMillis;

use super::{DemoPerson, ReceiptText};

const STYLE: &str = include_str!("shop.css");
/// No script at all, one style sheet, forms that lead back to the shop.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The first page: a button, and the people to sign in as.
#[derive(Template)]
#[template(path = "shop_welcome.html")]
pub struct WelcomePage {
    /// What became of the sign-in that this browser had.
    pub ended: Option<EndedNote>,
    /// Whom a visitor may sign in as.
    pub people: Vec<DemoPerson>,
}

/// That Muster ended a sign-in.
pub struct EndedNote {
    /// Whose it was.
    pub name: String,
    /// What happened.
    pub text: &'static str,
    /// When, as a date.
    pub at: String,
    /// When, as a machine reads it.
    pub machine: String,
    /// How long ago.
    pub ago: String,
}

/// The page of a signed-in person.
#[derive(Template)]
#[template(path = "shop_home.html")]
pub struct HomePage {
    /// The person's name.
    pub name: String,
    /// User name and e-mail address, what there is of them.
    pub about: String,
    /// The organisation.
    pub org: String,
    /// Roles in the organisation.
    pub org_roles: Vec<String>,
    /// Roles in projects.
    pub projects: Vec<ProjectRoles>,
    /// The access version.
    pub acv: Option<String>,
    /// The session at Muster.
    pub sid: String,
    /// When the person signed in.
    pub since: String,
    /// When the tokens came.
    pub renewed: String,
    /// What Muster thinks of the access token.
    pub standing: StandingNote,
    /// The claims of the ID token.
    pub claims: Vec<ClaimLine>,
    /// What the forms must carry.
    pub csrf: String,
    /// Whether there is a refresh token.
    pub can_renew: bool,
    /// Whether the roles board is open to the person.
    pub administers: bool,
    /// After how many seconds the page reloads itself.
    pub reload: Option<u8>,
    /// A line about what was done last.
    pub notice: Option<String>,
}

/// What Muster thinks of the access token.
pub struct StandingNote {
    /// The class of the line.
    pub class: &'static str,
    /// The line.
    pub text: &'static str,
}

/// The roles in one project.
pub struct ProjectRoles {
    /// The project's key.
    pub project: String,
    /// The roles' keys.
    pub roles: Vec<String>,
}

/// One claim.
pub struct ClaimLine {
    /// Its name.
    pub name: String,
    /// Its value, as JSON writes it.
    pub value: String,
}

/// The roles board.
#[derive(Template)]
#[template(path = "shop_roles.html")]
pub struct RolesPage {
    /// What the forms must carry.
    pub csrf: String,
    /// The rows.
    pub rows: Vec<RowLine>,
    /// What the last act did.
    pub receipt: Option<ReceiptText>,
    /// Why the last act was refused, or the board can't be read.
    pub refusal: Option<String>,
}

/// One row of the roles board.
pub struct RowLine {
    /// Who holds the role.
    pub holder: String,
    /// The role.
    pub role: String,
    /// Where it holds.
    pub scope: String,
    /// Whom it reaches.
    pub members: String,
    /// What stands in the column "State".
    pub state: &'static str,
    /// What the button does: `take`, `give`, or nothing.
    pub act: &'static str,
    /// What the button sends: the binding, or the row's key.
    pub target: String,
}

/// A page with something to read and one way on.
#[derive(Template)]
#[template(path = "shop_message.html")]
pub struct MessagePage {
    /// The heading.
    pub title: &'static str,
    /// What happened and what to do.
    pub text: String,
    /// What a developer would ask for.
    pub detail: Option<String>,
}

/// A page with its status.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "the shop could not render a page");
            (StatusCode::INTERNAL_SERVER_ERROR, "The shop could not render this page.").into_response()
        }
    }
}

/// A [`MessagePage`] with its status.
pub fn message(status: StatusCode, title: &'static str, text: impl Into<String>, detail: Option<String>) -> Response {
    page(status, &MessagePage { title, text: text.into(), detail })
}

/// `GET /shop.css`
pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], STYLE).into_response()
}

/// The headers of every answer. What says nothing about caching is not stored; what has a stricter policy keeps it.
pub async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A moment for people.
pub fn moment(at: UnixMillis) -> String {
    time::OffsetDateTime::from_unix_timestamp(at.seconds()).map_or_else(
        |_| at.to_string(),
        |at| {
            format!(
                "{}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            )
        },
    )
}

/// A moment for the `datetime` attribute.
pub fn machine(at: UnixMillis) -> String {
    moment(at).replacen(' ', "T", 1).replace(" UTC", "Z")
}

/// How long ago a moment was.
pub fn ago(at: UnixMillis, now: UnixMillis) -> String {
    match now.since(at).max(0) / 1_000 {
        0 => "just now".to_owned(),
        1 => "1 second ago".to_owned(),
        seconds @ 2..120 => format!("{seconds} seconds ago"),
        seconds => format!("{} minutes ago", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_well() {
        let at = UnixMillis(1_800_000_000_123);
        assert_eq!(moment(at), "2027-01-15 08:00:00 UTC");
        assert_eq!(machine(at), "2027-01-15T08:00:00Z");
        assert_eq!(
            (ago(at, at), ago(at, at.plus(3_500)), ago(at, at.plus(600_000))),
            ("just now".to_owned(), "3 seconds ago".to_owned(), "10 minutes ago".to_owned())
        );
    }

    #[test]
    fn what_others_wrote_is_text_on_the_page() {
        let page = MessagePage { title: "t", text: "<script>".to_owned(), detail: Some("\"&".to_owned()) }
            .render()
            .expect("a page");
        assert!(!page.contains("<script") && page.contains("&#60;script&#62;"), "{page}");
    }
}
