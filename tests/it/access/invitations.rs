//! Invitations at the door: what one brings, to whom, until when, and that of many who come at once one comes through.
//! [`super::mailed_links`] is about the other links.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::access::{Role, Scope, Window};
use muster::domain::change::{Actor, Change, Mode, NewInvitation, NewUser, Presented, Receipt};
use muster::domain::language::Language;
use muster::domain::mail::{Address, Mail, NewLink, Purpose, Template};
use muster::domain::people::invitation::{Access, Offered, Rules, State};
use muster::domain::people::user::{Kind as Whose, MembershipState, UserState};
use muster::domain::settings::OrgSettings;
use muster::domain::source::Source;
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::{InvitationId, MembershipId, OrgId, UserId};
use muster::kernel::secret::{Digest, Secret};
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::invitations::{self, Invitation};
use muster::store::{groups, links, memberships, users};

use crate::support::PASSWORD;
use crate::support::org::Org;
use crate::support::world::{World, on_both};

/// Whoever holds an invitation's link and is not signed in.
const HOLDER: Actor = Actor::Link("invitation");
/// The address that most are invited at.
pub const ANA: &str = "ana@example.test";

/// Asks the door.
pub async fn ask(world: &World, actor: &Actor, changes: Vec<Change>) -> Result<Receipt, Refusal> {
    change_access(world, actor, changes, Mode::Act).await
}

/// Acme with the project `web`, the group `devs` that reads it, and olga, who administers it all.
pub async fn acme(world: &World) -> (Org, Actor) {
    let acme = world.org("acme").await;
    acme.project("web").await;
    acme.group("devs", &[]).await;
    acme.give_group("devs", "project.reader", Some("web")).await;
    let olga = acme.person("olga", PASSWORD).await;
    acme.give("olga", "org.admin", None).await;
    (acme, Actor::User(olga))
}

/// A new link, and a mail that carries it.
pub fn link(world: &World, purpose: Purpose, to: &str, life: i64) -> NewLink {
    let mail = Mail {
        template: Template::Invitation,
        to: Address::Email(to.to_owned()),
        language: Language::En,
        org: None,
        values: BTreeMap::new(),
        sealed: None,
    };
    let digest = Secret::mint(&*world.chance, "mln_").digest();
    NewLink { digest, purpose, expires_at: world.now().plus(life), mail }
}

fn role(role: &str, scope: Scope) -> Offered {
    Offered { role: role.parse::<Role>().unwrap(), scope, window: Window::ALWAYS }
}

/// The access that the stories offer: the group `devs`, and `org.reader`.
async fn some_access(acme: &Org) -> Access {
    Access { groups: [acme.group_id("devs").await].into(), roles: vec![role("org.reader", Scope::Org)] }
}

fn new_invitation(world: &World, org: &OrgId, email: &str, access: Access) -> NewInvitation {
    NewInvitation {
        id: InvitationId::fresh(),
        org: org.clone(),
        email: email.to_owned(),
        name: "Ana Example".to_owned(),
        given_name: String::new(),
        family_name: String::new(),
        access,
        language: Language::En,
        link: link(world, Purpose::Invitation, email, 7 * DAY),
    }
}

/// Invites an address; the invitation and its link.
pub async fn invite(world: &World, actor: &Actor, org: &OrgId, email: &str, access: Access) -> (InvitationId, Digest) {
    let new = new_invitation(world, org, email, access);
    let (id, digest) = (new.id.clone(), new.link.digest);
    ask(world, actor, vec![Change::Invite(Box::new(new))]).await.expect("it may be sent");
    (id, digest)
}

async fn found(world: &World, org: &OrgId, id: &InvitationId) -> Invitation {
    invitations::find(&mut world.conn().await, org, id).await.unwrap().expect("the invitation is there")
}

/// Its mail was taken by the next server.
async fn deliver(world: &World, id: &InvitationId) {
    let fate = muster::flows::invitations::MailFate::Sent;
    muster::flows::invitations::note_mail(world, id, fate).await.unwrap();
}

/// Accepts an invitation.
pub fn accept(org: &OrgId, id: &InvitationId, user: &UserId, by: Presented) -> Change {
    let (org, invitation, user) = (org.clone(), id.clone(), user.clone());
    Change::AcceptInvitation { org, invitation, user, member: MembershipId::fresh(), by }
}

