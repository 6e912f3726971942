//! The console's pages for those who come in: one person, a list, invitations and what becomes of them; as an
//! administrator walks through them without scripts, and as everybody else is kept out.

use std::time::{Duration, Instant};

use muster::domain::change::{Change, Mode, Origin};
use muster::domain::mail::{Purpose, Template};
use muster::domain::people::invitation::State;
use muster::domain::people::user::{Kind as Whose, UserState};
use muster::flows::accept_invitation;
use muster::kernel::id::{GroupId, InvitationId};
use muster::kernel::time::SECOND;
use muster::store::invitations::{self, Invitation};
use muster::store::{audit, groups, links, memberships, users};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};

use super::clerk::{Clerk, hidden, says};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::browser::{Browser, Person};
use crate::support::http::Answer;
use crate::support::mailbox::mails_to;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

/// Where the mails with links begin; no page shows one.
const LINK: &str = "mln_";

/// Acme with an owner, a reader, a project's administrator, and a group that is described.
async fn acme(site: &Site) -> (Org, GroupId) {
    let (org, _) = owned(site, "acme").await;
    org.project("web").await;
    for name in ["rita", "pia", "mona"] {
        org.person(name, PASSWORD).await;
    }
    org.give("rita", "org.reader", None).await;
    org.give("pia", "project.admin", Some("web")).await;
    let group = org.group("Web team", &[]).await;
    let description = "Those who build the shop".to_owned();
    let name = "Web team".to_owned();
    site.act(vec![Change::RenameGroup { org: org.id.clone(), group: group.clone(), name, description }]).await;
    (org, group)
}

async fn members(site: &Site, org: &Org) -> usize {
    memberships::of_org(&mut site.conn().await, &org.id).await.unwrap().len()
}

async fn all_invitations(site: &Site, org: &Org) -> Vec<Invitation> {
    invitations::list(&mut site.conn().await, &org.id, None, None, 200).await.unwrap()
}

/// What was refused to a person, in the record.
async fn denials(site: &Site, org: &Org, name: &str) -> Vec<audit::Row> {
    let actor = Some(format!("user:{}", org.user_id(name).await));
    let filter = audit::Filter { accepted: Some(false), actor, ..audit::Filter::default() };
    audit::page(&mut site.conn().await, &org.id, &filter, None, 50).await.unwrap()
}

