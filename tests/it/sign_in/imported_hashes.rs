//! Hashes that come from elsewhere: whoever has one signs in with their password, and has one of ours afterwards.

use std::time::Duration;

use muster::domain::apply_file::ApplyFile;
use muster::domain::change::Mode;
use muster::flows::apply_file::{PlanError, plan, run};
use muster::store::users;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::server::{Site, on_both};
use crate::support::world::{World, on_both as on_both_worlds};

/// Of the tests' password, made by bcrypt for Python.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu1v4G7SksQl6.M9wNRnCGU2jNINx38gW";
/// Looking again, and so often at most.
const APART: Duration = Duration::from_millis(10);
const LOOKS: usize = 1000;

/// An organisation whose owner was brought with this hash.
fn text(hash: &str) -> String {
    format!(
        "[[organisation]]\nslug = \"acme\"\nname = \"Acme\"\nowner = \"ana\"\n\n\
         [[organisation.person]]\nuser_name = \"ana\"\nemail = \"ana@acme.test\"\npassword_hash = \"{hash}\"\n"
    )
}

fn nothing(_: &str) -> Option<String> {
    None
}

async fn bring(world: &World, hash: &str) -> Result<bool, PlanError> {
    let file = ApplyFile::parse(&text(hash)).unwrap_or_else(|error| panic!("{error}"));
    let (receipt, printed) = run(world, &file, &nothing, Mode::Act).await?;
    assert!(printed.is_empty(), "nobody needs a made-up password");
    Ok(!receipt.is_empty())
}

async fn stored(world: &World) -> String {
    let ana = world.org("acme").await.user_id("ana").await;
    let facts = users::password_facts(&mut world.conn().await, &ana).await.unwrap().expect("she is there");
    facts.password.expect("she has a password")
}

/// The hash once it is another one: it is renewed after the answer to the sign-in.
async fn renewed(site: &Site, before: &str) -> String {
    for _ in 0..LOOKS {
        let now = stored(site).await;
        if now != before {
            return now;
        }
        tokio::time::sleep(APART).await;
    }
    panic!("the hash stayed {before}");
}

async fn is_let_in(site: &Site, password: &str) -> bool {
    let mut browser = site.browser();
    browser.sign_in(Person { password, ..Person::named("ana") }).await;
    browser.cookie("muster").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_from_another_system_lets_its_person_in_and_becomes_one_of_ours() {
    on_both(async |site| {
        assert!(bring(site, BCRYPT).await.unwrap());
        assert!(!is_let_in(site, "Tide7-Kq2mVx9dt").await && stored(site).await == BCRYPT);
        assert!(!bring(site, BCRYPT).await.unwrap(), "the file says what is there");
        assert!(is_let_in(site, PASSWORD).await);
        let ours = renewed(site, BCRYPT).await;
        assert!(ours.starts_with("$argon2id$v=19$"), "{ours}");
        assert!(is_let_in(site, PASSWORD).await && stored(site).await == ours, "it is renewed once");
        // The file still has the hash of before: that is no reason to put it back.
        assert!(!bring(site, BCRYPT).await.unwrap() && stored(site).await == ours);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_could_never_be_tried_is_refused_before_anything_is_made() {
    on_both_worlds(async |world| {
        let dear = "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let told = bring(&world, dear).await.expect_err("it costs too much").to_string();
        assert!(told.contains("person \"ana\": password_hash: this hash asks for too much of Argon2"), "{told}");
        for (hash, why) in [(BCRYPT.replace("$04$", "$31$"), "a bcrypt cost"), ("plain".to_owned(), "no hash")] {
            let told = ApplyFile::parse(&text(&hash)).map(|_| ()).expect_err("it can't be tried").to_string();
            assert!(told.contains(why) && told.contains("password_hash"), "{told}");
        }
        let planned = plan(&world, &ApplyFile::parse(&text(BCRYPT)).unwrap(), &nothing).await.unwrap();
        assert!(!planned.changes.is_empty(), "nothing was made");
    })
    .await;
}
