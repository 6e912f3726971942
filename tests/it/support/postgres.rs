//! A PostgreSQL for the tests: the server that `MUSTER_TEST_POSTGRES_URL` names, else one of this test binary's own from
//! the binaries that are installed. Each test gets a database of its own, copied from a template that was migrated once.
//!
//! # Why
//! Nothing runs at the end of a test binary, and one that is killed runs nothing at all. So the server's shell holds the
//! other end of a pipe from this process: when the process is gone, however it went, the shell reads the end of it,
//! stops the server and removes its folder.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use muster::config::Config;
use muster::kernel::secret::Secret;
use muster::outside::chance::SystemChance;
use muster::store::db::Database;
use muster::store::migrate;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use super::{skip, world};

/// The server's shell. Arguments: the folder of the binaries, the port. First line of its input: the password.
const SHELL: &str = r#"
umask 077
cd /tmp || exit 1
IFS= read -r password || exit 1
dir=$(mktemp -d /tmp/muster-it.XXXXXX) || exit 1
stop() {
    "$1/pg_ctl" stop -D "$dir/data" -m immediate -s </dev/null >/dev/null 2>&1
    rm -rf "$dir"
}
trap 'stop "$1"' EXIT
trap 'exit 1' HUP INT TERM
printf '%s\n' "$password" >"$dir/password"
if "$1/initdb" -D "$dir/data" -U muster --pwfile="$dir/password" --auth=password -E UTF8 --locale=C.UTF-8 --no-sync \
       </dev/null >"$dir/log" 2>&1 &&
   "$1/pg_ctl" start -D "$dir/data" -l "$dir/log" -w -s -o "-p $2 -c listen_addresses=127.0.0.1 \
       -c unix_socket_directories='' -c max_connections=400 -c fsync=off -c full_page_writes=off \
       -c synchronous_commit=off" </dev/null >/dev/null 2>&1
then
    echo ready
    cat >/dev/null
else
    tail -n 5 "$dir/log" | tr '\n' ' '
    echo
fi
"#;

struct Server {
    /// A superuser's URL of its database `postgres`.
    url: Url,
    /// The database that others are copied from.
    template: String,
    /// Its input is the pipe; `None` for a server that was there already.
    _shell: Option<Child>,
}

static SERVER: OnceCell<Option<Server>> = OnceCell::const_new();
/// Copying a template wants to be alone with it.
static TURN: Mutex<()> = Mutex::const_new(());
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A migrated, empty database; it is dropped with this value.
#[derive(Debug)]
pub struct FreshDatabase {
    /// Its URL.
    pub url: String,
    name: String,
    admin: Url,
}

/// A fresh database, or `None` where there is no PostgreSQL and none is required.
pub async fn fresh() -> Option<FreshDatabase> {
    let server = SERVER.get_or_init(start).await.as_ref()?;
    let name = format!("{}_{}", server.template, NUMBER.fetch_add(1, Ordering::Relaxed));
    let turn = TURN.lock().await;
    command(&server.url, format!("CREATE DATABASE {name} TEMPLATE {}", server.template))
        .await
        .expect("a database can be made");
    drop(turn);
    Some(FreshDatabase { url: at(&server.url, &name).into(), name, admin: server.url.clone() })
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        let (url, text) = (self.admin.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // A thread of its own: this may be dropped inside a runtime, which can't wait for another one.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _ = runtime.block_on(command(&url, text));
        });
        let _ = dropping.join();
    }
}

/// Says that the half of a test that needs PostgreSQL is left out.
async fn start() -> Option<Server> {
    let given = std::env::var("MUSTER_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty());
    let (url, shell) = match given {
        Some(url) => (url.parse().expect("MUSTER_TEST_POSTGRES_URL is a URL"), None),
        None => {
            let Some(binaries) = binaries() else {
                skip("postgres", "no server is installed and MUSTER_TEST_POSTGRES_URL is not set");
                return None;
            };
            let (url, shell) = tokio::task::spawn_blocking(move || start_own(&binaries)).await.unwrap();
            (url, Some(shell))
        }
    };
    let template = format!("muster_it_{}", std::process::id());
    for text in [format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)"), format!("CREATE DATABASE {template}")] {
        command(&url, text).await.expect("the template can be made");
    }
    let config: Config =
        world::config("http://127.0.0.1:1", std::path::Path::new("/nowhere"), Some(at(&url, &template).into()));
    let db = Database::open(&config).await.expect("the template can be opened");
    migrate::run(&db).await.expect("the template can be migrated");
    db.close().await;
    Some(Server { url, template, _shell: shell })
}

/// The folder of the newest installed server's programs.
pub fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path());
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.filter(|path| path.join("bin/initdb").exists()).max_by_key(number).map(|path| path.join("bin"))
}

fn start_own(binaries: &std::path::Path) -> (Url, Child) {
    let password = Secret::mint(&SystemChance, "").expose().to_owned();
    let mut told = String::new();
    // Somebody else may take the port between finding it and using it.
    for _ in 0..3 {
        let port = super::process::free_port();
        let mut command = shell();
        command.args(["-c", SHELL, "sh"]).arg(binaries).arg(port.to_string());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("sh runs");
        let input = child.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{password}").expect("the shell reads");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("its output is a pipe"));
        told.clear();
        lines.read_line(&mut told).expect("the shell answers");
        if told.trim() == "ready" {
            let url = format!("postgres://muster:{password}@127.0.0.1:{port}/postgres");
            return (url.parse().expect("a URL"), child);
        }
        let _ = child.wait();
    }
    panic!("PostgreSQL did not start: {told}");
}

/// A shell as the account that a server may run as: it refuses to run as root.
fn shell() -> Command {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return Command::new("sh");
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", "sh"]);
    command
}

async fn command(url: &Url, text: String) -> Result<(), sqlx::Error> {
    let mut conn = PgConnection::connect(url.as_str()).await?;
    // The text has names that were made here, nothing that anybody typed.
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await?;
    conn.close().await
}

fn at(url: &Url, name: &str) -> Url {
    let mut url = url.clone();
    url.set_path(name);
    url
}

#[tokio::test]
async fn two_databases_have_the_schema_and_nothing_in_common() {
    let (Some(one), Some(other)) = (fresh().await, fresh().await) else {
        return;
    };
    for database in [&one, &other] {
        let mut conn = PgConnection::connect(&database.url).await.unwrap();
        sqlx::raw_sql("INSERT INTO instance (name, value) VALUES ('here', '1')").execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
    assert_ne!(one.url, other.url);
}