/// An account of ana's own, not made yet.
pub async fn ana(world: &World) -> NewUser {
    world.new_user(Whose::Own, "ana", PASSWORD).await
}

/// Makes an account of ana's own, whose address is proven.
pub async fn proven_ana(world: &World) -> UserId {
    let mut user = ana(world).await;
    user.profile.email_verified = true;
    let id = user.id.clone();
    world.act(vec![Change::CreateUser(Box::new(user))]).await;
    id
}

async fn set_rules(world: &World, acme: &Org, rules: Rules) {
    let settings = OrgSettings { invitations: rules, ..OrgSettings::default() };
    world.act(vec![Change::SetOrgSettings { org: acme.id.clone(), settings: Box::new(settings) }]).await;
}

/// What became of it, in a word.
pub fn code(outcome: Result<Receipt, Refusal>) -> &'static str {
    outcome.map_or_else(|refusal| refusal.code(), |_| "accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_becomes_a_member_with_exactly_what_was_offered_and_nobody_is_before() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let access = some_access(&acme).await;
        let (id, digest) = invite(&world, &olga, &acme.id, "Ana@Example.test", access.clone()).await;
        let waiting = found(&world, &acme.id, &id).await;
        assert_eq!((waiting.state, &waiting.access, waiting.sent), (State::Processing, &access, 1));
        let devs = acme.group_id("devs").await;
        let conn = &mut world.conn().await;
        let pending = invitations::pending_of_group(conn, &acme.id, &devs, None, 10).await.unwrap();
        assert_eq!(pending.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id]);
        assert_eq!(memberships::of_org(conn, &acme.id).await.unwrap().len(), 1, "olga alone");
        assert!(users::by_identifier(conn, "own", ANA).await.unwrap().is_none());
        // Nobody is invited twice, in whatever spelling.
        let again = new_invitation(&world, &acme.id, "ANA@example.test", Access::default());
        assert!(ask(&world, &olga, vec![Change::Invite(Box::new(again))]).await.unwrap().is_empty());

        let user = ana(&world).await;
        let by = Presented::Link(digest);
        let join = vec![accept(&acme.id, &id, &user.id, by.clone())];
        let both = vec![Change::CreateUser(Box::new(user.clone())), join[0].clone()];
        let receipt = ask(&world, &HOLDER, both).await.unwrap();
        assert_eq!((receipt.members.len(), receipt.members[0].gained.len()), (1, 2), "{receipt:?}");
        let conn = &mut world.conn().await;
        let member = memberships::of_user(conn, &acme.id, &user.id).await.unwrap().unwrap();
        assert_eq!((member.state, member.source), (MembershipState::Active, Source::Invitation(id.to_string())));
        assert_eq!(groups::ids_of_member(conn, &member.id).await.unwrap(), BTreeSet::from([devs]));
        let held = memberships::bindings_reaching(conn, &member.id).await.unwrap();
        let roles: BTreeSet<String> = held.iter().map(|binding| binding.role.to_string()).collect();
        assert_eq!(roles, BTreeSet::from(["org.reader".to_owned(), "project.reader".to_owned()]));
        let after = found(&world, &acme.id, &id).await;
        assert_eq!((after.state, after.member, after.user), (State::Accepted, Some(member.id), Some(user.id.clone())));
        // Whoever read the mail has proven the address.
        assert!(users::find(conn, &user.id).await.unwrap().unwrap().profile.email_verified);
        assert_eq!(code(ask(&world, &HOLDER, join).await), "not_found");
        // A member is not invited.
        let again = new_invitation(&world, &acme.id, ANA, Access::default());
        assert!(ask(&world, &olga, vec![Change::Invite(Box::new(again))]).await.unwrap().is_empty());
    })
    .await;
}