/// Waits until an invitation's mail was delivered.
async fn delivered(site: &Site, org: &Org, id: &InvitationId) -> Invitation {
    let begun = Instant::now();
    loop {
        let found = invitations::find(&mut site.conn().await, &org.id, id).await.unwrap().expect("it is there");
        if found.state == State::Pending {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "its mail stays in state {}", found.state);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

// K02
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_register_sees_no_button_and_a_posted_form_is_refused_and_recorded() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let before = members(site, &acme).await;
        let mut rita = Clerk::at(site, &acme, "rita").await;
        let list = rita.open("people").await;
        says(&list, &["Rita Example", "olga@example.test", "Organization Reader"]);
        for (id, path) in [("register", "people/register"), ("bulk", "people/bulk"), ("invite", "people/invite")] {
            assert!(!list.html.contains(&format!("id=\"{id}\"")) && !list.html.contains(path), "{list:?}");
            assert_eq!(rita.open(path).await.status, 403, "{path}");
        }
        let forms = ["people/register", "people/bulk", "people/bulk/register", "people/invite", "people/invite/send"];
        for name in ["rita", "pia", "mona"] {
            let mut clerk = Clerk::at(site, &acme, name).await;
            let csrf = clerk.csrf().await;
            for path in forms {
                let fields = [("csrf", csrf.as_str()), ("username", "eve"), ("credential", "generated")];
                let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let refused = clerk.post(path, &fields).await;
                assert_eq!(refused.answer.status, 403, "{name} {path}");
                says(&refused.page, &["users.invite"]);
            }
            let rows = denials(site, &acme, name).await;
            assert_eq!(rows.len(), forms.len(), "{name}");
            assert!(rows.iter().all(|row| row.outcome == "denied" && row.kinds == ["request.denied"]), "{rows:?}");
        }
        let mut pia = Clerk::at(site, &acme, "pia").await;
        assert_eq!(pia.open("people").await.status, 403, "a member without the permission is told so");
        assert_eq!(members(site, &acme).await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_finds_nothing_and_a_form_from_elsewhere_does_nothing() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let bolt = site.org("bolt").await;
        bolt.person("boss", PASSWORD).await;
        bolt.give("boss", "org.admin", None).await;
        let mut boss = Clerk::at(site, &acme, "boss").await;
        for path in ["people", "people/register", "people/bulk", "people/invite", "invitations"] {
            assert_eq!(boss.open(path).await.status, 404, "{path}");
        }
        let csrf = boss.csrf().await;
        assert_eq!(boss.post("people/register", &[("csrf".to_owned(), csrf)]).await.answer.status, 404);
        boss.base = site.at.url("/o/nowhere/admin");
        assert_eq!(boss.open("people").await.status, 404);
        let page = site.browser().open(&site.at.url("/o/acme/admin/people")).await.page();
        assert!(page.has("login-form"), "nobody is signed in: {page:?}");

        let before = members(site, &acme).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let csrf = olga.csrf().await;
        let fields = |csrf: &str| {
            let pairs = [("csrf", csrf), ("username", "eve"), ("credential", "generated"), ("act", "register")];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        assert_eq!(olga.post("people/register", &fields("wrong")).await.answer.status, 403);
        let (url, foreign) = (olga.url("people/register"), Browser::foreign("https://evil.test"));
        let answer = olga.browser.send_with(Method::POST, &url, Some(&fields(&csrf)), &foreign).await;
        assert_eq!(answer.status, 403);
        assert_eq!(members(site, &acme).await, before);
    })
    .await;
}

// K03 H11 H12 H18 H27 N13
#[tokio::test(flavor = "multi_thread")]
async fn one_person_is_registered_with_each_of_three_kinds_of_password() {
    on_both(async |site| {
        let (acme, group) = acme(site).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("people/register").await;
        says(&form, &["Web team", "Those who build the shop", "Organization Reader"]);
        assert!(!form.html.contains("org.owner"), "the owner's role is never offered");
        let ticked = |id: &str| {
            form.html.split(&format!("id=\"{id}\"")).nth(1).unwrap().split('>').next().unwrap().contains(" checked")
        };
        assert!(ticked("credential-link") && ticked("change-generated") && ticked("change-set"));

        let nobody = olga.submit(&form, "register-submit", &[("username", "wim"), ("credential", "link")]).await;
        assert_eq!(nobody.answer.status, 400);
        assert!(nobody.page.html.contains("<a href=\"#email\">") && nobody.page.html.contains("<title>Error: "));
        let project = acme.project_id("web").await;
        let wim = [
            ("username", "wim"),
            ("given_name", "Wim"),
            ("family_name", "Lee"),
            ("email", "wim@example.test"),
            ("credential", "link"),
            ("group", group.as_str()),
            ("role", "billing.viewer"),
            ("project", project.as_str()),
            ("project_role", "project.reader"),
        ];
        let done = olga.submit(&form, "register-submit", &wim).await;
        assert_eq!((done.answer.status, done.page.status), (303, 200), "{:?}", done.page);
        says(
            &done.page,
            &["Wim Lee", "Web team", "Billing Viewer", "Project Reader on web", "wim@example.test", "Next:"],
        );
        assert!(!done.page.html.contains(LINK));
        let id = acme.user_id("wim").await;
        let conn = &mut site.conn().await;
        assert_eq!(users::find(conn, &id).await.unwrap().unwrap().state, UserState::Pending);
        assert_eq!(links::count_of(conn, &id, Purpose::SetPassword, site.now().minus(60 * SECOND)).await.unwrap(), 1);
        let mails: Vec<Template> = mails_to(site, "wim@example.test").await.iter().map(|mail| mail.template).collect();
        assert_eq!(mails, [Template::SetPassword], "one mail");
        says(&olga.open("people?q=wim").await, &["Pending · no password yet", "link expires in 6 days", "Sent once"]);

        let typed = [("username", "sam"), ("credential", "set"), ("password", "Tide7-Kq2mV"), ("change_set", "1")];
        let wrong =
            olga.submit(&form, "register-submit", &[&typed[..], &[("password_again", "Tide7-Kq2mW")]].concat()).await;
        assert_eq!(wrong.answer.status, 400);
        assert!(wrong.page.html.contains("id=\"password_again-error\"") && wrong.page.html.contains("value=\"sam\""));
        assert!(
            !wrong.page.html.contains("id=\"password-error\"") && !wrong.page.html.contains("Tide7"),
            "{:?}",
            wrong.page
        );
        let set =
            olga.submit(&form, "register-submit", &[&typed[..], &[("password_again", "Tide7-Kq2mV")]].concat()).await;
        says(&set.page, &["sam", "must be changed at the first sign-in"]);
        assert!(!set.page.html.contains("Tide7"));
        let facts = users::password_facts(conn, &acme.user_id("sam").await).await.unwrap().unwrap();
        assert!(facts.must_change && facts.password.is_some());
    })
    .await;
}

// H15 H26
#[tokio::test(flavor = "multi_thread")]
async fn a_generated_password_is_shown_once_and_downloaded_by_the_same_browser_within_ten_minutes() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("people/register").await;
        let gil = [("username", "gil"), ("credential", "generated"), ("change_generated", "1")];
        let done = olga.submit(&form, "register-submit", &gil).await;
        assert_eq!(done.answer.status, 200, "{:?}", done.page);
        assert_eq!(done.answer.header("cache-control"), "no-store");
        let field = done.page.html.split("id=\"generated\"").nth(1).expect("the password is shown");
        let password = field.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let file = hidden(&done.page, "download").into_iter().find(|(name, _)| name == "file").unwrap().1;
        let file = |csrf: String| [("csrf".to_owned(), csrf), ("file".to_owned(), file.clone())];

        let csrf = olga.csrf().await;
        let answer = olga.post("people/download", &file(csrf)).await.answer;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        assert!(answer.header("content-disposition").starts_with("attachment; "), "{answer:?}");
        let cell = answer.body.lines().nth(1).and_then(|line| line.strip_prefix("gil,\"")?.strip_suffix('"'));
        let cell = cell.expect("a line for gil").replace("\"\"", "\"");
        assert_eq!(cell.chars().count(), 10);
        assert!(password.contains('&') || password == cell, "what is shown is what is downloaded");

        let facts = users::password_facts(&mut site.conn().await, &acme.user_id("gil").await).await.unwrap().unwrap();
        assert!(facts.must_change);
        let page = site.browser().sign_in(Person { name: "gil", password: &cell, org: "" }).await.page();
        assert!(!page.url.ends_with("/me") && !page.has("login-form"), "it must be changed first: {page:?}");

        let mut other = Clerk::at(site, &acme, "olga").await;
        let csrf = other.csrf().await;
        assert_eq!(other.post("people/download", &file(csrf)).await.answer.status, 400, "it is bound to its browser");
        let member = acme.member_id("gil").await;
        let later = olga.open(&format!("people/{member}/registered")).await;
        assert!(!later.has("download") && !later.html.contains(&password), "{later:?}");
        site.advance(600 * SECOND);
        let csrf = olga.csrf().await;
        assert_eq!(olga.post("people/download", &file(csrf)).await.answer.status, 400, "ten minutes are over");
    })
    .await;
}

