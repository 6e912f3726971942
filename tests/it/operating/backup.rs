//! A database that was brought back from a backup: what was taken away since stays away, and nothing is sent twice.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use muster::domain::change::Change;
use muster::flows::access_key::mint;
use muster::flows::restored::{Keys, end_everything};
use muster::kernel::time::DAY;
use muster::store::instance;
use muster::store::restored::{FEED_GENERATION, NOT_SENT};
use tokio::process::Command;

use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::PASSWORD;
use crate::support::application::{Credentials, REDIRECT_URI, Registered, sample};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens, random};
use crate::support::postgres;
use crate::support::process::{Installation, free_port};
use crate::support::receiver::{Manner, Receiver};
use crate::support::world::{Kind, on_both};

const PATIENCE: Duration = Duration::from_secs(60);
/// Somebody whose mail waits at the time of the backup.
const INVITED: &str = "  email = \"ines@acme.test\"\n  name = \"Ines Oh\"\n";

/// An installation whose mail server is away and whose shop can't be told, and the shop.
struct Scene {
    installation: Installation,
    shop: Client,
    receiver: Receiver,
    file: String,
}

/// Somebody who was signed in.
struct Visitor {
    who: &'static str,
    browser: Browser,
    tokens: Tokens,
}

impl Scene {
    async fn begin(kind: Kind) -> Option<Self> {
        let mut installation = Installation::fresh(kind).await?;
        let receiver = Receiver::open(Manner::Refuse).await;
        installation.set("MUSTER_KEYS__INSTANCE_KEY", &random());
        installation.set("PERSON_PASSWORD", PASSWORD);
        installation.set("SHOP_SECRET", SHOP_SECRET);
        let port = free_port().to_string();
        let mail = [("HOST", "127.0.0.1"), ("PORT", port.as_str()), ("TLS", "none"), ("FROM", "Id <id@acme.test>")];
        for (name, value) in mail {
            installation.set(&format!("MUSTER_MAIL__{name}"), value);
        }
        let file = FILE
            .replace("trusted = true", &format!("trusted = true\nbackchannel_logout_uri = \"{}\"", receiver.url))
            .replace(
                "  [[organisation.role]]",
                &format!("  [[organisation.invitation]]\n{INVITED}\n  [[organisation.role]]"),
            );
        let mut application = sample("shop");
        application.redirect_uris = vec![REDIRECT_URI.to_owned()];
        let registered = Registered { application, credentials: Credentials::Basic(SHOP_SECRET.to_owned()) };
        let shop = Client::new(installation.at.clone(), &registered);
        let scene = Self { installation, shop, receiver, file };
        scene.apply(&scene.file).await;
        Some(scene)
    }

    async fn apply(&self, text: &str) {
        let file = self.installation.write("wanted.toml", text);
        self.installation.succeeds(&["apply", file.to_str().unwrap()]).await;
    }

