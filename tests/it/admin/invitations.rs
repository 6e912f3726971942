//! Inviting through the API: several with the same access, within one's own reach; what becomes of an invitation, and
//! accepting one with a token of one's own.

use muster::domain::apply_file::ApplyFile;
use muster::domain::change::{Actor, Change, Mode, Origin};
use muster::domain::mail::Purpose;
use muster::domain::people::invitation::{Access, Act, State};
use muster::domain::people::user::Kind;
use muster::flows::change_access::Refusal;
use muster::flows::invitations::{MailFate, note_mail};
use muster::flows::invite::{self, Invitee, Sent};
use muster::flows::{apply_file, export};
use muster::kernel::id::UserId;
use muster::kernel::time::{DAY, MINUTE};
use muster::store::invitations;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{key_of, service_account, tool};
use crate::source::root;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, console, owned};
use crate::support::browser::{Landing, Person};
use crate::support::client::{Ask, list};
use crate::support::mailbox::{link_to, links_to, nth_link};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};
use crate::support::world::on_both as on_both_without_server;

/// What every link's secret begins with.
const SECRET: &str = "mln_";

fn not_found() -> (u16, String) {
    (404, "not_found".to_owned())
}

fn people(addresses: &[&str]) -> Value {
    addresses.iter().map(|email| json!({ "email": email, "name": "Somebody New" })).collect()
}

fn texts<'a>(rows: &'a Value, name: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap_or_default()).collect()
}

/// Invites one address, whose mail arrives; the invitation's path.
async fn invited(site: &Site, olga: &Admin, email: &str, access: Value) -> String {
    let mut body = json!({ "people": people(&[email]) });
    body.as_object_mut().unwrap().extend(access.as_object().unwrap().clone());
    let sent = olga.post("/invitations", body).await;
    let id = sent["people"][0]["invitation_id"].as_str().unwrap_or_else(|| panic!("not invited: {sent}")).to_owned();
    note_mail(site, &id.parse().unwrap(), MailFate::Sent).await.unwrap();
    format!("/invitations/{id}")
}

/// An account of somebody's own with a proven address, and a token of theirs.
async fn somebody(site: &Site, org: &Org, name: &str) -> (UserId, Admin) {
    let mut user = site.new_user(Kind::Own, name, PASSWORD).await;
    user.profile.email_verified = true;
    let id = user.id.clone();
    site.act(vec![Change::CreateUser(Box::new(user))]).await;
    let (console, mut browser) = (console(site).await, site.browser());
    let ask = Ask::of(&console).with("scope", "openid muster.admin");
    let tokens = console.sign_in_with(&mut browser, Person::named(name), ask).await;
    (id, Admin::with_token(site, org, tokens.access()))
}

