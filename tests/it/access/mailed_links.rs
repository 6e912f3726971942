//! Mailed links for passwords and addresses, and passwords themselves, at the door: for whom each is good, how long, what
//! it ends, and that of many who use one at once one comes through.

use std::collections::BTreeSet;

use muster::domain::change::{Actor, Change, Mode, NewUser, Presented, Receipt};
use muster::domain::mail::{NewLink, Purpose};
use muster::domain::oidc::claims::Profile;
use muster::domain::people::invitation::Access;
use muster::domain::people::user::{Kind as Whose, MembershipState, UserState};
use muster::domain::settings::OrgSettings;
use muster::domain::source::Source;
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::{MembershipId, UserId};
use muster::kernel::secret::Digest;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::{sessions, users};
use tokio::task::JoinSet;

use super::invitations::{ANA, accept, acme, ana, ask, code, invite, link, proven_ana};
use crate::support::browser::Person;
use crate::support::org::Org;
use crate::support::world::{World, on_both};
use crate::support::{PASSWORD, server};

/// A person who was registered and waits for the first password.
async fn registered(world: &World, acme: &Org, name: &str) -> (UserId, String) {
    let user = world.new_user(Whose::Managed(acme.id.clone()), name, PASSWORD).await;
    let user = NewUser { state: UserState::Pending, password: None, ..user };
    let (id, email) = (user.id.clone(), user.profile.email.clone().unwrap());
    let (org, member, source) = (acme.id.clone(), MembershipId::fresh(), Source::Local);
    let join = Change::AddMember { org, member, user: id.clone(), state: MembershipState::Active, source };
    world.act(vec![Change::CreateUser(Box::new(user)), join]).await;
    (id, email)
}

async fn send(world: &World, actor: &Actor, user: &UserId, link: &NewLink) -> Result<Receipt, Refusal> {
    ask(world, actor, vec![Change::SendLink { user: user.clone(), link: Box::new(link.clone()) }]).await
}

