//! `/mail`: what Muster wrote to people. A demo has no mail server, and whoever looks at it is everybody in it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::pages::{message, page};
use super::{DemoMail, Desk};

/// A message's HTML as mail programs show it: its own styles, nothing from elsewhere, no script, no form, no origin.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

#[derive(Template)]
#[template(path = "shop_mails.html")]
struct MailsPage {
    mails: Vec<DemoMail>,
}

/// `GET /mail`
pub async fn list(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    if !is_here(&headers) {
        return elsewhere();
    }
    page(StatusCode::OK, &MailsPage { mails: desk.admin.mails().await })
}

/// `GET /mail/{name}`: the HTML part of one message.
pub async fn html(State(desk): State<Arc<Desk>>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    if !is_here(&headers) {
        return elsewhere();
    }
    let found = desk.admin.mails().await.into_iter().find(|mail| mail.name == name);
    match found.and_then(|mail| mail.html) {
        Some(text) => {
            ([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))], Html(text)).into_response()
        }
        None => message(StatusCode::NOT_FOUND, "There is no such message", "It may have been taken away.", None),
    }
}

/// Whether the request names this machine. A name of somebody's that leads here (DNS rebinding) must not read the mail.
fn is_here(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn elsewhere() -> Response {
    message(StatusCode::MISDIRECTED_REQUEST, "Not here", "Open this page by the address that muster dev printed.", None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::shop::MailLine;

    #[test]
    fn mail_is_shown_under_this_machines_names_alone() {
        let with = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            is_here(&headers)
        };
        assert!(with("127.0.0.1:8081") && with("localhost:8081") && with("[::1]:8081"));
        assert!(!with("evil.test:8081") && !with("127.0.0.1.evil.test") && !is_here(&HeaderMap::new()));
    }

    #[test]
    fn a_message_is_text_on_the_page_and_only_our_own_links_can_be_followed() {
        let line = |text: &str, link| MailLine { text: text.to_owned(), link };
        let mail = DemoMail {
            name: "1.eml".to_owned(),
            to: "<b>ana".to_owned(),
            subject: "<script>".to_owned(),
            lines: vec![line("https://evil.test/", false), line("http://127.0.0.1:8080/reset/x", true)],
            html: Some("<p>".to_owned()),
            ..DemoMail::default()
        };
        let text = MailsPage { mails: vec![mail] }.render().expect("a page");
        assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
        assert!(
            text.contains("href=\"http://127.0.0.1:8080/reset/x\"") && !text.contains("href=\"https://evil"),
            "{text}"
        );
        assert!(text.contains("href=\"/mail/1.eml\""), "{text}");
    }
}
