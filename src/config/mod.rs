//! The settings: read once at the start from a TOML file, variables and flags, checked whole, never changed after.
//!
//! Each section is a file of this folder with its defaults and ranges. `MUSTER_SECTION__KEY` overrides the file,
//! a flag overrides both. A name that Muster doesn't know refuses the start: a misspelt limit would be no limit.

pub mod database;
pub mod dns;
pub mod error;
pub mod http;
mod issuer;
pub mod keys;
pub mod log;
pub mod mail;
mod names;
pub mod network;
pub mod outbound;
pub mod passwords;
pub mod registration;
pub mod scim;
pub mod sessions;
pub mod sign_in;
pub mod sms;
mod source;
pub mod telemetry;
pub mod tokens;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

pub use self::error::ConfigError;
use self::error::Faults;
use self::source::Settings;

/// One minute, in the seconds that settings are given in.
const MINUTE: i64 = 60;
/// One hour, in seconds.
const HOUR: i64 = 60 * MINUTE;
/// One day, in seconds.
const DAY: i64 = 24 * HOUR;

/// The sections a file may have.
const SECTIONS: [&str; 15] = [
    "http",
    "database",
    "keys",
    "tokens",
    "sessions",
    "passwords",
    "sign_in",
    "registration",
    "scim",
    "outbound",
    "dns",
    "mail",
    "sms",
    "log",
    "telemetry",
];

/// The settings of one instance.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that Muster says it is: an origin, without a slash at its end.
    pub issuer: String,
    /// Where files live: the database, unless `database.url` names a server, and the instance key.
    pub data_dir: PathBuf,
    /// The listening side.
    pub http: http::Http,
    /// Where the rows are.
    pub database: database::Database,
    /// The instance key and the signing keys.
    pub keys: keys::Keys,
    /// How long tokens live.
    pub tokens: tokens::Tokens,
    /// How long sessions live.
    pub sessions: sessions::Sessions,
    /// The rules for people's own accounts, and what a password's hash costs.
    pub passwords: passwords::Passwords,
    /// What the sign-in asks of operators, and how much may be tried.
    pub sign_in: sign_in::SignIn,
    /// Whether people may make accounts of their own.
    pub registration: registration::Registration,
    /// How much a connection's client may ask.
    pub scim: scim::Scim,
    /// What Muster may reach by itself.
    pub outbound: outbound::Outbound,
    /// Who is asked whether an e-mail domain is an organisation's own.
    pub dns: dns::Dns,
    /// How mail is sent.
    pub mail: mail::Mail,
    /// How text messages are sent.
    pub sms: sms::Sms,
    /// What is logged.
    pub log: log::Log,
    /// Where traces go.
    pub telemetry: telemetry::Telemetry,
}

