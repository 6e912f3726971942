//! A person's browser without scripts: a cookie jar, forms, redirects. It refuses what a browser would refuse.

use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};
use url::Url;

use super::client::Ask;
use super::http::{Address, Answer};
use super::page::Page;

/// The pages that may follow one another inside the server.
const MOST_STEPS: usize = 12;

/// Where a navigation ended.
#[derive(Clone, Debug)]
pub enum Landing {
    /// On a page of the server.
    Page(Page),
    /// At an address of somebody else, which is not called.
    Away(Arrival),
}

/// What an application's address was called with.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The address, its query cut off.
    pub address: String,
    /// The parameters, of the query or of a form that was posted.
    pub params: Vec<(String, String)>,
}

impl Arrival {
    /// A parameter; empty when it isn't there.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }
}

impl Landing {
    /// The page, which it must be.
    pub fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Away(arrival) => panic!("sent away instead of shown a page: {arrival:?}"),
        }
    }

    /// The arrival, which it must be.
    pub fn arrival(self) -> Arrival {
        match self {
            Self::Away(arrival) => arrival,
            Self::Page(page) => panic!("shown a page instead of sent away: {page:?}"),
        }
    }
}

/// Somebody who types.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// What they type as user name.
    pub name: &'a str,
    /// What they type as password.
    pub password: &'a str,
    /// The slug of the organisation that they choose when asked.
    pub org: &'a str,
}

impl<'a> Person<'a> {
    /// Somebody with the tests' password.
    pub const fn named(name: &'a str) -> Self {
        Self { name, password: super::PASSWORD, org: "" }
    }
}

/// A browser.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The node it talks to.
    pub at: Address,
    jar: Vec<(String, String)>,
}

impl Browser {
    /// A browser that was never here.
    pub const fn new(at: Address) -> Self {
        Self { at, jar: Vec::new() }
    }

    /// The value of a cookie whose name ends so.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.iter().find(|(kept, _)| kept.trim_start_matches("__Host-") == name).map(|(_, value)| value.as_str())
    }

    /// Loses the cookie whose name ends so.
    pub fn lose(&mut self, name: &str) {
        self.jar.retain(|(kept, _)| kept.trim_start_matches("__Host-") != name);
    }

    /// Opens an address and follows where it leads.
    pub async fn open(&mut self, url: &str) -> Landing {
        let answer = self.send(Method::GET, url, None).await;
        self.follow(url.to_owned(), answer).await
    }

    /// Sends the form that the button is in.
    pub async fn press(&mut self, page: &Page, button: &str, typed: &[(&str, &str)]) -> Landing {
        let form = page.form_with(button).unwrap_or_else(|| panic!("no {button} on {page:?}"));
        assert_eq!(form.method.to_lowercase(), "post", "what changes something is posted: {page:?}");
        let fields = form.filled(button, typed);
        let target = Url::parse(&page.url).unwrap().join(&form.action).unwrap();
        if !self.at.owns(target.as_str()) {
            return Landing::Away(Arrival { address: target.into(), params: fields });
        }
        let answer = self.send(Method::POST, target.as_str(), Some(&fields)).await;
        self.follow(target.into(), answer).await
    }

    /// Walks an authorization request through whatever pages it shows, each at most once.
    pub async fn authorize(&mut self, ask: &Ask, person: Person<'_>) -> Arrival {
        let mut landing = self.open(&ask.url(&self.at)).await;
        let org = format!("org-{}", person.org);
        let typed = [("username", person.name), ("password", person.password)];
        let acts: [(&str, &[(&str, &str)]); 4] =
            [("login-submit", &typed[..]), (org.as_str(), &[]), ("consent-allow", &[]), ("form-post-continue", &[])];
        let mut pressed = Vec::new();
        loop {
            let page = match landing {
                Landing::Away(arrival) => return arrival,
                Landing::Page(page) => page,
            };
            let act = acts.iter().find(|(button, _)| page.has(button) && !pressed.contains(button));
            let (button, typed) = act.unwrap_or_else(|| panic!("after {pressed:?} no way on from {page:?}"));
            pressed.push(*button);
            landing = self.press(&page, button, typed).await;
        }
    }

    /// What the browser's session answers without showing a page: a code, or an error.
    pub async fn ask_silently(&mut self, ask: &Ask) -> Arrival {
        self.open(&ask.clone().with("prompt", "none").url(&self.at)).await.arrival()
    }

    /// Signs in without an application.
    pub async fn sign_in(&mut self, person: Person<'_>) -> Landing {
        let page = self.open(&self.at.url("/login")).await.page();
        self.press(&page, "login-submit", &[("username", person.name), ("password", person.password)]).await
    }

    /// Sends a request with this browser's cookies; what a page of another site could make it do goes through here too.
    pub async fn send(&mut self, method: Method, url: &str, fields: Option<&[(String, String)]>) -> Answer {
        let same = [("origin", self.at.issuer.clone()), ("sec-fetch-site", "same-origin".to_owned())];
        let headers = if method == Method::POST { same.to_vec() } else { Vec::new() };
        self.send_with(method, url, fields, &headers).await
    }

    /// Sends a request with other headers than a page of the server would cause.
    pub async fn send_with(
        &mut self,
        method: Method,
        url: &str,
        fields: Option<&[(String, String)]>,
        headers: &[(&str, String)],
    ) -> Answer {
        let mut request = self
            .at
            .request(method, url)
            .header("accept", "text/html")
            .header("user-agent", "Mozilla/5.0 (X11; Linux) Firefox/140.0");
        let cookies: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(fields) = fields {
            request = request.form(fields);
        }
        let answer = Answer::to(request).await;
        self.remember(&answer);
        answer
    }

    fn remember(&mut self, answer: &Answer) {
        for line in answer.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie is a pair");
            let flags: Vec<String> = parts.map(str::to_lowercase).collect();
            self.jar.retain(|(kept, _)| kept != name);
            if value.is_empty() || flags.contains(&"max-age=0".to_owned()) {
                continue; // it is taken away
            }
            assert!(flags.contains(&"httponly".to_owned()), "a script could read {line}");
            assert!(
                flags.iter().any(|flag| flag == "samesite=lax" || flag == "samesite=strict"),
                "other sites send {line}"
            );
            assert_eq!(flags.contains(&"secure".to_owned()), self.at.issuer.starts_with("https:"), "{line}");
            self.jar.push((name.to_owned(), value.to_owned()));
        }
    }

    async fn follow(&mut self, mut url: String, mut answer: Answer) -> Landing {
        for _ in 0..MOST_STEPS {
            let location = answer.header("location").to_owned();
            if location.is_empty() {
                return Landing::Page(Page::read(url, answer.status, answer.body));
            }
            // RFC 9700 §4.12: a 307 or 308 would hand the password on.
            assert!([302, 303].contains(&answer.status), "{url} redirects with {}", answer.status);
            let target = Url::parse(&url).unwrap().join(&location).unwrap();
            if !self.at.owns(target.as_str()) {
                let params = target.query_pairs().into_owned().collect();
                let mut address = target;
                address.set_query(None);
                return Landing::Away(Arrival { address: address.into(), params });
            }
            url = target.into();
            answer = self.send(Method::GET, &url, None).await;
        }
        panic!("redirected without end, last to {url}");
    }

    /// The headers of a POST that a page of another site causes.
    pub fn foreign(origin: &str) -> Vec<(&'static str, String)> {
        vec![("origin", origin.to_owned()), ("sec-fetch-site", "cross-site".to_owned())]
    }
}
