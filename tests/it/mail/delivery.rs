//! From the outbox to the mail server: both parts and the headers as they arrive, retries, refusals, TLS, and a server
//! that hangs.

use std::time::{Duration, Instant};

use muster::config::mail::Tls;
use muster::domain::change::{Actor, Mode, Origin};
use muster::domain::language::Language;
use muster::domain::mail::{Address, Mail, Template};
use muster::domain::people::invitation::{Access, State};
use muster::flows::give_password::Credential;
use muster::flows::invite::{self, Invitee, Sent};
use muster::flows::register::{self, Person};
use muster::kernel::id::{AlertId, InvitationId, OutboxId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{HOUR, MINUTE};
use muster::store::invitations::{self, Invitation};
use muster::store::outbox::{self, Message, NewRow};
use serde_json::json;

use super::post_office::PostOffice;
use crate::support::org::Org;
use crate::support::server::{Site, on_both_with};

const SOON: Duration = Duration::from_secs(20);

/// A message without a link, put into the outbox by hand.
pub async fn put(site: &Site, to: &str, template: Template) {
    let values = [("name", "Ana Kim"), ("user_name", "ana"), ("at", "1746280800000"), ("by", "Bo\r\nBcc: x@evil.test")];
    let mail = Mail {
        template,
        to: Address::Email(to.to_owned()),
        language: Language::En,
        org: None,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        sealed: None,
    };
    let now = site.now();
    let written: Result<OutboxId, sqlx::Error> =
        site.db.write(move |tx| Box::pin(async move { outbox::put_mail(tx, mail, None, None, now).await })).await;
    written.unwrap();
    site.outbox_bell.notify_one();
}

/// What stands of the messages to an address: state, attempts, the last answer.
pub async fn rows(site: &Site, to: &str) -> Vec<(String, i64, Option<String>)> {
    let sql = "SELECT state, attempts, last_answer FROM outbox WHERE receiver = $1 ORDER BY id";
    site.conn().await.query(sql).bind(to.to_owned()).all().await.unwrap()
}

/// Waits until the first message to an address fits.
pub async fn until(site: &Site, to: &str, fits: impl Fn(&(String, i64, Option<String>)) -> bool) -> Option<String> {
    let begun = Instant::now();
    loop {
        let rows = rows(site, to).await;
        if rows.first().is_some_and(&fits) {
            return rows[0].2.clone();
        }
        assert!(begun.elapsed() < SOON, "{to}: {rows:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn invite(site: &Site, acme: &Org, email: &str) -> InvitationId {
    let person = Invitee { email: email.to_owned(), name: "Ina Vee".to_owned(), ..Invitee::default() };
    let (actor, origin, access) = (Actor::CommandLine, Origin::default(), Access::default());
    let sent = invite::many(site, &actor, &origin, &acme.id, vec![person], &access, None, Mode::Act).await;
    match sent.unwrap().remove(0).outcome.unwrap() {
        Sent::New(id, _) => id,
        other => panic!("{other:?}"),
    }
}

async fn invitation(site: &Site, acme: &Org, id: &InvitationId, state: State) -> Invitation {
    let begun = Instant::now();
    loop {
        let found = invitations::find(&mut site.conn().await, &acme.id, id).await.unwrap().unwrap();
        if found.state == state {
            return found;
        }
        assert!(begun.elapsed() < SOON, "{:?} and not {state:?}: {}", found.state, found.reason);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_registered_gets_one_mail_with_two_parts_and_one_link() {
    let folder = tempfile::tempdir().unwrap();
    let Some(office) = PostOffice::open(folder.path()).await else {
        return;
    };
    let mut number = 0;
    for kind in crate::support::world::Kind::BOTH {
        let Some(site) = Site::open(kind, |config| office.serves(config)).await else {
            continue;
        };
        number += 1;
        let (acme, email) = (site.org("acme").await, format!("mia{number}@example.test"));
        let person = Person {
            user_name: "mia".to_owned(),
            name: "Mia <b>Park</b>".to_owned(),
            given_name: String::new(),
            family_name: String::new(),
            email: Some(email.clone()),
            phone: None,
            language: Some(Language::Ko),
            access: Access::default(),
            credential: Credential::Link,
            must_change: false,
        };
        let (actor, origin) = (Actor::CommandLine, Origin::default());
        register::one(&site, &actor, &origin, &acme.id, &person, Mode::Act).await.unwrap();
        let letter = office.letter(&email).await;
        assert_eq!(letter.0["defects"], json!([]), "{letter:?}");
        assert_eq!((&letter.0["kind"], &letter.0["eight_bit"]), (&json!("multipart/alternative"), &json!(false)));
        assert_eq!(
            (letter.header("To"), letter.header("From")),
            (email.clone(), "Muster <id@muster.example>".to_owned())
        );
        assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
        assert_eq!(letter.header("Content-Language"), "ko");
        assert!(letter.header("Subject").contains("비밀번호") && letter.header("Message-ID").starts_with("<out_"));
        assert!(!letter.has("Bcc") && !letter.has("List-Unsubscribe"));
        let link = letter.link(&site.at.issuer);
        assert!(link.starts_with(&format!("{}/welcome/mln_", site.at.issuer)), "{link}");
        assert!(letter.text().contains("mia") && letter.html().contains("Mia &lt;b&gt;Park&lt;/b&gt;"));
        assert!(
            !letter.html().contains("<img") && !letter.html().contains("<script"),
            "nothing reports that it was read"
        );
        until(&site, &email, |row| row.0 == "sent").await;
        assert_eq!(office.letters(&email).len(), 1, "once");
        site.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_refused_for_good_fails_its_invitation_and_one_that_is_put_off_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(office) = PostOffice::open(folder.path()).await else {
        return;
    };
    on_both_with(
        |config| office.serves(config),
        async |site| {
            let acme = site.org("acme").await;
            let name = acme.id.as_str().replace("org_", "");
            let (gone, later, relay) =
                (format!("gone-{name}@a.test"), format!("greylist-{name}@a.test"), format!("relay-{name}@a.test"));
            let failed = invite(site, &acme, &gone).await;
            let found = invitation(site, &acme, &failed, State::Failed).await;
            assert!(found.reason.contains("550 5.1.1"), "{}", found.reason);
            // The invitation hears of it first.
            until(site, &gone, |row| row.0 != "waiting").await;
            let row = &rows(site, &gone).await[0];
            assert_eq!((row.0.as_str(), row.1), ("given_up", 1), "an address that is refused is not asked again");

            let put_off = invite(site, &acme, &later).await;
            let answer = until(site, &later, |row| row.0 == "waiting" && row.2.is_some()).await;
            assert!(answer.unwrap().contains("451"), "the server's word is kept");
            assert_eq!(invitation(site, &acme, &put_off, State::Processing).await.state, State::Processing);
            site.advance(MINUTE);
            site.outbox_bell.notify_one();
            invitation(site, &acme, &put_off, State::Pending).await;
            assert_eq!(office.letter(&later).await.0["tries"], 2);

            // What is the session's fault is not the address's.
            let ours = invite(site, &acme, &relay).await;
            until(site, &relay, |row| row.0 == "waiting" && row.2.is_some()).await;
            assert_eq!(invitation(site, &acme, &ours, State::Processing).await.state, State::Processing);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_typed_becomes_a_header_or_another_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let Some(office) = PostOffice::open(folder.path()).await else {
        return;
    };
    on_both_with(
        |config| office.serves(config),
        async |site| {
            let to = format!("{}@a.test", OutboxId::fresh().as_str().replace("out_", "ana-"));
            put(site, &to, Template::PasswordChanged).await;
            let letter = office.letter(&to).await;
            assert_eq!((&letter.0["to"], &letter.0["defects"]), (&json!([to]), &json!([])));
            assert!(!letter.has("Bcc"), "{letter:?}");
            assert!(letter.text().contains("Bo Bcc: x") && !letter.text().contains("\nBcc:"), "{}", letter.text());
            for bad in ["a@b.test,c@d.test", "a@b.test\r\nRCPT TO:<c@d.test>", "nobody", "@b.test"] {
                put(site, bad, Template::PasswordChanged).await;
                until(site, bad, |row| row.0 == "given_up").await;
            }
            assert!(office.letters("c@d.test").is_empty());
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_hangs_holds_up_nothing_that_applications_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let Some(office) = PostOffice::open(folder.path()).await else {
        return;
    };
    let adjust = |config: &mut muster::config::Config| {
        office.serves(config);
        config.mail.timeout_secs = 2;
    };
    on_both_with(adjust, async |site| {
        let name = OutboxId::fresh().as_str().replace("out_", "");
        for number in 0..30 {
            put(site, &format!("hang-{number}-{name}@a.test"), Template::PasswordChanged).await;
        }
        let first = format!("hang-0-{name}@a.test");
        office.wait_for("the hanging", |fact| fact["hanging"].as_str().is_some_and(|to| to.contains(&name))).await;
        // A webhook of a rule that is gone: given up as soon as its turn comes.
        let receiver = AlertId::fresh().into_string();
        let message = Message::Webhook { event: json!({}) };
        let row = NewRow { id: OutboxId::fresh(), receiver: receiver.clone(), change: None, message };
        let (now, begun) = (site.now(), Instant::now());
        let written: Result<(), sqlx::Error> =
            site.db.write(move |tx| Box::pin(async move { outbox::put(tx, &row, now).await })).await;
        written.unwrap();
        site.outbox_bell.notify_one();
        until(site, &receiver, |row| row.0 == "given_up").await;
        assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
        let answer = until(site, &first, |row| row.0 == "waiting" && row.2.is_some()).await;
        assert!(answer.unwrap().contains("did not answer in time"));
        // Another address is served once the server answers, on a connection of its own.
        site.advance(MINUTE);
        let to = format!("bo-{name}@a.test");
        put(site, &to, Template::PasswordChanged).await;
        until(site, &to, |row| row.0 == "sent" || row.2.as_deref().is_some_and(|answer| answer.contains("put off")))
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_where_no_server_can_be_reached_and_is_given_up_after_a_day() {
    let adjust = |config: &mut muster::config::Config| {
        config.mail.host = Some("127.0.0.1".to_owned());
        (config.mail.port, config.mail.tls) = (Some(crate::support::process::free_port()), Tls::None);
        config.mail.from = "id@muster.example".to_owned();
    };
    on_both_with(adjust, async |site| {
        let acme = site.org("acme").await;
        let id = invite(site, &acme, "ana@a.test").await;
        until(site, "ana@a.test", |row| row.0 == "waiting" && row.2.is_some()).await;
        assert_eq!(invitation(site, &acme, &id, State::Processing).await.state, State::Processing);
        site.advance(25 * HOUR);
        site.outbox_bell.notify_one();
        until(site, "ana@a.test", |row| row.0 == "given_up").await;
        invitation(site, &acme, &id, State::Failed).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_with_a_password_to_a_server_whose_authority_is_known_and_to_no_other() {
    for (word, tls) in [("starttls", Tls::Starttls), ("tls", Tls::Tls)] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--tls", word, "--user", "muster", "--password", "s3cret"];
        let Some(office) = PostOffice::with(folder.path(), &arguments).await else {
            return;
        };
        let office = &office;
        let adjust = |known: bool, password: &'static str| {
            move |config: &mut muster::config::Config| {
                office.serves(config);
                config.mail.tls = tls;
                config.mail.timeout_secs = 5;
                (config.mail.user, config.mail.password) =
                    (Some("muster".to_owned()), Some(Secret::presented(password)));
                config.outbound.extra_ca = known.then(|| office.folder.join("ca.pem"));
            }
        };
        on_both_with(adjust(true, "s3cret"), async |site| {
            let to = format!("{}@a.test", OutboxId::fresh().as_str().replace("out_", "tls-"));
            put(site, &to, Template::PasswordChanged).await;
            let letter = office.letter(&to).await;
            assert_eq!((&letter.0["tls"], &letter.0["user"]), (&json!(true), &json!("muster")), "{word}");
        })
        .await;
        for (known, password) in [(false, "s3cret"), (true, "wrong")] {
            on_both_with(adjust(known, password), async |site| {
                let to = format!("{}@a.test", OutboxId::fresh().as_str().replace("out_", "no-"));
                put(site, &to, Template::PasswordChanged).await;
                let answer = until(site, &to, |row| row.0 == "waiting" && row.2.is_some()).await.unwrap();
                assert!(!answer.contains("s3cret") && !answer.contains("wrong"), "{answer}");
                assert!(office.letters(&to).is_empty(), "{word} {known} {answer}");
            })
            .await;
        }
    }
}
