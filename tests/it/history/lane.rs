//! What one person does in a history, one thing after the other; and those who show other people's tokens meanwhile.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::AUTHORIZATION;

use super::record::{Deed, Dice, Outcome, Text};
use super::scene::{Pair, Scene};
use super::visit::{Broken, Visit, send};
use crate::support::browser::Person;
use crate::support::http::Address;

/// So many tokens are on the board at most.
const SHOWN: usize = 64;

/// What is known of somebody's role.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Unsure,
    No,
    Yes(String),
}

/// One person: who gives them the role, takes it, and uses what they were given.
pub struct Lane {
    scene: Arc<Scene>,
    person: usize,
    dice: Dice,
    role: Role,
    holding: Option<Pair>,
    /// The refresh token before that of `holding`.
    before: Option<Text>,
}

impl Lane {
    /// The lane of a person.
    pub const fn new(scene: Arc<Scene>, person: usize, dice: Dice) -> Self {
        Self { scene, person, dice, role: Role::Unsure, holding: None, before: None }
    }

    /// Goes on until the history is over.
    pub async fn run(mut self) {
        while !self.scene.is_over() {
            match (self.holding.clone(), self.dice.roll(100)) {
                (_, 0..12) => self.write().await,
                (_, 12..22) => self.read().await,
                (None, _) => self.sign_in().await,
                (Some(held), 22..45) => self.refresh(held).await,
                (Some(held), 45..47) => self.replay(held).await,
                (Some(held), _) => {
                    let at = self.node();
                    if look(&self.scene, &at, &mut self.dice, (self.person, &held.access)).await == Outcome::Refused
                        && self.dice.percent(50)
                    {
                        self.holding = None;
                    }
                }
            }
        }
    }

    fn node(&mut self) -> Address {
        let node = self.dice.roll(2);
        self.scene.at(node)
    }

    /// Gives the role, or takes it. After an answer that was lost it is looked first.
    async fn write(&mut self) {
        let (scene, person, at) = (Arc::clone(&self.scene), self.person, self.node());
        self.role = match self.role.clone() {
            Role::Unsure => return self.read().await,
            Role::No => {
                let mut made = Role::Unsure;
                let outcome = scene.log.note(person, Deed::Grant, async {
                    match scene.give(&at, person).await {
                        Ok(binding) => {
                            made = Role::Yes(binding);
                            Outcome::Done
                        }
                        Err(broken) => broken.outcome(),
                    }
                });
                let outcome = outcome.await;
                if outcome == Outcome::Nothing { Role::No } else { made }
            }
            Role::Yes(binding) => {
                let outcome = scene.log.note(person, Deed::Revoke, async {
                    match scene.take(&at, &binding).await {
                        Ok(true) => Outcome::Done,
                        Ok(false) => Outcome::Refused,
                        Err(broken) => broken.outcome(),
                    }
                });
                let outcome = outcome.await;
                match outcome {
                    Outcome::Done => Role::No,
                    Outcome::Nothing => Role::Yes(binding),
                    _ => Role::Unsure,
                }
            }
        };
    }

    async fn read(&mut self) {
        let (scene, person, at) = (Arc::clone(&self.scene), self.person, self.node());
        let mut found = self.role.clone();
        let outcome = scene.log.note(person, Deed::Read, async {
            match scene.bindings(&at, person).await {
                Ok(bindings) => {
                    found = bindings.first().map_or(Role::No, |binding| Role::Yes(binding.clone()));
                    Outcome::Saw(!bindings.is_empty())
                }
                Err(_) => Outcome::Nothing,
            }
        });
        outcome.await;
        self.role = found;
    }

    /// Signs in with the password, and exchanges the code: sometimes at two places at once, sometimes twice.
    async fn sign_in(&mut self) {
        let (scene, person) = (Arc::clone(&self.scene), self.person);
        let (ask, mut visit) = (scene.ask(), Visit::new(self.node()));
        let name = scene.people[person].name.clone();
        let authorize = async {
            match visit.authorize(&ask, Person::named(&name)).await {
                Ok(code) => Outcome::Given(code.into()),
                Err(_) => Outcome::Nothing,
            }
        };
        let Outcome::Given(code) = scene.log.note(person, Deed::Authorize, authorize).await else { return };
        let ways = [self.node(), self.node()];
        let redeem = |at: Address| {
            let (scene, code, verifier) = (Arc::clone(&scene), code.clone(), ask.verifier.clone());
            async move {
                let work = async { issued(scene.redeem(&at, &code, &verifier).await) };
                scene.log.note(person, Deed::Redeem(code.clone()), work).await
            }
        };
        let [here, there] = ways;
        let outcome = if self.dice.percent(6) {
            let (one, other) = tokio::join!(redeem(here), redeem(there));
            if matches!(one, Outcome::Issued { .. }) { one } else { other }
        } else {
            let one = redeem(here).await;
            // A second use, later: what the first one made must be dead.
            let again = matches!(one, Outcome::Unknown(_)) || self.dice.percent(3);
            if again {
                redeem(there).await;
            }
            one
        };
        self.hold(outcome, None);
    }