// I20
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_account_of_their_own_past_the_mailed_link() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let (id, digest) = invite(&world, &olga, &acme.id, ANA, Access::default()).await;
        let user = ana(&world).await;
        let create = Change::CreateUser(Box::new(user.clone()));
        let by = |digest| accept(&acme.id, &id, &user.id, Presented::Link(digest));
        let guessed = Secret::presented("mln_guess").digest();
        let other = NewUser { profile: muster::domain::oidc::claims::Profile::default(), ..user.clone() };
        for (actor, changes, word) in [
            (&HOLDER, vec![create.clone()], "denied"),
            (&olga, vec![create.clone()], "denied"),
            (&HOLDER, vec![create.clone(), by(guessed)], "not_found"),
            (&HOLDER, vec![create.clone(), accept(&acme.id, &id, &user.id, Presented::Account)], "denied"),
            // The address is the invitation's, whatever the page sent.
            (&HOLDER, vec![Change::CreateUser(Box::new(other)), by(digest)], "invalid"),
            (&HOLDER, vec![Change::EndWindows { org: acme.id.clone() }], "denied"),
        ] {
            assert_eq!(code(ask(&world, actor, changes).await), word);
        }
        assert!(users::find(&mut world.conn().await, &user.id).await.unwrap().is_none());
        assert_eq!(code(ask(&world, &HOLDER, vec![create, by(digest)]).await), "accepted");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_account_accepts_for_itself_alone_when_its_address_is_proven() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let bo = world.own_account("bo", PASSWORD).await;
        let (id, digest) = invite(&world, &olga, &acme.id, ANA, Access::default()).await;
        let unproven = ana(&world).await;
        world.act(vec![Change::CreateUser(Box::new(unproven.clone()))]).await;
        let as_user = |user: &UserId| Actor::User(user.clone());
        let by_account = |user: &UserId| vec![accept(&acme.id, &id, user, Presented::Account)];
        assert_eq!(code(ask(&world, &as_user(&unproven.id), by_account(&unproven.id)).await), "not_found");
        assert_eq!(code(ask(&world, &as_user(&bo), by_account(&bo)).await), "not_found");
        assert_eq!(code(ask(&world, &as_user(&bo), by_account(&unproven.id)).await), "not_found");
        let by_link = |user: &UserId| vec![accept(&acme.id, &id, user, Presented::Link(digest))];
        let refusal = ask(&world, &as_user(&bo), by_link(&bo)).await.unwrap_err();
        assert!(matches!(&refusal, Refusal::Invalid { reason, .. } if reason.contains(ANA)), "{refusal}");
        // The link proves it.
        assert_eq!(code(ask(&world, &as_user(&unproven.id), by_link(&unproven.id)).await), "accepted");

        let beta = world.org("beta").await;
        let (id, _) = invite(&world, &Actor::CommandLine, &beta.id, ANA, Access::default()).await;
        let by = Presented::Account;
        let decline = Change::DeclineInvitation { org: beta.id.clone(), invitation: id.clone(), by };
        assert_eq!(code(ask(&world, &as_user(&bo), vec![decline.clone()]).await), "not_found");
        assert_eq!(code(ask(&world, &as_user(&unproven.id), vec![decline]).await), "accepted");
        assert_eq!(found(&world, &beta.id, &id).await.state, State::Declined);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_an_acceptance_and_a_cancellation_at_once_one_wins() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        for round in 0..20 {
            let name = format!("ana{round}");
            let user = world.own_account(&name, PASSWORD).await;
            let email = format!("{name}@example.test");
            let (id, digest) = invite(&world, &olga, &acme.id, &email, some_access(&acme).await).await;
            let join = vec![accept(&acme.id, &id, &user, Presented::Link(digest))];
            let cancel = vec![Change::CancelInvitation { org: acme.id.clone(), invitation: id.clone() }];
            let actor = Actor::User(user.clone());
            let (joined, cancelled) = tokio::join!(ask(&world, &actor, join), ask(&world, &olga, cancel));
            let member = memberships::of_user(&mut world.conn().await, &acme.id, &user).await.unwrap();
            let state = found(&world, &acme.id, &id).await.state;
            match (joined.is_ok(), cancelled.is_ok()) {
                (true, false) => assert!(member.is_some() && state == State::Accepted, "round {round}"),
                (false, true) => assert!(member.is_none() && state == State::Cancelled, "round {round}"),
                both => panic!("round {round}: {both:?}"),
            }
        }
    })
    .await;
}

