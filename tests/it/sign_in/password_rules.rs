//! What an organisation asks of passwords holds whenever one is set: its rules, the passwords of before, their age.

use muster::domain::change::Change;
use muster::domain::people::password::{PasswordPolicy, Preset, Shortfall};
use muster::domain::settings::OrgSettings;
use muster::flows::new_password::{self, Unfit};
use muster::kernel::id::UserId;
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};

use crate::support::PASSWORD;
use crate::support::org::Org;
use crate::support::world::{World, on_both};

async fn ask(org: &Org, passwords: PasswordPolicy) {
    let settings = Box::new(OrgSettings { passwords, ..OrgSettings::default() });
    org.world.act(vec![Change::SetOrgSettings { org: org.id.clone(), settings }]).await;
}

/// What is wrong with a password for somebody; the hash of one that is good.
async fn tried(world: &World, user: &UserId, password: &str, by_self: bool) -> Result<String, Vec<Shortfall>> {
    match new_password::for_account(world, user, Secret::presented(password), by_self).await {
        Ok(hash) => Ok(hash),
        Err(Unfit::Short(found)) => Err(found),
        Err(other) => panic!("{other}"),
    }
}

async fn reset(world: &World, user: &UserId, password: &str) {
    world.advance(SECOND);
    let password = tried(world, user, password, false).await.expect("it keeps the rules");
    world.act(vec![Change::ResetPassword { user: user.clone(), password, must_change: false }]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_accounts_keep_their_organisations_rules_and_own_ones_the_instances() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let (ana, own) = (acme.person("ana", PASSWORD).await, world.own_account("zoe", PASSWORD).await);
        assert!(tried(&world, &ana, "Kq2mVx", false).await.is_ok());
        ask(&acme, PasswordPolicy::of(Preset::Konnect)).await;
        let found = tried(&world, &ana, "Kq2mVx", false).await.unwrap_err();
        assert_eq!(found, [Shortfall::Length(12, 128), Shortfall::Kinds(4)]);
        assert_eq!(tried(&world, &ana, "--- ACME 2026 ---", false).await.unwrap_err().last(), Some(&Shortfall::Words));
        assert!(tried(&world, &own, "Kq2mVx", false).await.is_ok());
        assert!(tried(&world, &own, "acme2026", false).await.is_ok(), "it is nobody's organisation");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_passwords_of_before_as_the_organisation_says_are_refused() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        assert!(tried(&world, &ana, PASSWORD, false).await.is_ok(), "no history is asked for");
        assert_eq!(
            tried(&world, &ana, PASSWORD, true).await,
            Err(vec![Shortfall::Reused]),
            "a change changes something"
        );
        ask(&acme, PasswordPolicy { history: Some(3), ..PasswordPolicy::default() }).await;
        reset(&world, &ana, "Second7-Kq2mVx").await;
        reset(&world, &ana, "Third7-Kq2mVx").await;
        for before in [PASSWORD, "Second7-Kq2mVx", "Third7-Kq2mVx"] {
            assert_eq!(tried(&world, &ana, before, false).await, Err(vec![Shortfall::Reused]), "{before}");
        }
        reset(&world, &ana, "Fourth7-Kq2mVx").await;
        assert_eq!(tried(&world, &ana, "Second7-Kq2mVx", false).await, Err(vec![Shortfall::Reused]));
        assert!(tried(&world, &ana, PASSWORD, false).await.is_ok(), "three others came after it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_for_its_least_age_and_good_for_its_life_and_no_longer() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let expired = async || new_password::expired(&world, &mut world.conn().await, &ana).await.unwrap();
        world.advance(400 * DAY);
        assert!(!expired().await, "without a policy none expires");
        let ages = PasswordPolicy { min_age_minutes: Some(60), expiry_days: Some(90), ..PasswordPolicy::default() };
        ask(&acme, ages).await;
        assert!(expired().await, "a policy holds for the passwords that are there");
        reset(&world, &ana, "Second7-Kq2mVx").await;
        let too_soon = Err(vec![Shortfall::TooSoon(60 * MINUTE)]);
        world.advance(60 * MINUTE - SECOND);
        assert_eq!(tried(&world, &ana, "Third7-Kq2mVx", true).await, too_soon);
        assert!(tried(&world, &ana, "Third7-Kq2mVx", false).await.is_ok(), "an administrator needn't wait");
        world.advance(SECOND);
        assert!(tried(&world, &ana, "Third7-Kq2mVx", true).await.is_ok());
        world.advance(90 * DAY - 60 * MINUTE - SECOND);
        assert!(!expired().await);
        world.advance(SECOND);
        assert!(expired().await);
    })
    .await;
}
