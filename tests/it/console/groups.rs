//! The console's pages of groups: made in three steps, given and taken roles, filled and emptied after a review, deleted by
//! the typed name; and what readers, predefined groups and a directory's groups show instead.

use muster::domain::change::Change;
use muster::domain::connection::ScimProfile;
use muster::kernel::id::{GroupId, MembershipId, UserId};
use muster::store::groups::{self, Group};
use muster::store::{bindings, connections};

use crate::people::clerk::{Clerk, says};
use crate::scim::client::Push;
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::browser::Person;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

/// Acme with its owner Olga, the reader Rita, and Ana, Bo and Cy, who hold nothing.
async fn acme(site: &Site) -> Org {
    let (org, _) = owned(site, "acme").await;
    for key in ["web", "data"] {
        org.project(key).await;
    }
    for name in ["ana", "bo", "cy", "rita"] {
        org.person(name, PASSWORD).await;
    }
    org.give("rita", "org.reader", None).await;
    org
}

async fn all(site: &Site, org: &Org) -> Vec<Group> {
    groups::of_org(&mut site.conn().await, &org.id).await.unwrap()
}

/// The roles that a group gives, sorted.
async fn gives(site: &Site, org: &Org, group: &GroupId) -> Vec<String> {
    let found = bindings::of_group(&mut site.conn().await, &org.id, group).await.unwrap();
    let mut roles: Vec<String> = found.iter().map(|one| one.role.to_string()).collect();
    roles.sort();
    roles
}

async fn members(site: &Site, group: &GroupId) -> Vec<MembershipId> {
    groups::member_ids(&mut site.conn().await, group).await.unwrap()
}

/// The memberships of some people, in the order of their ids.
async fn ids(org: &Org, names: &[&str]) -> Vec<MembershipId> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(org.member_id(name).await);
    }
    ids.sort();
    ids
}

/// The group that the address of a page names.
fn group_of(page: &Page) -> GroupId {
    let after = page.url.split("/groups/").nth(1).unwrap_or_else(|| panic!("no group in {page:?}"));
    after.split(['/', '?']).next().unwrap().parse().unwrap()
}

// K21 K24 K25
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_there_after_the_first_of_three_steps_and_each_step_has_an_address() {
    on_both(async |site| {
        let acme = acme(site).await;
        let globex = site.org("globex").await;
        let before = (all(site, &acme).await.len(), all(site, &globex).await.len());
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let list = olga.open("groups").await;
        assert!(list.html.contains("id=\"new-group\""), "{list:?}");
        let first = olga.open("groups/new").await;
        assert!(!first.html.contains("name=\"org"), "the organisation is shown and can't be edited: {first:?}");
        assert!(first.html.contains("id=\"organisation\""));
        let typed = [("name", "Web team"), ("description", "They build"), ("org", globex.id.as_str())];
        let second = olga.submit(&first, "group-create", &typed).await;
        assert_eq!((second.answer.status, second.page.status), (303, 200), "{:?}", second.page);
        assert!(second.page.url.ends_with("/new/permissions"), "{}", second.page.url);
        let group = group_of(&second.page);
        assert_eq!(all(site, &acme).await.len(), before.0 + 1, "it is there after the first step");
        assert_eq!(all(site, &globex).await.len(), before.1, "another organisation's id is ignored");

        // Who leaves here has an empty group that can be used.
        let page = olga.open(&format!("groups/{group}")).await;
        says(&page, &["Web team", "They build", "Nobody is in this group.", "Local"]);
        acme.put_in("Web team", &["cy"]).await;

        let project = acme.project_id("web").await;
        let roles = [("role", "org.reader"), ("project", project.as_str()), ("project_role", "project.member")];
        let third = olga.submit(&second.page, "roles-give", &roles).await;
        assert!(third.page.url.ends_with("/new/members"), "{:?}", third.page);
        assert_eq!(gives(site, &acme, &group).await, ["org.reader", "project.member"]);
        let done = olga.submit(&third.page, "members-add", &[("people", "ana\nbo@example.test")]).await;
        assert_eq!((done.answer.status, done.page.status), (303, 200), "{:?}", done.page);
        assert_eq!(members(site, &group).await, ids(&acme, &["ana", "bo", "cy"]).await);
        assert_eq!(group_of(&done.page), group);

        let only = olga.submit(&first, "group-create-only", &[("name", "Alone")]).await;
        says(&only.page, &["Alone", "The group is there and can be used."]);
    })
    .await;
}

