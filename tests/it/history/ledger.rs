//! The ledger and the world: what the receipts say that applications were told is what the applications got, and every
//! application of a session that ended was told of it, at whatever point a process was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster::kernel::secret::Chance as _;
use muster::outside::chance::SystemChance;
use reqwest::Method;
use serde_json::Value;

use super::record::Dice;
use super::scene::Scene;
use crate::support::application;
use crate::support::browser::{Browser, Person};
use crate::support::client::Client;
use crate::support::process::Serving;
use crate::support::receiver::{Manner, Receiver};
use crate::support::verifier::Verifier;
use crate::support::world::Kind;

const PEOPLE: usize = 5;
/// So many applications take what they are told; one more answers 500 until all is over.
const WELL: usize = 3;
const ROUNDS: u64 = 7;
const PATIENCE: Duration = Duration::from_secs(60);

/// An application, its `sub` and its `sid`: what one logout token is about.
type Farewell = (String, String, String);

/// An application and where it listens.
struct Told {
    client: Client,
    id: String,
    receiver: Receiver,
}

struct Ledger {
    scene: Arc<Scene>,
    told: Vec<Told>,
    /// What must have been told by now.
    due: BTreeSet<Farewell>,
    /// How many changes were whole after a kill, and how many were none.
    both: [usize; 2],
}

/// What a person's sign-in left at the applications.
struct SignedIn {
    access: String,
    binding: String,
    farewells: Vec<Farewell>,
}

impl Ledger {
    async fn open(scene: Arc<Scene>) -> Self {
        let mut told = Vec::new();
        for number in 0..=WELL {
            let receiver = Receiver::open(if number < WELL { Manner::Take } else { Manner::Refuse }).await;
            let (org, url) = (scene.org.clone(), receiver.url.clone());
            let registered = application::register(&scene.world, &format!("app-{number}"), |application| {
                (application.org, application.backchannel_logout_uri) = (Some(org), Some(url));
            })
            .await;
            let client = Client::new(scene.at(0), &registered);
            told.push(Told { client, id: registered.application.id.to_string(), receiver });
        }
        Self { scene, told, due: BTreeSet::new(), both: [0, 0] }
    }

    /// Gives somebody the role and signs them in to every application, in one session.
    async fn sign_in(&self, person: usize) -> SignedIn {
        let (scene, at) = (&self.scene, self.scene.at(0));
        let binding = scene.give(&at, person).await.expect("the process listens");
        let mut browser = Browser::new(at);
        let (mut access, mut farewells) = (String::new(), Vec::new());
        for told in &self.told {
            let tokens = told.client.sign_in(&mut browser, Person::named(&scene.people[person].name)).await;
            let id = tokens.id_claims();
            let text = |name: &str| id[name].as_str().expect("it is in the ID token").to_owned();
            farewells.push((told.client.client_id.clone(), text("sub"), text("sid")));
            tokens.access().clone_into(&mut access);
        }
        SignedIn { access, binding, farewells }
    }

