//! Who hears of links and of invitations: whoever reads the mail, and nobody else. No answer, list, record, alert or
//! page tells a link, and another organisation's administrators find nothing, whatever id they name.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use muster::domain::change::Origin;
use muster::domain::mail::Purpose;
use muster::domain::people::invitation::State as Stands;
use muster::flows::forgotten::{self, By};
use muster::flows::invitations::{MailFate, note_mail};
use muster::flows::sign_in::Context;
use muster::kernel::id::InvitationId;
use muster::kernel::secret::Digest;
use muster::kernel::time::{MINUTE, SECOND};
use muster::store::invitations;
use reqwest::Method;
use serde_json::{Value, json};

use super::clerk::{Clerk, hidden};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::mailbox::{all_sent, links_to, nth_link};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

const INA: &str = "ina@example.test";

/// A webhook's receiver: what came, head and body.
struct Hook {
    url: String,
    came: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let came = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&came));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, came }
    }

    /// Waits until it was told of so many events.
    async fn wait_for(&self, count: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let came = self.came.lock().unwrap().clone();
            if came.len() >= count {
                return came;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{} of {count} events came", came.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn take(State(came): State<Arc<Mutex<Vec<String>>>>, headers: HeaderMap, body: String) {
    came.lock().unwrap().push(format!("{headers:?}\n{body}"));
}

/// Everything that was answered, by what was asked.
#[derive(Default)]
struct Told(Vec<(String, String)>);

impl Told {
    fn keep(&mut self, what: &str, text: String) {
        self.0.push((what.to_owned(), text));
    }

    /// Asks, and keeps what is answered; it must be good.
    async fn ask(&mut self, by: &Admin, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = by.call(method.clone(), path, body.as_ref()).await;
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        self.keep(&format!("{method} {path}"), format!("{:?}\n{}", answer.headers, answer.body));
        answer.json()
    }

    async fn page(&mut self, clerk: &mut Clerk, path: &str) {
        let page = clerk.open(path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        self.keep(path, page.html);
    }
}

/// How a link's secret looks wherever it might come out.
fn forms(link: &str) -> Vec<String> {
    let secret = link.rsplit('/').next().unwrap();
    let digest = Digest::of(secret.as_bytes());
    let hex = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    vec![secret.strip_prefix("mln_").expect("links begin so").to_owned(), digest.base64url(), hex]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_list_record_alert_or_page_tells_a_link_to_whoever_had_it_sent() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("bo", PASSWORD).await;
        let (devs, olga) = (acme.group("devs", &[]).await, Admin::of(site, &acme, "olga").await);
        let (hook, mut told) = (Hook::open().await, Told::default());
        let all = json!({ "name": "All", "channel": { "kind": "webhook", "url": hook.url } });
        olga.post("/alerts", all).await;

        // CVE-2026-16072: whoever may invite read the link, and so needed no mailbox.
        let wim = json!({ "user_name": "wim", "email": "wim@example.test", "groups": [devs] });
        told.ask(&olga, Method::POST, "/users?dry_run=true", Some(wim.clone())).await;
        let wim = told.ask(&olga, Method::POST, "/users", Some(wim)).await["object"]["user_id"].clone();
        let wim = format!("/users/{}", wim.as_str().unwrap());
        let list = json!({ "text": "Tom Lee, tom@example.test" });
        told.ask(&olga, Method::POST, "/users/bulk", Some(list)).await;
        let ina = json!({ "people": [{ "email": INA, "name": "Ina Vee" }], "groups": [devs] });
        let ina = told.ask(&olga, Method::POST, "/invitations", Some(ina)).await;
        let id: InvitationId = ina["people"][0]["invitation_id"].as_str().unwrap().parse().unwrap();
        nth_link(site, INA, Purpose::Invitation, 1).await;
        all_sent(site).await;
        note_mail(site, &id, MailFate::Sent).await.unwrap();
        site.advance(MINUTE + SECOND);
        told.ask(&olga, Method::POST, &format!("/invitations/{id}/resend"), Some(json!({}))).await;
        told.ask(&olga, Method::POST, &format!("{wim}/resend"), Some(json!({}))).await;
        let bo = format!("/users/{}/reset-password", acme.user_id("bo").await);
        told.ask(&olga, Method::POST, &bo, Some(json!({ "kind": "link" }))).await;
        all_sent(site).await;
        forgotten::ask(site, "bo", Context::None, By::Mail, &Origin::default()).await.unwrap();
        let new = json!({ "email": "new@example.test", "password": PASSWORD });
        told.ask(&olga, Method::PATCH, "/api/v1/me", Some(new)).await;

        let sent = [
            ("wim@example.test", Purpose::SetPassword, 2),
            ("tom@example.test", Purpose::SetPassword, 1),
            (INA, Purpose::Invitation, 2),
            ("bo@example.test", Purpose::ResetPassword, 2),
            ("new@example.test", Purpose::ConfirmEmail, 1),
        ];
        for (to, purpose, count) in sent {
            nth_link(site, to, purpose, count).await;
        }
        all_sent(site).await;
        let mut secrets = Vec::new();
        for (to, purpose, _) in sent {
            secrets.extend(links_to(site, to, purpose).await.iter().flat_map(|link| forms(link)));
        }
        assert_eq!(secrets.len(), 8 * 3);

        for path in [
            "/users?limit=100",
            &wim,
            "/invitations?limit=100",
            &format!("/invitations/{id}"),
            &format!("/groups/{devs}/invitations"),
            "/alerts",
            "/audit?limit=200",
            "/audit/export?format=jsonl",
            "/api/v1/me",
            "/api/v1/me/invitations",
        ] {
            told.ask(&olga, Method::GET, path, None).await;
        }
        let mut clerk = Clerk::at(site, &acme, "olga").await;
        let registered = format!("people/{}/registered", acme.member_id("wim").await);
        let cancel = format!("invitations/{id}/cancel");
        for path in ["people", "people?q=wim", "invitations", "invitations?state=accepted", &registered, &cancel] {
            told.page(&mut clerk, path).await;
        }
        // Two registrations, an invitation, two that were sent again, and a link for a new password, at least.
        for event in hook.wait_for(6).await {
            told.keep("an alert", event);
        }
        let sql = "SELECT payload FROM outbox";
        let rows: Vec<(String,)> = site.conn().await.query(sql).all().await.unwrap();
        rows.into_iter().for_each(|(payload,)| told.keep("what waits to be sent", payload));
        for (what, text) in &told.0 {
            let found = secrets.iter().find(|secret| text.contains(secret.as_str()));
            assert!(found.is_none() && !text.contains("mln_"), "{what} tells a link: {text}");
        }
    })
    .await;
}