// K22 K23
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_and_a_long_description_are_said_at_their_fields() {
    on_both(async |site| {
        let acme = acme(site).await;
        acme.group("Devs", &[]).await;
        let before = all(site, &acme).await.len();
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("groups/new").await;
        let taken = olga.submit(&form, "group-create", &[("name", " dEVS "), ("description", "kept")]).await;
        assert_eq!(taken.answer.status, 409);
        assert!(taken.page.html.contains("id=\"name-error\"") && taken.page.html.contains("value=\"kept\""));
        assert!(taken.page.html.contains("<title>Error: ") && taken.page.html.contains("<a href=\"#name\">"));
        let long = "x".repeat(101);
        let long = olga.submit(&form, "group-create", &[("name", "Ops"), ("description", &long)]).await;
        assert_eq!(long.answer.status, 400);
        assert!(long.page.html.contains("id=\"description-error\""), "{:?}", long.page);
        assert_eq!(all(site, &acme).await.len(), before);
        let group = acme.group("Ops", &[]).await;
        let settings = olga.open(&format!("groups/{group}/settings")).await;
        let refused = olga.submit(&settings, "settings-save", &[("name", "DEVS"), ("description", "")]).await;
        assert!(refused.answer.status == 409 && refused.page.html.contains("id=\"name-error\""));
        let saved = olga.submit(&settings, "settings-save", &[("name", "Ops 2"), ("description", "On call")]).await;
        assert_eq!(saved.answer.status, 303);
        says(&saved.page, &["Ops 2", "On call", "The changes are saved."]);
    })
    .await;
}

// K37 K38 K42
#[tokio::test(flavor = "multi_thread")]
async fn people_are_named_line_by_line_and_a_wrong_line_keeps_nobody_else_out() {
    on_both(async |site| {
        let acme = acme(site).await;
        let group = acme.group("Devs", &[]).await;
        let robot = UserId::fresh();
        let create = Change::CreateServiceAccount {
            org: acme.id.clone(),
            project: acme.project_id("web").await,
            user: robot.clone(),
            member: MembershipId::fresh(),
            name: "robot".to_owned(),
            description: String::new(),
            owner: Some(acme.member_id("ana").await),
        };
        site.act(vec![create]).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("groups/{group}")).await;
        let text = format!("ANA\nnobody@example.test\nbo@example.test\n\n{robot}\n{}", acme.user_id("cy").await);
        let done = olga.submit(&page, "members-add", &[("people", &text)]).await;
        assert_eq!(done.answer.status, 200, "{:?}", done.page);
        let said = ["3 people were added.", "Row 2: nobody@example.test: No member has this username", "Row 4: "];
        says(&done.page, &said);
        says(&done.page, &["A service account can't be in a group"]);
        assert_eq!(members(site, &group).await, ids(&acme, &["ana", "bo", "cy"]).await);
        assert!(done.page.html.contains(&format!(">nobody@example.test\n{robot}</textarea>")), "what is wrong is left");
        let nobody = olga.submit(&page, "members-add", &[("people", "eve")]).await;
        assert_eq!(nobody.answer.status, 400);
        let empty = olga.submit(&page, "members-add", &[("people", " \n")]).await;
        assert_eq!(empty.answer.status, 400);
    })
    .await;
}

