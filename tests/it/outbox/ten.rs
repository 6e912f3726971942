//! The story of the spine with ten applications: one is dead, one fails, and the other eight are told as if both were not
//! there.

use std::time::{Duration, Instant};

use muster::kernel::time::HOUR;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::Client;
use crate::support::org::Org;
use crate::support::receiver::{Manner, Receiver};
use crate::support::server::{Site, on_both};
use crate::support::verifier::Verifier;

const ALL: usize = 10;
/// Which of them never answers, and which answers 500.
const DEAD: usize = 3;
const FAILING: usize = 7;
/// A dead receiver is waited for longer than this before it is given up for the time being.
const SOON: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);

struct Ten {
    clients: Vec<Client>,
    receivers: Vec<Receiver>,
}

impl Ten {
    async fn open(site: &Site, acme: &Org) -> Self {
        let (mut clients, mut receivers) = (Vec::new(), Vec::new());
        for number in 0..ALL {
            let manner = match number {
                DEAD => Manner::Hang,
                FAILING => Manner::Refuse,
                _ => Manner::Take,
            };
            let receiver = Receiver::open(manner).await;
            let url = receiver.url.clone();
            let registered = acme
                .application_with(&name(number), |application| application.backchannel_logout_uri = Some(url))
                .await;
            clients.push(site.client(&registered));
            receivers.push(receiver);
        }
        Self { clients, receivers }
    }

    /// Signs somebody in to all ten, in one session.
    async fn sign_in(&self, site: &Site, user_name: &str) -> Vec<(String, String)> {
        let (mut browser, mut tokens) = (site.browser(), Vec::new());
        for client in &self.clients {
            let got = client.sign_in(&mut browser, Person::named(user_name)).await;
            tokens.push((got.access().to_owned(), got.refresh().to_owned()));
        }
        tokens
    }

    /// Waits until the eight have so many logout tokens.
    async fn eight_have(&self, count: usize) {
        for number in (0..ALL).filter(|number| ![DEAD, FAILING].contains(number)) {
            self.receivers[number].wait_for(count, SOON).await;
        }
    }
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

/// Reads the receipt until it says of every application what is waited for; the receipt.
async fn receipt(olga: &Admin, change: &str, is_so: impl Fn(&str, &Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let receipt = olga.get(&format!("/changes/{change}")).await;
        let applications = receipt["applications"].as_array().expect("the receipt names the applications").clone();
        let is_told = |one: &Value| is_so(one["client_id"].as_str().unwrap_or_default(), one);
        if applications.len() == ALL && applications.iter().all(is_told) {
            return receipt;
        }
        assert!(begun.elapsed() < PATIENCE, "{receipt:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Taken by the application; nothing is left to do.
fn is_taken(told: &Value) -> bool {
    let none = |what: &str| told[what] == 0;
    told["answered"] == 1 && none("waiting") && none("retrying") && none("given_up")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_applications_eight_are_told_at_once_and_the_receipt_says_which_two_were_not() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        acme.group("devs", &["ana"]).await;
        acme.give_group("devs", "org.reader", None).await;
        let of_bo = acme.give("bo", "org.reader", None).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let ten = Ten::open(site, &acme).await;
        let (ana, _) = (ten.sign_in(site, "ana").await, ten.sign_in(site, "bo").await);

        let group = acme.group_id("devs").await;
        let begun = Instant::now();
        let done = olga.delete(&format!("/groups/{group}?confirm=devs")).await;
        assert!(begun.elapsed() < SOON, "nobody waits for a dead application: {:?}", begun.elapsed());
        let (done, change) = (&done["receipt"], done["receipt"]["change_id"].as_str().unwrap().to_owned());
        assert_eq!((&done["ended"]["sessions"], &done["ended"]["token_families"]), (&json!(1), &json!(ALL)));
        assert_eq!(done["told"].as_array().unwrap().len(), ALL);
        for (client, (access, refresh)) in ten.clients.iter().zip(&ana) {
            assert!(!client.is_active(access).await, "{}", client.client_id);
            assert_eq!(client.refresh(refresh).await.status, 400, "{}", client.client_id);
        }
        ten.eight_have(1).await;
        let mut verifier = Verifier::new(site.at.clone());
        for number in 0..ALL {
            let (_, token) = ten.receivers[number].wait_for(1, SOON).await.remove(0);
            let said = verifier.verify(&token).await.expect("its signature holds");
            assert_eq!((&said["aud"], said["sid"].is_string()), (&json!(name(number)), true));
        }

        // The receipt names the two, and says that they are tried again.
        let told = receipt(&olga, &change, |client_id, told| {
            let fails = [DEAD, FAILING].map(name).contains(&client_id.to_owned());
            if fails { told["retrying"] == 1 && told["given_up"] == 0 } else { is_taken(told) }
        })
        .await;
        let failing = told["applications"].as_array().unwrap().iter().find(|one| one["client_id"] == name(FAILING));
        assert!(failing.unwrap()["last_answer"].as_str().unwrap().contains("500"), "{told:#}");

        // Neither slows what comes after it.
        let begun = Instant::now();
        olga.delete(&format!("/bindings/{of_bo}")).await;
        assert!(begun.elapsed() < SOON, "the change took {:?}", begun.elapsed());
        ten.eight_have(2).await;

        // Once they are there again, they are told what they missed.
        for number in [DEAD, FAILING] {
            ten.receivers[number].behave(Manner::Take);
        }
        site.advance(HOUR);
        site.outbox_bell.notify_one();
        let olga = Admin::of(site, &acme, "olga").await;
        receipt(&olga, &change, |_, told| is_taken(told)).await;
    })
    .await;
}