/// What the command line says; it wins over everything else.
#[derive(Clone, Default)]
pub struct Overrides {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--issuer`
    pub issuer: Option<String>,
    /// `--database-url`
    pub database_url: Option<String>,
    /// Whether an http issuer on the loopback is accepted, whatever the file says: `muster dev`.
    pub allow_loopback_http: bool,
}

/// The settings outside every section.
#[derive(Default, Deserialize)]
#[serde(default)]
struct FirstLevel {
    issuer: Option<String>,
    data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// Every unknown name, every value out of its range and every contradiction, together.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: Overrides,
    ) -> Result<Self, ConfigError> {
        let (mut settings, mut faults) = (Settings::default(), Faults::default());
        if let Some(path) = file {
            settings.file(read_file(path)?);
        }
        settings.variables(env, &mut faults);
        let data_dir = flags.apply(&mut settings);
        settings.only_sections(&SECTIONS, &mut faults);
        let first: FirstLevel = settings.read("", &mut faults);
        let mut config = Self {
            issuer: String::new(),
            data_dir: data_dir.or(first.data_dir).unwrap_or_else(|| PathBuf::from(".")),
            http: settings.read("http", &mut faults),
            database: settings.read("database", &mut faults),
            keys: settings.read("keys", &mut faults),
            tokens: settings.read("tokens", &mut faults),
            sessions: settings.read("sessions", &mut faults),
            passwords: settings.read("passwords", &mut faults),
            sign_in: settings.read("sign_in", &mut faults),
            registration: settings.read("registration", &mut faults),
            scim: settings.read("scim", &mut faults),
            outbound: settings.read("outbound", &mut faults),
            dns: settings.read("dns", &mut faults),
            mail: settings.read("mail", &mut faults),
            sms: settings.read("sms", &mut faults),
            log: settings.read("log", &mut faults),
            telemetry: settings.read("telemetry", &mut faults),
        };
        config.issuer = first.issuer.or_else(|| config.own_address()).unwrap_or_default();
        config.check(&mut faults);
        faults.finish().map(|()| config)
    }

    /// Where the instance key is kept when it is not given by itself.
    #[must_use]
    pub fn instance_key_file(&self) -> PathBuf {
        self.keys.instance_key_file.clone().unwrap_or_else(|| self.data_dir.join("keys").join("instance.key"))
    }

    /// The issuer's host, with the port where it isn't the scheme's own: what a request carries as Host.
    #[must_use]
    pub fn issuer_authority(&self) -> &str {
        issuer::authority(&self.issuer)
    }

    /// Whether browsers reach Muster by https, so that cookies are `Secure` and HSTS is sent.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.issuer.starts_with("https://")
    }

    /// The issuer of a start without one: where it listens, if plain http on the loopback is allowed.
    fn own_address(&self) -> Option<String> {
        let listen = self.http.listen;
        let local = self.http.allow_loopback_http
            && self.http.tls().is_none()
            && listen.ip().is_loopback()
            && listen.port() != 0;
        local.then(
            || {
                if listen.port() == 80 { format!("http://{}", host_of(listen)) } else { format!("http://{listen}") }
            },
        )
    }

    fn check(&self, faults: &mut Faults) {
        if self.issuer.is_empty() {
            faults.add(
                "issuer",
                "is not set: give it the https address that browsers use (--issuer, MUSTER_ISSUER or the file)",
            );
        } else if let Err(reason) = issuer::check(&self.issuer, self.http.allow_loopback_http) {
            faults.add("issuer", reason);
        }
        self.http.check(faults);
        self.database.check(faults);
        self.keys.check(faults);
        self.tokens.check(faults);
        self.sessions.check(faults);
        self.passwords.check(faults);
        self.sign_in.check(faults);
        self.scim.check(faults);
        self.outbound.check(faults);
        self.dns.check(faults);
        self.mail.check(faults);
        self.sms.check(faults);
        self.telemetry.check(faults);
    }
}

impl Overrides {
    /// Lays the flags over the rest; a path that need not be text is given back as it is.
    fn apply(self, settings: &mut Settings) -> Option<PathBuf> {
        let given = [
            ("", "issuer", self.issuer),
            ("http", "listen", self.listen.map(|listen| listen.to_string())),
            ("database", "url", self.database_url),
        ];
        for (section, key, text) in given {
            if let Some(text) = text {
                settings.flag(section, key, Value::String(text));
            }
        }
        if self.allow_loopback_http {
            settings.flag("http", "allow_loopback_http", Value::Boolean(true));
        }
        self.data_dir
    }
}

/// An address's host as a URL writes it.
fn host_of(listen: SocketAddr) -> String {
    if listen.is_ipv6() { format!("[{}]", listen.ip()) } else { listen.ip().to_string() }
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::one(path.display().to_string(), error.to_string()))?;
    text.parse::<Table>().map_err(|error| {
        // The error's own text would show the line, and a line may hold a secret.
        let line =
            error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
        ConfigError::one(path.display().to_string(), format!("line {line}: {}", error.message()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::secret::Secret;

    fn load(file: &str, env: &[(&str, &str)], flags: Overrides) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("muster.toml");
        std::fs::write(&path, file).unwrap();
        Config::load(Some(&path), env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())), flags)
    }

    #[test]
    fn an_issuer_is_all_that_must_be_given() {
        let config = load("issuer = 'https://id.acme.test'", &[], Overrides::default()).unwrap();
        assert!(config.is_https());
        assert_eq!(config.issuer_authority(), "id.acme.test");
        assert_eq!(config.instance_key_file(), Path::new("./keys/instance.key"));
        assert_eq!(
            (config.tokens.access_secs, config.sessions.absolute_secs, config.passwords.queue),
            (600, 43_200, 256)
        );
        assert!(
            Config::load(None, std::iter::empty(), Overrides::default())
                .unwrap_err()
                .to_string()
                .starts_with("issuer: is not set")
        );
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
        let file = "issuer = 'https://file.test'\ndata_dir = '/file'\n[http]\nlisten = '127.0.0.1:1'";
        let env =
            [("MUSTER_ISSUER", "https://env.test"), ("MUSTER_DATA_DIR", "/env"), ("MUSTER_LISTEN", "127.0.0.1:2")];
        let config =
            load(file, &env, Overrides { issuer: Some("https://flag.test".into()), ..Overrides::default() }).unwrap();
        assert_eq!(
            (config.issuer.as_str(), config.data_dir.as_path(), config.http.listen.port()),
            ("https://flag.test", Path::new("/env"), 2)
        );
        let flags = Overrides {
            data_dir: Some("/flag".into()),
            listen: Some(([127, 0, 0, 1], 3).into()),
            ..Overrides::default()
        };
        let config = load(file, &env, flags).unwrap();
        assert_eq!((config.data_dir.as_path(), config.http.listen.port()), (Path::new("/flag"), 3));
    }

    #[test]
    fn development_on_the_loopback_takes_its_issuer_from_where_it_listens() {
        let config = load("", &[("MUSTER_HTTP__ALLOW_LOOPBACK_HTTP", "true")], Overrides::default()).unwrap();
        assert_eq!((config.issuer.as_str(), config.is_https()), ("http://127.0.0.1:8080", false));
        let port_zero = [("MUSTER_HTTP__ALLOW_LOOPBACK_HTTP", "true"), ("MUSTER_LISTEN", "127.0.0.1:0")];
        assert!(load("", &port_zero, Overrides::default()).is_err());
        assert!(load("", &[("MUSTER_ISSUER", "http://127.0.0.1:8080")], Overrides::default()).is_err());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let file = "issuer = 'http://id.acme.test'\n[htpp]\n[tokens]\naccess_secs = 5\n[passwords]\nlock_failurs = 5";
        let told = load(file, &[], Overrides::default()).unwrap_err().to_string();
        for part in [
            "issuer: ",
            "htpp: is no section of Muster; did you mean http?",
            "tokens.access_secs: 5 is outside 60–3600",
            "did you mean lock_failures?",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
    }

    #[test]
    fn a_broken_file_is_told_by_its_line_and_not_by_its_text() {
        let told = load("issuer = 'https://a.test'\n[keys]\ninstance_key = 'hunter2\n", &[], Overrides::default())
            .unwrap_err()
            .to_string();
        assert!(told.contains("line ") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_secret_of_the_settings_is_never_printed() {
        let env = [("MUSTER_KEYS__INSTANCE_KEY", "hunter2"), ("MUSTER_DATABASE_URL", "postgres://m:hunter2@db/m")];
        let config = load("issuer = 'https://a.test'", &env, Overrides::default()).unwrap();
        assert_eq!(config.keys.instance_key.as_ref().map(Secret::expose), Some("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