// N11 I05 I16 I17 I18
#[tokio::test(flavor = "multi_thread")]
async fn several_are_invited_with_the_same_access_each_once_and_hold_nothing() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        let (devs, olga) = (acme.group("devs", &[]).await, Admin::of(site, &acme, "olga").await);
        let on_web = json!({ "kind": "project", "project_id": acme.project_id("web").await });
        let three = ["ana@new.test", "bo@new.test", "cleo@new.test"];
        let body = json!({ "people": people(&three), "groups": [devs], "roles": [{ "role": "org.reader" },
            { "role": "project.reader", "scope": on_web }] });
        let tried = olga.post("/invitations?dry_run=true", body.clone()).await;
        assert_eq!(texts(&tried["people"], "state"), ["dry_run"; 3]);
        assert_eq!(olga.get("/invitations").await["items"], json!([]));
        let key = [("idempotency-key", "three")];
        let sent = olga.call_with(Method::POST, "/invitations", Some(&body), &key).await;
        assert_eq!(texts(&sent.json()["people"], "state"), ["invited"; 3], "{}", sent.body);
        let replayed = olga.call_with(Method::POST, "/invitations", Some(&body), &key).await;
        assert_eq!((replayed.header("idempotency-replayed"), replayed.json()), ("true", sent.json()));
        let again = olga.post("/invitations", body).await;
        assert_eq!(texts(&again["people"], "state"), ["already_invited"; 3], "nobody is invited twice");
        let all = olga.get("/invitations").await["items"].clone();
        assert_eq!(texts(&all, "email"), three);
        for one in all.as_array().unwrap() {
            assert_eq!((&one["groups"], &one["roles"]), (&all[0]["groups"], &all[0]["roles"]), "equal access");
            assert_eq!((one["roles"].as_array().unwrap().len(), &one["sent"]), (2, &json!(1)));
            assert_eq!(links_to(site, one["email"].as_str().unwrap(), Purpose::Invitation).await.len(), 1);
        }
        // No account and no membership is made before somebody accepts.
        assert_eq!(olga.get("/users?search=ana").await["items"], json!([]));
        let shown = olga.get(&format!("/invitations/{}", all[0]["id"].as_str().unwrap())).await;
        assert_eq!(shown["email"], "ana@new.test");

        let without = olga.post("/invitations", json!({ "people": people(&["dan@new.test"]) })).await;
        assert_eq!(texts(&without["people"], "state"), ["invited"], "without any access, too");
        let mixed = json!({ "people": [
            { "email": "eve@new.test" },
            { "name": "Fay" },
            { "email": "gil@new.test", "name": "Gil" },
            { "email": "olga@example.test", "name": "Olga" },
        ] });
        let mixed = olga.post("/invitations", mixed).await["people"].clone();
        assert_eq!(texts(&mixed, "state"), ["refused", "refused", "invited", "already_member"], "{mixed}");
        assert_eq!((&mixed[0]["problem"]["field"], &mixed[1]["problem"]["field"]), (&json!("name"), &json!("email")));
        let many: Vec<String> = (0..101).map(|n| format!("n{n}@new.test")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let answer = olga.call(Method::POST, "/invitations", Some(&json!({ "people": people(&many) }))).await;
        let reason = answer.json()["invalid_parameters"][0]["reason"].clone();
        assert_eq!((answer.status, reason), (400, json!("You can invite 100 people at a time. This list has 101.")));
        assert_eq!(olga.get("/invitations?limit=200").await["items"].as_array().unwrap().len(), 5);
    })
    .await;
}

// I02 I03 I04 I09
#[tokio::test(flavor = "multi_thread")]
async fn nobody_invites_beyond_their_reach_and_no_tool_does_at_all() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        for (name, role, project) in
            [("ivo", "iam.admin", None), ("rita", "org.reader", None), ("pia", "project.admin", Some("web"))]
        {
            acme.person(name, PASSWORD).await;
            acme.give(name, role, project).await;
        }
        let admins = acme.group("admins", &[]).await;
        acme.give_group("admins", "org.admin", None).await;
        let (olga, ivo) = (Admin::of(site, &acme, "olga").await, Admin::of(site, &acme, "ivo").await);
        let body = |access: Value| {
            let mut body = json!({ "people": people(&["ana@new.test"]) });
            body.as_object_mut().unwrap().extend(access.as_object().unwrap().clone());
            body
        };
        let denied = (403, "denied".to_owned());
        for access in [json!({ "roles": [{ "role": "org.admin" }] }), json!({ "groups": [admins] })] {
            assert_eq!(ivo.refused(Method::POST, "/invitations", body(access.clone())).await, denied, "{access}");
        }
        for name in ["rita", "pia"] {
            let them = Admin::of(site, &acme, name).await;
            assert_eq!(them.refused(Method::POST, "/invitations", body(json!({}))).await, denied, "{name}");
        }
        let misplaced = body(json!({ "roles": [{ "role": "project.reader" }] }));
        assert_eq!(olga.refused(Method::POST, "/invitations", misplaced).await, (400, "invalid".into()));
        let owner = body(json!({ "roles": [{ "role": "org.owner" }] }));
        assert_eq!(olga.refused(Method::POST, "/invitations", owner).await, (400, "invalid".into()));
        let (_, member) = service_account(site, &acme, "robot", &"org.admin".parse().unwrap()).await;
        let machine = tool(site, &acme, key_of(site, &acme, &member).await).await;
        let person = (403, "user_required".to_owned());
        assert_eq!(machine.refused(Method::POST, "/invitations", body(json!({}))).await, person);
        assert_eq!(machine.refused(Method::GET, "/api/v1/me/invitations", json!({})).await, person);
        assert_eq!(olga.get("/invitations").await["items"], json!([]));
        let within = ivo.post("/invitations", body(json!({ "roles": [{ "role": "iam.viewer" }] }))).await;
        assert_eq!(texts(&within["people"], "state"), ["invited"]);
    })
    .await;
}

