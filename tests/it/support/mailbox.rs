//! The mailed links, as those who read at an address get them: out of the outbox, or out of the file that was delivered.
//!
//! Where a worker runs, whoever looks into the mailbox waits until it has nothing to do: a message whose link was
//! replaced before it left is dropped, so a story that goes on earlier would depend on how busy the machine is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use muster::domain::mail::{Mail, Purpose};
use muster::flows::links;
use muster::kernel::secret::Secret;
use serde_json::Value;

use super::world::World;

/// How often somebody looks for a mail that must come.
const PATIENCE: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(20);

/// The newest link of a purpose that was sent to an address; it must come.
pub async fn link_to(world: &World, to: &str, purpose: Purpose) -> String {
    nth_link(world, to, purpose, 1).await
}

/// The newest of so many links; all of them must come.
pub async fn nth_link(world: &World, to: &str, purpose: Purpose, count: usize) -> String {
    for _ in 0..PATIENCE {
        let mut found = links_to(world, to, purpose).await;
        if found.len() >= count {
            return found.pop().expect("at least one is awaited");
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("no {count} links of {purpose:?} came to {to}");
}

/// The links of a purpose that were sent to an address so far, the oldest first.
pub async fn links_to(world: &World, to: &str, purpose: Purpose) -> Vec<String> {
    all_sent(world).await;
    let mark = world.url(purpose.path());
    let folders = ["mail", "sms"].map(|kind| world.place.folder().join(kind));
    let mut all: Vec<String> = folders.iter().flat_map(|folder| delivered(folder, to, &mark)).collect();
    let queued = mails_to(world, to).await;
    all.extend(queued.iter().filter_map(|mail| links::url(world, mail)).filter(|link| link.starts_with(&mark)));
    // What was delivered may stand in both places.
    let mut seen = BTreeSet::new();
    all.retain(|link| seen.insert(link.clone()));
    all
}

/// How many links of a purpose were sent to an address, after a while in which more might have been.
pub async fn count_to(world: &World, to: &str, purpose: Purpose) -> usize {
    tokio::time::sleep(Duration::from_millis(300)).await;
    links_to(world, to, purpose).await.len()
}

/// Waits until every message that is due was sent, if anybody sends them: one whose link ends before that is dropped.
pub async fn all_sent(world: &World) {
    if !world.has_jobs.load(Ordering::Relaxed) {
        return;
    }
    for _ in 0..PATIENCE {
        let sql = "SELECT COUNT(*) FROM outbox WHERE kind IN ('mail', 'sms') AND state = 'waiting'";
        let (waiting,): (i64,) = world.conn().await.query(sql).one().await.unwrap();
        if waiting == 0 {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("some messages were not sent");
}

/// The messages to an address that stand in the outbox, delivered or not.
pub async fn mails_to(world: &World, to: &str) -> Vec<Mail> {
    let rows: Vec<(String,)> = world.conn().await.query("SELECT payload FROM outbox ORDER BY id").all().await.unwrap();
    let read = |(payload,): (String,)| mail_in(&serde_json::from_str(&payload).ok()?);
    rows.into_iter().filter_map(read).filter(|mail| mail.to.as_str() == to).collect()
}

/// The secret at a link's end.
pub fn secret_of(link: &str) -> Secret {
    Secret::presented(link.rsplit('/').next().unwrap_or_default())
}

/// The message in a row's payload, wherever it stands in it.
fn mail_in(payload: &Value) -> Option<Mail> {
    if payload.get("template").is_some() && payload.get("to").is_some() {
        return serde_json::from_value(payload.clone()).ok();
    }
    payload.as_object()?.values().find_map(mail_in)
}

/// The links in the files that stand for delivered messages to an address, by age.
fn delivered(folder: &Path, to: &str, mark: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort_by_cached_key(|path| (std::fs::metadata(path).and_then(|data| data.modified()).ok(), path.clone()));
    let texts = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    // Quoted-printable breaks long lines softly; the characters of a link stand for themselves in it.
    let texts = texts.map(|text| text.replace("=\r\n", "").replace("=\n", ""));
    // Gateways are given numbers without spaces.
    let theirs = texts.filter(|text| text.contains(to) || text.contains(&to.replace(' ', "")));
    theirs.filter_map(|text| link_in(&text, mark)).collect()
}

fn link_in(text: &str, mark: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("{mark}{}", links::PREFIX))?;
    let secret: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    (secret.len() == 43).then(|| format!("{mark}{}{secret}", links::PREFIX))
}

#[test]
fn a_link_is_found_in_a_message_and_a_cut_one_is_none() {
    let secret = "x".repeat(43);
    let text = format!("Open http://127.0.0.1:1/invite/mln_{secret}\r\nor not.");
    let found = format!("http://127.0.0.1:1/invite/mln_{secret}");
    assert_eq!(link_in(&text, "http://127.0.0.1:1/invite/"), Some(found));
    assert_eq!(link_in(&text, "http://127.0.0.1:1/welcome/"), None);
    assert_eq!(link_in("/invite/mln_x", "/invite/"), None);
}
