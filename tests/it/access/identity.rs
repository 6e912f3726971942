//! Replacing an identity: the membership moves to another account with all that it holds, and nothing of the account
//! before stays open.

use muster::domain::change::{Actor, Change, Mode, Receipt};
use muster::domain::people::user::UserState;
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::{MembershipId, UserId};
use muster::store::memberships;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Ask, Tokens, list};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

const OLIVIA: &str = "olivia";

async fn owned(site: &Site) -> (Org, UserId) {
    let acme = site.org("acme").await;
    let olivia = acme.person(OLIVIA, PASSWORD).await;
    let to = acme.member_id(OLIVIA).await;
    site.act(vec![Change::TransferOwnership { org: acme.id.clone(), to }]).await;
    (acme, olivia)
}

async fn replace(
    site: &Site,
    by_whom: &UserId,
    acme: &Org,
    member: &MembershipId,
    by: &UserId,
) -> Result<Receipt, Refusal> {
    let change = Change::ReplaceIdentity { org: acme.id.clone(), member: member.clone(), by: by.clone() };
    change_access(site, &Actor::User(by_whom.clone()), vec![change], Mode::Act).await
}

// I36 I38
#[tokio::test(flavor = "multi_thread")]
async fn access_goes_over_to_the_other_account_and_the_one_before_is_out_at_once() {
    on_both(async |site| {
        let (acme, olivia) = owned(site).await;
        let beta = site.org("beta").await;
        acme.project("web").await;
        acme.person("ana", PASSWORD).await;
        acme.group("devs", &["ana"]).await;
        acme.give_group("devs", "project.admin", Some("web")).await;
        acme.give("ana", "org.reader", None).await;
        let nora = site.own_account("nora", PASSWORD).await;
        beta.admit(&nora).await;
        let (shop, other) =
            (site.client(&acme.application("shop").await), site.client(&beta.application("other").await));
        let (mut anas, mut noras) = (site.browser(), site.browser());
        let before = shop.sign_in(&mut anas, Person::named("ana")).await;
        let elsewhere = other.sign_in(&mut noras, Person::named("nora")).await;

        let member = acme.member_id("ana").await;
        let receipt = replace(site, &olivia, &acme, &member, &nora).await.unwrap();
        assert_eq!((receipt.members.len(), receipt.ended.sessions), (1, 1));
        assert!(receipt.members[0].lost.is_empty() && receipt.members[0].gained.is_empty(), "nothing was taken");
        assert_eq!(acme.member_id("nora").await, member, "it is the same membership");

        assert!(!shop.is_active(before.access()).await && !shop.is_signed_in(&mut anas).await);
        assert_eq!(shop.refresh(before.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        let arrival = site.browser().authorize(&Ask::of(&shop), Person::named("ana")).await;
        assert_eq!(arrival.param("error"), "access_denied", "the account stays, without a membership");

        let after = shop.sign_in(&mut noras, Person::named("nora")).await;
        assert_eq!(list(&after.claims()["org_roles"]), ["org.reader"]);
        assert_eq!(list(&after.claims()["project_roles"]["web"]), ["project.admin"]);
        assert!(other.is_active(elsewhere.access()).await, "what nora has in another organisation stays");
        Tokens::read(&other.refresh(elsewhere.refresh()).await);

        // Nothing comes back by itself: whoever wants the old account here again adds it anew, without any role.
        let ana = muster::store::users::by_identifier(&mut site.conn().await, acme.id.as_str(), "ana").await.unwrap();
        let ana = ana.unwrap().id;
        assert!(memberships::of_user(&mut site.conn().await, &acme.id, &ana).await.unwrap().is_none());
        acme.admit(&ana).await;
        let again = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        assert!(list(&again.claims()["org_roles"]).is_empty());
    })
    .await;
}

// I37
#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_replaces_an_identity_and_never_their_own() {
    on_both(async |site| {
        let (acme, olivia) = owned(site).await;
        acme.person("ana", PASSWORD).await;
        let admin = acme.person("adam", PASSWORD).await;
        acme.give("adam", "org.admin", None).await;
        let nora = site.own_account("nora", PASSWORD).await;
        let (ana, own) = (acme.member_id("ana").await, acme.member_id(OLIVIA).await);
        assert_eq!(replace(site, &admin, &acme, &ana, &nora).await.unwrap_err().code(), "denied");
        match replace(site, &olivia, &acme, &own, &nora).await.unwrap_err() {
            Refusal::Invalid { field: "member", reason } => assert!(reason.contains("transfer"), "{reason}"),
            other => panic!("{other:?}"),
        }
        // Who comes must be there, active, this organisation's or nobody's, and no member yet.
        let stranger = site.org("beta").await.person("eve", PASSWORD).await;
        let asleep = site.own_account("zoe", PASSWORD).await;
        site.act(vec![Change::SetUserState { user: asleep.clone(), state: UserState::Suspended }]).await;
        for (by, word) in
            [(UserId::fresh(), "not_found"), (stranger, "not_found"), (asleep, "invalid"), (admin, "conflict")]
        {
            assert_eq!(replace(site, &olivia, &acme, &ana, &by).await.unwrap_err().code(), word, "{by}");
        }
        let same = acme.user_id("ana").await;
        assert!(replace(site, &olivia, &acme, &ana, &same).await.unwrap().is_empty());
    })
    .await;
}
