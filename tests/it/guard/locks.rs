//! One counter for each account, over every name it has: pauses that grow, and a lock that ends as the organisation says.

use muster::config::Config;
use muster::domain::change::Change;
use muster::domain::people::lockout::{FOREVER, LockMode, Settings};
use muster::domain::settings::OrgSettings;
use muster::kernel::id::UserId;
use muster::kernel::time::{DAY, MINUTE, SECOND};

use super::{gets_in, on_both_with};
use crate::support::PASSWORD;
use crate::support::world::{World, on_both};

const WRONG: &str = "Tide7-Kq2mVx9dU";

async fn counter(world: &World, user: &UserId) -> (i64, i64) {
    let mut conn = world.conn().await;
    let query = conn.query("SELECT in_a_row, locked_until FROM users WHERE id = $1").bind(user.as_str().to_owned());
    query.one().await.unwrap()
}

async fn guess_wrong(world: &World, name: &str, times: usize) {
    for _ in 0..times {
        assert!(!gets_in(world, name, WRONG).await);
    }
}

/// The lock comes late, so that the pauses before it are seen.
fn patient(config: &mut Config) {
    config.passwords.lock_failures = 10;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixth_failure_in_a_row_costs_a_second_and_each_one_more_twice_as_long() {
    on_both_with(patient, async |world| {
        let user = world.org("acme").await.person("ana", PASSWORD).await;
        guess_wrong(world, "ana", 5).await;
        assert!(gets_in(world, "ana", PASSWORD).await, "five are free, and a success forgets them");
        assert_eq!(counter(world, &user).await.0, 0);
        guess_wrong(world, "ana", 5).await;
        for pause in [1, 2, 4, 8] {
            guess_wrong(world, "ana", 1).await;
            world.advance(pause * SECOND - 1);
            assert!(!gets_in(world, "ana", PASSWORD).await, "{pause} s are not over");
            world.advance(1);
        }
        assert_eq!(counter(world, &user).await.0, 9, "what came within a pause is not looked at");
        assert!(gets_in(world, "ana", PASSWORD).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_names_of_an_account_share_its_counter() {
    on_both(async |world| {
        world.org("acme").await.person("ana", PASSWORD).await;
        for name in ["ana", "ANA", " ana ", "ana@example.test", "Ana@Example.TEST"] {
            guess_wrong(&world, name, 1).await;
        }
        assert!(!gets_in(&world, "ana", PASSWORD).await, "five names, one lock");
        world.advance(15 * MINUTE);
        assert!(gets_in(&world, "ana", PASSWORD).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_locks_its_own_accounts_as_it_says_and_nobody_elses() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let user = acme.person("ana", PASSWORD).await;
        let own = world.own_account("bo", PASSWORD).await;
        acme.admit(&own).await;
        let lock = Settings { mode: Some(LockMode::Reset), failures: Some(3), ..Settings::default() };
        let settings = Box::new(OrgSettings { lock, ..OrgSettings::default() });
        world.act(vec![Change::SetOrgSettings { org: acme.id.clone(), settings }]).await;
        guess_wrong(&world, "ana", 3).await;
        assert_eq!(counter(&world, &user).await, (3, FOREVER.0));
        world.advance(30 * DAY);
        assert!(!gets_in(&world, "ana", PASSWORD).await, "it doesn't end by itself");
        guess_wrong(&world, "bo", 3).await;
        assert!(gets_in(&world, "bo", PASSWORD).await, "an own account follows the instance");
        let before = world.act(vec![Change::Unlock { user: user.clone() }]).await;
        assert_eq!(before.acts.len(), 1, "{before:?}");
        assert_eq!(counter(&world, &user).await, (0, 0));
        assert!(gets_in(&world, "ana", PASSWORD).await);
        assert!(world.act(vec![Change::Unlock { user }]).await.is_empty(), "there is nothing to open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_in_a_row_lock_until_a_new_password_is_set() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let user = acme.person("ana", PASSWORD).await;
        let mut guesses = 0;
        while counter(&world, &user).await.1 < FOREVER.0 {
            guess_wrong(&world, "ana", 1).await;
            world.advance(15 * MINUTE);
            guesses += 1;
            assert!(guesses <= 100);
        }
        assert_eq!(guesses, 100);
        world.advance(365 * DAY);
        assert!(!gets_in(&world, "ana", PASSWORD).await);
        let other = "Reef3-Wp8nLc5sZ";
        let password = world.hasher.hash(muster::kernel::secret::Secret::presented(other)).await.unwrap();
        world.act(vec![Change::ResetPassword { user: user.clone(), password, must_change: false }]).await;
        assert_eq!(counter(&world, &user).await, (0, 0));
        assert!(gets_in(&world, "ana", other).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guess_at_nobody_counts_at_an_account_that_never_was_and_at_no_other() {
    on_both(async |world| {
        let user = world.org("acme").await.person("ana", PASSWORD).await;
        guess_wrong(&world, "nobody", 4).await;
        guess_wrong(&world, "somebody else", 3).await;
        let mut conn = world.conn().await;
        let rows: Vec<(String, i64)> =
            conn.query("SELECT id, in_a_row FROM users WHERE in_a_row > 0 ORDER BY id").all().await.unwrap();
        assert_eq!(rows.iter().map(|(_, count)| count).sum::<i64>(), 7, "{rows:?}");
        assert!(rows.iter().all(|(id, _)| id.parse::<UserId>().is_err()), "no id of ours names them: {rows:?}");
        assert_eq!(counter(&world, &user).await, (0, 0));
    })
    .await;
}
