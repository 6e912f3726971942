//! The mailed links, as those who read at an address get them: out of the outbox, or out of the file that was delivered.

use std::path::Path;
use std::time::Duration;

use muster::domain::mail::{Mail, Purpose};
use muster::flows::links;
use serde_json::Value;

use crate::support::world::World;

/// How long somebody waits for a mail.
const PATIENCE: u32 = 200;

/// The newest link of a purpose that was mailed to an address; it must come.
pub async fn link_to(world: &World, to: &str, purpose: Purpose) -> String {
    nth_link(world, to, purpose, 1).await
}

/// The newest of so many links; all of them must come.
pub async fn nth_link(world: &World, to: &str, purpose: Purpose, count: usize) -> String {
    for _ in 0..PATIENCE {
        let mut found = links_to(world, to, purpose).await;
        if found.len() >= count {
            return found.pop().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no {count} links of {purpose:?} came to {to}");
}

/// Waits until every mail was sent: one whose link ends before that is dropped.
pub async fn all_sent(world: &World) {
    for _ in 0..PATIENCE {
        let sql = "SELECT COUNT(*) FROM outbox WHERE kind = 'mail' AND state = 'waiting'";
        let (waiting,): (i64,) = world.conn().await.query(sql).one().await.unwrap();
        if waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("some mails were not sent");
}

/// The links of a purpose that were mailed to an address so far, the newest last.
pub async fn links_to(world: &World, to: &str, purpose: Purpose) -> Vec<String> {
    let queued: Vec<String> = mails_to(world, to).await.iter().filter_map(|mail| links::url(world, mail)).collect();
    let queued: Vec<String> = queued.into_iter().filter(|url| url.contains(purpose.path())).collect();
    let delivered = delivered(world, to, purpose);
    if delivered.len() > queued.len() { delivered } else { queued }
}

/// The messages to an address that stand in the outbox, delivered or not.
pub async fn mails_to(world: &World, to: &str) -> Vec<Mail> {
    let sql = "SELECT payload FROM outbox WHERE kind = 'mail' ORDER BY id";
    let rows: Vec<(String,)> = world.conn().await.query(sql).all().await.unwrap();
    let read = |(payload,): (String,)| mail_in(&serde_json::from_str(&payload).unwrap());
    rows.into_iter().filter_map(read).filter(|mail| mail.to.as_str() == to).collect()
}

/// The message in a row's payload, wherever it stands in it.
fn mail_in(payload: &Value) -> Option<Mail> {
    if payload.get("template").is_some() && payload.get("to").is_some() {
        return serde_json::from_value(payload.clone()).ok();
    }
    payload.as_object()?.values().find_map(mail_in)
}

/// The links in the files of messages to an address, by age.
fn delivered(world: &World, to: &str, purpose: Purpose) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(world.place.folder().join("mail")) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| is_message(path)).collect();
    files.sort_by_key(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok());
    let texts = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    // Quoted-printable breaks long lines softly; the characters of a link stand for themselves in it.
    let texts = texts.map(|text| text.replace("=\r\n", "")).filter(|text| text.contains(to));
    texts.filter_map(|text| link_in(&text, purpose)).map(|path| world.url(&path)).collect()
}

fn is_message(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "eml")
}

fn link_in(text: &str, purpose: Purpose) -> Option<String> {
    let mark = format!("{}{}", purpose.path(), links::PREFIX);
    let at = text.find(&mark)?;
    let rest = &text[at + mark.len()..];
    let secret: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    (secret.len() == 43).then(|| format!("{mark}{secret}"))
}

#[test]
fn a_link_is_found_in_a_message_and_a_cut_one_is_none() {
    let secret = "x".repeat(43);
    let text = format!("Open http://127.0.0.1:1/invite/mln_{secret}\r\nor not.");
    assert_eq!(link_in(&text, Purpose::Invitation), Some(format!("/invite/mln_{secret}")));
    assert_eq!(link_in(&text, Purpose::ConfirmEmail), None);
    assert_eq!(link_in("/invite/mln_x", Purpose::Invitation), None);
}
