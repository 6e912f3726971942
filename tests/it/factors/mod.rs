//! What stands beside a password: apps, passkeys, codes that are sent, recovery codes; when they are asked for, and that
//! nothing opens without them. `letters_f` and `letters_k` are the catalogue of how others failed, a test for each.

mod alone;
mod codes;
mod letters_f;
mod letters_k;
mod machine;
mod mailbox;
mod passkeys;
mod policies;
mod recovering;
mod reset;
mod step_up;
mod through;

use muster::domain::change::Change;
use muster::domain::mail::Template;
use muster::domain::oidc::claims::Profile;
use muster::domain::people::factor::FactorKind;
use muster::domain::people::second_factor::SecondFactor;
use muster::domain::settings::OrgSettings;
use muster::flows::factors::codes::{Carried, carried};
use muster::kernel::id::UserId;
use muster::store::users;

use crate::support::browser::{Browser, Landing, Person};
use crate::support::codes::{Phone, STEP};
use crate::support::mailbox::mails_to;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::Site;
use crate::support::world::World;

const ANA: Person<'_> = Person::named("ana");
const WRONG: Person<'_> = Person { name: "ana", password: "Tide7-Kq2mVx9dU", org: "" };
const PHONE: &str = "+82 10 1234 5678";

/// Somebody who has bound an app.
struct Guarded {
    phone: Phone,
    /// The recovery codes.
    recovery: Vec<String>,
    /// The browser in which it was done, and which is signed in.
    browser: Browser,
}

impl Guarded {
    /// A code that was not shown yet: the clock goes on to the next one.
    fn code(&self, site: &Site) -> String {
        site.advance(STEP);
        self.phone.code(site.now())
    }

    /// Signs somebody in with password and code.
    async fn signs_in(&self, site: &Site, person: Person<'_>) -> Browser {
        let mut browser = site.browser();
        let page = half_way(&mut browser, person).await;
        let landed = browser.press(&page, "totp-submit", &[("code", &self.code(site))]).await.page();
        assert_eq!(landed.url, site.at.url("/me"), "{landed:?}");
        browser
    }
}

/// Signs in with the password alone, where that is enough.
async fn signed_in(site: &Site, name: &str) -> Browser {
    let mut browser = site.browser();
    let page = browser.sign_in(Person::named(name)).await.page();
    assert_eq!(page.url, site.at.url("/me"), "{page:?}");
    browser
}

/// Types the right password, which is not enough: the page that asks for more.
async fn half_way(browser: &mut Browser, person: Person<'_>) -> Page {
    let page = browser.sign_in(person).await.page();
    assert!(page.status == 200 && !page.has("login-form"), "{page:?}");
    is_out(browser);
    page
}

/// Signs somebody in and binds an app to their account, at their own page.
async fn with_app(site: &Site, name: &str) -> Guarded {
    let mut browser = signed_in(site, name).await;
    let (phone, recovery) = binds(site, &mut browser).await;
    Guarded { phone, recovery, browser }
}

/// Binds an app in a browser that is signed in; it and the recovery codes.
async fn binds(site: &Site, browser: &mut Browser) -> (Phone, Vec<String>) {
    let page = browser.open(&site.at.url("/me/security/totp")).await.page();
    let phone = Phone::of(&page);
    let (first, next) = (phone.code(site.now().minus(STEP)), phone.code(site.now()));
    let done = browser.press(&page, "totp-submit", &[("code", &first), ("next_code", &next)]).await.page();
    assert_eq!(done.status, 200, "{done:?}");
    (phone, recovery_codes(&done))
}

/// The recovery codes that a page shows.
fn recovery_codes(page: &Page) -> Vec<String> {
    let list = page.html.split_once("id=\"codes\"").and_then(|(_, rest)| rest.split_once("</ul>"));
    let (list, _) = list.unwrap_or_else(|| panic!("no recovery codes on {page:?}"));
    let codes = list.split("<code>").skip(1).filter_map(|part| part.split('<').next());
    let codes: Vec<String> = codes.map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{page:?}");
    codes
}

/// Nobody is signed in in a browser.
fn is_out(browser: &Browser) {
    assert!(browser.cookie("muster").is_none(), "there is a session");
}

fn is_in(site: &Site, browser: &Browser, landing: Landing) {
    let page = landing.page();
    assert_eq!((page.status, page.url.as_str()), (200, site.at.url("/me").as_str()), "{page:?}");
    assert!(browser.cookie("muster").is_some());
}

/// Sets an organisation's rule for second factors.
async fn rule(org: &Org, change: impl FnOnce(&mut SecondFactor)) {
    let mut second_factor = SecondFactor::default();
    change(&mut second_factor);
    let settings = Box::new(OrgSettings { second_factor, ..OrgSettings::default() });
    org.world.act(vec![Change::SetOrgSettings { org: org.id.clone(), settings }]).await;
}

/// What is known of somebody's address and number.
async fn proven(world: &World, user: &UserId, (email_verified, phone_number_verified): (bool, bool)) {
    let found = users::find(&mut world.conn().await, user).await.unwrap().unwrap();
    let phone_number = Some(PHONE.to_owned());
    let profile = Profile { phone_number, email_verified, phone_number_verified, ..found.profile };
    let change = Change::SetProfile { user: user.clone(), user_name: found.user_name, profile: Box::new(profile) };
    world.act(vec![change]).await;
}

/// Gives somebody codes that are sent, as they switch them on themselves. No recovery codes come with them.
async fn with_codes(site: &Site, user: &UserId, name: &str, kind: FactorKind) -> Guarded {
    proven(site, user, (true, true)).await;
    let mut browser = signed_in(site, name).await;
    let page = browser.open(&site.at.url("/me/security")).await.page();
    let done = browser.press(&page, &format!("add-{kind}"), &[]).await.page();
    assert!(done.text().contains("It's switched on") && !done.html.contains("id=\"codes\""), "{done:?}");
    // There is no app; the phone of one that nobody has shows codes that never fit.
    Guarded { phone: Phone::typed("AAAA"), recovery: Vec::new(), browser }
}

/// The code in the newest message to an address. The jobs must have ended: what was delivered is not kept.
async fn code_to(world: &World, to: &str) -> String {
    let mails = mails_to(world, to).await;
    let newest = mails.iter().rfind(|mail| mail.template == Template::FactorCode);
    let newest = newest.unwrap_or_else(|| panic!("no code was sent to {to}"));
    match carried(world, &mut world.conn().await, newest).await.unwrap() {
        Carried::Code(code) => code.expose().to_owned(),
        Carried::Superseded | Carried::Over | Carried::Unreadable => panic!("the newest code to {to} is none"),
    }
}

/// How many messages with a code were sent to an address.
async fn codes_to(world: &World, to: &str) -> usize {
    mails_to(world, to).await.iter().filter(|mail| mail.template == Template::FactorCode).count()
}

/// The failures of an account in a row, and until when it is locked.
async fn counter(world: &World, user: &UserId) -> (i64, i64) {
    let mut conn = world.conn().await;
    let query = conn.query("SELECT in_a_row, locked_until FROM users WHERE id = $1").bind(user.as_str().to_owned());
    query.one().await.unwrap()
}