// I06
#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_a_domain_that_is_not_listed_is_refused() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        olga.patch("/policies", json!({ "invitations": { "domains": ["acme.test", "*.acme.test"] } })).await;
        let all = people(&["ana@acme.test", "bo@a.acme.test", "cleo@acme.test.evil.org", "dan@a.b.acme.test"]);
        let sent = olga.post("/invitations", json!({ "people": all })).await["people"].clone();
        assert_eq!(texts(&sent, "state"), ["invited", "invited", "refused", "refused"], "{sent}");
        let problem = &sent[2]["problem"];
        assert_eq!((&problem["code"], &problem["field"]), (&json!("invalid"), &json!("email")));
        assert!(problem["reason"].as_str().unwrap().contains("isn't on the list of domains"), "{problem}");
    })
    .await;
}

// I23 K08
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_sent_again_after_a_minute_taken_back_and_over_in_its_time() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let at = invited(site, &olga, "ana@new.test", json!({})).await;
        assert_eq!(olga.get(&at).await["state"], "pending");
        let first = link_to(site, "ana@new.test", Purpose::Invitation).await;
        let resend = format!("{at}/resend");
        assert_eq!(olga.refused(Method::POST, &resend, json!({})).await, (409, "limit_reached".into()));
        site.advance(2 * MINUTE);
        let sent = olga.post(&resend, json!({})).await;
        assert_eq!((&sent["object"]["sent"], sent.to_string().contains(SECRET)), (&json!(2), false), "{sent}");
        let second = nth_link(site, "ana@new.test", Purpose::Invitation, 2).await;
        let offers = async |link: &str| site.browser().open(link).await.page().has("invite-accept");
        assert!(!offers(&first).await && offers(&second).await);

        let tag = olga.call(Method::GET, &at, None).await.header("etag").to_owned();
        let stale = olga.call_with(Method::DELETE, &at, None, &[("if-match", "\"other\"")]).await;
        assert_eq!(stale.status, 412);
        let taken = olga.call_with(Method::DELETE, &at, None, &[("if-match", &tag)]).await;
        assert_eq!((taken.status, &taken.json()["object"]["state"]), (200, &json!("cancelled")), "{}", taken.body);
        let page = site.browser().open(&second).await.page();
        assert!(page.text().contains("withdrawn"), "{page:?}");
        assert_eq!(olga.refused(Method::POST, &resend, json!({})).await, (409, "conflict".into()));
        assert_eq!(olga.get("/invitations?state=cancelled").await["items"][0]["email"], "ana@new.test");

        // Taken back, it can be sent anew with other access; nothing is added to one that is there (I15).
        let at = invited(site, &olga, "ana@new.test", json!({ "roles": [{ "role": "org.reader" }] })).await;
        for method in [Method::PATCH, Method::PUT] {
            assert_eq!(olga.call(method, &at, Some(&json!({ "roles": [] }))).await.status, 405);
        }
        site.advance(30 * DAY);
        let olga = Admin::of(site, &acme, "olga").await;
        assert_eq!(olga.get(&at).await["state"], "expired");
        assert_eq!(olga.get("/invitations?state=pending").await["items"], json!([]));
        olga.post(&format!("{at}/resend"), json!({})).await;
        let open = olga.get(&at).await["state"].clone();
        assert!(open == "processing" || open == "pending", "{open}");
        assert_eq!(olga.refused(Method::GET, "/invitations?state=lost", json!({})).await, (400, "invalid".into()));
        let record = olga.get("/audit?limit=200").await.to_string();
        assert!(!record.contains(SECRET), "no link is told to administrators");
    })
    .await;
}

#[test]
fn the_guide_prints_the_table_of_states_and_acts() {
    let guide = std::fs::read_to_string(root().join("docs/guides/people.md")).unwrap();
    for state in State::ALL {
        let acts = [Act::Resend, Act::Cancel, Act::Accept, Act::Decline];
        let cells = acts.map(|act| if state.allows(act) { "yes" } else { "no" });
        let row = format!("| `{state}` | {} |", cells.join(" | "));
        assert!(guide.contains(&row), "docs/guides/people.md lacks: {row}");
    }
}