    /// The file with these alone in the group that gives a role.
    fn with_members(&self, members: &str) -> String {
        let text = self.file.replace(r#"members = ["ana", "bo"]"#, &format!("members = [{members}]"));
        assert_ne!(text, self.file);
        text
    }

    async fn visit(&self, who: &'static str) -> Visitor {
        let mut browser = Browser::new(self.installation.at.clone());
        let tokens = self.shop.sign_in(&mut browser, Person::named(who)).await;
        Visitor { who, browser, tokens }
    }

    /// Backs the database up as the manual says.
    async fn back_up(&self) -> PathBuf {
        let file = self.installation.data().join("o'clock.backup");
        let name = file.to_str().unwrap();
        let Some(url) = self.installation.database_url() else {
            let told = self.installation.succeeds(&["backup", name]).await;
            assert!(told.contains("o'clock.backup: "), "{told}");
            assert_eq!(mode(&file), 0o600);
            let again = self.installation.run(&["backup", name]).await;
            assert_eq!(again.status.code(), Some(1), "a file that is there stays as it is");
            return file;
        };
        let output = self.installation.run(&["backup", name]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let command = String::from_utf8(output.stdout).unwrap();
        assert!(!command.contains(&url), "{command}");
        sh(&command, &url).await;
        file
    }

    /// Brings a backup back as the manual says.
    async fn bring_back(&self, file: &Path) {
        if let Some(url) = self.installation.database_url() {
            let quoted = file.to_str().unwrap().replace('\'', r"'\''");
            let command = "pg_restore --clean --if-exists --no-owner --exit-on-error --dbname=\"$MUSTER_DATABASE_URL\"";
            return sh(&format!("{command} '{quoted}'"), &url).await;
        }
        let database = self.installation.data().join("muster.db");
        for beside in ["muster.db-wal", "muster.db-shm"] {
            let _ = std::fs::remove_file(self.installation.data().join(beside));
        }
        std::fs::copy(file, database).unwrap();
    }

    /// How many rows of a table are so.
    async fn count(&self, sql: &'static str) -> i64 {
        let world = self.installation.world().await;
        let (count,): (i64,) = world.conn().await.query(sql).one().await.unwrap();
        world.db.close().await;
        count
    }

    /// The messages that were mailed.
    fn mails(&self) -> usize {
        let Ok(folder) = std::fs::read_dir(self.installation.data().join("mail")) else { return 0 };
        folder.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "eml")).count()
    }

