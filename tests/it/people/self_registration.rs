//! Own accounts that people make themselves: where the operator allows it, and with one answer for every address.

use std::time::Duration;

use futures_util::future::join_all;
use muster::config::Config;
use muster::domain::change::Origin;
use muster::domain::mail::{Purpose, Template};
use muster::flows::forgotten::Asked;
use muster::flows::self_register::{self, NotMade};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, HOUR, MINUTE};
use muster::store::users;
use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::mailbox::{link_to, links_to, mails_to};
use crate::support::server::{Site, on_both, on_both_with};
use crate::support::world::World;

const DORA: &str = "dora@example.test";

fn open(config: &mut Config) {
    config.registration.self_service = true;
}

fn from(address: &str) -> Origin {
    Origin { address: address.to_owned(), ..Origin::default() }
}

async fn accounts(world: &World) -> i64 {
    let (count,): (i64,) = world.conn().await.query("SELECT COUNT(*) FROM users").one().await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_not_allowed_there_is_no_such_page() {
    on_both(async |site| {
        let mut browser = site.browser();
        let secret = format!("mln_{}", "A".repeat(43));
        for path in ["/register".to_owned(), format!("/register/{secret}")] {
            assert_eq!(browser.open(&site.at.url(&path)).await.page().status, 404, "{path}");
        }
        // A form with everything that a form of ours has, taken from another page.
        let page = browser.open(&site.at.url("/login")).await.page();
        let csrf = page.form_with("login-form").unwrap().filled("", &[]).into_iter().find(|(name, _)| name == "csrf");
        let fields = [csrf.unwrap(), ("email".to_owned(), DORA.to_owned())];
        let answer = browser.send(Method::POST, &site.at.url("/register"), Some(&fields)).await;
        assert_eq!(answer.status, 404);
        assert!(mails_to(site, DORA).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_an_account_and_one_without_are_answered_alike_and_mailed_differently() {
    on_both_with(open, async |site| {
        site.own_account("bo", PASSWORD).await;
        let mut answers = Vec::new();
        for email in [DORA, "bo@example.test"] {
            let mut browser = site.browser();
            let form = browser.open(&site.at.url("/register")).await.page();
            let answer = browser.press(&form, "register-submit", &[("email", email)]).await.page();
            answers.push((answer.status, answer.without_hidden_values()));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 200);
        link_to(site, DORA, Purpose::ConfirmAccount).await;
        let told = waiting(site, "bo@example.test", Template::AccountExists).await;
        assert!(told && links_to(site, "bo@example.test", Purpose::ConfirmAccount).await.is_empty());
    })
    .await;
}

/// Whether a message of a kind comes to an address.
async fn waiting(site: &Site, to: &str, template: Template) -> bool {
    for _ in 0..200 {
        if mails_to(site, to).await.iter().any(|mail| mail.template == template) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_makes_one_account_of_the_address_that_it_was_sent_to() {
    on_both_with(open, async |site| {
        let mut browser = site.browser();
        let form = browser.open(&site.at.url("/register")).await.page();
        for bad in ["dora", "a@b", "a@b.c, eve@evil.test", "a@b.c\r\nBcc: eve@evil.test"] {
            let answer = browser.press(&form, "register-submit", &[("email", bad)]).await.page();
            assert!(answer.status == 400 && answer.text().contains("complete e-mail address"), "{bad}: {answer:?}");
        }
        browser.press(&form, "register-submit", &[("email", DORA)]).await;
        let before = accounts(site).await;
        let url = link_to(site, DORA, Purpose::ConfirmAccount).await;
        let shown = browser.open(&url).await.page();
        assert!(shown.text().contains(DORA) && accounts(site).await == before, "{shown:?}");
        let typed = |name, password| [("name", name), ("password", password), ("password_again", password)];
        let weak = browser.press(&shown, "register-submit", &typed("Dora", "abc")).await.page();
        assert!(weak.status == 400 && weak.text().matches("Use 6 to 32 characters.").count() == 2, "{weak:?}");
        let nameless = browser.press(&shown, "register-submit", &typed(" ", PASSWORD)).await.page();
        assert!(nameless.status == 400 && nameless.text().contains("Give your name"), "{nameless:?}");
        let mut fields = shown.form_with("register-submit").unwrap().filled("", &typed("Dora Dean", PASSWORD));
        fields.retain(|(name, _)| name != "email");
        fields.push(("email".to_owned(), "eve@evil.test".to_owned()));
        let answer = browser.send(Method::POST, &url, Some(&fields)).await;
        assert!(answer.status == 200 && answer.body.contains("Your account is ready"), "{}", answer.body);
        let dora = users::by_identifier(&mut site.conn().await, "own", DORA).await.unwrap().unwrap();
        assert_eq!((dora.name.as_str(), dora.profile.email.as_deref()), ("Dora Dean", Some(DORA)));
        assert!(dora.profile.email_verified && accounts(site).await == before + 1);
        let used = browser.open(&url).await.page();
        assert!(used.status == 410 && used.text().contains("was used"), "{used:?}");
        let me = browser.sign_in(Person::named(DORA)).await.page();
        assert_eq!(me.url, site.at.url("/me"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_is_over_after_a_day_and_works_once_however_many_use_it() {
    on_both_with(open, async |site| {
        let origin = from("192.0.2.1");
        assert_eq!(self_register::ask(site, DORA, &origin).await.unwrap(), Asked::Done);
        let secret = |url: String| Secret::presented(url.rsplit('/').next().unwrap());
        let link = secret(link_to(site, DORA, Purpose::ConfirmAccount).await);
        site.advance(DAY - MINUTE);
        assert!(self_register::seen(site, &link).await.unwrap().is_ok());
        site.advance(MINUTE);
        let late = self_register::make(site, &link, "Dora", Secret::presented(PASSWORD), &origin).await;
        assert!(matches!(late, Err(NotMade::Dead(_))), "{late:?}");
        let cara = "cara@example.test";
        self_register::ask(site, cara, &origin).await.unwrap();
        let link = secret(link_to(site, cara, Purpose::ConfirmAccount).await);
        let tries = (0..20).map(|_| self_register::make(site, &link, "Cara", Secret::presented(PASSWORD), &origin));
        assert_eq!(join_all(tries).await.into_iter().filter(Result::is_ok).count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_gets_three_mails_an_hour_and_one_network_asks_ten_times() {
    on_both_with(open, async |site| {
        let spelled = [DORA, "DORA@example.test", "Dora@Example.Test", DORA, DORA];
        for (number, email) in spelled.into_iter().enumerate() {
            let asked = self_register::ask(site, email, &from(&format!("192.0.2.{number}"))).await.unwrap();
            assert_eq!(asked, Asked::Done, "nobody is told of the limit of an address");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut count = 0;
        for email in [DORA, "DORA@example.test", "Dora@Example.Test"] {
            count += links_to(site, email, Purpose::ConfirmAccount).await.len();
        }
        assert!((1..=3).contains(&count), "{count} mails");
        let mut browser = site.browser();
        let form = browser.open(&site.at.url("/register")).await.page();
        let mut statuses = Vec::new();
        for number in 0..11 {
            let email = format!("n{number}@example.test");
            statuses.push(browser.press(&form, "register-submit", &[("email", email.as_str())]).await.page().status);
        }
        assert_eq!(statuses, [[200; 10].as_slice(), &[429]].concat());
        site.advance(HOUR);
        let again = browser.press(&form, "register-submit", &[("email", "last@example.test")]).await.page();
        assert_eq!(again.status, 200);
    })
    .await;
}