// K43 K44 K45
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_a_group_is_reviewed_on_a_page_that_takes_further_members() {
    on_both(async |site| {
        let acme = acme(site).await;
        let group = acme.group("Devs", &["ana", "bo", "cy"]).await;
        acme.give_group("Devs", "org.reader", None).await;
        acme.give("cy", "org.reader", None).await;
        let mut ana = site.browser();
        ana.sign_in(Person::named("ana")).await.page();
        // A visit to the console is a session in the organisation.
        let visit = site.at.url("/o/acme/admin/groups");
        assert_eq!(ana.open(&visit).await.page().status, 200);

        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("groups/{group}")).await;
        let nobody = olga.submit(&page, "remove", &[]).await;
        assert_eq!(nobody.answer.status, 400);
        says(&nobody.page, &["Tick the people who are to leave the group first."]);

        let (first, second) = (acme.member_id("ana").await, acme.member_id("cy").await);
        let ticked = [("member", first.as_str())];
        let review = olga.submit(&page, "remove", &ticked).await;
        assert_eq!(review.answer.status, 200, "{:?}", review.page);
        says(&review.page, &["ana", "Organization Reader", "Sessions end", "1 session ends", "Remove 1 member"]);
        assert_eq!(members(site, &group).await.len(), 3, "a review changes nothing");

        // Whoever is typed here is reviewed too, whatever button is pressed.
        let wrong = olga.submit(&review.page, "review-go", &[("people", "cy\nrita")]).await;
        assert_eq!(wrong.answer.status, 400);
        says(
            &wrong.page,
            &["Row 2: rita: Not in this group.", "Remove 2 members", "Organization Reader, given directly"],
        );
        assert_eq!(members(site, &group).await.len(), 3);
        let sent = wrong.page.form_with("review-go").unwrap();
        let listed = |id: &MembershipId| sent.controls.iter().any(|one| one.is_hidden && one.value == id.as_str());
        assert!(listed(&first) && listed(&second), "the page lists all: {:?}", wrong.page);

        let gone = olga.submit(&wrong.page, "review-go", &[("people", "")]).await;
        assert_eq!((gone.answer.status, gone.page.status), (303, 200), "{:?}", gone.page);
        assert_eq!(members(site, &group).await, ids(&acme, &["bo"]).await);
        let after = ana.open(&visit).await.page();
        assert!(after.has("login-form"), "her session in the organisation is over: {after:?}");
    })
    .await;
}

// K32 K36 K46 K47
#[tokio::test(flavor = "multi_thread")]
async fn several_roles_are_given_at_once_and_taken_after_a_look_at_who_loses_what() {
    on_both(async |site| {
        let acme = acme(site).await;
        let group = acme.group("Devs", &["ana"]).await;
        let (web, data) = (acme.project_id("web").await, acme.project_id("data").await);
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("groups/{group}/permissions")).await;
        assert!(!page.html.contains("org.owner"), "the owner's role is never offered");
        for alone in
            [[("project", ""), ("project_role", "project.admin")], [("project", web.as_str()), ("project_role", "")]]
        {
            let refused = olga.submit(&page, "roles-give", &alone).await;
            assert_eq!(refused.answer.status, 400, "{alone:?}");
            assert!(refused.page.html.contains("id=\"access-error\""));
            says(&refused.page, &["a project role needs its project"]);
        }
        let on_org = olga.submit(&page, "roles-give", &[("role", "project.admin")]).await;
        assert_eq!(on_org.answer.status, 400);
        let owner = olga.submit(&page, "roles-give", &[("role", "org.owner")]).await;
        assert_eq!(owner.answer.status, 400);
        assert!(gives(site, &acme, &group).await.is_empty());
        let more = olga.submit(&page, "add-project", &[("role", "org.reader")]).await;
        assert_eq!(more.answer.status, 200);
        assert!(gives(site, &acme, &group).await.is_empty(), "one row more gives nothing");

        let several = [
            ("role", "org.reader"),
            ("project", web.as_str()),
            ("project_role", "project.admin"),
            ("project", data.as_str()),
            ("project_role", "project.reader"),
        ];
        let given = olga.submit(&page, "roles-give", &several).await;
        assert_eq!(given.answer.status, 303, "{:?}", given.page);
        says(&given.page, &["Organization Reader", "Project Admin on web", "Project Reader on data"]);
        assert_eq!(gives(site, &acme, &group).await, ["org.reader", "project.admin", "project.reader"]);

        let held = bindings::of_group(&mut site.conn().await, &acme.id, &group).await.unwrap();
        let of = |role: &str| held.iter().find(|one| one.role.as_str() == role).unwrap().id.to_string();
        let (reader, admin) = (of("org.reader"), of("project.admin"));
        let ticked = [("binding", reader.as_str()), ("binding", admin.as_str())];
        let review = olga.submit(&given.page, "take", &ticked).await;
        says(&review.page, &["Take 2 roles", "ana", "Project Admin on web", "1 person loses a role."]);
        assert_eq!(gives(site, &acme, &group).await.len(), 3);
        let taken = olga.submit(&review.page, "review-go", &[]).await;
        assert_eq!(taken.answer.status, 303);
        assert_eq!(gives(site, &acme, &group).await, ["project.reader"]);
    })
    .await;
}

