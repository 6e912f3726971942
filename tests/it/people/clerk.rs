//! An administrator at the console, who fills forms in as a browser does: what is hidden goes along, boxes are ticked by
//! naming them, and the answer is followed.

use reqwest::Method;

use crate::support::browser::{Browser, Person};
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::Site;

/// Somebody signed in, at the console of an organisation.
pub struct Clerk {
    /// The browser.
    pub browser: Browser,
    /// Where the console of the organisation is.
    pub base: String,
}

/// An answer that is kept as the browser got it, besides the page that it is.
pub struct Shown {
    /// The page.
    pub page: Page,
    /// The answer to what was posted.
    pub answer: Answer,
}

impl Clerk {
    /// Signs somebody in.
    pub async fn at(site: &Site, org: &Org, name: &str) -> Self {
        let mut browser = site.browser();
        let landing = browser.sign_in(Person::named(name)).await.page();
        assert!(landing.url.ends_with("/me"), "{name} can't sign in: {landing:?}");
        Self { browser, base: site.at.url(&format!("/o/{}/admin", org.slug)) }
    }

    /// The address of a page of the console.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Opens a page.
    pub async fn open(&mut self, path: &str) -> Page {
        let url = self.url(path);
        self.browser.open(&url).await.page()
    }

    /// The token of this browser's forms, from a page that everybody has.
    pub async fn csrf(&mut self) -> String {
        let url = self.browser.at.url("/login");
        let page = self.browser.open(&url).await.page();
        hidden(&page, "login-form").into_iter().find(|(name, _)| name == "csrf").expect("a form has a token").1
    }

    /// Posts fields to a path, and goes where the answer leads.
    pub async fn post(&mut self, path: &str, fields: &[(String, String)]) -> Shown {
        let url = self.url(path);
        let answer = self.browser.send(Method::POST, &url, Some(fields)).await;
        let page = match answer.header("location") {
            "" => Page::read(url, answer.status, answer.body.clone()),
            to => {
                let to = self.browser.at.url(to);
                self.browser.open(&to).await.page()
            }
        };
        Shown { page, answer }
    }

    /// Posts the form that a button is in: what is hidden, the button, and what is typed. Boxes are ticked by naming them.
    pub async fn submit(&mut self, page: &Page, button: &str, typed: &[(&str, &str)]) -> Shown {
        let form = page.form_with(button).unwrap_or_else(|| panic!("no {button} on {page:?}"));
        assert_eq!(form.method, "post", "{button}");
        let mut fields = hidden(page, button);
        let pressed = form.controls.iter().find(|control| control.id == button).filter(|one| !one.name.is_empty());
        fields.extend(pressed.map(|one| (one.name.clone(), one.value.clone())));
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let base = self.base.strip_prefix(&self.browser.at.issuer).unwrap();
        let path =
            form.action.strip_prefix(base).expect("a form ends in the console").trim_start_matches('/').to_owned();
        self.post(&path, &fields).await
    }
}

/// What a form sends that people don't see.
pub fn hidden(page: &Page, of: &str) -> Vec<(String, String)> {
    let form = page.form_with(of).unwrap_or_else(|| panic!("no {of} on {page:?}"));
    let hidden = form.controls.iter().filter(|control| control.is_hidden);
    hidden.map(|control| (control.name.clone(), control.value.clone())).collect()
}

/// A page says this and that.
pub fn says(page: &Page, words: &[&str]) {
    let text = page.text();
    for word in words {
        assert!(text.contains(word), "\"{word}\" is missing: {page:?}");
    }
}
