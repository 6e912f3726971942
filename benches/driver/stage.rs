//! A stage for what a filled ground does not have: several servers over one database, applications that are told, and
//! people whom an administrator takes a role from. It is set up by an apply file of its own and removed at the end.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use muster::app::{App, Parts};
use muster::config::{Config, Overrides};
use muster::outside::chance::SystemChance;
use muster::outside::clock::SystemClock;
use muster::store::db::Database;
use serde_json::Value;

use crate::browser::{Browser, Jar};
use crate::cluster::Cluster;
use crate::flows::{Client, Tokens};
use crate::ground::Backend;
use crate::http::{self, Answer, Connection};
use crate::server::{Running, free_address, muster};
use crate::world::{PASSWORD, REDIRECT_URI};

/// The organisation.
pub const ORGANISATION: &str = "stage";
/// The role that is given and taken.
pub const ROLE: &str = "org.reader";
/// Who administers.
const BOSS: &str = "boss";
/// The application that the administrator signs in to.
const CONSOLE: &str = "console";
/// The secret of every application: the servers live for one run and listen on the loopback alone.
const SECRET: &str = "mst_cs_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
/// The instance key of all nodes: 32 bytes of value 7.
const KEY: [u8; 32] = [7; 32];
const KEY_TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

/// An application of the stage.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its name.
    pub client_id: &'static str,
    /// What its tokens are signed with.
    pub alg: &'static str,
    /// Where it is told of sessions that ended.
    pub logout: Option<String>,
}

/// Who is on the stage.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// How many people sign in: `p-0`, `p-1` …
    pub people: usize,
    /// Whether a group gives them the role.
    pub in_group: bool,
    /// The applications.
    pub applications: Vec<Told>,
}

/// The stage.
pub struct Stage {
    folder: PathBuf,
    cluster: Option<Cluster>,
    program: PathBuf,
    /// Where each node listens; the first one's address is the issuer's.
    pub nodes: Vec<SocketAddr>,
}

/// The name of somebody.
pub fn person(number: usize) -> String {
    format!("p-{number}")
}

impl Cast {
    fn file(&self) -> String {
        let mut file = format!(
            "[[organisation]]\nslug = \"{ORGANISATION}\"\nname = \"Stage\"\npolicy = \"strict\"\nowner = \"{BOSS}\"\n"
        );
        let names: Vec<String> = (0..self.people).map(person).collect();
        for name in std::iter::once(BOSS).chain(names.iter().map(String::as_str)) {
            file += &format!(
                "[[organisation.person]]\nuser_name = \"{name}\"\nname = \"{name}\"\nemail = \"{name}@stage.example\"\n\
                 password_env = \"BENCH_PASSWORD\"\n"
            );
        }
        if self.in_group {
            file += &format!(
                "[[organisation.group]]\nname = \"Crew\"\ndescription = \"Who has the role\"\nmembers = {names:?}\nroles = [\"{ROLE}\"]\n"
            );
        }
        let console = Told { client_id: CONSOLE, alg: "ES256", logout: None };
        for Told { client_id, alg, logout } in std::iter::once(&console).chain(&self.applications) {
            let logout = logout.as_ref().map(|url| format!("backchannel_logout_uri = \"{url}\"\n")).unwrap_or_default();
            file += &format!(
                "[[application]]\nclient_id = \"{client_id}\"\nname = \"The {client_id}\"\n{logout}\
                 auth_method = \"client_secret_basic\"\nsecret_env = \"BENCH_SECRET\"\n\
                 redirect_uris = [\"{REDIRECT_URI}\"]\nid_token_alg = \"{alg}\"\naccess_token_alg = \"{alg}\"\n\
                 grant_types = [\"authorization_code\", \"refresh_token\", \"client_credentials\"]\n\
                 scopes = [\"openid\", \"profile\", \"email\", \"offline_access\", \"roles\", \"muster.admin\"]\n\
                 require_pkce = true\ntrusted = true\n"
            );
        }
        file
    }
}