// I24
#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_on_its_way_is_not_sent_again_and_what_nobody_takes_may_be() {
    on_both_without_server(async |world| {
        let acme = world.org("acme").await;
        let (actor, origin, none) = (Actor::CommandLine, Origin::default(), Access::default());
        let [email, name] = ["ana@new.test", "Ana Kim"].map(str::to_owned);
        let ana = vec![Invitee { email, name, ..Invitee::default() }];
        let sent = invite::many(&world, &actor, &origin, &acme.id, ana, &none, None, Mode::Act).await;
        let sent = sent.unwrap().remove(0);
        let Ok(Sent::New(id, _)) = sent.outcome else { panic!("not invited: {sent:?}") };
        let state = async || {
            let found = invitations::find(&mut world.conn().await, &acme.id, &id).await.unwrap();
            found.unwrap().state_at(world.now())
        };
        let again = async || invite::resend(&world, &actor, &origin, &acme.id, &id, Mode::Act).await;
        world.advance(2 * MINUTE);
        assert!(matches!(again().await, Err(Refusal::Conflict(why)) if why.contains("processing")));
        note_mail(&world, &id, MailFate::Sent).await.unwrap();
        assert_eq!(state().await, State::Pending);
        again().await.unwrap();
        note_mail(&world, &id, MailFate::Refused("550 no such mailbox".to_owned())).await.unwrap();
        assert_eq!(state().await, State::Failed);
        world.advance(2 * MINUTE);
        again().await.unwrap();
        assert_eq!(state().await, State::Processing);
    })
    .await;
}

// I22 I21 N12
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_accepted_with_ones_own_token_and_is_not_there_for_anybody_else() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (devs, olga) = (acme.group("devs", &[]).await, Admin::of(site, &acme, "olga").await);
        acme.give_group("devs", "billing.viewer", None).await;
        let (nora, hers) = somebody(site, &acme, "nora").await;
        let (_, sams) = somebody(site, &acme, "sam").await;
        let access = json!({ "groups": [devs], "roles": [{ "role": "org.reader" }] });
        let at = invited(site, &olga, "nora@example.test", access).await;
        let accept = format!("/api/v1/me/invitations/{}/accept", acme.id);
        for other in [&sams, &olga] {
            assert_eq!(other.refused(Method::POST, &accept, json!({})).await, not_found(), "somebody else's token");
        }
        assert_eq!(Admin::nobody(site, &acme).call(Method::POST, &accept, None).await.status, 401);
        assert_eq!(sams.get("/api/v1/me/invitations").await["items"], json!([]));
        link_to(site, "nora@example.test", Purpose::Invitation).await;
        let inbox = hers.get("/api/v1/me/invitations").await["items"].clone();
        assert_eq!((&inbox[0]["org_slug"], &inbox[0]["groups"]), (&json!("acme"), &json!(["devs"])), "{inbox}");
        assert!(!inbox.to_string().contains(SECRET));
        let trial = hers.post(&format!("{accept}?dry_run=true"), json!({})).await;
        assert!(trial["receipt"]["dry_run"] == true && trial["receipt"]["members"][0]["user_id"] == nora.as_str());
        assert_eq!(olga.get(&at).await["state"], "pending", "it was only tried");

        let answer = hers.post(&accept, json!({})).await;
        assert_eq!(answer["receipt"]["members"][0]["user_id"], nora.as_str(), "{answer}");
        let member = olga.get(&format!("/users/{nora}")).await;
        assert_eq!((&member["kind"], &member["groups"][0]["name"]), (&json!("own"), &json!("devs")));
        let shop = site.client(&acme.application("shop").await);
        let claims = shop.sign_in(&mut site.browser(), Person::named("nora")).await.claims();
        assert_eq!(list(&claims["org_roles"]), ["billing.viewer", "org.reader"]);
        let done = olga.get(&at).await;
        assert_eq!((&done["state"], &done["user_id"]), (&json!("accepted"), &json!(nora.as_str())));
        assert_eq!(hers.refused(Method::POST, &accept, json!({})).await, not_found(), "there is none any more");

        let at = invited(site, &olga, "sam@example.test", json!({})).await;
        sams.post("/api/v1/me/invitations/acme/decline", json!({})).await;
        assert_eq!(olga.get(&at).await["state"], "declined");
    })
    .await;
}