/// A list of a hundred lines, four of them bad: a broken address, a group that isn't there, a repetition, a member.
fn a_hundred() -> String {
    let mut lines: Vec<String> = (1..=100).map(|n| format!("Person {n}, p{n}@example.test, Web team")).collect();
    lines[6] = "Ana, ana@acme".to_owned();
    lines[10] = "Bo, bo@example.test, Nowhere".to_owned();
    lines[20] = "Twin, P1@example.test".to_owned();
    lines[30] = "Olga, olga@example.test".to_owned();
    lines.join("\n")
}

// K04
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_lines_are_checked_and_the_good_ones_registered_and_a_hundred_and_one_are_refused() {
    on_both(async |site| {
        let (acme, group) = acme(site).await;
        let before = members(site, &acme).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("people/bulk").await;
        let list = a_hundred();
        let checked =
            olga.submit(&form, "bulk-preview", &[("people", list.as_str()), ("credential", "link")]).await.page;
        says(&checked, &["96 can be registered, 4 can't", "Register 96, skip 4", "7 ·", "11 ·", "21 ·", "31 ·"]);
        says(&checked, &["To be mended", "Already there", "There is no group \"Nowhere\".", "Row 1 has this already."]);
        assert_eq!(members(site, &acme).await, before, "a preview registers nobody");

        let back = olga.submit(&checked, "change-list", &[]).await.page;
        says(&back, &["Person 100, p100@example.test, Web team"]);
        let done = olga.submit(&checked, "go-on", &[]).await.page;
        says(&done, &["96 registered, 4 skipped"]);
        assert!(!done.html.contains(LINK));
        assert_eq!(members(site, &acme).await, before + 96);
        assert_eq!(groups::count_members(&mut site.conn().await, &group).await.unwrap(), 96);
        let file = olga.submit(&done, "download", &[]).await.answer;
        assert_eq!(file.body.lines().count(), 101, "a line for each, and a head");

        let again = olga.submit(&checked, "go-on", &[]).await.page;
        says(&again, &["0 registered, 100 skipped"]);
        let long = format!("{list}\nOne More, more@example.test");
        let refused = olga.submit(&form, "bulk-preview", &[("people", long.as_str()), ("credential", "link")]).await;
        assert_eq!(refused.answer.status, 400);
        says(
            &refused.page,
            &["You can register 100 people at a time. This list has 101.", "One More, more@example.test"],
        );
        let whole = [("people", list.as_str()), ("credential", "link"), ("whole", "1")];
        let barred = olga.submit(&form, "bulk-preview", &whole).await.page;
        assert!(!barred.has("go-on"), "nobody unless everybody: {barred:?}");
        assert_eq!(members(site, &acme).await, before + 96);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_from_a_file_that_a_browser_sends() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let csrf = olga.csrf().await;
        let part = |name: &str, more: &str, text: &str| {
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{text}\r\n")
        };
        let file = "\u{feff}email,user_name,given_name,surname\r\njuerg@example.test,juerg,Jürg,Müller\r\n";
        let body = [
            part("csrf", "", &csrf),
            part("people", "", ""),
            part("file", "; filename=\"people.csv\"", file),
            part("credential", "", "generated"),
            part("act", "", "preview"),
            "--edge--\r\n".to_owned(),
        ]
        .concat();
        let cookie = |name: &str| format!("{name}={}", olga.browser.cookie(name).unwrap());
        let request = site
            .at
            .request(Method::POST, &olga.url("people/bulk"))
            .header(COOKIE, format!("{}; {}", cookie("muster"), cookie("muster_browser")))
            .header(ORIGIN, site.at.issuer.clone())
            .header(CONTENT_TYPE, "multipart/form-data; boundary=edge")
            .body(body);
        let answer = Answer::to(request).await;
        let page = Page::read(olga.url("people/bulk"), answer.status, answer.body);
        says(&page, &["1 can be registered, 0 can't", "juerg@example.test", "Register 1"]);
        let done = olga.submit(&page, "go-on", &[]).await.page;
        says(&done, &["1 registered, 0 skipped", "generated passwords"]);
        let file = olga.submit(&done, "download", &[]).await.answer.body;
        assert!(file.starts_with("line,person,state,reason,password\r\n1,juerg@example.test,registered,,\""), "{file}");
    })
    .await;
}

