//! `plan` and `apply`: the file is what is wanted; what it would end is said before it happens, and nothing happens twice.

use muster::domain::access::Verdict;
use muster::domain::apply_file::ApplyFile;
use muster::domain::change::Mode;
use muster::flows::apply_file::{plan, run};

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::list;
use crate::support::process::Installation;
use crate::support::server::on_both as on_both_served;
use crate::support::world::{Kind, World, on_both};

pub const FILE: &str = include_str!("world.toml");
pub const SHOP_SECRET: &str = "mst_cs_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

fn env(name: &str) -> Option<String> {
    match name {
        "PERSON_PASSWORD" => Some(PASSWORD.to_owned()),
        "SHOP_SECRET" => Some(SHOP_SECRET.to_owned()),
        _ => None,
    }
}

fn file(text: &str) -> ApplyFile {
    ApplyFile::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

async fn apply(world: &World, text: &str) -> muster::domain::change::Receipt {
    run(world, &file(text), &env, Mode::Act).await.unwrap_or_else(|error| panic!("{error}")).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_applied_plans_nothing_more() {
    on_both(async |world| {
        assert!(!plan(&world, &file(FILE), &env).await.unwrap().changes.is_empty());
        let receipt = apply(&world, FILE).await;
        assert!(!receipt.is_empty() && receipt.ended.sessions == 0);
        let second = plan(&world, &file(FILE), &env).await.unwrap();
        assert!(second.changes.is_empty() && second.printed.is_empty(), "{:?}", second.changes);
        assert!(apply(&world, FILE).await.is_empty(), "applying it again changes nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_an_applied_file_sign_in_with_the_roles_that_it_says() {
    on_both_served(async |site| {
        apply(site, FILE).await;
        let registered =
            muster::store::applications::by_client_id(&mut site.conn().await, "shop").await.unwrap().unwrap();
        let credentials = crate::support::application::Credentials::Basic(SHOP_SECRET.to_owned());
        let shop = site.client(&crate::support::application::Registered { application: registered, credentials });
        let claims = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert_eq!(list(&claims["org_roles"]), ["org.reader"]);
        assert_eq!(list(&claims["project_roles"]["web"]), ["project.admin"]);
        let claims = shop.sign_in(&mut site.browser(), Person::named("olivia")).await.claims();
        assert!(list(&claims["org_roles"]).contains(&"org.owner".to_owned()), "{claims}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_who_loses_what_and_the_act_does_exactly_that() {
    on_both(async |world| {
        apply(&world, FILE).await;
        let smaller = FILE.replace(r#"members = ["ana", "bo"]"#, r#"members = ["bo"]"#);
        let planned = run(&world, &file(&smaller), &env, Mode::DryRun).await.unwrap().0;
        let done = apply(&world, &smaller).await;
        for receipt in [&planned, &done] {
            assert_eq!(receipt.members.len(), 1, "{:?}", receipt.members);
            let ana = &receipt.members[0];
            assert_eq!((ana.user_name.as_str(), ana.verdict), ("ana", Verdict::End));
            assert_eq!(ana.lost.iter().map(|held| held.role.as_str()).collect::<Vec<_>>(), ["project.admin"]);
        }
        assert!(planned.dry_run && !done.dry_run);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_fault_changes_nothing_and_names_its_place() {
    on_both(async |world| {
        let faults = [
            (FILE.replace("project.admin:web", "project.admin:nowhere"), "nowhere"),
            (FILE.replace("project.admin:web", "project.boss:web"), "project.boss"),
            (FILE.replace(r#"owner = "olivia""#, r#"owner = "nobody""#), "nobody"),
            (FILE.replace("trusted = true", "trustd = true"), "trustd"),
        ];
        for (text, mark) in faults {
            let told = match ApplyFile::parse(&text) {
                Err(error) => error.to_string(),
                Ok(file) => run(&world, &file, &env, Mode::Act).await.err().expect("it is refused").to_string(),
            };
            assert!(told.contains(mark), "{mark} isn't named in: {told}");
            let (count,): (i64,) = world.conn().await.query("SELECT COUNT(*) FROM orgs").one().await.unwrap();
            assert_eq!(count, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_prints_the_plan_and_the_next_plan_is_empty() {
    for kind in Kind::BOTH {
        let Some(mut installation) = Installation::fresh(kind).await else {
            continue;
        };
        installation.set("PERSON_PASSWORD", PASSWORD);
        installation.set("SHOP_SECRET", SHOP_SECRET);
        let path = installation.write("world.toml", FILE);
        let path = path.to_str().unwrap();
        installation.succeeds(&["apply", path]).await;
        let nothing = installation.succeeds(&["plan", path]).await;
        assert!(!nothing.contains("create") && !nothing.contains("ana"), "{nothing}");
        let smaller =
            installation.write("smaller.toml", &FILE.replace(r#"members = ["ana", "bo"]"#, r#"members = ["bo"]"#));
        let told = installation.succeeds(&["plan", smaller.to_str().unwrap()]).await;
        assert!(told.contains("ana") && told.contains("project.admin") && !told.contains(PASSWORD), "{told}");
        let unchanged = installation.succeeds(&["plan", path]).await;
        assert_eq!(nothing, unchanged, "a plan changes nothing");
        installation.succeeds(&["doctor"]).await;
    }
}
