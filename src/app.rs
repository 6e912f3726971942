//! The bundle of handles that flows work with; cheap to clone, built by `serve` and by tests alike.

pub mod feed;

pub mod lanes;

pub mod losses;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use moka::sync::Cache;
use tokio::sync::Notify;

use crate::config::Config;
use crate::domain::oauth::application::Application;
use crate::kernel::secret::Chance;
use crate::kernel::time::{Clock, SECOND, UnixMillis};
use crate::outside::dns::Dns;
use crate::outside::hasher::{Hasher, HasherConfig};
use crate::outside::keyring::Keyring;
use crate::outside::mail::templates::Templates;
use crate::outside::mail::{Mailer, SetUpError};
use crate::outside::passkeys::Passkeys;
use crate::outside::places::{NotRead, Places};
use crate::outside::relying_party::{RelyingParty, RelyingPartyConfig, SendError};
use crate::outside::sealer::Sealer;
use crate::outside::sms::Sms;
use crate::outside::upstream::Upstreams;
use crate::store::db::Database;
use crate::store::scim::requests::Logged;

/// Everything that a flow needs, and nothing that knows HTTP.
#[derive(Clone)]
pub struct App(Arc<Handles>);

/// The handles themselves.
pub struct Handles {
    /// The settings.
    pub config: Config,
    /// The database.
    pub db: Database,
    /// The signing keys.
    pub keyring: Keyring,
    /// Seals and message authentication with the instance key.
    pub sealer: Sealer,
    /// The bounded pool that hashes passwords.
    pub hasher: Hasher,
    /// How applications are told.
    pub relying_party: RelyingParty,
    /// The OpenID providers of connections.
    pub upstream: Upstreams,
    /// What is known of e-mail domains.
    pub dns: Dns,
    /// How mail leaves.
    pub mailer: Mailer,
    /// What messages to people look like.
    pub templates: Templates,
    /// How text messages leave.
    pub sms: Sms,
    /// What passkeys are asked, and judged by.
    pub passkeys: Passkeys,
    /// Where addresses are, as far as a file says.
    pub places: Places,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where chance comes from.
    pub chance: Arc<dyn Chance>,
    /// Registrations that were read before; each use compares their stamp with the database.
    pub applications: Cache<String, (UnixMillis, Arc<Application>)>,
    /// Rung after a change that wrote outbox rows: a hint, never a need.
    pub outbox_bell: Arc<Notify>,
    /// What this node knows of the feed of revocations, and who follows it.
    pub feed: Arc<feed::Feed>,
    /// Status lists that were made a moment ago, by their number; see `flows::feed::status`.
    pub status_lists: Cache<i64, Arc<feed::StatusList>>,
    /// The state of the signing keys' table that was read last; see `flows::rotate_keys::reload_if_changed`.
    pub keys_mark: AtomicI64,
    /// How often something was tried that may be tried a few times only: since when, how often. See `flows::device`.
    pub tries: Cache<String, (UnixMillis, u32)>,
    /// How many people lost access through each connection lately; see `flows::scim::guard`.
    pub losses: losses::Losses,
    /// How much each connection's client may ask at a time.
    pub lanes: lanes::Lanes,
    /// Requests of connections' clients that wait to be written together.
    pub scim_log: crate::kernel::pile::Pile<Logged>,
    /// Token events that wait to be written together.
    pub tally: crate::kernel::tally::Tally,
}

/// What `App` is made from, besides the settings.
pub struct Parts {
    /// The database.
    pub db: Database,
    /// The instance key.
    pub instance_key: [u8; 32],
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where chance comes from.
    pub chance: Arc<dyn Chance>,
}

/// Why the handles can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum NotSetUp {
    /// The extra certificate authority can't be read.
    #[error("outbound.extra_ca: {0}")]
    Certificates(#[from] SendError),
    /// Mail or text messages can't be sent as the settings say.
    #[error(transparent)]
    Messages(#[from] SetUpError),
    /// The file that says where addresses are can't be read.
    #[error("sessions.places_file: {0}")]
    Places(#[from] NotRead),
}

impl App {
    /// Puts the handles together. The keyring is empty until `flows::rotate_keys::load`.
    ///
    /// # Errors
    /// A file that the settings name can't be read, or messages can't be sent as they say.
    pub fn new(config: Config, parts: Parts) -> Result<Self, NotSetUp> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let passwords = &config.passwords;
        let hasher = Hasher::new(HasherConfig {
            threads: passwords.threads.unwrap_or_else(|| cores.saturating_sub(1).max(1)),
            queue: passwords.queue,
            wait_ms: passwords.queue_wait_ms,
            m: passwords.memory_kib,
            t: passwords.iterations,
            p: passwords.parallelism,
        });
        let extra_ca_pem = match &config.outbound.extra_ca {
            Some(path) => Some(std::fs::read(path).map_err(|_| SendError::Certificates)?),
            None => None,
        };
        let extra = extra_ca_pem.as_deref();
        let mailer = Mailer::new(&config.mail, &config.issuer, &config.data_dir, extra)?;
        let templates = Templates::load(config.mail.templates.as_deref())?;
        let sms = Sms::new(&config.sms, &config.data_dir, extra)?;
        let relying_party = RelyingParty::new(RelyingPartyConfig {
            allow_hosts: config.outbound.allow_hosts.clone(),
            extra_ca_pem,
            ..RelyingPartyConfig::default()
        })?;
        let dns = Dns::new(&config.dns);
        Ok(Self(Arc::new(Handles {
            db: parts.db,
            keyring: Keyring::empty(),
            sealer: Sealer::new(parts.instance_key),
            hasher,
            upstream: Upstreams::new(relying_party.clone()),
            relying_party,
            dns,
            mailer,
            templates,
            sms,
            passkeys: Passkeys::new(&config.issuer, &config.mail.product),
            places: Places::load(config.sessions.places_file.as_deref())?,
            clock: parts.clock,
            chance: parts.chance,
            applications: Cache::builder().max_capacity(10_000).build(),
            outbox_bell: Arc::new(Notify::new()),
            feed: Arc::default(),
            status_lists: Cache::builder().max_capacity(64).time_to_live(feed::STATUS_LIST_KEPT).build(),
            keys_mark: AtomicI64::new(0),
            tries: Cache::builder().max_capacity(100_000).build(),
            losses: losses::Losses::default(),
            lanes: lanes::Lanes::new(&config.scim),
            scim_log: crate::kernel::pile::Pile::default(),
            tally: crate::kernel::tally::Tally::default(),
            config,
        })))
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// The issuer: an origin without a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// An address under the issuer.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer)
    }

    /// How long a browser session may stand idle, in milliseconds.
    #[must_use]
    pub fn session_idle(&self) -> i64 {
        self.config.sessions.idle_secs * SECOND
    }

    /// How long a browser session lives at most, in milliseconds.
    #[must_use]
    pub fn session_absolute(&self) -> i64 {
        self.config.sessions.absolute_secs * SECOND
    }
}

impl Deref for App {
    type Target = Handles;
    fn deref(&self) -> &Handles {
        &self.0
    }
}
