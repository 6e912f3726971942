//! The links that people were sent, as whoever reads their messages finds them; and people who wait for such a link.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use muster::domain::change::{Change, NewUser};
use muster::domain::language::Language;
use muster::domain::mail::{Address, Mail, Purpose, Template};
use muster::domain::people::user::{Kind as Whose, UserState};
use muster::flows::links::{self, Wanted};
use muster::kernel::id::UserId;
use muster::kernel::secret::Secret;
use muster::kernel::time::DAY;
use serde_json::Value;

use crate::support::PASSWORD;
use crate::support::org::Org;
use crate::support::world::World;

/// Another password that keeps every preset's rules.
pub const OTHER: &str = "Quay4-Zr8wNb3Lf";

/// Registers somebody who is to set their first password by the link that is mailed to them.
pub async fn registered(org: &Org, user_name: &str) -> UserId {
    let world = &org.world;
    let user = world.new_user(Whose::Managed(org.id.clone()), user_name, PASSWORD).await;
    let user = NewUser { state: UserState::Pending, password: None, ..user };
    let id = user.id.clone();
    let link = links::mint(
        world,
        Wanted {
            purpose: Purpose::SetPassword,
            template: Template::SetPassword,
            to: Address::Email(user.profile.email.clone().expect("everybody here has an address")),
            language: Language::En,
            org: Some(org.id.clone()),
            life: 7 * DAY,
            values: [("name".to_owned(), "Somebody".to_owned()), ("user_name".to_owned(), user_name.to_owned())].into(),
        },
    );
    world.act(vec![Change::CreateUser(Box::new(user))]).await;
    org.admit(&id).await;
    world.act(vec![Change::SendLink { user: id.clone(), link: Box::new(link) }]).await;
    id
}

/// Every link of a purpose that was sent to an address, the oldest first; waits until there are so many.
pub async fn links_to(world: &World, address: &str, purpose: Purpose, least: usize) -> Vec<String> {
    for _ in 0..500 {
        let found = found(world, address, purpose).await;
        if found.len() >= least {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{least} links of {purpose:?} to {address} were awaited");
}

/// The newest link of a purpose that was sent to an address.
pub async fn link_to(world: &World, address: &str, purpose: Purpose) -> String {
    links_to(world, address, purpose, 1).await.pop().expect("there is one")
}

/// How many links of a purpose were sent to an address, after a while in which more might have been.
pub async fn count_to(world: &World, address: &str, purpose: Purpose) -> usize {
    tokio::time::sleep(Duration::from_millis(300)).await;
    found(world, address, purpose).await.len()
}

/// The secret at a link's end.
pub fn secret_of(link: &str) -> Secret {
    Secret::presented(link.rsplit('/').next().unwrap_or_default())
}

async fn found(world: &World, address: &str, purpose: Purpose) -> Vec<String> {
    let mark = world.url(purpose.path());
    let mut all: Vec<String> =
        ["mail", "sms"].iter().flat_map(|kind| delivered(&world.place.folder().join(kind), address, &mark)).collect();
    let rows: Vec<(String,)> = world.conn().await.query("SELECT payload FROM outbox ORDER BY id").all().await.unwrap();
    for (payload,) in rows {
        let mail = serde_json::from_str(&payload).ok().and_then(|payload: Value| mail_in(&payload));
        let to_them = mail.filter(|mail| mail.to.as_str() == address);
        all.extend(to_them.and_then(|mail| links::url(world, &mail)).filter(|link| link.starts_with(&mark)));
    }
    // What was delivered may stand in both places.
    let mut seen = BTreeSet::new();
    all.retain(|link| seen.insert(link.clone()));
    all
}

/// The message in a row's payload, wherever it stands in it.
fn mail_in(payload: &Value) -> Option<Mail> {
    if payload.get("template").is_some() && payload.get("to").is_some() {
        return serde_json::from_value(payload.clone()).ok();
    }
    payload.as_object()?.values().find_map(mail_in)
}

/// The links in the files that stand for delivered messages.
fn delivered(folder: &Path, address: &str, mark: &str) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let whole = texts.map(|text| text.replace("=\r\n", "").replace("=\n", ""));
    whole
        // Gateways are given numbers without spaces.
        .filter(|text| text.contains(address) || text.contains(&address.replace(' ', "")))
        .filter_map(|text| {
            let (_, secret) = text.split_once(mark)?;
            Some(format!("{mark}{}", secret.get(..links::PREFIX.len() + 43)?))
        })
        .collect()
}
