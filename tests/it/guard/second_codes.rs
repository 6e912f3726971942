//! Codes by mail and to the phone: switched on only while both addresses are known to be the person's, and off as soon as one
//! of them is not any more.

use muster::domain::change::{Change, Origin};
use muster::domain::oidc::claims::Profile;
use muster::domain::people::factor::FactorKind;
use muster::domain::people::user::Kind as Whose;
use muster::flows::factors::{NotDone, Who, codes};
use muster::flows::sign_in::{Answer, with_password};
use muster::kernel::id::UserId;
use muster::store::cookies::Facts;
use muster::store::{factors, users};

use super::{attempt, gets_in};
use crate::support::PASSWORD;
use crate::support::world::{World, on_both};

async fn signed_in(world: &World) -> Facts {
    match with_password(world, attempt("ana", PASSWORD, "192.0.2.1")).await.expect("there are tries left") {
        Answer::SignedIn(facts) => facts,
        other => panic!("not signed in: {other:?}"),
    }
}

/// What is known of the addresses.
async fn set(world: &World, user: &UserId, phone: Option<&str>, (email_proven, phone_proven): (bool, bool)) {
    let found = users::find(&mut world.conn().await, user).await.unwrap().unwrap();
    let profile = Profile {
        phone_number: phone.map(str::to_owned),
        email_verified: email_proven,
        phone_number_verified: phone_proven,
        ..found.profile
    };
    let change = Change::SetProfile { user: user.clone(), user_name: found.user_name, profile: Box::new(profile) };
    world.act(vec![change]).await;
}

/// Why the switch can't be turned.
async fn reason(world: &World, facts: &Facts, kind: FactorKind) -> String {
    match codes::switch_on(world, Who::SignedIn(facts), kind, &Origin::default()).await {
        Err(NotDone::NotHere(reason)) => reason,
        Err(other) => panic!("refused otherwise: {other:?}"),
        Ok(_) => panic!("switched on"),
    }
}

// H23
#[tokio::test(flavor = "multi_thread")]
async fn codes_need_a_proven_address_and_a_proven_number_and_are_gone_with_either() {
    const PHONE: Option<&str> = Some("+82 10 1234 5678");
    on_both(async |world| {
        let acme = world.org("acme").await;
        let user = world.new_user(Whose::Managed(acme.id.clone()), "ana", PASSWORD).await;
        let id = user.id.clone();
        world.act(vec![Change::CreateUser(Box::new(user))]).await;
        acme.admit(&id).await;
        let facts = signed_in(&world).await;
        for kind in [FactorKind::Email, FactorKind::Sms] {
            assert!(reason(&world, &facts, kind).await.contains("phone number"), "there is none");
        }
        for (proven, says) in
            [((false, false), "Confirm both"), ((true, false), "phone number"), ((false, true), "e-mail address")]
        {
            set(&world, &id, PHONE, proven).await;
            for kind in [FactorKind::Email, FactorKind::Sms] {
                let reason = reason(&world, &facts, kind).await;
                assert!(reason.contains(says), "{proven:?}: {reason}");
            }
        }
        for (phone, lost) in [(PHONE, (false, true)), (PHONE, (true, false)), (None, (true, false))] {
            set(&world, &id, PHONE, (true, true)).await;
            let on = codes::switch_on(&world, Who::SignedIn(&facts), FactorKind::Sms, &Origin::default()).await;
            assert!(on.expect("both are known").codes.is_empty(), "a password alone brings no recovery codes");
            assert!(factors::held(&mut world.conn().await, &id).await.unwrap().any());
            assert!(!gets_in(&world, "ana", PASSWORD).await, "the password alone is not enough any more");
            set(&world, &id, phone, lost).await;
            assert!(!factors::held(&mut world.conn().await, &id).await.unwrap().any(), "{lost:?}");
            assert!(factors::of_user(&mut world.conn().await, &id).await.unwrap().is_empty(), "it is off, not hidden");
            assert!(gets_in(&world, "ana", PASSWORD).await);
        }
    })
    .await;
}