// I05 I07 I14 N05
#[tokio::test(flavor = "multi_thread")]
async fn several_people_are_invited_with_the_same_access_after_a_review() {
    on_both(async |site| {
        let (acme, group) = acme(site).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("people/invite").await;
        let people = "Ana Lee <ana@example.test>\nbo@example.test, Bo Kim\nCy <cy@example.test>";
        let empty = olga.submit(&form, "invite-review", &[("people", people)]).await;
        assert_eq!(empty.answer.status, 400);
        says(&empty.page, &["Choose at least one group, role or bundle", "Bo Kim"]);
        assert!(empty.page.html.contains("<a href=\"#access\">"));
        let nameless =
            olga.submit(&form, "invite-review", &[("people", "di@example.test"), ("group", group.as_str())]).await;
        assert_eq!(nameless.answer.status, 400);
        says(&nameless.page, &["Line 1: add the name of di@example.test"]);

        let typed = [("people", people), ("group", group.as_str()), ("role", "billing.viewer")];
        let review = olga.submit(&form, "invite-review", &typed).await.page;
        says(&review, &["Nothing was sent yet. 3 people would be invited", "Group Web team", "Billing Viewer"]);
        says(
            &review,
            &["Ana Lee <ana@example.test>", "Bo Kim <bo@example.test>", "Cy <cy@example.test>", "Invite 3 people"],
        );
        assert!(all_invitations(site, &acme).await.is_empty(), "a review sends nothing");
        let sent = olga.submit(&review, "go-on", &[]).await.page;
        says(&sent, &["3 people invited, 0 left out"]);
        let made = all_invitations(site, &acme).await;
        let addresses: Vec<&str> = made.iter().map(|one| one.email.as_str()).collect();
        assert_eq!(addresses, ["ana@example.test", "bo@example.test", "cy@example.test"]);
        assert!(made.iter().all(|one| one.access == made[0].access && one.access.groups.contains(&group)));
        assert_eq!(made[0].access.roles.len(), 1);

        let again = olga.submit(&review, "go-on", &[]).await.page;
        says(&again, &["0 people invited, 3 left out", "Already invited"]);
        assert_eq!(all_invitations(site, &acme).await.len(), 3, "nobody is invited twice");
        for one in &made {
            delivered(site, &acme, &one.id).await;
        }
        let list = olga.open("people").await;
        says(&list, &["Open invitations", "Ana Lee", "Pending · expires in 29 days", "Group Web team"]);
        let mut rita = Clerk::at(site, &acme, "rita").await;
        let read = rita.open("people").await;
        says(&read, &["Pending · expires in 29 days"]);
        for page in [&list, &read, &sent, &review] {
            assert!(!page.html.contains(LINK), "{page:?}");
        }
        assert!(!read.html.contains("id=\"resend-") && !read.html.contains("id=\"cancel-"));

        let mut ana = site.new_user(Whose::Own, "ana", PASSWORD).await;
        ana.profile.email_verified = true;
        let id = ana.id.clone();
        site.act(vec![Change::CreateUser(Box::new(ana))]).await;
        accept_invitation::by_account(site, &id, &acme.id, &Origin::default(), Mode::Act)
            .await
            .expect("the invitation is hers");
        let list = olga.open("people").await;
        assert!(
            !list.text().contains("Ana Lee") && list.text().contains("Bo Kim"),
            "the badge goes with the answer: {list:?}"
        );
        says(&list, &["Ana Example", "Own account", "Web team", "Billing Viewer"]);
    })
    .await;
}