fn set(user: &UserId, link: Digest, password: &str) -> Vec<Change> {
    vec![Change::SetPasswordByLink { user: user.clone(), link, password: password.to_owned() }]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_purpose_person_or_organisation_is_good_for_nothing() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let beta = world.org("beta").await;
        let user = proven_ana(&world).await;
        let (here, of_acme) = invite(&world, &olga, &acme.id, ANA, Access::default()).await;
        let (there, of_beta) = invite(&world, &Actor::CommandLine, &beta.id, ANA, Access::default()).await;
        let (kim, address) = registered(&world, &acme, "kim").await;
        let first = link(&world, Purpose::SetPassword, &address, 7 * DAY);
        send(&world, &olga, &kim, &first).await.unwrap();
        let reset = link(&world, Purpose::ResetPassword, ANA, MINUTE);
        send(&world, &Actor::Link("reset_password"), &user, &reset).await.unwrap();
        let actor = Actor::User(user.clone());
        for (org, id, digest) in [
            (&acme.id, &here, of_beta),
            (&beta.id, &there, of_acme),
            (&beta.id, &here, of_acme),
            (&acme.id, &here, reset.digest),
        ] {
            let join = vec![accept(org, id, &user, Presented::Link(digest))];
            assert_eq!(code(ask(&world, &actor, join).await), "not_found");
        }
        let holder = Actor::Link("set_password");
        for (whose, digest) in [(&user, of_acme), (&kim, reset.digest), (&user, first.digest), (&kim, of_acme)] {
            assert_eq!(code(ask(&world, &holder, set(whose, digest, "x")).await), "not_found");
        }
        for changes in [
            vec![Change::ConfirmEmail { user: user.clone(), link: reset.digest }],
            vec![Change::SelfRegister { user: Box::new(ana(&world).await), link: of_acme }],
        ] {
            assert_eq!(code(ask(&world, &holder, changes).await), "not_found");
        }
        // None of them was used up by that.
        assert_eq!(code(ask(&world, &holder, set(&user, reset.digest, "x")).await), "accepted");
        assert_eq!(code(ask(&world, &holder, set(&kim, first.digest, "x")).await), "accepted");
        assert_eq!(
            code(ask(&world, &actor, vec![accept(&acme.id, &here, &user, Presented::Link(of_acme))]).await),
            "accepted"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_for_a_first_password_is_good_for_seven_days_and_not_a_second_longer() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        acme.group("readers", &[]).await;
        acme.give_group("readers", "org.reader", None).await;
        let holder = Actor::Link("set_password");
        let mut sent = Vec::new();
        for name in ["kim", "lee"] {
            let (user, address) = registered(&world, &acme, name).await;
            acme.put_in("readers", &[name]).await;
            let link = link(&world, Purpose::SetPassword, &address, 7 * DAY);
            send(&world, &olga, &user, &link).await.unwrap();
            sent.push((user, link.digest));
        }
        world.advance(7 * DAY - SECOND);
        let (kim, digest) = &sent[0];
        let receipt = ask(&world, &holder, set(kim, *digest, "hash")).await.unwrap();
        assert_eq!(receipt.members[0].gained.len(), 1, "nothing was held before");
        let conn = &mut world.conn().await;
        let after = users::find(conn, kim).await.unwrap().unwrap();
        assert!(after.state == UserState::Active && after.profile.email_verified);
        assert_eq!(code(ask(&world, &holder, set(kim, *digest, "again")).await), "not_found");
        world.advance(SECOND);
        let (lee, digest) = &sent[1];
        assert_eq!(code(ask(&world, &holder, set(lee, *digest, "hash")).await), "not_found");
        assert_eq!(users::find(conn, lee).await.unwrap().unwrap().state, UserState::Pending);
        // A new one has seven days of its own, and goes to nobody else.
        let elsewhere = link(&world, Purpose::SetPassword, "mallory@example.test", 7 * DAY);
        assert_eq!(code(send(&world, &olga, lee, &elsewhere).await), "invalid");
        let again = link(&world, Purpose::SetPassword, "lee@example.test", 7 * DAY);
        send(&world, &olga, lee, &again).await.unwrap();
        assert_eq!(code(send(&world, &olga, lee, &again).await), "limit_reached");
        world.advance(7 * DAY - SECOND);
        assert_eq!(code(ask(&world, &holder, set(lee, again.digest, "hash")).await), "accepted");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_were_mailed_already_die_with_what_they_were_for() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let holder = Actor::Link("reset_password");
        for number in 0..5 {
            let name = format!("kim{number}");
            let user = acme.person(&name, PASSWORD).await;
            let link = link(&world, Purpose::ResetPassword, &format!("{name}@example.test"), 30 * MINUTE);
            send(&world, &holder, &user, &link).await.unwrap();
            let (org, member) = (acme.id.clone(), acme.member_id(&name).await);
            let change = match number {
                0 => Change::SetUserState { user: user.clone(), state: UserState::Suspended },
                1 => Change::SetMemberState { org, member, state: MembershipState::Suspended },
                2 => Change::RemoveMember { org, member },
                3 => Change::ResetPassword { user: user.clone(), password: "new".to_owned(), must_change: true },
                _ => Change::SetUserState { user: user.clone(), state: UserState::Deleted },
            };
            ask(&world, &olga, vec![change]).await.unwrap();
            assert_eq!(code(ask(&world, &holder, set(&user, link.digest, "x")).await), "not_found", "{name}");
        }
        // Who has no password here gets no link.
        let federated = world.new_user(Whose::Managed(acme.id.clone()), "fay", PASSWORD).await;
        let federated = NewUser { source: Source::Scim("okta".to_owned()), password: None, ..federated };
        let fay = federated.id.clone();
        world.act(vec![Change::CreateUser(Box::new(federated))]).await;
        let to_fay = link(&world, Purpose::ResetPassword, "fay@example.test", MINUTE);
        assert_eq!(code(send(&world, &holder, &fay, &to_fay).await), "managed_by_idp");
        // Whoever asks again and again gets three in an hour, and hears nothing of it.
        let kit = acme.person("kit", PASSWORD).await;
        for sent in [true, true, true, false] {
            let link = link(&world, Purpose::ResetPassword, "kit@example.test", MINUTE);
            assert_eq!(!send(&world, &holder, &kit, &link).await.unwrap().is_empty(), sent);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_who_use_a_link_at_once_one_comes_through() {
    on_both(async |world| {
        let user = proven_ana(&world).await;
        let reset = link(&world, Purpose::ResetPassword, ANA, 30 * MINUTE);
        send(&world, &Actor::Link("reset_password"), &user, &reset).await.unwrap();
        let mut all = JoinSet::new();
        for number in 0..50 {
            let (world, user, digest): (World, UserId, Digest) = (world.clone(), user.clone(), reset.digest);
            all.spawn(async move {
                let change = set(&user, digest, &format!("hash {number}"));
                ask(&world, &Actor::Link("reset_password"), change).await.is_ok()
            });
        }
        let won = all.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
        let kept = users::password_history(&mut world.conn().await, &user, 100).await.unwrap();
        assert_eq!(kept.len(), 1, "the one before");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_password_that_was_is_kept_as_a_hash_and_no_more_than_two_dozen() {
    on_both(async |world| {
        let user = world.own_account("bo", PASSWORD).await;
        let actor = Actor::User(user.clone());
        let facts = async || users::password_facts(&mut world.conn().await, &user).await.unwrap().unwrap();
        let mut now = facts().await.password.unwrap();
        let first = now.clone();
        let mut before = Vec::new();
        for number in 0..30 {
            let (old, password) = (now.clone(), format!("hash {number}"));
            let change = |old: String| Change::ChangePassword {
                user: user.clone(),
                old,
                password: password.clone(),
                end_others: false,
                keep: None,
            };
            assert_eq!(code(ask(&world, &actor, vec![change("another".to_owned())]).await), "stale");
            ask(&world, &actor, vec![change(old.clone())]).await.unwrap();
            before.insert(0, old);
            now = password;
        }
        let kept = users::password_history(&mut world.conn().await, &user, 100).await.unwrap();
        assert_eq!(kept, before[..24]);
        assert!(!kept.contains(&first) && facts().await.set_at == Some(world.now()));
        let reset = Change::ResetPassword { user: user.clone(), password: "given".to_owned(), must_change: true };
        world.act(vec![reset]).await;
        assert!(facts().await.must_change);
        assert_eq!(users::password_history(&mut world.conn().await, &user, 1).await.unwrap(), [now]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_address_takes_the_old_ones_place_and_only_so_is_one_changed_by_its_person() {
    on_both(async |world| {
        let user = proven_ana(&world).await;
        world.own_account("bo", PASSWORD).await;
        let actor = Actor::User(user.clone());
        let mine = users::find(&mut world.conn().await, &user).await.unwrap().unwrap();
        let mut profile = Box::new(mine.profile.clone());
        profile.email = Some("new@example.test".to_owned());
        let change = Change::SetProfile { user: user.clone(), user_name: mine.user_name.clone(), profile };
        assert_eq!(code(ask(&world, &actor, vec![change]).await), "denied");
        let mut profile = Box::new(mine.profile.clone());
        profile.nickname = Some("An".to_owned());
        let change = Change::SetProfile { user: user.clone(), user_name: mine.user_name, profile };
        assert_eq!(code(ask(&world, &actor, vec![change]).await), "accepted");

        let confirm = |link: &NewLink| vec![Change::ConfirmEmail { user: user.clone(), link: link.digest }];
        let taken = link(&world, Purpose::ConfirmEmail, "bo@example.test", DAY);
        send(&world, &actor, &user, &taken).await.unwrap();
        assert_eq!(code(ask(&world, &actor, confirm(&taken)).await), "conflict");
        let new = link(&world, Purpose::ConfirmEmail, "new@example.test", DAY);
        send(&world, &actor, &user, &new).await.unwrap();
        assert_eq!(code(ask(&world, &actor, confirm(&taken)).await), "not_found", "the newer one counts");
        assert_eq!(code(ask(&world, &Actor::Link("confirm_email"), confirm(&new)).await), "accepted");
        let after = users::find(&mut world.conn().await, &user).await.unwrap().unwrap().profile;
        assert_eq!((after.email.as_deref(), after.email_verified), (Some("new@example.test"), true));
        assert!(users::by_identifier(&mut world.conn().await, "own", ANA).await.unwrap().is_none());
        assert_eq!(code(ask(&world, &actor, confirm(&new)).await), "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_keeps_its_peoples_data_to_itself_if_it_wants() {
    on_both(async |world| {
        let (acme, _) = acme(&world).await;
        let kim = acme.person("kim", PASSWORD).await;
        let actor = Actor::User(kim.clone());
        let found = users::find(&mut world.conn().await, &kim).await.unwrap().unwrap();
        let stored = users::password_facts(&mut world.conn().await, &kim).await.unwrap().unwrap().password.unwrap();
        let named = |name: &str| {
            let profile = Box::new(Profile { nickname: Some(name.to_owned()), ..found.profile.clone() });
            vec![Change::SetProfile { user: kim.clone(), user_name: found.user_name.clone(), profile }]
        };
        let new_password = || {
            let (user, old, password) = (kim.clone(), stored.clone(), "hash".to_owned());
            vec![Change::ChangePassword { user, old, password, end_others: false, keep: None }]
        };
        let to_new = || {
            let link = Box::new(link(&world, Purpose::ConfirmEmail, "new@example.test", DAY));
            vec![Change::SendLink { user: kim.clone(), link }]
        };
        assert_eq!(code(ask(&world, &actor, named("K")).await), "accepted");
        let settings = OrgSettings { own_data: BTreeSet::new(), ..OrgSettings::default() };
        world.act(vec![Change::SetOrgSettings { org: acme.id.clone(), settings: Box::new(settings) }]).await;
        for changes in [named("Other"), new_password(), to_new()] {
            assert_eq!(code(ask(&world, &actor, changes).await), "denied");
        }
        // Of somebody else's account nobody hears anything.
        let eve = Actor::User(acme.person("eve", PASSWORD).await);
        assert_eq!(code(ask(&world, &eve, new_password()).await), "not_found");
        // Whoever must change the password does so before they are let in.
        assert_eq!(code(ask(&world, &Actor::Link("change_first"), new_password()).await), "accepted");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_the_other_sessions_everywhere_and_keeps_this_one() {
    server::on_both(async |site| {
        let (acme, beta) = (site.org("acme").await, site.org("beta").await);
        let bo = site.own_account("bo", PASSWORD).await;
        acme.admit(&bo).await;
        beta.admit(&bo).await;
        let (shop, other) =
            (site.client(&acme.application("shop").await), site.client(&beta.application("other").await));
        let mut here = site.browser();
        let kept = shop.sign_in(&mut here, Person::named("bo")).await;
        let this = sessions::of_user(&mut site.conn().await, &bo, site.now()).await.unwrap().remove(0).id;
        let (mut there, mut elsewhere) = (site.browser(), site.browser());
        let gone = shop.sign_in(&mut there, Person::named("bo")).await;
        let gone_too = other.sign_in(&mut elsewhere, Person::named("bo")).await;
        let old = users::password_facts(&mut site.conn().await, &bo).await.unwrap().unwrap().password.unwrap();
        let (user, password, keep) = (bo.clone(), old.clone(), Some(this));
        let change = Change::ChangePassword { user, old, password, end_others: true, keep };
        let receipt = change_access(site, &Actor::User(bo.clone()), vec![change], Mode::Act).await.unwrap();
        assert_eq!((receipt.ended.sessions, receipt.ended.token_families), (2, 2));
        assert!(shop.is_signed_in(&mut here).await && shop.is_active(kept.access()).await);
        assert!(!shop.is_signed_in(&mut there).await && !shop.is_active(gone.access()).await);
        assert!(!other.is_signed_in(&mut elsewhere).await && !other.is_active(gone_too.access()).await);
        assert_eq!(shop.refresh(gone.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
    })
    .await;
}
