//! Mailed links in a history: each is used at two places at once, and may be good at one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster::domain::change::{Actor, Change, Mode};
use muster::domain::language::Language;
use muster::domain::mail::{Address, Purpose, Template};
use muster::flows::change_access::change_access;
use muster::flows::links::{self, Wanted};
use muster::kernel::time::MINUTE;

use super::record::{Deed, Dice, Outcome, Text};
use super::scene::Scene;
use super::visit::Visit;
use crate::support::page::Page;

/// Mints links for one person and has each of them used, until the history is over.
pub async fn lane(scene: Arc<Scene>, person: usize, mut dice: Dice) {
    for number in 0_u64.. {
        if scene.is_over() {
            return;
        }
        let Outcome::Given(link) = scene.log.note(person, Deed::Mint, mint(&scene, person)).await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let first = dice.roll(2);
        let one = use_up(&scene, (first, person), &link, number * 2);
        let other = use_up(&scene, (first + 1, person), &link, number * 2 + 1);
        if dice.percent(70) {
            tokio::join!(one, other);
        } else {
            one.await;
            other.await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50 + dice.roll(300))).await;
    }
}

/// A link for a new password of somebody. It is made beside the processes, for only a mail would show it otherwise.
async fn mint(scene: &Scene, person: usize) -> Outcome {
    let somebody = &scene.people[person];
    let link = links::mint(
        &scene.world,
        Wanted {
            purpose: Purpose::ResetPassword,
            template: Template::ResetByAdmin,
            to: Address::Email(format!("{}@example.test", somebody.name)),
            language: Language::En,
            org: Some(scene.org.clone()),
            life: 30 * MINUTE,
            values: BTreeMap::new(),
        },
    );
    let url: Text = links::url(&scene.world, &link.mail).expect("it carries a link").into();
    let send = Change::SendLink { user: somebody.id.clone(), link: Box::new(link) };
    match change_access(&scene.world, &Actor::CommandLine, vec![send], Mode::Act).await {
        Ok(_) => Outcome::Given(url),
        Err(_) => Outcome::Nothing, // the connection was cut: nobody knows the link
    }
}

/// Opens the page of a link at a node and sends its form; a page that can't be had is no attempt.
async fn use_up(scene: &Scene, (node, person): (u64, usize), link: &Text, number: u64) {
    let mut visit = Visit::new(scene.at(node));
    let Ok((url, answer)) = visit.get(link).await else { return };
    let page = Page::read(url, answer.status, answer.body);
    if !page.has("reset-submit") {
        return;
    }
    let password = format!("Quay4-Zr8wNb{}", number % 50);
    let typed = [("password", password.as_str()), ("password_again", password.as_str())];
    let work = async {
        match visit.press(&page, "reset-submit", &typed).await {
            Ok((_, answer)) if [302, 303].contains(&answer.status) => Outcome::Done,
            Ok((_, answer)) => {
                let text = Page::read(link.to_string(), answer.status, answer.body).text();
                assert!((400..500).contains(&answer.status), "{} {text}", answer.status);
                Outcome::Refused
            }
            Err(broken) => broken.outcome(),
        }
    };
    scene.log.note(person, Deed::UseLink(link.clone()), work).await;
}