    /// Takes the role from everybody at once, and kills the process meanwhile.
    async fn round(&mut self, serving: Serving, delay: u64) -> Serving {
        let mut people = Vec::new();
        for person in 0..PEOPLE {
            people.push(self.sign_in(person).await);
        }
        let sent: Vec<_> = people
            .iter()
            .map(|signed_in| {
                let (scene, binding) = (Arc::clone(&self.scene), signed_in.binding.clone());
                tokio::spawn(async move { scene.take(&scene.at(0), &binding).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(delay)).await;
        serving.kill().await;
        let mut answered = Vec::new();
        for one in sent {
            answered.push(one.await.unwrap() == Ok(true));
        }
        let serving = self.scene.nodes[0].serve().await;
        // The last of them issued the token.
        let shop = &self.told.last().expect("there are applications").client;
        for (person, (signed_in, answered)) in people.into_iter().zip(answered).enumerate() {
            let stands = shop.is_active(&signed_in.access).await;
            assert!(!(stands && answered), "what was answered is forgotten");
            self.both[usize::from(!stands)] += 1;
            if stands {
                // Whoever kept the role loses it now, in peace.
                assert_eq!(self.scene.take(&self.scene.at(0), &signed_in.binding).await, Ok(true), "person {person}");
            }
            self.due.extend(signed_in.farewells);
        }
        serving
    }

    /// What the applications got, with each token verified.
    async fn heard(&self) -> BTreeSet<Farewell> {
        let mut verifier = Verifier::new(self.scene.at(0));
        let mut heard = BTreeSet::new();
        for told in &self.told {
            for (_, token) in told.receiver.tokens() {
                let said = verifier.verify(&token).await.expect("its signature holds");
                assert_eq!(said["aud"], told.client.client_id.as_str());
                let text = |name: &str| said[name].as_str().expect("it names both").to_owned();
                heard.insert((told.client.client_id.clone(), text("sub"), text("sid")));
            }
        }
        heard
    }

    /// As if the leases of those who were killed had run out, and so had the time until the next attempt.
    async fn time_passes(&self) {
        let db = &self.scene.world.db;
        let done: Result<u64, sqlx::Error> = db
            .write(move |tx| {
                Box::pin(async move {
                    tx.query("UPDATE outbox SET leased_until = 0, next_at = created_at WHERE state = 'waiting'")
                        .execute()
                        .await
                })
            })
            .await;
        done.expect("the database answers");
    }

    /// The rows: state, change, and what each is about.
    async fn rows(&self) -> Vec<(String, String, Farewell)> {
        let names: BTreeMap<&str, &str> =
            self.told.iter().map(|told| (told.id.as_str(), told.client.client_id.as_str())).collect();
        let mut conn = self.scene.world.conn().await;
        let sql = "SELECT state, change_id, receiver, payload FROM outbox WHERE kind = 'backchannel_logout'";
        let rows: Vec<(String, String, String, String)> = conn.query(sql).all().await.unwrap();
        rows.into_iter()
            .map(|(state, change, receiver, payload)| {
                let payload: Value = serde_json::from_str(&payload).unwrap();
                let text = |name: &str| payload[name].as_str().unwrap().to_owned();
                (state, change, (names[receiver.as_str()].to_owned(), text("user"), text("sid")))
            })
            .collect()
    }

    /// Waits until nothing waits any more.
    async fn settled(&self) -> Vec<(String, String, Farewell)> {
        let begun = Instant::now();
        loop {
            let rows = self.rows().await;
            let waiting = rows.iter().filter(|(state, ..)| state == "waiting").count();
            if waiting == 0 {
                return rows;
            }
            assert!(begun.elapsed() < PATIENCE, "{waiting} of {} rows wait still", rows.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Each receipt counts exactly the rows of its change, and says that all were taken.
    async fn receipts_agree(&self, rows: &[(String, String, Farewell)]) {
        let mut of_change: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for (_, change, (client_id, ..)) in rows {
            *of_change.entry(change).or_default().entry(client_id).or_default() += 1;
        }
        for (change, expected) in of_change {
            let path = format!("/changes/{change}");
            let answer = self.scene.call(&self.scene.at(0), Method::GET, &path, None).await.expect("it listens");
            let receipt = answer.json();
            let told = receipt["told"].as_array().expect("the change concerned one organisation");
            let told: BTreeMap<&str, u64> = told
                .iter()
                .map(|one| (one["client_id"].as_str().unwrap(), one["logout_tokens"].as_u64().unwrap()))
                .collect();
            assert_eq!(told, expected, "{receipt}");
            let all: u64 = expected.values().sum();
            assert_eq!(receipt["delivered"]["sent"], all, "{receipt}");
            assert_eq!(receipt["delivered"]["given_up"], 0, "{receipt}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_process_is_killed_the_ledger_says_what_the_applications_heard() {
    let seed = u64::from_le_bytes(SystemChance.bytes32()[..8].try_into().unwrap());
    let seed = std::env::var("MUSTER_HISTORY_SEED").map_or(seed, |text| text.parse().expect("a number"));
    let mut both = [0, 0];
    for kind in Kind::BOTH {
        let Some(scene) = Scene::set(kind, PEOPLE).await else {
            continue;
        };
        eprintln!("MUSTER_HISTORY_SEED={seed} on {kind:?}");
        let mut dice = Dice::new(seed, 0);
        let mut ledger = Ledger::open(Arc::clone(&scene)).await;
        let mut serving = scene.nodes[0].serve().await;
        for round in 0..ROUNDS {
            // From before the first statement until after the last delivery.
            serving = ledger.round(serving, round * 12 + dice.roll(12)).await;
        }
        serving.kill().await;
        ledger.time_passes().await;
        ledger.told[WELL].receiver.behave(Manner::Take);
        let serving = scene.nodes[0].serve().await;

        let rows = ledger.settled().await;
        assert!(rows.iter().all(|(state, ..)| state == "sent"), "{rows:?}");
        let noted: BTreeSet<Farewell> = rows.iter().map(|(.., farewell)| farewell.clone()).collect();
        assert_eq!(noted.len(), rows.len(), "each is told in one row");
        assert_eq!(noted, ledger.due, "{kind:?}: every application of a session that ended is told, and no other");
        assert_eq!(ledger.heard().await, noted, "{kind:?}: what is noted as sent was heard, and nothing else was");
        ledger.receipts_agree(&rows).await;
        both = [both[0] + ledger.both[0], both[1] + ledger.both[1]];
        serving.kill().await;
        scene.world.db.close().await;
    }
    assert!(both[1] > 0, "{both:?}: nothing was done before a kill");
}