// K39 K40 K41
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_deleted_by_its_typed_name_after_a_look_at_who_loses_what() {
    on_both(async |site| {
        let acme = acme(site).await;
        let group = acme.group("Web team", &["ana", "bo"]).await;
        acme.give_group("Web team", "org.reader", None).await;
        acme.group("Others", &["bo"]).await;
        acme.give_group("Others", "org.reader", None).await;
        let visit = site.at.url("/o/acme/admin/groups");
        let (mut ana, mut bo) = (site.browser(), site.browser());
        for (browser, name) in [(&mut ana, "ana"), (&mut bo, "bo")] {
            browser.sign_in(Person::named(name)).await.page();
            assert_eq!(browser.open(&visit).await.page().status, 200);
        }
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let ask = olga.open(&format!("groups/{group}/delete")).await;
        says(&ask, &["1 person loses a role. 1 session ends", "Organization Reader, through Others", "Web team"]);
        for wrong in ["", "web team", "Web"] {
            let refused = olga.submit(&ask, "delete-confirm", &[("confirm", wrong)]).await;
            assert_eq!(refused.answer.status, 400, "{wrong}");
            says(&refused.page, &["Nothing was deleted."]);
        }
        assert!(all(site, &acme).await.iter().any(|one| one.id == group));
        let gone = olga.submit(&ask, "delete-confirm", &[("confirm", " Web team ")]).await;
        assert_eq!((gone.answer.status, gone.page.status), (303, 200));
        says(&gone.page, &["The group is deleted", "Others"]);
        assert!(!all(site, &acme).await.iter().any(|one| one.id == group));
        assert!(ana.open(&visit).await.page().has("login-form"), "it was all that she had");
        assert_eq!(bo.open(&visit).await.page().status, 200, "another group gives him the same");
        assert_eq!(olga.open(&format!("groups/{group}")).await.status, 404);
    })
    .await;
}

// K48
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_members_and_roles_and_no_buttons() {
    on_both(async |site| {
        let acme = acme(site).await;
        let group = acme.group("Devs", &["ana"]).await;
        let binding = acme.give_group("Devs", "project.member", Some("web")).await;
        let mut rita = Clerk::at(site, &acme, "rita").await;
        says(&rita.open("groups").await, &["Devs", "Local", "System", "Project Member on web"]);
        for page in ["", "/permissions", "/settings"] {
            let shown = rita.open(&format!("groups/{group}{page}")).await;
            assert_eq!(shown.status, 200);
            assert!(shown.forms.iter().all(|form| form.method != "post"), "{page}: {shown:?}");
        }
        says(&rita.open(&format!("groups/{group}")).await, &["ana"]);
        says(&rita.open(&format!("groups/{group}/permissions")).await, &["Project Member on web"]);
        assert!(!rita.open("groups").await.html.contains("groups/new"));
        for page in ["groups/new".to_owned(), format!("groups/{group}/delete")] {
            assert_eq!(rita.open(&page).await.status, 403, "{page}");
        }
        let csrf = rita.csrf().await;
        let member = acme.member_id("ana").await;
        let pairs = [
            ("csrf", csrf.as_str()),
            ("act", "go"),
            ("name", "Mine"),
            ("people", "bo"),
            ("confirm", "Devs"),
            ("role", "org.reader"),
            ("binding", binding.as_str()),
        ];
        let mut fields = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let acts =
            ["members", "settings", "delete", "permissions", "permissions/remove", "new/members", "new/permissions"];
        for act in acts {
            let refused = rita.post(&format!("groups/{group}/{act}"), &fields).await;
            assert!([400, 403].contains(&refused.answer.status), "{act}: {}", refused.answer.status);
        }
        fields.retain(|(name, _)| name != "people");
        fields.push(("member".to_owned(), member.to_string()));
        assert_eq!(rita.post(&format!("groups/{group}/members/remove"), &fields).await.answer.status, 403);
        assert_eq!(rita.post("groups/new", &fields).await.answer.status, 403);
        assert_eq!(members(site, &group).await, [member]);
        assert_eq!(gives(site, &acme, &group).await, ["project.member"]);
        assert!(!all(site, &acme).await.iter().any(|one| one.name == "Mine"));
        let mut bo = Clerk::at(site, &acme, "bo").await;
        assert_eq!(bo.open("groups").await.status, 403, "a member without the permission is told so");
    })
    .await;
}

