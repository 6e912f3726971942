//! What happens at the same moment, or a moment too late: a sign-in beside a reset, a link to an address that was given up,
//! an address that is invited over and over.

use std::collections::{BTreeMap, HashMap};

use muster::domain::change::{Actor, Change, Mode, Origin};
use muster::domain::language::Language;
use muster::domain::mail::{Address, Purpose, Template};
use muster::domain::people::invitation::Access;
use muster::flows::change_access::Refusal;
use muster::flows::forgotten;
use muster::flows::invite::{self, Invitee, Sent};
use muster::flows::links::{self, Wanted};
use muster::flows::sign_in::{Answer, Attempt, Context, with_password};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE};
use muster::store::cookies::{CookieStore, FACTS, Facts};
use muster::store::users;
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use crate::support::PASSWORD;
use crate::support::world::{World, on_both};

/// The sign-in of ana, up to where her session would be kept.
async fn facts(world: &World) -> Facts {
    let attempt = Attempt {
        identifier: "ana".to_owned(),
        password: Secret::presented(PASSWORD),
        context: Context::None,
        user_agent: String::new(),
        address: "192.0.2.1".to_owned(),
        device: None,
    };
    match with_password(world, attempt).await.unwrap() {
        Answer::SignedIn(facts) => facts,
        other => panic!("not signed in: {other:?}"),
    }
}

async fn is_kept(world: &World, facts: &Facts) -> bool {
    let data = HashMap::from([(FACTS.to_owned(), serde_json::to_value(facts).unwrap())]);
    let expiry_date = OffsetDateTime::from_unix_timestamp(facts.expires_at.seconds()).unwrap();
    let store = CookieStore::new(world.db.clone(), world.clock.clone(), DAY);
    store.create(&mut Record { id: Id::default(), data, expiry_date }).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_with_a_password_that_is_replaced_before_it_ends_leaves_no_session() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        assert!(is_kept(&world, &facts(&world).await).await);
        let late = facts(&world).await;
        world.advance(MINUTE);
        let hash = users::password_facts(&mut world.conn().await, &ana).await.unwrap().unwrap().password.unwrap();
        world.act(vec![Change::ResetPassword { user: ana, password: hash, must_change: false }]).await;
        assert!(!is_kept(&world, &late).await, "the reset has ended everything that the old password opened");
        assert!(is_kept(&world, &facts(&world).await).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_number_that_was_given_up_sets_no_password() {
    const OLD: &str = "+82 10 1234 5678";
    on_both(async |world| {
        let acme = world.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let set_phone = async |phone: &str| {
            let found = users::find(&mut world.conn().await, &ana).await.unwrap().unwrap();
            let mut profile = Box::new(found.profile);
            profile.phone_number = Some(phone.to_owned());
            world.act(vec![Change::SetProfile { user: ana.clone(), user_name: found.user_name, profile }]).await;
        };
        set_phone(OLD).await;
        let wanted = Wanted {
            purpose: Purpose::ResetPassword,
            template: Template::ResetPassword,
            to: Address::Phone(OLD.to_owned()),
            language: Language::En,
            org: Some(acme.id.clone()),
            life: 30 * MINUTE,
            values: BTreeMap::new(),
        };
        let link = links::mint(&world, wanted);
        let url = links::url(&world, &link.mail).unwrap();
        let secret = Secret::presented(url.rsplit('/').next().unwrap());
        world.act(vec![Change::SendLink { user: ana.clone(), link: Box::new(link) }]).await;
        assert!(forgotten::seen(&world, &secret).await.unwrap().is_ok());
        set_phone("+82 10 8765 4321").await;
        assert!(forgotten::seen(&world, &secret).await.unwrap().is_err());
        let change = Change::SetPasswordByLink { user: ana.clone(), link: secret.digest(), password: "x".to_owned() };
        assert!(matches!(world.change(vec![change]).await, Err(Refusal::NotFound(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_flooded_by_invitations_that_are_taken_back_and_sent_anew() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let olga = Actor::User(acme.person("olga", PASSWORD).await);
        acme.give("olga", "org.admin", None).await;
        let origin = Origin::default();
        let send = async || {
            let people =
                vec![Invitee { email: "Dora@example.test".to_owned(), name: "Dora".to_owned(), ..Invitee::default() }];
            let access = Access::default();
            let sent = invite::many(&world, &olga, &origin, &acme.id, people, &access, None, Mode::Act).await;
            sent.unwrap().remove(0).outcome
        };
        for _ in 0..5 {
            let Ok(Sent::New(id, _)) = send().await else { panic!("it may be sent") };
            invite::cancel(&world, &olga, &origin, &acme.id, &id, Mode::Act).await.unwrap();
        }
        assert!(matches!(send().await, Err(Refusal::Limit(_))));
        world.advance(DAY + MINUTE);
        assert!(matches!(send().await, Ok(Sent::New(..))));
    })
    .await;
}