    /// Uses the refresh token, sometimes at two places at once; an answer that is lost is asked for again at once.
    async fn refresh(&mut self, held: Pair) {
        let once = |at: Address| {
            let (scene, person, token) = (Arc::clone(&self.scene), self.person, held.refresh.clone());
            async move {
                let fields = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
                let work = async { issued(scene.tokens(&at, &fields).await) };
                scene.log.note(person, Deed::Refresh(token.clone()), work).await
            }
        };
        let scene = Arc::clone(&self.scene);
        let first = self.dice.roll(2);
        let both = self.dice.percent(10);
        let mut outcome = if both {
            let (one, other) = tokio::join!(once(scene.at(first)), once(scene.at(first + 1)));
            if matches!(one, Outcome::Issued { .. }) { one } else { other }
        } else {
            once(scene.at(first)).await
        };
        for try_again in 0..40 {
            if !matches!(outcome, Outcome::Unknown(_) | Outcome::Nothing) || scene.is_over() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            outcome = once(scene.at(first + try_again)).await;
        }
        self.hold(outcome, Some(held.refresh));
    }

    /// Uses a refresh token whose successor was used, too: the thief, or the one who was robbed.
    async fn replay(&mut self, held: Pair) {
        let Some(old) = self.before.clone() else { return self.refresh(held).await };
        self.refresh(held).await;
        if self.holding.is_none() {
            return;
        }
        let (scene, person, at) = (Arc::clone(&self.scene), self.person, self.node());
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &*old)];
        let work = async { issued(scene.tokens(&at, &fields).await) };
        scene.log.note(person, Deed::Refresh(old.clone()), work).await;
    }

    fn hold(&mut self, outcome: Outcome, before: Option<Text>) {
        self.before = before;
        self.holding = match outcome {
            Outcome::Issued { access, refresh, role } => {
                let mut shown = self.scene.shown.lock().unwrap();
                if shown.len() >= SHOWN {
                    shown.remove(0);
                }
                shown.push((self.person, access.clone()));
                Some(Pair { access, refresh, role })
            }
            _ => None,
        };
    }
}

/// What the token endpoint's answer means.
fn issued(answer: Result<Option<Pair>, Broken>) -> Outcome {
    match answer {
        Ok(Some(Pair { access, refresh, role })) => Outcome::Issued { access, refresh, role },
        Ok(None) => Outcome::Refused,
        Err(broken) => broken.outcome(),
    }
}

/// Shows an access token somewhere: introspection, userinfo, or the API.
async fn look(scene: &Scene, at: &Address, dice: &mut Dice, (person, token): (usize, &Text)) -> Outcome {
    let way = dice.roll(3);
    let work = async {
        let bearer =
            |path: &str| send(at.request(Method::GET, &at.url(path)).header(AUTHORIZATION, format!("Bearer {token}")));
        let judged = match way {
            0 => scene.post(at, "/introspect", &[("token", &**token)]).await.map(|answer| {
                assert_eq!(answer.status, 200, "{}", answer.body);
                answer.json()["active"] == true
            }),
            1 => bearer("/userinfo").await.map(|answer| accepted(answer.status)),
            _ => bearer("/api/v1/me").await.map(|answer| accepted(answer.status)),
        };
        match judged {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Refused,
            Err(_) => Outcome::Nothing,
        }
    };
    scene.log.note(person, Deed::Look(token.clone()), work).await
}

fn accepted(status: u16) -> bool {
    assert!([200, 401].contains(&status), "answered with {status}");
    status == 200
}

/// Shows tokens of everybody, dead ones too, until the history is over.
pub async fn prober(scene: Arc<Scene>, mut dice: Dice) {
    while !scene.is_over() {
        let picked = {
            let shown = scene.shown.lock().unwrap();
            (!shown.is_empty()).then(|| dice.pick(&shown).clone())
        };
        match picked {
            Some((person, token)) => {
                let at = scene.at(dice.roll(2));
                look(&scene, &at, &mut dice, (person, &token)).await;
            }
            None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}
