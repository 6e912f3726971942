//! What a mail says is nowhere else: not in the outbox while it waits, and not at all once it is done.

use std::sync::Arc;
use std::time::Duration;

use muster::config::Config;
use muster::config::mail::Tls;
use muster::domain::change::{Actor, Mode, Origin};
use muster::domain::mail::Mail;
use muster::domain::people::invitation::Access;
use muster::flows::invite::{self, Invitee};
use muster::flows::links;
use serde_json::Value;

use super::delivery::until;
use crate::support::org::Org;
use crate::support::process::free_port;
use crate::support::server::{Site, on_both_with};

async fn invite_ana(site: &Site, acme: &Org) {
    let person = Invitee { email: "ana@a.test".to_owned(), name: "Ana Unmistakable".to_owned(), ..Invitee::default() };
    let (actor, origin, access) = (Actor::CommandLine, Origin::default(), Access::default());
    invite::many(site, &actor, &origin, &acme.id, vec![person], &access, None, Mode::Act).await.unwrap();
}

async fn payload(site: &Site) -> String {
    let (payload,): (String,) =
        site.conn().await.query("SELECT payload FROM outbox WHERE receiver = 'ana@a.test'").one().await.unwrap();
    payload
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_mail_holds_its_link_sealed_for_its_address_alone() {
    let nowhere = |config: &mut Config| {
        config.mail.host = Some("127.0.0.1".to_owned());
        (config.mail.port, config.mail.tls) = (Some(free_port()), Tls::None);
        config.mail.from = "id@muster.example".to_owned();
    };
    on_both_with(nowhere, async |site| {
        let acme = site.org("acme").await;
        invite_ana(site, &acme).await;
        until(site, "ana@a.test", |row| row.0 == "waiting" && row.2.is_some()).await;
        let text = payload(site).await;
        assert!(!text.contains("mln_") && !text.contains("/invite/"), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let mail: Mail = serde_json::from_value(value).expect("the message lies in its row");
        assert!(links::url(site, &mail).is_some_and(|url| url.contains("/invite/mln_")));
        let moved = Mail { to: muster::domain::mail::Address::Email("eve@a.test".to_owned()), ..mail };
        assert_eq!(links::url(site, &moved), None, "what is moved to another address does not open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_done_leaves_no_word_of_it_in_the_database() {
    on_both_with(
        |_| {},
        async |site| {
            let acme = site.org("acme").await;
            invite_ana(site, &acme).await;
            until(site, "ana@a.test", |row| row.0 == "sent").await;
            let value: Value = serde_json::from_str(&payload(site).await).unwrap();
            assert_eq!((&value["sealed"], &value["values"]), (&Value::Null, &serde_json::json!({})));
            assert_eq!(value["org"], acme.id.as_str(), "whose it was is still known");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_send_a_mail_once() {
    on_both_with(
        |_| {},
        async |site| {
            let acme = site.org("acme").await;
            let others = [site.second_node().await, site.second_node().await];
            let bells: Vec<Arc<tokio::sync::Notify>> =
                others.iter().map(|node| Arc::clone(&node.outbox_bell)).collect();
            invite_ana(site, &acme).await;
            bells.iter().for_each(|bell| bell.notify_one());
            until(site, "ana@a.test", |row| row.0 == "sent").await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let files = std::fs::read_dir(site.place.folder().join("mail")).unwrap().count();
            assert_eq!(files, 1);
            for node in others {
                node.close().await;
            }
        },
    )
    .await;
}
