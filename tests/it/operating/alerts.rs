//! Alerts: an event that fits a rule is told exactly once to each receiver, signed, and again until it is taken.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster::app::App;
use muster::domain::alert::{Channel, Filter, Rule};
use muster::domain::change::{Actor, Change, Mode, NewAlert};
use muster::domain::people::user::MembershipState;
use muster::flows::change_access::{Refusal, change_access};
use muster::flows::webhook;
use muster::kernel::id::AlertId;
use muster::kernel::time::{HOUR, MINUTE};
use muster::store::{alerts, outbox};
use serde_json::Value;

use crate::support::PASSWORD;
use crate::support::org::Org;
use crate::support::server::on_both;
use crate::support::world::{World, on_both as on_both_worlds};

const SOON: Duration = Duration::from_secs(10);

/// A message as it came.
#[derive(Clone, Debug)]
struct Post {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Post {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether it was signed with this secret, by the specification's own words and not by ours.
    fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let text = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes());
        self.signature == format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

/// A webhook's receiver, and what it answers.
#[derive(Clone)]
struct Inbox {
    url: String,
    seen: Arc<Mutex<(StatusCode, Vec<Post>)>>,
}

impl Inbox {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new((StatusCode::OK, Vec::new())));
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    fn answer(&self, status: StatusCode) {
        self.seen.lock().unwrap().0 = status;
    }