    async fn until_nothing_waits(&self) {
        let begun = std::time::Instant::now();
        while self.count("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await > 0 {
            assert!(begun.elapsed() < PATIENCE, "something waits still");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Nothing of somebody's is honoured.
    async fn is_out(&self, visitor: &mut Visitor, when: &str) {
        let (shop, who) = (&self.shop, visitor.who);
        for token in [visitor.tokens.access(), visitor.tokens.refresh()] {
            assert!(!shop.is_active(token).await, "{when}: a token of {who} is honoured");
        }
        assert_eq!(shop.userinfo(visitor.tokens.access()).await.status, 401, "{when}: {who}");
        let refused = shop.refresh(visitor.tokens.refresh()).await.refusal();
        assert_eq!(refused, (400, "invalid_grant".to_owned()), "{when}: {who}");
        assert!(!shop.is_signed_in(&mut visitor.browser).await, "{when}: {who} is signed in");
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).unwrap().mode() & 0o777
}

/// Runs a line of the manual, with the programs of the newest server that is installed.
async fn sh(line: &str, url: &str) {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = postgres::binaries() {
        path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("PATH", path).env("MUSTER_DATABASE_URL", url).stdin(Stdio::null());
    let output = command.output().await.expect("sh runs");
    assert!(output.status.success(), "{line}: {output:?}");
}

/// Has the shop ask for tokens of its own until it is told to stop; how many it got.
fn load(shop: &Client) -> (Arc<AtomicBool>, Arc<AtomicU32>, tokio::task::JoinHandle<()>) {
    let (stop, count, shop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), shop.clone());
    let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
    let task = tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            Tokens::read(&shop.own_token().await);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    (stop, count, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_revives_nothing_that_was_revoked_and_sends_nothing_twice() {
    for kind in Kind::BOTH {
        let Some(mut scene) = Scene::begin(kind).await else {
            continue;
        };
        let serving = scene.installation.serve().await;
        let (mut ana, mut bo, mut olivia) =
            (scene.visit("ana").await, scene.visit("bo").await, scene.visit("olivia").await);
        let own = Tokens::read(&scene.shop.own_token().await);
        // Bo loses a role before the backup: at its moment a logout token and a mail wait.
        scene.apply(&scene.with_members(r#""ana""#)).await;
        scene.receiver.wait_for(1, PATIENCE).await;
        let (stop, count, task) = load(&scene.shop);
        let backup = scene.back_up().await;
        stop.store(true, Ordering::Relaxed);
        task.await.unwrap();
        assert!(count.load(Ordering::Relaxed) > 0, "others were served meanwhile");

        // After the backup: Ana loses her role, Olivia goes on and comes once more, and what waited is sent.
        scene.apply(&scene.with_members("")).await;
        let earlier = olivia.tokens.clone();
        olivia.tokens = Tokens::read(&scene.shop.refresh(earlier.refresh()).await);
        let mut late = scene.visit("olivia").await;
        serving.stop().await;
        for name in ["HOST", "PORT", "TLS", "FROM"] {
            scene.installation.set(&format!("MUSTER_MAIL__{name}"), "");
        }
        scene.receiver.behave(Manner::Take);
        let serving = scene.installation.serve().await;
        scene.until_nothing_waits().await;
        let (told, mailed) = (scene.receiver.tokens().len(), scene.mails());
        assert!(mailed > 0, "{kind:?}: the invitation was mailed");

        let refused = scene.installation.run(&["restored"]).await;
        assert_eq!(refused.status.code(), Some(1), "{kind:?}: a database in use is left alone");
        assert!(scene.shop.is_active(olivia.tokens.access()).await);
        serving.stop().await;

        scene.bring_back(&backup).await;
        assert!(scene.count("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await >= 2, "it is the older one");
        let shown = scene.installation.succeeds(&["restored"]).await;
        assert!(shown.contains("sessions ended") && !shown.contains("access keys"), "{shown}");
        let serving = scene.installation.serve().await;
        for visitor in [&mut ana, &mut bo, &mut late, &mut olivia] {
            scene.is_out(visitor, &format!("{kind:?}, after the restore")).await;
        }
        assert!(!scene.shop.is_active(earlier.access()).await && !scene.shop.is_active(own.access()).await, "{kind:?}");
        assert_eq!(scene.shop.refresh(earlier.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        // Longer than the worker takes to look, with everybody ready to take what comes.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!((scene.receiver.tokens().len(), scene.mails()), (told, mailed), "{kind:?}: sent twice");
        let recorded = "SELECT COUNT(*) FROM audit WHERE kind = 'instance.restored' AND org_id IS NULL";
        assert_eq!(scene.count(recorded).await, 1);
        let open = "SELECT COUNT(*) FROM invitations WHERE state IN ('pending', 'processing')";
        assert_eq!(scene.count(open).await, 0, "{kind:?}: an invitation is open whose mail nobody sends");
        scene.installation.succeeds(&["audit", "verify"]).await;

        // What the backup says of access holds, for those who sign in anew.
        let again = scene.visit("ana").await;
        assert!(scene.shop.is_active(again.tokens.access()).await);
        let version = |tokens: &Tokens| tokens.claims()["acv"].as_i64().unwrap();
        assert!(version(&again.tokens) > version(&ana.tokens) + 1000, "no token from between has so high a version");
        serving.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_tools_end_only_where_it_is_asked_for() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let web = acme.project("web").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.admin", Some("web")).await;
        let (member, until) = (acme.member_id("ana").await, world.now().plus(DAY));
        let (key, _) = mint(&world, member, web, "builds".to_owned(), until);
        world.act(vec![Change::CreateAccessKey { org: acme.id.clone(), key: Box::new(key) }]).await;
        let live = async || {
            let sql = "SELECT COUNT(*) FROM access_keys WHERE state = 'active'";
            let (count,): (i64,) = world.conn().await.query(sql).one().await.unwrap();
            count
        };
        let first = end_everything(&world, Keys::Stay).await.unwrap();
        assert_eq!((first.keys, live().await), (0, 1));
        let named = instance::get(&mut world.conn().await, FEED_GENERATION).await.unwrap();
        let second = end_everything(&world, Keys::End).await.unwrap();
        assert_eq!((second.keys, live().await), (1, 0));
        assert_ne!(instance::get(&mut world.conn().await, FEED_GENERATION).await.unwrap(), named, "another feed");
        let (waiting,): (i64,) = world
            .conn()
            .await
            .query("SELECT COUNT(*) FROM outbox WHERE state = 'waiting' OR last_answer <> $1")
            .bind(NOT_SENT)
            .one()
            .await
            .unwrap();
        assert_eq!(waiting, 0);
        assert_eq!(end_everything(&world, Keys::End).await.unwrap().keys, 0, "once is enough");
    })
    .await;
}
