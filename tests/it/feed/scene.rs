//! A service that follows the feed by asking again: every page is verified, and goes on where the last one ended.

use std::time::{Duration, Instant};

use muster::domain::oauth::application::Application;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use crate::support::application::{self, Registered};
use crate::support::client::{Client, Tokens, part};
use crate::support::http::{Address, Answer};
use crate::support::server::Site;
use crate::support::verifier::Verifier;

/// What a reader's token must allow.
pub const SCOPE: &str = "revocations.read";

/// Lets an application read the feed.
pub fn reads(application: &mut Application) {
    application.scopes.push(SCOPE.to_owned());
}

/// A reader of the feed.
pub struct Follower {
    /// The application.
    pub client: Client,
    /// Its token.
    pub token: String,
    /// Where it is, and in which generation.
    pub position: Option<(i64, String)>,
    verifier: Verifier,
}

impl Follower {
    /// An application of no organisation that follows.
    pub async fn of_instance(site: &Site, client_id: &str) -> Self {
        Self::of(site, &application::register(site, client_id, reads).await).await
    }

    /// A registered application that follows from the beginning.
    pub async fn of(site: &Site, registered: &Registered) -> Self {
        let client = site.client(registered);
        let token = token(&client).await;
        Self { client, token, position: None, verifier: Verifier::new(site.at.clone()) }
    }

    /// Asks another node from now on.
    pub fn go_to(&mut self, at: &Address) {
        self.client.at = at.clone();
    }

    /// Gets a new token.
    pub async fn renew(&mut self) {
        self.token = token(&self.client).await;
    }

    /// Asks with a query of one's own.
    pub async fn ask(&self, query: &str) -> Answer {
        let request = self.client.at.request(Method::GET, &self.client.at.url(&format!("/revocations?{query}")));
        Answer::to(request.header(AUTHORIZATION, format!("Bearer {}", self.token))).await
    }

    /// The claims of a page.
    pub async fn read(&mut self, answer: &Answer) -> Value {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/jwt", "no-store"));
        self.claims(&answer.body).await
    }

    /// The claims of a page, from wherever it came.
    pub async fn claims(&mut self, jws: &str) -> Value {
        let header = part(jws, 0);
        assert_eq!((&header["typ"], &header["alg"]), (&"muster-revocations+jwt".into(), &"ES256".into()));
        let page = self.verifier.verify(jws).await.expect("its signature holds");
        assert_eq!(
            (&page["iss"], &page["aud"]),
            (&self.client.at.issuer.as_str().into(), &self.client.client_id.as_str().into())
        );
        page
    }

    /// Moves on with a page, which must go on where the last one ended, or begin anew.
    pub fn go_on(&mut self, page: &Value) -> Vec<Value> {
        let (from, to) = (page["from"].as_i64().unwrap(), page["to"].as_i64().unwrap());
        let generation = page["generation"].as_str().unwrap().to_owned();
        if page["reset"] != true {
            assert_eq!(self.position, Some((from, generation.clone())), "it goes on where the last one ended");
        }
        assert!(from <= to, "{page}");
        self.position = Some((to, generation));
        page["entries"].as_array().unwrap().clone()
    }

    /// The next page, which may wait for so many seconds.
    pub async fn page(&mut self, wait: u32) -> Value {
        let place = self.position.as_ref().map(|(after, generation)| format!("after={after}&generation={generation}"));
        let answer = self.ask(&format!("{}&wait={wait}", place.unwrap_or_default())).await;
        self.read(&answer).await
    }

    /// Reads to the end of the feed; what was told.
    pub async fn catch_up(&mut self) -> Vec<Value> {
        let (begun, mut told) = (Instant::now(), Vec::new());
        loop {
            let page = self.page(0).await;
            told.extend(self.go_on(&page));
            if page["head"] == true {
                return told;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the end is not reached: {page}");
        }
    }
}

/// A token of the application's own that lets it read the feed.
pub async fn token(client: &Client) -> String {
    let fields = [("grant_type", "client_credentials"), ("scope", SCOPE)];
    Tokens::read(&client.post("/token", &fields).await).access().to_owned()
}

/// The least version that an entry for somebody tells, if one does.
pub fn least(told: &[Value], sub: &str, org: &str) -> Option<i64> {
    let of = told.iter().filter(|entry| entry[0] == "m" && entry[1] == sub && entry[2] == org);
    of.filter_map(|entry| entry[3].as_i64()).max()
}

/// The second before which a client's tokens are over, if that is told.
pub fn before(told: &[Value], client_id: &str) -> Option<i64> {
    let of = told.iter().filter(|entry| entry[0] == "c" && entry[1] == client_id);
    of.filter_map(|entry| entry[2].as_i64()).max()
}

/// Whether the end of a family, or of all tokens of a key, is told.
pub fn is_over(told: &[Value], id: &str) -> bool {
    told.iter().any(|entry| entry[0] == "f" && entry[1] == id)
}

/// What a token was made from.
pub fn family(claims: &Value) -> String {
    claims["jti"].as_str().unwrap().split('.').next().unwrap().to_owned()
}
