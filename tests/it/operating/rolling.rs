//! Two nodes behind a balancer, replaced one after the other while they are asked without a pause: nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::PASSWORD;
use crate::support::application::{Credentials, REDIRECT_URI, Registered, sample};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens, random};
use crate::support::http::{Address, Answer};
use crate::support::process::Installation;
use crate::support::world::Kind;

/// How often the balancer looks who is ready.
const LOOK: Duration = Duration::from_millis(25);
/// How long a node goes on accepting after it has said that it isn't.
const NOTICE_MS: &str = "1000";

/// A balancer as simple as can be: one node after the other, of those that were ready at the last look. Where it can't
/// connect it goes on to the next one; a request that was sent is never sent again.
struct Balancer {
    nodes: [Address; 2],
    ready: [AtomicBool; 2],
    next: AtomicUsize,
    answers: AtomicU64,
    done: AtomicBool,
}

impl Balancer {
    fn new(nodes: [Address; 2]) -> Arc<Self> {
        let ready = [AtomicBool::new(true), AtomicBool::new(true)];
        let (next, answers, done) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { nodes, ready, next, answers, done })
    }

    /// Looks who is ready until it is done.
    async fn look(self: Arc<Self>, node: usize) {
        while !self.done.load(Ordering::Relaxed) {
            let request = self.nodes[node].request(Method::GET, &self.nodes[node].url("/readyz"));
            let answer = Answer::try_to(request.timeout(Duration::from_millis(500))).await;
            self.ready[node].store(answer.is_ok_and(|answer| answer.status == 200), Ordering::Relaxed);
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn until_ready(&self, node: usize) {
        let begun = Instant::now();
        while !self.ready[node].load(Ordering::Relaxed) {
            assert!(begun.elapsed() < Duration::from_secs(30), "node {node} does not become ready");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The answer to a request, from whichever node takes it.
    async fn ask(&self, method: Method, path: &str, authorization: &str, fields: &[(&str, &str)]) -> Answer {
        for _ in 0..400 {
            let node = self.next.fetch_add(1, Ordering::Relaxed) % self.nodes.len();
            if !self.ready[node].load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            let at = &self.nodes[node];
            let mut request = at.request(method.clone(), &at.url(path)).header(AUTHORIZATION, authorization);
            if method == Method::POST {
                request = request.form(fields);
            }
            match Answer::try_to(request).await {
                Ok(answer) => {
                    self.answers.fetch_add(1, Ordering::Relaxed);
                    return answer;
                }
                Err(error) if error.is_connect() => {}
                Err(error) => panic!("{path}: a request that node {node} had taken was not answered: {error:?}"),
            }
        }
        panic!("{path}: no node could be connected");
    }

    /// What the shop is answered, which must be JSON and well.
    async fn shop(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let pair = STANDARD.encode(format!("shop:{SHOP_SECRET}"));
        let answer = self.ask(Method::POST, path, &format!("Basic {pair}"), fields).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }
}

/// One of many who never pause: asks about a token, for the person, for a token of the shop's own, and for the next.
async fn worker(balancer: Arc<Balancer>, mut tokens: Tokens) {
    while !balancer.done.load(Ordering::Relaxed) {
        let told = balancer.shop("/introspect", &[("token", tokens.access())]).await;
        assert_eq!(told["active"], true, "{told}");
        let bearer = format!("Bearer {}", tokens.access());
        let person = balancer.ask(Method::GET, "/userinfo", &bearer, &[]).await;
        assert_eq!(person.status, 200, "{}", person.body);
        balancer.shop("/token", &[("grant_type", "client_credentials")]).await;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
        tokens = Tokens { answer: balancer.shop("/token", &fields).await };
    }
}

async fn installed() -> Option<[Installation; 2]> {
    let mut one = Installation::fresh(Kind::Postgres).await?;
    one.set("MUSTER_KEYS__INSTANCE_KEY", &random());
    one.set("MUSTER_HTTP__NOTICE_MS", NOTICE_MS);
    one.set("PERSON_PASSWORD", PASSWORD);
    one.set("SHOP_SECRET", SHOP_SECRET);
    let other = one.second_node();
    let file = one.write("world.toml", FILE);
    one.succeeds(&["apply", file.to_str().unwrap()]).await;
    Some([one, other])
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_are_restarted_one_after_the_other_and_no_request_fails() {
    let Some(nodes) = installed().await else { return };
    let mut serving = [Some(nodes[0].serve().await), Some(nodes[1].serve().await)];
    let mut application = sample("shop");
    application.redirect_uris = vec![REDIRECT_URI.to_owned()];
    let registered = Registered { application, credentials: Credentials::Basic(SHOP_SECRET.to_owned()) };
    let shop = Client::new(nodes[0].at.clone(), &registered);
    let balancer = Balancer::new([nodes[0].at.clone(), nodes[1].at.clone()]);
    let mut tasks: Vec<JoinHandle<()>> = (0..2).map(|node| tokio::spawn(Arc::clone(&balancer).look(node))).collect();
    for name in ["ana", "bo", "olivia", "ana", "bo", "olivia"] {
        let tokens = shop.sign_in(&mut Browser::new(nodes[0].at.clone()), Person::named(name)).await;
        tasks.push(tokio::spawn(worker(Arc::clone(&balancer), tokens)));
    }
    let mut before = 0;
    for round in 0..2 {
        for (node, installation) in nodes.iter().enumerate() {
            serving[node].take().expect("it was started").stop().await;
            serving[node] = Some(installation.serve().await);
            balancer.until_ready(node).await;
            let answers = balancer.answers.load(Ordering::Relaxed);
            assert!(answers > before + 20, "round {round}, node {node}: {answers} answers after {before}");
            before = answers;
        }
    }
    balancer.done.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no request failed");
    }
    for one in serving.into_iter().flatten() {
        one.stop().await;
    }
}