// I08 I15
#[tokio::test(flavor = "multi_thread")]
async fn a_group_lists_who_will_be_in_it_and_they_are_in_nothing_yet() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (devs, ops) = (acme.group("devs", &[]).await, acme.group("ops", &[]).await);
        let olga = Admin::of(site, &acme, "olga").await;
        let at = invited(site, &olga, "ana@new.test", json!({ "groups": [devs] })).await;
        let pending = olga.get(&format!("/groups/{devs}/invitations")).await["items"].clone();
        assert_eq!(texts(&pending, "email"), ["ana@new.test"]);
        assert_eq!(olga.get(&format!("/groups/{devs}/members")).await["items"], json!([]));
        assert_eq!(olga.get(&format!("/groups/{ops}/invitations")).await["items"], json!([]));
        olga.delete(&at).await;
        assert_eq!(olga.get(&format!("/groups/{devs}/invitations")).await["items"], json!([]));
        let page = site.browser().sign_in(Person::named("ana@new.test")).await;
        assert!(matches!(page, Landing::Page(page) if page.has("login-submit")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_and_groups_of_another_organisation_are_not_there() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let (olga, theirs) = (Admin::of(site, &acme, "olga").await, Admin::of(site, &globex, "olga").await);
        let at = invited(site, &olga, "ana@new.test", json!({})).await;
        for (method, path) in
            [(Method::GET, at.clone()), (Method::DELETE, at.clone()), (Method::POST, format!("{at}/resend"))]
        {
            assert_eq!(theirs.refused(method.clone(), &path, json!({})).await, not_found(), "{method} {path}");
            let foreign = theirs.at_org("acme");
            assert_eq!(foreign.refused(method.clone(), &path, json!({})).await, not_found(), "{method} {path}");
        }
        let (devs, project) = (globex.group("devs", &[]).await, globex.project("web").await);
        let on_theirs = json!({ "kind": "project", "project_id": project });
        for access in
            [json!({ "groups": [devs] }), json!({ "roles": [{ "role": "project.reader", "scope": on_theirs }] })]
        {
            let mut body = json!({ "people": people(&["bo@new.test"]) });
            body.as_object_mut().unwrap().extend(access.as_object().unwrap().clone());
            assert_eq!(olga.refused(Method::POST, "/invitations", body).await, not_found(), "{access}");
        }
        let no_group = format!("/groups/{}/invitations", globex.id);
        assert_eq!(theirs.refused(Method::GET, &no_group, json!({})).await, not_found());
        assert_eq!(olga.get(&at).await["state"], "pending");
    })
    .await;
}

// I18
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_applied_again_invites_nobody_twice_and_an_export_says_who_is_invited() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.group("devs", &[]).await;
        let text = "[[organisation]]\nslug = \"acme\"\nname = \"Acme\"\n\
            [[organisation.group]]\nname = \"devs\"\n\
            [[organisation.invitation]]\nemail = \"ana@new.test\"\nname = \"Ana Kim\"\nlanguage = \"ko\"\n\
            groups = [\"devs\"]\nroles = [\"org.reader\"]\n\
            [[organisation.invitation]]\nemail = \"olga@example.test\"\nname = \"Olga\"\n";
        let nothing = |_: &str| None::<String>;
        let file = ApplyFile::parse(text).unwrap();
        let (first, _) = apply_file::run(site, &file, &nothing, Mode::Act).await.unwrap();
        assert!(first.acts.iter().any(|act| act.contains("ana@new.test")), "{:?}", first.acts);
        let again = apply_file::plan(site, &file, &nothing).await.unwrap();
        assert!(again.changes.is_empty(), "a member and an invited one: {:?}", again.changes);
        assert_eq!(links_to(site, "ana@new.test", Purpose::Invitation).await.len(), 1);
        let olga = Admin::of(site, &acme, "olga").await;
        let one = olga.get("/invitations").await["items"][0].clone();
        assert_eq!((&one["language"], &one["groups"][0]["name"]), (&json!("ko"), &json!("devs")), "{one}");
        let exported = export::organisation(site, &acme.id).await.unwrap().unwrap();
        let text = exported.to_text();
        assert!(text.contains("[[organisation.invitation]]\n  email = \"ana@new.test\""), "{text}");
        let again = ApplyFile::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(apply_file::plan(site, &again, &nothing).await.unwrap().changes.is_empty());
        // A file that prunes takes back what it does not name.
        let pruned = text.replacen("name = \"Acme\"", "name = \"Acme\"\nprune = true", 1);
        let (head, rest) = pruned.split_once("  [[organisation.invitation]]").unwrap();
        let rest = rest.split_once("\n\n").map_or("", |(_, rest)| rest);
        let file = ApplyFile::parse(&format!("{head}{rest}")).unwrap();
        apply_file::run(site, &file, &nothing, Mode::Act).await.unwrap();
        assert_eq!(olga.get("/invitations").await["items"][0]["state"], "cancelled");
    })
    .await;
}
