//! Requests to processes that may be gone: what is known when no answer comes, and a browser that can bear it.

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use url::Url;

use super::record::{Outcome, SETTLED};
use crate::support::browser::Person;
use crate::support::client::Ask;
use crate::support::http::{Address, Answer};
use crate::support::page::Page;

/// No answer that says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nobody listened, or it was too much at once: nothing was done.
    NotSent,
    /// The connection broke, or the server could not tell: it may have been done.
    Unknown,
    /// The server is at it still, for all that is known.
    Endless,
}

impl Broken {
    /// What it means for a request that writes.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::NotSent => Outcome::Nothing,
            Self::Unknown => Outcome::Unknown(SETTLED),
            Self::Endless => Outcome::Unknown(u64::MAX),
        }
    }
}

/// Sends a request. What the server says of its own trouble (408, 429, 5xx) is no answer.
pub async fn send(request: RequestBuilder) -> Result<Answer, Broken> {
    match Answer::try_to(request).await {
        Ok(answer) if answer.status == 429 => Err(Broken::NotSent),
        Ok(answer) if answer.status >= 500 || answer.status == 408 => Err(Broken::Unknown),
        Ok(answer) => Ok(answer),
        Err(error) if error.is_connect() => Err(Broken::NotSent),
        Err(error) if error.is_timeout() => Err(Broken::Endless),
        Err(_) => Err(Broken::Unknown),
    }
}

/// A browser whose every request may be lost, and which may ask another node each time.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The node that is asked.
    pub at: Address,
    jar: Vec<(String, String)>,
}

impl Visit {
    /// A browser that was never here.
    pub const fn new(at: Address) -> Self {
        Self { at, jar: Vec::new() }
    }

    /// The code that an authorization request ends with, signed in by password where it is asked for.
    pub async fn authorize(&mut self, ask: &Ask, person: Person<'_>) -> Result<String, Broken> {
        let (mut url, mut answer) = self.get(&ask.url(&self.at)).await?;
        for _ in 0..8 {
            let location = answer.header("location").to_owned();
            if location.is_empty() {
                let page = Page::read(url.clone(), answer.status, answer.body);
                let typed = [("username", person.name), ("password", person.password)];
                (url, answer) = self.press(&page, "login-submit", &typed).await?;
                continue;
            }
            let target = Url::parse(&url).ok().and_then(|url| url.join(&location).ok()).ok_or(Broken::Unknown)?;
            if !self.at.owns(target.as_str()) {
                let code = target.query_pairs().find(|(name, _)| name == "code");
                return code.map(|(_, code)| code.into_owned()).ok_or(Broken::Unknown);
            }
            (url, answer) = self.get(target.as_str()).await?;
        }
        Err(Broken::Unknown)
    }

    /// Opens a page.
    pub async fn get(&mut self, url: &str) -> Result<(String, Answer), Broken> {
        let answer = self.send(Method::GET, url, None).await?;
        Ok((url.to_owned(), answer))
    }

    /// Sends the form that a button is in; an error where the page has none.
    pub async fn press(
        &mut self,
        page: &Page,
        button: &str,
        typed: &[(&str, &str)],
    ) -> Result<(String, Answer), Broken> {
        let form = page.form_with(button).ok_or(Broken::Unknown)?;
        let target = Url::parse(&page.url).ok().and_then(|url| url.join(&form.action).ok()).ok_or(Broken::Unknown)?;
        let answer = self.send(Method::POST, target.as_str(), Some(&form.filled(button, typed))).await?;
        Ok((target.into(), answer))
    }

    async fn send(&mut self, method: Method, url: &str, fields: Option<&[(String, String)]>) -> Result<Answer, Broken> {
        let mut request = self.at.request(method, url).header("accept", "text/html");
        if !self.jar.is_empty() {
            let cookies: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(fields) = fields {
            request = request.header("origin", &self.at.issuer).header("sec-fetch-site", "same-origin").form(fields);
        }
        let answer = send(request).await?;
        for line in answer.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            if let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.jar.retain(|(kept, _)| kept != name);
                if !value.is_empty() && !line.to_lowercase().contains("max-age=0") {
                    self.jar.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        Ok(answer)
    }
}
