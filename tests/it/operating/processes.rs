//! Two real processes over one PostgreSQL, behind one issuer: a balancer may send any request to either of them.

use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::PASSWORD;
use crate::support::application::{Credentials, REDIRECT_URI, Registered, sample};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, Client, Tokens, random};
use crate::support::process::{Installation, Serving};
use crate::support::world::Kind;

/// The file's only binding that gives a role to a group.
const BINDING: &str = r#"roles = ["project.admin:web"]"#;

/// The two processes, and the shop as it talks to each.
struct Pair {
    nodes: [Installation; 2],
    shops: [Client; 2],
    serving: [Serving; 2],
}

impl Pair {
    /// Starts them over what the file says, or `None` where there is no PostgreSQL and none is required.
    async fn start() -> Option<Self> {
        let mut one = Installation::fresh(Kind::Postgres).await?;
        one.set("MUSTER_KEYS__INSTANCE_KEY", &random());
        one.set("PERSON_PASSWORD", PASSWORD);
        one.set("SHOP_SECRET", SHOP_SECRET);
        let other = one.second_node();
        let file = one.write("world.toml", FILE);
        one.succeeds(&["apply", file.to_str().unwrap()]).await;
        let mut application = sample("shop");
        application.redirect_uris = vec![REDIRECT_URI.to_owned()];
        let registered = Registered { application, credentials: Credentials::Basic(SHOP_SECRET.to_owned()) };
        let shops = [&one, &other].map(|node| Client::new(node.at.clone(), &registered));
        let serving = [one.serve().await, other.serve().await];
        Some(Self { nodes: [one, other], shops, serving })
    }

    /// Has a third process bring about what a changed file says.
    async fn apply(&self, text: &str) {
        let file = self.nodes[0].write("wanted.toml", text);
        self.nodes[0].succeeds(&["apply", file.to_str().unwrap()]).await;
    }

    /// A browser's requests to one of them; its cookies are the same wherever they are sent.
    fn at(&self, node: usize, browser: &Browser) -> Browser {
        let mut browser = browser.clone();
        browser.at = self.nodes[node].at.clone();
        browser
    }

    /// Signs somebody in on the first and redeems the code on the second.
    async fn sign_in(&self, name: &str) -> Visitor {
        let mut browser = Browser::new(self.nodes[0].at.clone());
        let ask = Ask::of(&self.shops[0]);
        let arrival = browser.authorize(&ask, Person::named(name)).await;
        let tokens = self.shops[1].tokens_of(&arrival, &ask).await;
        Visitor { browser, tokens }
    }

    async fn stop(self) {
        for serving in self.serving {
            serving.kill().await;
        }
    }
}

/// Somebody who signed in.
struct Visitor {
    browser: Browser,
    tokens: Tokens,
}

impl Visitor {
    /// Everything is honoured by both, and each gives new tokens for what the other gave.
    async fn is_in(&mut self, pair: &Pair, when: &str) {
        let tokens = &self.tokens;
        for (node, shop) in pair.shops.iter().enumerate() {
            assert!(shop.is_active(tokens.access()).await, "{when}, node {node}: the access token is refused");
            assert!(shop.is_active(tokens.refresh()).await, "{when}, node {node}: the refresh token is refused");
            assert_eq!(shop.userinfo(tokens.access()).await.status, 200, "{when}, node {node}");
            assert!(shop.is_signed_in(&mut pair.at(node, &self.browser)).await, "{when}, node {node}: no session");
        }
        for (here, there) in [(0, 1), (1, 0)] {
            let next = Tokens::read(&pair.shops[here].refresh(self.tokens.refresh()).await);
            assert!(pair.shops[there].is_active(next.access()).await, "{when}: a token of node {here}");
            assert!(pair.shops[there].is_active(self.tokens.access()).await, "{when}: a refresh refuses nothing");
            self.tokens = next;
        }
    }

    /// Nothing is honoured by either, and the first request to each is already refused.
    async fn is_out(&self, pair: &Pair, when: &str) {
        let shops = &pair.shops;
        let refused =
            [!shops[0].is_active(self.tokens.access()).await, !shops[1].is_active(self.tokens.access()).await];
        assert_eq!(refused, [true, true], "{when}: the access token");
        for (node, shop) in shops.iter().enumerate() {
            assert_eq!(shop.userinfo(self.tokens.access()).await.status, 401, "{when}, node {node}");
            assert!(!shop.is_active(self.tokens.refresh()).await, "{when}, node {node}: the refresh token");
            let refusal = shop.refresh(self.tokens.refresh()).await.refusal();
            assert_eq!(refusal, (400, "invalid_grant".to_owned()), "{when}, node {node}");
            assert!(!shop.is_signed_in(&mut pair.at(node, &self.browser)).await, "{when}, node {node}: the session");
        }
    }
}

fn without(binding: &str) -> String {
    assert!(FILE.contains(binding));
    FILE.replace(binding, "roles = []")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_on_one_process_is_worth_the_same_on_the_other() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut ana = pair.sign_in("ana").await;
    let first = ana.tokens.clone();
    ana.is_in(&pair, "after the sign-in").await;
    // Its successor was used on the other process: it comes back too late, whichever it comes back to.
    assert_eq!(pair.shops[0].refresh(first.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
    for shop in &pair.shops {
        assert!(!shop.is_active(ana.tokens.refresh()).await && !shop.is_active(ana.tokens.access()).await);
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_a_third_process_removes_is_refused_by_both_at_the_next_request() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut olivia = pair.sign_in("olivia").await;
    for round in 0..3 {
        let (mut ana, mut bo) = (pair.sign_in("ana").await, pair.sign_in("bo").await);
        // Both have seen the tokens and the sessions, and remember what they may.
        ana.is_in(&pair, "before").await;
        bo.is_in(&pair, "before").await;
        pair.apply(&without(BINDING)).await;
        ana.is_out(&pair, &format!("round {round}, ana")).await;
        bo.is_out(&pair, &format!("round {round}, bo")).await;
        olivia.is_in(&pair, "whose roles nobody touched").await;
        pair.apply(FILE).await;
        ana.is_out(&pair, "given back is not taken back").await;
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_a_third_process_adds_refuses_nothing_on_either() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    pair.apply(&without(BINDING)).await;
    let mut both = [pair.sign_in("ana").await, pair.sign_in("bo").await];
    let before = both.each_ref().map(|visitor| visitor.tokens.clone());
    pair.apply(FILE).await;
    for (visitor, before) in both.iter_mut().zip(&before) {
        visitor.is_in(&pair, "after the binding was added").await;
        assert_eq!(before.claims()["project_roles"], serde_json::json!({}));
        assert_eq!(visitor.tokens.claims()["project_roles"], serde_json::json!({ "web": ["project.admin"] }));
    }
    pair.stop().await;
}
