//! Guessing passwords (RFC 9700 has no clause for it; OWASP's cheat sheets do): five wrong ones lock, however many at once.

use std::sync::Arc;

use muster::flows::sign_in::{Answer, Attempt, Context, with_password};
use muster::kernel::id::UserId;
use muster::kernel::secret::Secret;
use muster::kernel::time::{MINUTE, SECOND};

use crate::support::PASSWORD;
use crate::support::browser::{Landing, Person};
use crate::support::server::on_both as on_both_served;
use crate::support::world::{World, on_both};

fn attempt(password: &str) -> Attempt {
    Attempt {
        identifier: "ana".to_owned(),
        password: Secret::presented(password),
        context: Context::None,
        user_agent: String::new(),
        address: "192.0.2.1".to_owned(),
        device: None,
    }
}

async fn gets_in(world: &World, password: &str) -> bool {
    matches!(with_password(world, attempt(password)).await.expect("the pool has room"), Answer::SignedIn(_))
}

async fn counter(world: &World, user: &UserId) -> (i64, i64) {
    let mut conn = world.conn().await;
    let query = conn.query("SELECT failures, locked_until FROM users WHERE id = $1").bind(user.as_str().to_owned());
    query.one().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_passwords_lock_for_fifteen_minutes_and_four_do_not() {
    on_both(async |world| {
        world.org("acme").await.person("ana", PASSWORD).await;
        for _ in 0..4 {
            assert!(!gets_in(&world, "wrong-1").await);
        }
        assert!(gets_in(&world, PASSWORD).await, "four failures don't lock, and a success forgets them");
        for _ in 0..5 {
            assert!(!gets_in(&world, "wrong-1").await);
        }
        assert!(!gets_in(&world, PASSWORD).await, "the right password is refused while the lock lasts");
        world.advance(15 * MINUTE - SECOND);
        assert!(!gets_in(&world, PASSWORD).await, "and it doesn't tell that it was right");
        world.advance(SECOND);
        assert!(gets_in(&world, PASSWORD).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_guesses_at_once_are_worth_no_more_than_five() {
    on_both(async |world| {
        let user = world.org("acme").await.person("ana", PASSWORD).await;
        let guesses: Vec<_> = (0..500)
            .map(|number| {
                let world = world.clone();
                tokio::spawn(async move { with_password(&world, attempt(&format!("guess-{number}"))).await })
            })
            .collect();
        for guess in guesses {
            assert_eq!(guess.await.unwrap().expect("the pool has room"), Answer::Refused);
        }
        let locked_until = world.now().plus(15 * MINUTE).0;
        assert_eq!(
            counter(&world, &user).await,
            (0, locked_until),
            "five counted, the rest met the lock, which stood still"
        );
        assert!(!gets_in(&world, PASSWORD).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_guess_among_many_wrong_ones_gets_in_only_before_the_lock() {
    on_both(async |world| {
        let user = world.org("acme").await.person("ana", PASSWORD).await;
        let world = Arc::new(world);
        for _ in 0..5 {
            assert!(!gets_in(&world, "wrong-1").await);
        }
        let guesses: Vec<_> = (0..100)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { gets_in(&world, PASSWORD).await })
            })
            .collect();
        for guess in guesses {
            assert!(!guess.await.unwrap());
        }
        assert_eq!(counter(&world, &user).await.1, world.now().plus(15 * MINUTE).0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_counts_as_the_flow_does() {
    on_both_served(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        for _ in 0..5 {
            let page = browser.sign_in(Person { password: "wrong-1", ..Person::named("ana") }).await.page();
            assert!(page.has("login-form"));
        }
        let Landing::Page(page) = browser.sign_in(Person::named("ana")).await else { panic!("sent away") };
        assert!(page.has("login-form"), "the account is locked");
        site.advance(15 * MINUTE + SECOND);
        let page = browser.sign_in(Person::named("ana")).await.page();
        assert_eq!((page.status, page.url.as_str()), (200, site.at.url("/me").as_str()));
        let (before, mut other) = (browser.cookie("muster").map(str::to_owned), site.browser());
        other.sign_in(Person::named("ana")).await;
        assert!(
            before.is_some() && other.cookie("muster").map(str::to_owned) != before,
            "a session cookie of one's own"
        );
    })
    .await;
}