// I04
#[tokio::test(flavor = "multi_thread")]
async fn an_inviter_gives_no_more_than_they_hold_and_only_while_they_hold_it() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let web = Scope::Project(acme.project_id("web").await);
        let iris = Actor::User(acme.person("iris", PASSWORD).await);
        let of_iris = acme.give("iris", "iam.admin", None).await;
        let pia = Actor::User(acme.person("pia", PASSWORD).await);
        acme.give("pia", "project.admin", Some("web")).await;
        acme.group("board", &[]).await;
        acme.give_group("board", "org.admin", None).await;
        let one = |offered: Offered| Access { groups: BTreeSet::new(), roles: vec![offered] };
        let board = Access { groups: [acme.group_id("board").await].into(), roles: Vec::new() };
        for (actor, access) in [
            (&pia, one(role("org.reader", Scope::Org))),
            (&pia, one(role("project.reader", web.clone()))),
            (&iris, one(role("org.admin", Scope::Org))),
            (&iris, one(role("project.admin", web.clone()))),
            (&iris, board.clone()),
        ] {
            let new = new_invitation(&world, &acme.id, ANA, access);
            assert_eq!(code(ask(&world, actor, vec![Change::Invite(Box::new(new))]).await), "denied");
        }
        // What iris may not give she may neither send again nor take back.
        let (olgas, _) = invite(&world, &olga, &acme.id, "bo@example.test", board).await;
        let cancel = Change::CancelInvitation { org: acme.id.clone(), invitation: olgas };
        assert_eq!(code(ask(&world, &iris, vec![cancel]).await), "denied");

        let (id, digest) = invite(&world, &iris, &acme.id, ANA, one(role("iam.viewer", Scope::Org))).await;
        let user = ana(&world).await;
        let join = || {
            let by = Presented::Link(digest);
            vec![Change::CreateUser(Box::new(user.clone())), accept(&acme.id, &id, &user.id, by)]
        };
        let preview = change_access(&world, &HOLDER, join(), Mode::DryRun).await;
        assert_eq!(code(preview), "accepted");
        acme.take(&of_iris).await;
        assert_eq!(code(ask(&world, &HOLDER, join()).await), "denied");
        let cancel = Change::CancelInvitation { org: acme.id.clone(), invitation: id.clone() };
        ask(&world, &Actor::System("invitation"), vec![cancel]).await.unwrap();
        let after = found(&world, &acme.id, &id).await;
        assert_eq!((after.state, after.reason.as_str()), (State::Cancelled, "inviter_reach"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_invitations_of_an_inviter_who_goes_are_cancelled_with_their_links() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        for (number, name) in ["ida", "ivo", "ike"].into_iter().enumerate() {
            let inviter = acme.person(name, PASSWORD).await;
            acme.give(name, "org.admin", None).await;
            let by = Actor::User(inviter.clone());
            let (id, digest) = invite(&world, &by, &acme.id, &format!("{name}@new.test"), Access::default()).await;
            let (kept, _) = invite(&world, &olga, &acme.id, &format!("{name}@kept.test"), Access::default()).await;
            let (org, member) = (acme.id.clone(), acme.member_id(name).await);
            let goes = match number {
                0 => Change::RemoveMember { org, member },
                1 => Change::SetMemberState { org, member, state: MembershipState::Suspended },
                _ => Change::SetUserState { user: inviter, state: UserState::Suspended },
            };
            world.act(vec![goes]).await;
            let after = found(&world, &acme.id, &id).await;
            assert_eq!((after.state, after.reason.as_str()), (State::Cancelled, "inviter_gone"), "{name}");
            let dead = links::find(&mut world.conn().await, digest).await.unwrap().unwrap();
            assert_eq!(dead.end_reason.as_deref(), Some("withdrawn"));
            assert_eq!(found(&world, &acme.id, &kept).await.state, State::Processing);
        }
    })
    .await;
}

// I06
#[tokio::test(flavor = "multi_thread")]
async fn an_address_outside_of_the_patterns_is_refused_at_sending_and_at_accepting() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let only = |pattern: &str| Rules { domains: vec![pattern.to_owned()], ..Rules::default() };
        set_rules(&world, &acme, only("acme.test")).await;
        let new = new_invitation(&world, &acme.id, ANA, Access::default());
        match ask(&world, &olga, vec![Change::Invite(Box::new(new))]).await.unwrap_err() {
            Refusal::Invalid { field: "email", reason } => {
                assert!(reason.starts_with("example.test isn't"), "{reason}")
            }
            other => panic!("{other:?}"),
        }
        set_rules(&world, &acme, only("*.test")).await;
        let (id, digest) = invite(&world, &olga, &acme.id, ANA, Access::default()).await;
        set_rules(&world, &acme, only("acme.test")).await;
        let user = ana(&world).await;
        let join =
            vec![Change::CreateUser(Box::new(user.clone())), accept(&acme.id, &id, &user.id, Presented::Link(digest))];
        assert_eq!(code(ask(&world, &HOLDER, join.clone()).await), "denied");
        set_rules(&world, &acme, only("example.*")).await;
        assert_eq!(code(ask(&world, &HOLDER, join).await), "accepted");
    })
    .await;
}