    fn posts(&self) -> Vec<Post> {
        self.seen.lock().unwrap().1.clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<Post> {
        let begun = Instant::now();
        while self.posts().len() < count {
            assert!(begun.elapsed() < SOON, "{} of {count} messages came", self.posts().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.posts()
    }

    fn channel(&self) -> Channel {
        Channel::Webhook { url: self.url.clone() }
    }
}

async fn take(State(seen): State<Arc<Mutex<(StatusCode, Vec<Post>)>>>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let post = Post {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    };
    let mut seen = seen.lock().unwrap();
    seen.1.push(post);
    seen.0
}

fn of_kinds(kinds: &[&str]) -> Filter {
    Filter { kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(), ..Filter::default() }
}

fn rule(name: &str, filter: Filter, channel: Channel) -> NewAlert {
    NewAlert { id: AlertId::fresh(), name: name.to_owned(), active: true, rule: Rule { filter, channel }, sealed: None }
}

fn put(org: &Org, alert: &NewAlert) -> Change {
    Change::PutAlert { org: org.id.clone(), alert: Box::new(alert.clone()) }
}

/// A rule with a webhook, and its secret.
fn hooked(app: &App, filter: Filter, channel: Channel) -> (NewAlert, String) {
    let mut alert = rule("hook", filter, channel);
    let (secret, sealed) = webhook::mint(app, &alert.id);
    alert.sealed = Some(sealed);
    (alert, secret.expose().to_owned())
}

/// Long enough for a message that must not come.
async fn a_while(app: &App) {
    app.outbox_bell.notify_one();
    tokio::time::sleep(Duration::from_millis(300)).await;
}

// K31
#[tokio::test(flavor = "multi_thread")]
async fn whoever_administers_alerts_registers_a_rule_and_each_event_that_fits_is_told_once() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let (ana, bo) = (acme.person("ana", PASSWORD).await, acme.person("bo", PASSWORD).await);
        acme.give("ana", "alert.admin", None).await;
        acme.give("bo", "org.reader", None).await;
        let inbox = Inbox::open().await;
        let (alert, secret) = hooked(site, of_kinds(&["group.*"]), inbox.channel());
        let refused = change_access(site, &Actor::User(bo.clone()), vec![put(&acme, &alert)], Mode::Act).await;
        assert!(matches!(refused, Err(Refusal::Denied { .. })), "{refused:?}");
        change_access(site, &Actor::User(ana), vec![put(&acme, &alert)], Mode::Act).await.unwrap();
        let kept = alerts::of_org(&mut site.conn().await, &acme.id).await.unwrap();
        assert!(kept.len() == 1 && kept[0].id == alert.id && kept[0].active);

        acme.project("web").await;
        let group = acme.group("devs", &[]).await;
        let delete = || vec![Change::DeleteGroup { org: acme.id.clone(), group: group.clone() }];
        // Neither a preview nor an event of another kind is told; a refusal is.
        site.preview(delete()).await;
        change_access(site, &Actor::User(bo), delete(), Mode::Act).await.unwrap_err();
        let change = site.act(delete()).await.id;
        site.outbox_bell.notify_one();
        let mut posts = inbox.wait_for(3).await;
        a_while(site).await;
        assert_eq!(inbox.posts().len(), 3);
        // Nothing says in which order they come; ids have the order in which they were made.
        posts.sort_by_key(|post| post.event()["id"].to_string());
        let told: Vec<(String, String)> =
            posts.iter().map(Post::event).map(|e| (e["kinds"][0].to_string(), e["outcome"].to_string())).collect();
        let expected = [("group.create", "accepted"), ("group.delete", "denied"), ("group.delete", "accepted")];
        assert_eq!(told, expected.map(|(kind, outcome)| (format!("\"{kind}\""), format!("\"{outcome}\""))));
        for post in &posts {
            assert!(post.is_signed_with(&secret) && post.id.starts_with("out_"), "{post:?}");
            let event = post.event();
            assert_eq!((&event["type"], &event["org"]), (&"org.audit".into(), &acme.id.as_str().into()));
            assert!(event["targets"].as_array().unwrap().contains(&group.as_str().into()), "{event}");
        }
        assert_eq!(posts[2].event()["change"], change.as_str());
        assert_eq!(posts[1].event()["change"], Value::Null);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_is_told_again_with_the_same_id_and_one_that_is_gone_is_not() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let inbox = Inbox::open().await;
        let (alert, secret) = hooked(site, of_kinds(&["project.create"]), inbox.channel());
        site.act(vec![put(&acme, &alert)]).await;
        inbox.answer(StatusCode::INTERNAL_SERVER_ERROR);
        acme.project("web").await;
        site.outbox_bell.notify_one();
        inbox.wait_for(1).await;
        // The answer of the first attempt must be noted before the clock moves on.
        a_while(site).await;
        inbox.answer(StatusCode::GONE);
        site.advance(HOUR);
        site.outbox_bell.notify_one();
        let posts = inbox.wait_for(2).await;
        assert_eq!((&posts[0].id, &posts[0].body), (&posts[1].id, &posts[1].body));
        assert!(posts[0].timestamp != posts[1].timestamp && posts[1].is_signed_with(&secret));
        a_while(site).await;
        site.advance(HOUR);
        a_while(site).await;
        assert_eq!(inbox.posts().len(), 2, "whoever is gone is left alone");
        assert_eq!(outbox::counts(&mut site.conn().await).await.unwrap(), (0, 0, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_was_disabled_or_removed_tells_nothing_more() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let inbox = Inbox::open().await;
        let (mut alert, _) = hooked(site, Filter::default(), inbox.channel());
        // Its own making is the first event that fits, and is told once.
        site.act(vec![put(&acme, &alert)]).await;
        site.outbox_bell.notify_one();
        assert_eq!(inbox.wait_for(1).await[0].event()["kinds"][0], "alert.put");
        (alert.active, alert.sealed) = (false, None);
        site.act(vec![put(&acme, &alert)]).await;
        acme.project("web").await;
        a_while(site).await;
        // The secret is kept while the rule is disabled.
        alert.active = true;
        site.act(vec![put(&acme, &alert)]).await;
        site.outbox_bell.notify_one();
        inbox.wait_for(2).await;
        assert!(site.act(vec![put(&acme, &alert)]).await.is_empty(), "the same rule again changes nothing");
        site.act(vec![Change::RemoveAlert { org: acme.id.clone(), alert: alert.id.clone() }]).await;
        acme.project("data").await;
        a_while(site).await;
        assert_eq!(inbox.posts().len(), 2);
    })
    .await;
}

async fn olivia_owns(acme: &Org) {
    acme.person("olivia", PASSWORD).await;
    let to = acme.member_id("olivia").await;
    acme.world.act(vec![Change::TransferOwnership { org: acme.id.clone(), to }]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_names_nobody_queues_a_mail_for_everyone_who_administers_alerts() {
    on_both_worlds(async |world| {
        let acme = world.org("acme").await;
        olivia_owns(&acme).await;
        for name in ["ana", "bo", "cem", "dia"] {
            acme.person(name, PASSWORD).await;
        }
        acme.give("ana", "alert.admin", None).await;
        acme.group("watch", &["ana", "bo", "cem"]).await;
        acme.give_group("watch", "alert.admin", None).await;
        let cem = acme.member_id("cem").await;
        let suspend = Change::SetMemberState { org: acme.id.clone(), member: cem, state: MembershipState::Suspended };
        world.act(vec![suspend]).await;
        let all = rule("all", of_kinds(&["group.delete"]), Channel::Mail { to: Vec::new() });
        let named =
            rule("named", of_kinds(&["group.delete"]), Channel::Mail { to: vec!["ops@acme.example".to_owned()] });
        world.act(vec![put(&acme, &all), put(&acme, &named)]).await;
        acme.group("devs", &[]).await;
        acme.delete_group("devs").await;

        let mut conn = world.conn().await;
        let queued: Vec<(String, String)> = conn
            .query("SELECT receiver, payload FROM outbox WHERE kind = 'mail' AND state = 'waiting' ORDER BY receiver")
            .all()
            .await
            .unwrap();
        // The new owner and the suspended member were told, too.
        let of_rules = |row: &(String, String)| row.1.contains("\"template\":\"alert\"");
        let queued: Vec<(String, String)> = queued.into_iter().filter(of_rules).collect();
        let receivers: Vec<&str> = queued.iter().map(|(receiver, _)| receiver.as_str()).collect();
        assert_eq!(receivers, ["ana@example.test", "bo@example.test", "ops@acme.example"]);
        let payload: Value = serde_json::from_str(&queued[0].1).unwrap();
        assert_eq!((&payload["kind"], &payload["template"]), (&"mail".into(), &"alert".into()));
        assert_eq!((&payload["values"]["event"], &payload["values"]["rule"]), (&"group.delete".into(), &"all".into()));
        // It is leased with the mail, and never with what applications are told.
        let (due, now) = (outbox::next_due(&mut conn).await.unwrap(), world.now());
        assert!(due.calls.is_none() && due.mail.is_some_and(|at| at <= now));
        drop(conn);
        let claim = |which| outbox::Claim { which, count: 128, without: Vec::new(), until: now.plus(MINUTE) };
        let lease = async |which| outbox::lease(&world.db, claim(which), now).await.unwrap().len();
        // With the two that the new owner and the suspended member are sent.
        assert_eq!((lease(outbox::Which::Calls).await, lease(outbox::Which::Mail).await), (0, 5));
    })
    .await;
}

async fn code(world: &World, change: Change) -> &'static str {
    world.change(vec![change]).await.map_or_else(|refusal| refusal.code(), |_| "accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_could_not_work_or_would_reach_inside_is_refused() {
    on_both_worlds(async |world| {
        let acme = world.org("acme").await;
        for url in [
            "http://hooks.example.com/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://localhost/",
            "https://u:p@hooks.example.com/",
            "ftp://hooks.example.com/",
            "hooks",
        ] {
            let (alert, _) = hooked(&world, Filter::default(), Channel::Webhook { url: url.to_owned() });
            assert_eq!(code(&world, put(&acme, &alert)).await, "invalid", "{url}");
        }
        let url = "https://hooks.example.com/T0/B0".to_owned();
        let without = rule("hook", Filter::default(), Channel::Webhook { url: url.clone() });
        assert_eq!(code(&world, put(&acme, &without)).await, "invalid", "nobody could check it");
        let mail = || Channel::Mail { to: Vec::new() };
        for bad in [rule("", Filter::default(), mail()), rule("x", of_kinds(&["groups.*"]), mail())] {
            assert_eq!(code(&world, put(&acme, &bad)).await, "invalid");
        }
        let (good, secret) = hooked(&world, Filter::default(), Channel::Webhook { url });
        assert_eq!(code(&world, put(&acme, &good)).await, "accepted");
        for number in 1..20 {
            let alert = rule(&format!("rule {number}"), of_kinds(&["role.*"]), mail());
            assert_eq!(code(&world, put(&acme, &alert)).await, "accepted", "{number}");
        }
        assert_eq!(code(&world, put(&acme, &rule("one more", Filter::default(), mail()))).await, "limit_reached");
        let beta = world.org("beta").await;
        assert_eq!(code(&world, put(&beta, &NewAlert { name: "mine".to_owned(), ..good.clone() })).await, "not_found");
        let remove = Change::RemoveAlert { org: beta.id.clone(), alert: good.id.clone() };
        assert_eq!(code(&world, remove).await, "not_found");

        // The secret is nowhere in clear, and nobody is told the path of the address.
        let mut conn = world.conn().await;
        let sealed = alerts::sealed(&mut conn, &good.id).await.unwrap().unwrap();
        let told: Vec<(String, String)> = conn.query("SELECT detail, action FROM audit").all().await.unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains(&secret));
        for (detail, action) in told {
            assert!(!detail.contains("whsec_") && !detail.contains("/T0/") && !action.contains("whsec_"), "{detail}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_some_roles_under_one_name() {
    use muster::domain::access::{Role, Scope};
    use muster::kernel::id::{BundleId, ProjectId};
    use muster::store::bundles;
    on_both_worlds(async |world| {
        let acme = world.org("acme").await;
        let web = acme.project("web").await;
        let grants = vec![(Role::OrgReader, Scope::Org), (Role::ProjectAdmin, Scope::Project(web))];
        let (org, bundle) = (acme.id.clone(), BundleId::fresh());
        let put = |bundle: &BundleId, name: &str, grants: &[(Role, Scope)]| Change::PutBundle {
            org: org.clone(),
            bundle: bundle.clone(),
            name: name.to_owned(),
            grants: grants.to_vec(),
        };
        assert_eq!(code(&world, put(&bundle, "Developer", &grants)).await, "accepted");
        assert!(world.act(vec![put(&bundle, "Developer", &grants)]).await.is_empty());
        let found = bundles::find(&mut world.conn().await, &acme.id, &bundle).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), &found.grants), ("Developer", &grants));
        assert_eq!(code(&world, put(&BundleId::fresh(), "developer", &grants)).await, "conflict");
        assert_eq!(code(&world, put(&bundle, "DEVELOPER", &grants[..1])).await, "accepted");
        let elsewhere = Scope::Project(ProjectId::fresh());
        let bad: [&[(Role, Scope)]; 6] = [
            &[],
            &[(Role::OrgOwner, Scope::Org)],
            &[(Role::ProjectAdmin, Scope::Org)],
            &[(Role::ProjectAdmin, elsewhere)],
            &[(Role::Own("nothing".to_owned()), Scope::Org)],
            &[(Role::OrgReader, Scope::Org), (Role::OrgReader, Scope::Org)],
        ];
        for grants in bad {
            assert_eq!(code(&world, put(&BundleId::fresh(), "Bad", grants)).await, "invalid", "{grants:?}");
        }
        let page = bundles::page(&mut world.conn().await, &acme.id, "", 10).await.unwrap();
        assert_eq!(page.iter().map(|bundle| bundle.name.as_str()).collect::<Vec<_>>(), ["DEVELOPER"]);
        let remove = || Change::RemoveBundle { org: acme.id.clone(), bundle: bundle.clone() };
        assert_eq!(code(&world, remove()).await, "accepted");
        assert_eq!(code(&world, remove()).await, "not_found");
    })
    .await;
}
