//! The verifiers of `verifiers/` as services use them, in processes of their own: what is taken away is refused within a
//! second, by whichever node it was taken, and nothing is honoured once Muster is silent.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use muster::domain::access::Policy;
use muster::domain::oauth::application::Application;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::scene::reads;
use crate::support::application::{Credentials, Registered};
use crate::support::browser::Person;
use crate::support::client::Tokens;
use crate::support::org::Org;
use crate::support::server::Site;
use crate::support::world::Kind;
use crate::support::{PASSWORD, skip};

/// What the service is called in its tokens.
const RESOURCE: &str = "https://orders.example/api";
/// From the answer that something was taken away to the refusal.
const AT_MOST: Duration = Duration::from_secs(1);

/// The folder with the built verifiers, or `None` where there is none and none is required.
fn built() -> Option<PathBuf> {
    let folder = std::env::var_os("MUSTER_TEST_VERIFIERS").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        skip("verifiers", "MUSTER_TEST_VERIFIERS names no folder");
    }
    folder
}

fn commands(folder: &Path) -> [(&'static str, Command); 2] {
    let mut node = Command::new("node");
    node.arg(folder.join("typescript/bin/verify-lines.mjs"));
    [("Rust", Command::new(folder.join("rust/debug/examples/verify_lines"))), ("TypeScript", node)]
}

/// A service that verifies tokens; it answers a line with a line.
struct Service {
    name: &'static str,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Ends with us.
    _child: Child,
}

impl Service {
    /// Starts it, and waits until it judges tokens.
    async fn start(site: &Site, registered: &Registered, name: &'static str, mut command: Command, ms: u64) -> Self {
        let Credentials::Basic(secret) = &registered.credentials else { panic!("it has a secret") };
        command.env("MUSTER_ISSUER", &site.at.issuer).env("MUSTER_AUDIENCE", RESOURCE);
        command.env("MUSTER_CLIENT_ID", &registered.application.client_id).env("MUSTER_CLIENT_SECRET", secret);
        command.env("MUSTER_MAX_SILENCE_MS", ms.to_string()).env("NO_PROXY", "127.0.0.1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let mut service = Self { name, input, output, _child: child };
        assert_eq!(service.line().await, "ready", "{name}");
        service
    }

    /// Both services, of an application.
    async fn both(site: &Site, registered: &Registered, folder: &Path, ms: u64) -> Vec<Self> {
        let mut services = Vec::new();
        for (name, command) in commands(folder) {
            services.push(Self::start(site, registered, name, command, ms).await);
        }
        services
    }

    async fn line(&mut self) -> String {
        let line = timeout(Duration::from_secs(30), self.output.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{} says nothing", self.name));
        line.expect("its output can be read").unwrap_or_default()
    }

    /// What becomes of a token.
    async fn judge(&mut self, token: &str) -> String {
        self.input.write_all(format!("{token}\n").as_bytes()).await.expect("it reads");
        self.line().await
    }

    /// Asks until a token is judged so; it must be so by then.
    async fn comes_to(&mut self, expected: &str, token: &str, since: Instant, within: Duration) {
        loop {
            let judged = self.judge(token).await;
            if judged == expected {
                eprintln!("{} came to {expected:?} after {:?}", self.name, since.elapsed());
                return;
            }
            assert!(since.elapsed() < within, "{}: {judged} after {:?}", self.name, since.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn orders(application: &mut Application) {
    application.resource = Some(RESOURCE.to_owned());
    reads(application);
}

/// A token whose signature is another one's.
fn forged(token: &str, other: &str) -> String {
    let (said, _) = token.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("{said}.{signature}")
}

/// By a stream, for that is how the default settings follow.
async fn refuses_what_is_taken_away(one: &Site, folder: &Path) {
    let acme = one.org("acme").await;
    let ana = acme.person("ana", PASSWORD).await;
    acme.set_policy(Policy::Narrow).await;
    acme.give("ana", "org.reader", None).await;
    let registered = acme.application_with("orders", orders).await;
    let elsewhere = one.client(&acme.application("elsewhere").await);
    let orders = one.client(&registered);
    // What ended before a service started is known to it as well.
    let earlier = orders.sign_in(&mut one.browser(), Person::named("ana")).await;
    orders.revoke(earlier.refresh()).await;
    let mut services = Service::both(one, &registered, folder, 15_000).await;

    let welcome = format!("ok {ana}");
    let mut binding = acme.give("ana", "billing.viewer", None).await;
    let mut tokens = orders.sign_in(&mut one.browser(), Person::named("ana")).await;
    let foreign = elsewhere.sign_in(&mut one.browser(), Person::named("ana")).await;
    for service in &mut services {
        assert_eq!(service.judge(tokens.access()).await, welcome, "{}", service.name);
        assert_eq!(service.judge(earlier.access()).await, "refused revoked", "{}", service.name);
        assert_eq!(service.judge(tokens.id()).await, "refused wrong_type", "{}", service.name);
        assert_eq!(service.judge(foreign.access()).await, "refused wrong_audience", "{}", service.name);
        let forged = forged(tokens.access(), foreign.access());
        assert_eq!(service.judge(&forged).await, "refused bad_signature", "{}", service.name);
        assert_eq!(service.judge("hello").await, "refused malformed", "{}", service.name);
    }

    // Whichever node takes it away: on PostgreSQL the other one.
    let other = if one.place.url().is_some() { Some(one.second_node().await) } else { None };
    let node = other.as_ref().unwrap_or(one);
    let there = Org { world: (**node).clone(), ..acme.clone() };
    for _ in 0..5 {
        for service in &mut services {
            there.take(&binding).await;
            let taken = Instant::now();
            service.comes_to("refused revoked", tokens.access(), taken, AT_MOST).await;
            binding = there.give("ana", "billing.viewer", None).await;
            // The sign-in goes on, with what is left.
            tokens = Tokens::read(&orders.refresh(tokens.refresh()).await);
            assert_eq!(service.judge(tokens.access()).await, welcome, "{}", service.name);
        }
    }
    there.set_policy(Policy::Strict).await;
    there.take(&binding).await;
    let taken = Instant::now();
    for service in &mut services {
        service.comes_to("refused revoked", tokens.access(), taken, AT_MOST).await;
    }
    let own = Tokens::read(&orders.own_token().await);
    orders.revoke(own.access()).await;
    let revoked = Instant::now();
    for service in &mut services {
        service.comes_to("refused revoked", own.access(), revoked, AT_MOST).await;
    }
    if let Some(other) = other {
        other.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_refuses_what_is_taken_away_within_a_second_without_asking() {
    let Some(folder) = built() else {
        return;
    };
    for kind in Kind::BOTH {
        let Some(one) = Site::open(kind, |_| {}).await else {
            continue;
        };
        eprintln!("on {kind:?}:");
        refuses_what_is_taken_away(&one, &folder).await;
        one.close().await;
    }
}

/// By long polls, for a stream says too little for so short a silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_honours_nothing_once_muster_is_silent() {
    const SILENCE: Duration = Duration::from_secs(3);
    let Some(folder) = built() else {
        return;
    };
    for kind in Kind::BOTH {
        let Some(site) = Site::open(kind, |_| {}).await else {
            continue;
        };
        eprintln!("on {kind:?}:");
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let binding = acme.give("ana", "org.reader", None).await;
        let registered = acme.application_with("orders", orders).await;
        let orders = site.client(&registered);
        let mut services = Service::both(&site, &registered, &folder, 3_000).await;
        let over = orders.sign_in(&mut site.browser(), Person::named("ana")).await;
        acme.take(&binding).await;
        let taken = Instant::now();
        for service in &mut services {
            service.comes_to("refused revoked", over.access(), taken, AT_MOST).await;
        }
        let tokens = orders.sign_in(&mut site.browser(), Person::named("ana")).await;
        let calm = Instant::now();
        while calm.elapsed() < SILENCE * 2 {
            for service in &mut services {
                assert_eq!(service.judge(tokens.access()).await, format!("ok {ana}"), "{}", service.name);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        site.close().await;
        let silent = Instant::now();
        for service in &mut services {
            service.comes_to("refused stale_feed", tokens.access(), silent, SILENCE + AT_MOST).await;
            assert_eq!(service.judge(over.access()).await, "refused revoked", "{}", service.name);
        }
    }
}