// I25
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_sent_again_after_a_minute_and_taken_back_after_a_question() {
    on_both(async |site| {
        let (acme, group) = acme(site).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("people/invite").await;
        let typed = [("people", "Ana Lee <ana@example.test>"), ("group", group.as_str())];
        let review = olga.submit(&form, "invite-review", &typed).await.page;
        olga.submit(&review, "go-on", &[]).await;
        let id = all_invitations(site, &acme).await.remove(0).id;
        delivered(site, &acme, &id).await;
        let (resend, cancel) = (format!("resend-{id}"), format!("cancel-{id}"));

        let list = olga.open("invitations").await;
        says(&list, &["Ana Lee", "Sent once", "Resend from"]);
        assert!(!list.has(&resend), "not within a minute: {list:?}");
        let csrf = ("csrf".to_owned(), olga.csrf().await);
        let early = olga.post(&format!("invitations/{id}/resend"), std::slice::from_ref(&csrf)).await;
        assert!((400..500).contains(&early.answer.status), "{:?}", early.page);
        assert!(early.page.html.contains("role=\"alert\""));
        site.advance(61 * SECOND);
        let list = olga.open("invitations").await;
        let again = olga.submit(&list, &resend, &[]).await;
        assert_eq!((again.answer.status, again.page.status), (303, 200));
        says(&again.page, &["on its way again", "Resent once"]);
        assert_eq!(invitations::find(&mut site.conn().await, &acme.id, &id).await.unwrap().unwrap().sent, 2);

        assert!(again.page.html.contains(&format!("id=\"{cancel}\"")));
        let question = olga.open(&format!("invitations/{id}/cancel")).await;
        says(&question, &["Ana Lee", "ana@example.test", "stops working at once"]);
        let gone = olga.submit(&question, "cancel-confirm", &[]).await.page;
        says(&gone, &["is cancelled", "No invitations here"]);
        says(&olga.open("invitations?state=cancelled").await, &["Ana Lee", "Cancelled", "Invite anew"]);
        let twice = olga.post(&format!("invitations/{id}/cancel"), &[csrf]).await;
        assert!(twice.page.text().contains("is cancelled"), "asking twice changes nothing: {:?}", twice.page);
        let anew = olga.open(&format!("people/invite?again={id}")).await;
        says(&anew, &["Ana Lee <ana@example.test>"]);
        let ticked = anew.html.split(&format!("id=\"{group}\"")).nth(1).unwrap().split('>').next().unwrap();
        assert!(ticked.contains(" checked"), "what it brought is ticked: {ticked}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_lies_within_ones_own_reach_is_offered_and_the_rest_is_refused_when_it_is_posted() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        acme.person("iris", PASSWORD).await;
        acme.give("iris", "iam.admin", None).await;
        acme.group("Chiefs", &[]).await;
        acme.give_group("Chiefs", "org.admin", None).await;
        let mut iris = Clerk::at(site, &acme, "iris").await;
        let form = iris.open("people/invite").await;
        says(&form, &["IAM Viewer", "Web team"]);
        assert!(!form.text().contains("Organization Admin") && !form.text().contains("Chiefs"), "{form:?}");
        let chiefs = acme.group_id("Chiefs").await;
        let beyond = [[("role", "org.admin")], [("role", "org.owner")], [("group", chiefs.as_str())]];
        for more in beyond {
            let typed = [&[("people", "Ana <ana@example.test>")][..], &more].concat();
            let refused = iris.submit(&form, "invite-review", &typed).await;
            assert_eq!(refused.answer.status, 400, "{more:?}");
            assert!(refused.page.html.contains("<a href=\"#access\">"), "{:?}", refused.page);
        }
        assert!(all_invitations(site, &acme).await.is_empty());
    })
    .await;
}