// N27
#[tokio::test(flavor = "multi_thread")]
async fn a_predefined_group_takes_members_and_keeps_its_name_and_roles() {
    on_both(async |site| {
        let acme = acme(site).await;
        let group = acme.group_id("Organization Readers").await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("groups/{group}")).await;
        says(&page, &["System", "This group is predefined"]);
        let added = olga.submit(&page, "members-add", &[("people", "ana")]).await;
        assert_eq!(added.answer.status, 303);
        assert_eq!(members(site, &group).await, ids(&acme, &["ana"]).await);
        for tab in ["permissions", "settings"] {
            let shown = olga.open(&format!("groups/{group}/{tab}")).await;
            assert!(shown.forms.iter().all(|form| form.method != "post"), "{tab}: {shown:?}");
        }
        let csrf = olga.csrf().await;
        let pairs = [("csrf", csrf.as_str()), ("name", "Mine"), ("role", "trail.viewer"), ("act", "give")];
        let mut fields = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        fields.push(("confirm".to_owned(), "Organization Readers".to_owned()));
        for act in ["settings", "permissions", "delete"] {
            let refused = olga.post(&format!("groups/{group}/{act}"), &fields).await;
            assert_eq!(refused.answer.status, 400, "{act}");
            says(&refused.page, &["predefined"]);
        }
        assert_eq!(gives(site, &acme, &group).await, ["org.reader"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directorys_group_says_who_keeps_it_and_only_its_roles_are_given_here() {
    on_both(async |site| {
        let acme = acme(site).await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let name = connections::name_of(&mut site.conn().await, push.connection.as_str()).await.unwrap().unwrap();
        let dora = push.create_user("dora").await;
        let group: GroupId = push.create_group("Pushed", &[&dora]).await.parse().unwrap();
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let lock = format!("Managed by {name}");
        says(&olga.open("groups?q=PUSH").await, &["Pushed", "SCIM", &lock]);
        assert!(!olga.open("groups?q=nothing").await.text().contains("Pushed"));
        for tab in ["", "/settings"] {
            let shown = olga.open(&format!("groups/{group}{tab}")).await;
            says(&shown, &[&lock]);
            assert!(shown.forms.iter().all(|form| form.method != "post"), "{tab}: {shown:?}");
        }
        let csrf = olga.csrf().await;
        let dora = acme.member_id("dora").await;
        let pairs = [("csrf", csrf.as_str()), ("name", "Ours"), ("confirm", "Pushed"), ("act", "go")];
        let with = |more: (&str, &str)| {
            let pairs = pairs.iter().copied().chain([more]);
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        };
        let acts = [
            ("members", ("people", "ana")),
            ("members/remove", ("member", dora.as_str())),
            ("settings", ("description", "")),
            ("delete", ("description", "")),
        ];
        for (act, more) in acts {
            let refused = olga.post(&format!("groups/{group}/{act}"), &with(more)).await;
            assert_eq!(refused.answer.status, 409, "{act}");
            says(&refused.page, &[&lock]);
        }
        assert_eq!(members(site, &group).await, [dora]);
        let roles = olga.open(&format!("groups/{group}/permissions")).await;
        let given = olga.submit(&roles, "roles-give", &[("role", "org.reader")]).await;
        assert_eq!(given.answer.status, 303, "access is steered here");
        assert_eq!(gives(site, &acme, &group).await, ["org.reader"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_elsewhere_and_a_group_of_another_organisation_do_nothing() {
    on_both(async |site| {
        let acme = acme(site).await;
        let globex = site.org("globex").await;
        let theirs = globex.group("Theirs", &[]).await;
        let before = all(site, &acme).await.len();
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let fields = |csrf: &str| {
            let pairs = [("csrf", csrf), ("name", "Mine"), ("people", "ana"), ("confirm", "Theirs")];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        assert_eq!(olga.post("groups/new", &fields("wrong")).await.answer.status, 403);
        assert_eq!(all(site, &acme).await.len(), before);
        let csrf = olga.csrf().await;
        for page in ["", "/permissions", "/settings", "/delete", "/new/permissions", "/new/members"] {
            assert_eq!(olga.open(&format!("groups/{theirs}{page}")).await.status, 404, "{page}");
        }
        for act in ["members", "members/remove", "settings", "delete"] {
            let refused = olga.post(&format!("groups/{theirs}/{act}"), &fields(&csrf)).await;
            assert_eq!(refused.answer.status, 404, "{act}");
        }
        assert!(members(site, &theirs).await.is_empty());
    })
    .await;
}
