//! A person's browser, as far as signing in needs one: a cookie jar, the sign-in form, and redirects followed
//! until they leave the server.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};

use crate::http::{self, Answer, Connection};
use crate::world;

/// How many redirects inside the server are followed.
const HOPS: usize = 8;

/// The cookies of one browser.
#[derive(Clone, Debug, Default)]
pub struct Jar(Vec<(String, String)>);

impl Jar {
    /// Keeps and drops cookies as the answer says (RFC 6265 §5.3, for one host and one path).
    fn keep(&mut self, answer: &Answer) {
        for line in answer.headers("set-cookie") {
            let mut parts = line.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let expired = value.is_empty() || parts.any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
            self.0.retain(|(kept, _)| kept != name);
            if !expired {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The value of the `Cookie` header.
    fn header(&self) -> Option<String> {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// Where a navigation ended.
pub enum Landing {
    /// On a page of the server.
    Page(Answer),
    /// At another place's URL, which is not visited.
    Away(String),
}

/// A browser with one connection.
pub struct Browser {
    connection: Connection,
    host: String,
    jar: Jar,
    requests: u32,
}

impl Browser {
    /// A browser for the server at this address, with these cookies.
    pub fn new(address: SocketAddr, jar: Jar) -> Self {
        Self { connection: Connection::to(address), host: address.to_string(), jar, requests: 0 }
    }

    /// The connection, for a request that the person's application would make.
    pub const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The cookies.
    pub fn into_jar(self) -> Jar {
        self.jar
    }

    /// Forgets the cookies.
    pub fn forget(&mut self) {
        self.jar = Jar::default();
    }

    /// How many requests were sent since this was last asked.
    pub fn count(&mut self) -> u32 {
        std::mem::take(&mut self.requests)
    }

    /// Opens a page and follows where it leads.
    ///
    /// # Errors
    /// The connection broke, or the server refuses.
    pub async fn open(&mut self, target: &str) -> Result<Landing> {
        let answer = self.get(target).await?;
        self.follow(answer).await
    }

    /// Signs in by the form that the authorization request leads to; returns the URL that the browser is sent to.
    ///
    /// # Errors
    /// There is no such form, or the person is not let in.
    pub async fn sign_in(&mut self, authorize: &str) -> Result<String> {
        self.sign_in_as(authorize, world::USER_NAME).await
    }

    /// As [`Browser::sign_in`], as somebody with the same password.
    ///
    /// # Errors
    /// There is no such form, or the person is not let in.
    pub async fn sign_in_as(&mut self, authorize: &str, user_name: &str) -> Result<String> {
        let page = match self.open(authorize).await? {
            Landing::Away(url) => return Ok(url),
            Landing::Page(page) => page,
        };
        let form = Form::find(&page.text(), "login-form").context("no form#login-form on the sign-in page")?;
        let mut fields: Vec<(&str, &str)> = form.hidden.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        fields.extend([("username", user_name), ("password", world::PASSWORD)]);
        let answer = self.post(&form.action, &fields).await?;
        match self.follow(answer).await? {
            Landing::Away(url) => Ok(url),
            Landing::Page(page) => bail!("signing in ended on the page {:?}", title(&page.text())),
        }
    }

    async fn get(&mut self, target: &str) -> Result<Answer> {
        let cookies = self.jar.header();
        let headers: Vec<(&str, &str)> = cookies.iter().map(|value| ("Cookie", value.as_str())).collect();
        let request = http::get(&self.host, target, &headers);
        self.send(&request).await
    }

    async fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let origin = format!("http://{}", self.host);
        let cookies = self.jar.header();
        let mut headers = vec![("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")];
        headers.extend(cookies.iter().map(|value| ("Cookie", value.as_str())));
        let request = http::post(&self.host, target, &headers, fields);
        self.send(&request).await
    }

    async fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.requests += 1;
        let answer = self.connection.send(request).await?;
        self.jar.keep(&answer);
        Ok(answer)
    }

    async fn follow(&mut self, mut answer: Answer) -> Result<Landing> {
        for _ in 0..HOPS {
            match answer.status {
                200 => return Ok(Landing::Page(answer)),
                301..=303 | 307 | 308 => {}
                _ => bail!("the browser was refused: {}", answer.summary()),
            }
            let location = answer.header("location").context("a redirect without Location")?;
            let origin = format!("http://{}", self.host);
            let local = location.strip_prefix(&origin).unwrap_or(location);
            if !local.starts_with('/') {
                return Ok(Landing::Away(location.to_owned()));
            }
            let local = local.to_owned();
            answer = self.get(&local).await?;
        }
        bail!("more than {HOPS} redirects inside the server")
    }
}

/// A form's action and hidden inputs.
struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

impl Form {
    /// The form with this id, if the page has it.
    fn find(page: &str, id: &str) -> Option<Self> {
        let mark = page.find(&format!("id=\"{id}\""))?;
        let start = page[..mark].rfind("<form")?;
        let end = start + page[start..].find("</form>")?;
        let mut tags = page[start..end].split('<').filter_map(|part| part.split('>').next());
        let action = attribute(tags.find(|tag| tag.starts_with("form"))?, "action")?;
        let hidden = tags
            .filter(|tag| tag.starts_with("input") && attribute(tag, "type").is_some_and(|kind| kind == "hidden"))
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
            .collect();
        Some(Self { action, hidden })
    }
}

/// The text of `<title>`.
fn title(page: &str) -> String {
    let inside = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    inside.map_or_else(|| "without a title".to_owned(), |(text, _)| unescape(text.trim()))
}

/// The value of a double-quoted attribute in a tag's text.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mark = format!("{name}=\"");
    let (at, _) = tag.match_indices(&mark).find(|(at, _)| tag[..*at].ends_with(char::is_whitespace))?;
    tag[at + mark.len()..].split_once('"').map(|(value, _)| unescape(value))
}

/// The text behind the character references that a template engine writes.
fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest))) {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => plain.extend(["&", part]),
        }
    }
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            let code = hex.map_or_else(|| number.parse(), |digits| u32::from_str_radix(digits, 16)).ok()?;
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_in_form_is_found_with_its_hidden_inputs() {
        let page = r#"<form action="/other" id="x"><input type="hidden" name="no" value="1"></form>
            <form method="post" action="/login" id="login-form" class="c">
            <input type="hidden" name="request" value="a&#38;b&quot;&#x27;">
            <input name="csrf"
                type="hidden" value="t"><input type="text" name="username"></form>"#;
        let form = Form::find(page, "login-form").unwrap();
        assert_eq!(form.action, "/login");
        let expected = [("request", "a&b\"'"), ("csrf", "t")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(form.hidden, expected);
        assert!(Form::find(page, "consent-form").is_none());
    }

    #[test]
    fn an_unknown_reference_stays_as_it_is() {
        assert_eq!(unescape("a &nosuch; & b &amp;"), "a &nosuch; & b &");
    }
}