// I19
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_over_after_thirty_days_to_the_second() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let user = proven_ana(&world).await;
        let (id, _) = invite(&world, &olga, &acme.id, ANA, Access::default()).await;
        deliver(&world, &id).await;
        let join = || vec![accept(&acme.id, &id, &user, Presented::Account)];
        let actor = Actor::User(user.clone());
        world.advance(30 * DAY - SECOND);
        assert_eq!(code(change_access(&world, &actor, join(), Mode::DryRun).await), "accepted");
        world.advance(SECOND);
        assert_eq!(code(ask(&world, &actor, join()).await), "conflict");
        let over = found(&world, &acme.id, &id).await;
        assert_eq!((over.state, over.state_at(world.now())), (State::Pending, State::Expired));
        assert_eq!(invitations::expire(&world.db, world.now()).await.unwrap(), 1);
        assert_eq!(found(&world, &acme.id, &id).await.state, State::Expired);
        let conn = &mut world.conn().await;
        assert!(invitations::open_of_email(conn, ANA).await.unwrap().is_empty());
        // It can be sent again, and lives as long as a new one.
        let link = Box::new(link(&world, Purpose::Invitation, ANA, 7 * DAY));
        let (org, invitation) = (acme.id.clone(), id.clone());
        ask(&world, &olga, vec![Change::ResendInvitation { org, invitation, link }]).await.unwrap();
        let again = found(&world, &acme.id, &id).await;
        assert_eq!((again.state, again.expires_at), (State::Processing, world.now().plus(30 * DAY)));
        assert_eq!(code(ask(&world, &actor, join()).await), "accepted");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_sent_again_kills_the_link_before_and_is_a_minute_and_five_a_day() {
    on_both(async |world| {
        let (acme, olga) = acme(&world).await;
        let (id, first) = invite(&world, &olga, &acme.id, ANA, Access::default()).await;
        let resend = async |actor: &Actor| {
            let link = Box::new(link(&world, Purpose::Invitation, ANA, 7 * DAY));
            let digest = link.digest;
            let (org, invitation) = (acme.id.clone(), id.clone());
            ask(&world, actor, vec![Change::ResendInvitation { org, invitation, link }]).await.map(|_| digest)
        };
        world.advance(MINUTE);
        assert_eq!(resend(&olga).await.unwrap_err().code(), "conflict", "its mail is not out yet");
        deliver(&world, &id).await;
        let second = resend(&olga).await.unwrap();
        world.advance(59 * SECOND);
        assert_eq!(resend(&olga).await.unwrap_err().code(), "limit_reached");
        let reason = links::find(&mut world.conn().await, first).await.unwrap().unwrap().end_reason;
        assert_eq!(reason.as_deref(), Some("replaced"));
        let user = ana(&world).await;
        let join = |digest| {
            let by = Presented::Link(digest);
            vec![Change::CreateUser(Box::new(user.clone())), accept(&acme.id, &id, &user.id, by)]
        };
        assert_eq!(code(ask(&world, &HOLDER, join(first)).await), "not_found");
        // Whoever holds an old link may have a new one sent, within the same limits.
        world.advance(SECOND);
        resend(&HOLDER).await.unwrap();
        for _ in 0..2 {
            world.advance(MINUTE);
            resend(&olga).await.unwrap();
        }
        assert_eq!(found(&world, &acme.id, &id).await.sent, 5);
        world.advance(MINUTE);
        assert_eq!(resend(&olga).await.unwrap_err().code(), "limit_reached", "five a day");
        world.advance(DAY);
        let newest = resend(&olga).await.unwrap();
        assert_eq!(code(ask(&world, &HOLDER, join(second)).await), "not_found");
        // A link lives seven days, the invitation thirty.
        world.advance(7 * DAY);
        assert_eq!(code(ask(&world, &HOLDER, join(newest)).await), "not_found");
        let last = resend(&HOLDER).await.unwrap();
        world.advance(7 * DAY - SECOND);
        assert_eq!(code(ask(&world, &HOLDER, join(last)).await), "accepted");
    })
    .await;
}
