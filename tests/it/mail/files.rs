//! Without a mail server and a gateway: messages are files in the data folder, and their links work.

use std::path::Path;
use std::time::{Duration, Instant};

use muster::config::Config;
use muster::domain::change::Change;
use muster::domain::language::Language;
use muster::domain::mail::{Address, Purpose, Template};
use muster::domain::people::user::Kind as Whose;
use muster::flows::links::{self, Wanted};
use muster::kernel::time::{HOUR, MINUTE};
use muster::outside::mail::eml::{self, Seen};

use super::delivery::{put, until};
use crate::support::PASSWORD;
use crate::support::process::Installation;
use crate::support::server::{Site, on_both, on_both_with};
use crate::support::world::Kind;

const SOON: Duration = Duration::from_secs(20);

/// Waits until a folder has so many files; their contents, the oldest first.
async fn files(folder: &Path, count: usize) -> Vec<Vec<u8>> {
    let begun = Instant::now();
    loop {
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect();
        if paths.len() >= count {
            paths.sort();
            return paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        }
        assert!(begun.elapsed() < SOON, "{} of {count} files in {}", paths.len(), folder.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends somebody a link for a new password.
async fn reset(site: &Site, to: Address) -> String {
    let acme = site.org("acme").await;
    let mut new = site.new_user(Whose::Managed(acme.id.clone()), "ana", PASSWORD).await;
    if let Address::Phone(number) = &to {
        new.profile.phone_number = Some(number.clone());
    }
    let user = new.id.clone();
    site.act(vec![Change::CreateUser(Box::new(new))]).await;
    acme.admit(&user).await;
    let wanted = Wanted {
        purpose: Purpose::ResetPassword,
        template: Template::ResetPassword,
        to: to.clone(),
        language: Language::En,
        org: Some(acme.id.clone()),
        life: 30 * MINUTE,
        values: [("name".to_owned(), "Ana".to_owned())].into(),
    };
    let link = links::mint(site, wanted);
    let url = links::url(site, &link.mail).expect("it was sealed here");
    site.act(vec![Change::SendLink { user, link: Box::new(link) }]).await;
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_a_message_is_a_file_with_its_link_in_it() {
    on_both(async |site| {
        let to = "ana@example.test";
        let url = reset(site, Address::Email(to.to_owned())).await;
        let all = files(&site.place.folder().join("mail"), 1).await;
        let Seen { to: shown, subject, text, html, .. } = eml::read(&all[0]);
        assert_eq!((shown.as_str(), subject.as_str()), (to, "Set a new password for Acme on Muster"));
        assert!(text.contains(&url) && html.contains(&url), "{text}");
        assert!(text.contains("Hello Ana,") && text.contains(" UTC"), "{text}");
        let answer = until(site, to, |row| row.0 == "sent").await;
        assert!(answer.unwrap().starts_with("written to "));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_a_text_message_is_a_file_with_its_link_in_it() {
    on_both(async |site| {
        let url = reset(site, Address::Phone("+82 10 1234 5678".to_owned())).await;
        let all = files(&site.place.folder().join("sms"), 1).await;
        let text = String::from_utf8(all[0].clone()).unwrap();
        assert!(text.starts_with("To: +821012345678\n\n") && text.contains(&url), "{text}");
        assert_eq!(text.trim_end().lines().count(), 3, "one line");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_not_sent_any_more_once_its_link_is_over() {
    let nowhere = |config: &mut Config| {
        config.mail.host = Some("127.0.0.1".to_owned());
        (config.mail.port, config.mail.tls) =
            (Some(crate::support::process::free_port()), muster::config::mail::Tls::None);
        config.mail.from = "id@muster.example".to_owned();
    };
    on_both_with(nowhere, async |site| {
        let to = "ana@example.test";
        reset(site, Address::Email(to.to_owned())).await;
        until(site, to, |row| row.0 == "waiting" && row.2.is_some()).await;
        site.advance(HOUR);
        site.outbox_bell.notify_one();
        let answer = until(site, to, |row| row.0 == "given_up").await;
        assert!(answer.unwrap().contains("before its link ended"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_own_template_is_what_is_sent() {
    let own = tempfile::tempdir().unwrap();
    std::fs::create_dir(own.path().join("en")).unwrap();
    let text = "Subject: Hands off!\n\n# {{ product }} saw a change\n\n{{ name }}, was it you?\n";
    std::fs::write(own.path().join("en/password_changed.txt"), text).unwrap();
    let adjust = |config: &mut Config| {
        config.mail.templates = Some(own.path().to_owned());
        config.mail.product = "Acme ID".to_owned();
    };
    on_both_with(adjust, async |site| {
        put(site, "ana@example.test", Template::PasswordChanged).await;
        let seen = eml::read(&files(&site.place.folder().join("mail"), 1).await[0]);
        assert_eq!(seen.subject, "Hands off!");
        assert!(seen.text.starts_with("Acme ID saw a change\n\nAna Kim, was it you?"), "{}", seen.text);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_a_test_message_and_a_broken_template_stops_the_start() {
    let mut installation = Installation::fresh(Kind::Sqlite).await.expect("SQLite is always there");
    let said = installation.succeeds(&["mail", "test", "--to", "ops@example.test"]).await;
    assert!(said.contains("into the folder") && said.contains("taken: written to "), "{said}");
    assert_eq!(installation.run(&["mail", "test", "--to", "nobody"]).await.status.code(), Some(1));
    let doctor = String::from_utf8(installation.run(&["doctor"]).await.stdout).unwrap();
    assert!(doctor.contains("mail goes into the folder"), "{doctor}");
    let broken = installation.write("locked.txt", "Subject: x\n\n{{ nonsense }}\n");
    let folder = broken.parent().unwrap().join("templates/en");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(&broken, folder.join("locked.txt")).unwrap();
    installation.set("MUSTER_MAIL__TEMPLATES", folder.parent().unwrap().to_str().unwrap());
    let output = installation.run(&["serve"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("mail.templates: ") && told.contains("nonsense"), "{told}");
}
