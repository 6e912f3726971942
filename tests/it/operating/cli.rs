//! The command line over the API: the real program, signed in through the browser, against a server that answers.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use muster::flows::bootstrap;
use muster::kernel::time::MINUTE;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

const LONG: Duration = Duration::from_secs(60);

/// Somebody's machine, with a folder for credentials and nothing else in the environment.
struct Machine {
    folder: TempDir,
    server: String,
}

impl Machine {
    fn new(site: &Site) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: site.at.issuer.clone() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MUSTER_") {
                command.env_remove(name);
            }
        }
        command.env("MUSTER_CONFIG_DIR", self.folder.path()).args(words);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> Output {
        timeout(LONG, self.command(words).output()).await.expect("it ends").expect("it starts")
    }

    /// Runs a command that must succeed; what it printed.
    async fn says(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        assert_eq!(output.status.code(), Some(0), "muster {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["--output", "json"]).collect();
        serde_json::from_str(&self.says(&words).await).expect("it prints JSON")
    }

    /// The exit code of a command that must fail.
    async fn fails(&self, words: &[&str]) -> Option<i32> {
        let output = self.run(words).await;
        assert!(!output.status.success() && !output.stderr.is_empty(), "muster {words:?}: {output:?}");
        output.status.code()
    }

    /// Begins a sign-in; the process, and the code that it shows.
    async fn begins(&self, org: &str) -> (Child, String) {
        let mut command = self.command(&["login", "--server", &self.server, "--org", org]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut seen = Vec::new();
        let code = loop {
            let line = timeout(LONG, lines.next_line()).await.expect("it says something").unwrap();
            let line = line.unwrap_or_else(|| panic!("no code in {seen:?}"));
            if let Some(found) = line.strip_prefix("Type this code there: ") {
                break found.to_owned();
            }
            seen.push(line);
        };
        // What it prints later goes on being read, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        (child, code)
    }

    /// Signs in, allowing it in a browser.
    async fn signs_in(&self, site: &Site, name: &str) {
        let (mut child, code) = self.begins("acme").await;
        decides(&mut site.browser(), &code, name, "device-allow").await;
        let status = timeout(LONG, child.wait()).await.expect("it ends").unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

async fn decides(browser: &mut Browser, code: &str, name: &str, button: &str) {
    let url = browser.at.url("/device");
    let page = browser.open(&url).await.page();
    let mut page = browser.press(&page, "device-continue", &[("user_code", code)]).await.page();
    let person = Person::named(name);
    if page.has("login-submit") {
        let typed = [("username", person.name), ("password", person.password)];
        page = browser.press(&page, "login-submit", &typed).await.page();
    }
    browser.press(&page, button, &[]).await.page();
}

/// Acme: Ana administers it, Bo holds nothing.
async fn acme(site: &Site) -> Org {
    bootstrap::command_line(site).await.expect("it is registered");
    let acme = site.org("acme").await;
    acme.project("web").await;
    for name in ["ana", "bo"] {
        acme.person(name, PASSWORD).await;
    }
    acme.give("ana", "org.admin", None).await;
    acme.group("Web team", &["bo"]).await;
    acme
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_signs_in_and_works_from_the_command_line() {
    on_both(async |site| {
        let acme = acme(site).await;
        let machine = Machine::new(site);
        assert_eq!(machine.fails(&["group", "list"]).await, Some(3), "nobody is signed in");
        machine.signs_in(site, "ana").await;
        assert_eq!(mode(&machine.folder.path().join("credentials.json")), 0o600);

        let table = machine.says(&["group", "list"]).await;
        assert!(table.starts_with("ID ") && table.contains("Web team"), "{table}");
        let page = machine.json(&["group", "list", "--search", "web"]).await;
        assert_eq!(page["items"][0]["name"], "Web team");
        let all = machine.json(&["group", "list", "--all", "--limit", "1"]).await;
        assert!(all.as_array().is_some_and(|rows| !rows.is_empty()), "{all}");

        let told =
            machine.says(&["group", "create", "--name", "Ops", "--role", "project.admin:web", "--dry-run"]).await;
        assert!(told.starts_with("Would do:"), "{told}");
        let groups = machine.json(&["group", "list", "--search", "ops"]).await;
        assert_eq!(groups["items"].as_array().map(Vec::len), Some(0), "a trial changes nothing");

        machine.says(&["group", "create", "--name", "Ops", "--role", "project.admin:web"]).await;
        let told = machine.says(&["group", "add-members", "Ops", acme.user_id("bo").await.as_str()]).await;
        assert!(told.contains("Gained:\n  bo: project.admin on web"), "{told}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_for_good_is_typed_again_and_each_refusal_has_its_exit_code() {
    on_both(async |site| {
        acme(site).await;
        let machine = Machine::new(site);
        machine.signs_in(site, "ana").await;
        assert_eq!(machine.fails(&["group", "delete", "Web team"]).await, Some(2), "nothing was typed");
        assert_eq!(machine.fails(&["group", "delete", "Web team", "--confirm", "web"]).await, Some(7));
        assert_eq!(machine.fails(&["group", "show", "Nobody"]).await, Some(5));
        assert_eq!(machine.fails(&["group", "list", "--org", "other"]).await, Some(5));
        assert_eq!(machine.fails(&["group", "list", "--limit", "0"]).await, Some(7));
        assert_eq!(machine.fails(&["group", "create", "--name", "WEB TEAM"]).await, Some(6));
        machine.says(&["group", "delete", "Web team", "--confirm", "Web team"]).await;

        let other = Machine::new(site);
        other.signs_in(site, "bo").await;
        assert_eq!(other.fails(&["group", "create", "--name", "Mine"]).await, Some(4));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_is_renewed_by_one_of_many_commands() {
    on_both(async |site| {
        acme(site).await;
        let machine = Machine::new(site);
        machine.signs_in(site, "ana").await;
        for _ in 0..2 {
            site.advance(20 * MINUTE);
            // All find the same dead token; the refresh token is used once, and nobody is taken for a thief.
            let all = futures_util::future::join_all((0..4).map(|_| machine.run(&["group", "list"]))).await;
            assert!(all.iter().all(|output| output.status.success()), "{all:?}");
        }
        machine.says(&["logout"]).await;
        assert_eq!(machine.fails(&["group", "list"]).await, Some(3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_refused_keeps_nothing() {
    on_both(async |site| {
        acme(site).await;
        let machine = Machine::new(site);
        let (mut child, code) = machine.begins("acme").await;
        decides(&mut site.browser(), &code, "ana", "device-deny").await;
        let status = timeout(LONG, child.wait()).await.expect("it ends").unwrap();
        assert_eq!(status.code(), Some(4));
        assert!(!machine.folder.path().join("credentials.json").exists());
    })
    .await;
}

#[tokio::test]
async fn a_token_goes_to_no_server_that_was_not_named_and_shells_get_their_completion() {
    let machine = Machine { folder: tempfile::tempdir().unwrap(), server: String::new() };
    let mut command = machine.command(&["group", "list"]);
    let output = command.env("MUSTER_TOKEN", "t").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let mut command = machine.command(&["group", "list", "--server", "http://id.example"]);
    let output = command.env("MUSTER_TOKEN", "t").output().await.unwrap();
    assert_eq!(output.status.code(), Some(7), "a token is never sent in clear: {output:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = machine.says(&["completion", shell]).await;
        assert!(script.contains("add-members") && script.contains("muster"), "{shell}");
    }
}