impl Stage {
    /// Sets the stage with so many nodes; nobody listens yet. The program is the server beside this one, if not named.
    ///
    /// # Errors
    /// PostgreSQL is not installed where it is wanted, or a command fails.
    pub fn set(program: Option<&Path>, backend: Backend, nodes: usize, cast: &Cast) -> Result<Self> {
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("muster"));
        let program = program.map_or_else(beside, |given| Ok(given.to_owned()))?;
        ensure!(nodes == 1 || backend == Backend::Postgres, "several nodes need PostgreSQL");
        let parent = Path::new("/var/tmp");
        let parent = if parent.is_dir() { parent.to_owned() } else { std::env::temp_dir() };
        let folder = parent.join(format!("muster-stage-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        // PostgreSQL's own user has to go through it.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let nodes = (0..nodes).map(|_| free_address()).collect::<Result<Vec<_>>>()?;
        let mut stage = Self { folder, cluster: None, program, nodes };
        if backend == Backend::Postgres {
            stage.cluster = Some(Cluster::create(&stage.folder)?);
        }
        let file = stage.folder.join("stage.toml");
        fs::write(&file, cast.file())?;
        stage.run(&["migrate"])?;
        stage.run(&["apply", &file.display().to_string()])?;
        Ok(stage)
    }

    /// The settings of a node.
    fn settings(&self, node: usize) -> Vec<(String, String)> {
        // Only the embedded database lives in the folder of the data: what is one database has one folder.
        let data = self.folder.join(if self.cluster.is_some() { format!("node-{node}") } else { "data".to_owned() });
        let mut settings = vec![
            ("MUSTER_DATA_DIR", data.display().to_string()),
            ("MUSTER_ISSUER", format!("http://{}", self.nodes[0])),
            ("MUSTER_LISTEN", self.nodes[node].to_string()),
            ("MUSTER_HTTP__ALLOW_LOOPBACK_HTTP", "true".to_owned()),
            ("MUSTER_HTTP__MAX_CONNECTIONS_PER_IP", "4096".to_owned()),
            ("MUSTER_OUTBOUND__ALLOW_HOSTS", "127.0.0.1".to_owned()),
            ("MUSTER_KEYS__INSTANCE_KEY", KEY_TEXT.to_owned()),
            ("MUSTER_SCIM__REQUESTS_PER_SECOND", "1000000".to_owned()),
            ("MUSTER_SCIM__BURST", "1000000".to_owned()),
            ("MUSTER_SCIM__IN_FLIGHT", "256".to_owned()),
            ("BENCH_PASSWORD", PASSWORD.to_owned()),
            ("BENCH_SECRET", SECRET.to_owned()),
        ];
        settings.extend(self.cluster.as_ref().map(|cluster| ("MUSTER_DATABASE_URL", cluster.url())));
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let settings = self.settings(0);
        fs::create_dir_all(&settings[0].1)?;
        let output = muster(&self.program, &settings).args(arguments).output().context("running the server")?;
        if !output.status.success() {
            bail!("muster {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Muster's own handles over the same database, for what would take a server too long.
    ///
    /// # Errors
    /// The database can't be opened.
    pub async fn app(&self) -> Result<App> {
        let config = Config::load(None, self.settings(0).into_iter(), Overrides::default())?;
        let db = Database::open(&config).await.context("opening the database")?;
        let parts = Parts { db, instance_key: KEY, clock: Arc::new(SystemClock), chance: Arc::new(SystemChance) };
        Ok(App::new(config, parts)?)
    }

    /// Starts a node.
    ///
    /// # Errors
    /// It does not listen.
    pub fn serve(&self, node: usize) -> Result<Running> {
        let settings = self.settings(node);
        fs::create_dir_all(&settings[0].1)?;
        let mut command = muster(&self.program, &settings);
        command.arg("serve");
        Running::start(command, &self.folder.join(format!("node-{node}.log")))
    }

    /// Starts every node.
    ///
    /// # Errors
    /// One does not listen.
    pub fn serve_all(&self) -> Result<Vec<Running>> {
        (0..self.nodes.len()).map(|node| self.serve(node)).collect()
    }

    /// Waits until the first node publishes a key of this kind: RSA is made in the background.
    ///
    /// # Errors
    /// It does not within a minute.
    pub async fn await_key(&self, alg: &str) -> Result<()> {
        let (mut connection, request) = (Connection::to(self.nodes[0]), http::get(&self.host(), "/jwks", &[]));
        for _ in 0..600 {
            if connection.send(&request).await?.text().contains(alg) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("no key for {alg} within a minute")
    }

    /// What requests carry as Host, at every node.
    pub fn host(&self) -> String {
        self.nodes[0].to_string()
    }

    /// An application at work.
    pub fn client(&self, client_id: &'static str) -> Client {
        Client::named(&self.host(), client_id, SECRET)
    }

    /// A browser that was never here, at the first node.
    pub fn browser(&self) -> Browser {
        Browser::new(self.nodes[0], Jar::default())
    }

    /// Signs somebody in to the first of these applications by password and to the others by the same session; the
    /// tokens of each.
    ///
    /// # Errors
    /// Somebody is not let in.
    pub async fn sign_in(&self, user_name: &str, clients: &[Client], scope: &str) -> Result<Vec<Tokens>> {
        let (mut browser, mut all) = (self.browser(), Vec::new());
        for client in clients {
            let tokens = if all.is_empty() {
                client.sign_in_as(&mut browser, user_name, scope).await?
            } else {
                client.tokens(&mut browser, scope).await?
            };
            all.push(tokens);
        }
        Ok(all)
    }

    /// The administrator at a node, with a token of its own.
    ///
    /// # Errors
    /// The administrator is not let in.
    pub async fn boss(&self, node: usize) -> Result<Boss> {
        let tokens = self.sign_in(BOSS, &[self.client(CONSOLE)], "openid roles muster.admin").await?;
        let token = tokens.into_iter().next().context("a sign-in brings tokens")?.access;
        let connection = Connection::to(self.nodes[node]);
        Ok(Boss { connection, host: self.host(), authorization: format!("Bearer {token}") })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cluster = None;
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}

/// The administrator: one connection, and a token that lives ten minutes.
pub struct Boss {
    connection: Connection,
    host: String,
    authorization: String,
}

impl Boss {
    /// Calls a path under the organisation.
    ///
    /// # Errors
    /// The connection broke, or the call is refused.
    pub async fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let target = format!("/api/v1/orgs/{ORGANISATION}{path}");
        let request = http::json(method, &self.host, &target, &[("Authorization", self.authorization.as_str())], body);
        let answer = self.connection.send(&request).await?;
        ensure!((200..300).contains(&answer.status), "{method} {path}: {}", answer.summary());
        Ok(answer)
    }

    /// The binding by which a group of this name has a role.
    ///
    /// # Errors
    /// There is none.
    pub async fn binding_of_group(&mut self, group: &str, role: &str) -> Result<String> {
        let found = self.call("GET", &format!("/bindings?role={role}"), None).await?.json()?;
        let rows = found["items"].as_array().cloned().unwrap_or_default();
        let row = rows.iter().find(|row| row["subject"]["kind"] == "group" && row["subject"]["name"] == group);
        let id = row.and_then(|row| row["id"].as_str()).with_context(|| format!("{group} has no {role}"))?;
        Ok(id.to_owned())
    }

    /// The account of somebody.
    ///
    /// # Errors
    /// There is nobody of this name.
    pub async fn user(&mut self, user_name: &str) -> Result<String> {
        let found = self.call("GET", &format!("/users?search={user_name}"), None).await?.json()?;
        let rows = found["items"].as_array().cloned().unwrap_or_default();
        let row = rows.iter().find(|row| row["user_name"] == user_name);
        let id =
            row.and_then(|row| row["user_id"].as_str()).with_context(|| format!("nobody is called {user_name}"))?;
        Ok(id.to_owned())
    }
}

/// A share of sorted times, in milliseconds.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share).round() as usize).copied().unwrap_or_default()
}

/// One line of a distribution: how many, p50, p90, p99 and the longest.
pub fn distribution(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let [p50, p90, p99, most] = [0.5, 0.9, 0.99, 1.0].map(|share| quantile(times, share));
    println!("  {what}: {} · p50 {p50:.1} ms · p90 {p90:.1} ms · p99 {p99:.1} ms · longest {most:.1} ms", times.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apply_file_is_toml_and_names_everybody() {
        let told = Told { client_id: "a", alg: "ES256", logout: Some("http://127.0.0.1:1/x".to_owned()) };
        let cast = Cast { people: 3, in_group: true, applications: vec![told] };
        let table: toml::Table = cast.file().parse().unwrap();
        let organisation = &table["organisation"].as_array().unwrap()[0];
        assert_eq!(organisation["person"].as_array().unwrap().len(), 4);
        assert_eq!(organisation["group"].as_array().unwrap()[0]["members"].as_array().unwrap().len(), 3);
        assert_eq!(table["application"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let times: Vec<f64> = (1..=101).map(f64::from).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| quantile(&times, share)), [1.0, 51.0, 100.0, 101.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