/// Acme with somebody who is invited and somebody who waits for a first password; the invitation's id.
async fn acme(site: &Site) -> (Org, Admin, InvitationId) {
    let (acme, _) = owned(site, "acme").await;
    let olga = Admin::of(site, &acme, "olga").await;
    let ina = json!({ "people": [{ "email": INA, "name": "Ina Vee" }], "groups": [acme.group("devs", &[]).await] });
    let sent = olga.post("/invitations", ina).await;
    olga.post("/users", json!({ "user_name": "wim", "email": "wim@example.test" })).await;
    let id: InvitationId = sent["people"][0]["invitation_id"].as_str().unwrap().parse().unwrap();
    nth_link(site, INA, Purpose::Invitation, 1).await;
    note_mail(site, &id, MailFate::Sent).await.unwrap();
    site.advance(MINUTE + SECOND);
    (acme, olga, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_and_newcomers_of_another_organisation_are_on_no_page_and_behind_no_route() {
    on_both(async |site| {
        let (acme, _, id) = acme(site).await;
        let (member, devs) = (acme.member_id("wim").await, acme.group_id("devs").await);
        let globex = site.org("globex").await;
        globex.person("gus", PASSWORD).await;
        globex.give("gus", "org.admin", None).await;
        let mut gus = Clerk::at(site, &globex, "gus").await;
        let csrf = gus.csrf().await;
        // CVE-2024-10452: an id of another organisation, under one's own and under the other.
        for slug in ["globex", "acme"] {
            gus.base = site.at.url(&format!("/o/{slug}/admin"));
            for path in [format!("invitations/{id}/cancel"), format!("people/{member}/registered")] {
                assert_eq!(gus.open(&path).await.status, 404, "{slug} {path}");
            }
            for path in [
                format!("invitations/{id}/resend"),
                format!("invitations/{id}/cancel"),
                format!("people/{member}/link"),
            ] {
                let answer = gus.post(&path, &[("csrf".to_owned(), csrf.clone())]).await.answer;
                assert_eq!(answer.status, 404, "{slug} {path}: {}", answer.body);
            }
        }
        gus.base = site.at.url("/o/globex/admin");
        for path in [
            "people".to_owned(),
            "people?q=wim".to_owned(),
            "people?q=ina".to_owned(),
            "invitations".to_owned(),
            "invitations?after=inv_0".to_owned(),
            format!("people/invite?again={id}"),
        ] {
            let page = gus.open(&path).await;
            assert_eq!(page.status, 200, "{path}");
            for theirs in ["Ina Vee", INA, "wim@example.test", member.as_str(), devs.as_str()] {
                assert!(!page.html.contains(theirs), "{path} shows {theirs}");
            }
        }
        let his = Admin::of(site, &globex, "gus").await;
        let not_found = (404, "not_found".to_owned());
        for base in [his.clone(), his.at_org("acme")] {
            let path = format!("/groups/{devs}/invitations");
            assert_eq!(base.refused(Method::GET, &path, json!({})).await, not_found);
        }
        for (org, act) in [(acme.id.as_str(), "accept"), ("acme", "accept"), (acme.id.as_str(), "decline")] {
            let path = format!("/api/v1/me/invitations/{org}/{act}");
            assert_eq!(his.refused(Method::POST, &path, json!({})).await, not_found, "{path}");
        }
        let found = invitations::find(&mut site.conn().await, &acme.id, &id).await.unwrap().unwrap();
        assert_eq!((found.state, found.sent), (Stands::Pending, 1));
        assert_eq!(links_to(site, "wim@example.test", Purpose::SetPassword).await.len(), 1);
        let link = nth_link(site, INA, Purpose::Invitation, 1).await;
        assert!(site.browser().open(&link).await.page().has("invite-accept"), "the one link is as good as before");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reviewed_for_one_organisation_is_sent_in_no_other_by_whoever_administers_both() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let dual = site.own_account("dual", PASSWORD).await;
        for org in [&acme, &globex] {
            org.admit(&dual).await;
            org.give("dual", "org.admin", None).await;
        }
        let mut dual = Clerk::at(site, &acme, "dual").await;
        let form = dual.open("people/invite").await;
        let typed = [("people", "Ina Vee <ina@example.test>"), ("role", "org.reader")];
        let review = dual.submit(&form, "invite-review", &typed).await.page;
        let form = dual.open("people/bulk").await;
        let typed = [("people", "Tom Lee, tom@example.test"), ("credential", "link")];
        let checked = dual.submit(&form, "bulk-preview", &typed).await.page;
        let invite = hidden(&review, "go-on");
        for (path, fields) in [("people/invite/send", &invite), ("people/bulk/register", &hidden(&checked, "go-on"))] {
            dual.base = site.at.url("/o/globex/admin");
            assert_eq!(dual.post(path, fields).await.answer.status, 400, "{path}");
        }
        for org in [&acme, &globex] {
            let sent = invitations::list(&mut site.conn().await, &org.id, None, None, 10).await.unwrap();
            assert!(sent.is_empty(), "{}: {sent:?}", org.slug);
        }
        assert!(links_to(site, "tom@example.test", Purpose::SetPassword).await.is_empty());
        dual.base = site.at.url("/o/acme/admin");
        dual.post("people/invite/send", &invite).await;
        let sent = invitations::list(&mut site.conn().await, &acme.id, None, None, 10).await.unwrap();
        assert_eq!(sent.len(), 1, "where it was reviewed it is sent");
    })
    .await;
}
