//! The cells: which operations are measured, what each can't do without, and how its callers are made ready.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use crate::browser::{Browser, Jar};
use crate::flows::{Client, Expected, Flow, OFFLINE, ONLINE, Series};
use crate::http::{self, Connection};
use crate::micro::{Alg, Costs};
use crate::scim::{self, Deed};
use crate::scim_caller::Directory;
use crate::world::{self, Application};
use crate::yard;

/// Where discovery stands.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// How many tokens are made to be introspected for the first time.
const UNSEEN: usize = 10_000;

/// An operation that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The discovery document.
    Discovery,
    /// The discovery document when the caller has it already.
    DiscoveryUnchanged,
    /// The public keys.
    Jwks,
    /// `client_credentials`: one signature.
    ClientCredentials(Alg),
    /// Authorization under a live session and the code's exchange with PKCE: two requests, two signatures.
    AuthCode(Alg),
    /// A refresh with rotation: two signatures, durable.
    Refresh(Alg),
    /// Introspection of a token that the server has verified before.
    Introspection,
    /// Introspection of a token that the server sees for the first time.
    IntrospectionFirst,
    /// Userinfo.
    Userinfo,
    /// Signing in with a password: the page, the form.
    Password,
    /// What a directory's client does.
    Scim(Deed),
}

/// All of them.
pub const ALL: [Cell; 14 + scim::ALL.len()] = [
    Cell::Discovery,
    Cell::DiscoveryUnchanged,
    Cell::Jwks,
    Cell::ClientCredentials(Alg::EdDsa),
    Cell::ClientCredentials(Alg::Es256),
    Cell::ClientCredentials(Alg::Rs256),
    Cell::AuthCode(Alg::EdDsa),
    Cell::AuthCode(Alg::Es256),
    Cell::Refresh(Alg::EdDsa),
    Cell::Refresh(Alg::Es256),
    Cell::Introspection,
    Cell::IntrospectionFirst,
    Cell::Userinfo,
    Cell::Password,
    Cell::Scim(scim::ALL[0]),
    Cell::Scim(scim::ALL[1]),
    Cell::Scim(scim::ALL[2]),
    Cell::Scim(scim::ALL[3]),
    Cell::Scim(scim::ALL[4]),
    Cell::Scim(scim::ALL[5]),
    Cell::Scim(scim::ALL[6]),
    Cell::Scim(scim::ALL[7]),
    Cell::Scim(scim::ALL[8]),
    Cell::Scim(scim::ALL[9]),
    Cell::Scim(scim::ALL[10]),
];

impl Cell {
    /// Its name on the command line and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::DiscoveryUnchanged => "discovery_304",
            Self::Jwks => "jwks",
            Self::ClientCredentials(Alg::EdDsa) => "cc.eddsa",
            Self::ClientCredentials(Alg::Es256) => "cc.es256",
            Self::ClientCredentials(Alg::Rs256) => "cc.rs256",
            Self::AuthCode(Alg::EdDsa) => "authcode.eddsa",
            Self::AuthCode(Alg::Es256) => "authcode.es256",
            Self::AuthCode(Alg::Rs256) => "authcode.rs256",
            Self::Refresh(Alg::EdDsa) => "refresh.eddsa",
            Self::Refresh(Alg::Es256) => "refresh.es256",
            Self::Refresh(Alg::Rs256) => "refresh.rs256",
            Self::Introspection => "introspection",
            Self::IntrospectionFirst => "introspection.first",
            Self::Userinfo => "userinfo",
            Self::Password => "password",
            Self::Scim(deed) => deed.name(),
        }
    }

    /// CPU microseconds that one operation can't do without, beyond its HTTP.
    pub const fn floor(self, costs: &Costs) -> Option<f64> {
        match self {
            Self::ClientCredentials(alg) => Some(costs.signature(alg)),
            Self::AuthCode(alg) | Self::Refresh(alg) => Some(2.0 * costs.signature(alg)),
            Self::Password => Some(costs.argon2id_us),
            _ => None,
        }
    }

    /// Whether each operation waits for the disk, so that more callers are needed to keep the server busy.
    const fn is_durable(self) -> bool {
        match self {
            Self::Scim(deed) => deed.is_durable(),
            _ => matches!(self, Self::AuthCode(_) | Self::Refresh(_)),
        }
    }

    /// Whether the database grows by it, so that it is measured after the others.
    pub const fn grows(self) -> bool {
        matches!(self, Self::Scim(deed) if deed.grows())
    }

    /// Whether its latency is measured at an easy pace, too.
    pub const fn is_paced(self) -> bool {
        matches!(self, Self::Scim(deed) if deed.is_paced())
    }

    /// Whether a database with so many people has what it needs.
    pub const fn fits(self, users: u64) -> bool {
        match self {
            Self::Scim(deed) => deed.fits(users),
            _ => true,
        }
    }

    /// Whether the callers may do a little before the window. Not where each operation can be done once only.
    pub const fn may_warm_up(self) -> bool {
        !matches!(self, Self::IntrospectionFirst | Self::Password)
    }
}

/// The cells of these names; `cc` stands for `cc.eddsa` and the others, and no name for all.
///
/// # Errors
/// A name is of none.
pub fn chosen(names: &[String]) -> Result<Vec<Cell>> {
    let fits = |cell: &Cell, wanted: &str| {
        cell.name().strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for wanted in names {
        let known: Vec<&str> = ALL.iter().map(|cell| cell.name()).collect();
        ensure!(ALL.iter().any(|cell| fits(cell, wanted)), "no cell {wanted}; there are {}", known.join(", "));
    }
    Ok(ALL.into_iter().filter(|cell| names.is_empty() || names.iter().any(|wanted| fits(cell, wanted))).collect())
}

/// How many callers there are.
#[derive(Clone, Copy, Debug)]
pub struct Callers {
    /// For most cells.
    pub reading: usize,
    /// For cells whose operations wait for the disk.
    pub durable: usize,
    /// For signing in with a password, and for bulk requests.
    pub password: usize,
}

/// The server under load, as the callers know it.
pub struct Subject {
    address: SocketAddr,
    host: String,
    jars: Vec<Jar>,
    directory: Arc<Directory>,
}

/// Callers of the yardstick.
pub fn yardstick(address: SocketAddr, callers: usize) -> Vec<Flow> {
    same(address, callers, &http::get(&address.to_string(), yard::PATH, &[]), Expected { status: 200, text: "" })
}

fn same(address: SocketAddr, callers: usize, request: &[u8], expected: Expected) -> Vec<Flow> {
    let request: Arc<[u8]> = Arc::from(request);
    (0..callers).map(|_| Flow::Same(Connection::to(address), Arc::clone(&request), expected)).collect()
}

impl Subject {
    /// Makes the server's acquaintance: signs in as often as there will be browsers, and reads the directory of so many
    /// users.
    ///
    /// # Errors
    /// The person, or the directory's client, is not let in.
    pub async fn meet(address: SocketAddr, browsers: usize, users: u64) -> Result<Self> {
        let directory = Arc::new(Directory::meet(address, users).await.context("reading the directory")?);
        let mut subject = Self { address, host: address.to_string(), jars: Vec::new(), directory };
        let client = subject.client(world::BENCH_EDDSA);
        for _ in 0..browsers {
            let mut browser = Browser::new(address, Jar::default());
            client.sign_in(&mut browser).await.context("signing in")?;
            subject.jars.push(browser.into_jar());
        }
        Ok(subject)
    }

    /// An application at this server.
    pub fn client(&self, application: Application) -> Client {
        Client::new(&self.host, application)
    }

    /// A cell's callers.
    ///
    /// # Errors
    /// The server refuses what they need.
    pub async fn ready(&self, cell: Cell, callers: Callers) -> Result<Vec<Flow>> {
        let reading = callers.reading;
        let count = if cell.is_durable() { callers.durable } else { reading };
        match cell {
            Cell::Discovery => Ok(self.same_get(reading, DISCOVERY, "\"issuer\"")),
            Cell::DiscoveryUnchanged => self.unchanged(reading, DISCOVERY).await,
            Cell::Jwks => Ok(self.same_get(reading, "/jwks", "\"keys\"")),
            Cell::ClientCredentials(alg) => {
                let request = self.client(own(alg)).request("/token", &[("grant_type", "client_credentials")]);
                Ok(same(self.address, reading, &request, Expected { status: 200, text: "\"access_token\"" }))
            }
            Cell::AuthCode(alg) => {
                let client = self.client(people(alg)?);
                Ok(self.browsers(count).map(|browser| Flow::AuthCode(Box::new(browser), client.clone())).collect())
            }
            Cell::Refresh(alg) => self.refreshing(self.client(people(alg)?), count).await,
            Cell::Introspection => self.introspecting(reading).await,
            Cell::IntrospectionFirst => self.introspecting_first(reading).await,
            Cell::Userinfo => self.asking_userinfo(reading).await,
            Cell::Password => Ok(self.signing_in(callers.password)),
            Cell::Scim(Deed::Bulk) => self.directory.callers(Deed::Bulk, callers.password),
            Cell::Scim(deed) => self.directory.callers(deed, count),
        }
    }

    /// Callers that sign in with the password.
    pub fn signing_in(&self, callers: usize) -> Vec<Flow> {
        let client = self.client(world::BENCH_EDDSA);
        let browser = || Box::new(Browser::new(self.address, Jar::default()));
        (0..callers).map(|_| Flow::Password(browser(), client.clone())).collect()
    }

    fn same_get(&self, callers: usize, target: &str, text: &'static str) -> Vec<Flow> {
        same(self.address, callers, &http::get(&self.host, target, &[]), Expected { status: 200, text })
    }

    async fn unchanged(&self, callers: usize, target: &str) -> Result<Vec<Flow>> {
        let answer = Connection::to(self.address).send(&http::get(&self.host, target, &[])).await?;
        let tag = answer.header("etag").with_context(|| format!("{target} has no ETag"))?;
        let request = http::get(&self.host, target, &[("If-None-Match", tag)]);
        Ok(same(self.address, callers, &request, Expected { status: 304, text: "" }))
    }

    fn browsers(&self, count: usize) -> impl Iterator<Item = Browser> {
        self.jars.iter().cycle().take(count).map(move |jar| Browser::new(self.address, jar.clone()))
    }

    async fn refreshing(&self, client: Client, callers: usize) -> Result<Vec<Flow>> {
        let mut flows = Vec::new();
        for mut browser in self.browsers(callers) {
            let tokens = client.tokens(&mut browser, OFFLINE).await?;
            let token = tokens.refresh.context("the code's exchange gave no refresh token")?;
            flows.push(Flow::Refresh(Connection::to(self.address), client.clone(), token));
        }
        Ok(flows)
    }

    async fn introspecting(&self, callers: usize) -> Result<Vec<Flow>> {
        let client = self.client(world::BENCH_EDDSA);
        let mut flows = Vec::new();
        for mut browser in self.browsers(callers) {
            let token = client.tokens(&mut browser, ONLINE).await?.access;
            let request = client.request("/introspect", &[("token", token.as_str())]);
            flows.push(Flow::Same(Connection::to(self.address), Arc::from(request), ACTIVE));
        }
        Ok(flows)
    }

    async fn introspecting_first(&self, callers: usize) -> Result<Vec<Flow>> {
        let client = self.client(world::CC_ES256);
        let mut connection = Connection::to(self.address);
        let mut requests = Vec::with_capacity(UNSEEN);
        for _ in 0..UNSEEN {
            let token = client.own_token(&mut connection).await?;
            requests.push(client.request("/introspect", &[("token", token.as_str())]));
        }
        let series = Arc::new(Series::new(requests));
        let flow = |_| Flow::Series(Connection::to(self.address), Arc::clone(&series), ACTIVE);
        Ok((0..callers).map(flow).collect())
    }

    async fn asking_userinfo(&self, callers: usize) -> Result<Vec<Flow>> {
        let client = self.client(world::BENCH_EDDSA);
        let mut flows = Vec::new();
        for mut browser in self.browsers(callers) {
            let bearer = format!("Bearer {}", client.tokens(&mut browser, ONLINE).await?.access);
            let request = http::get(&self.host, "/userinfo", &[("Authorization", bearer.as_str())]);
            let expected = Expected { status: 200, text: "\"sub\"" };
            flows.push(Flow::Same(Connection::to(self.address), Arc::from(request), expected));
        }
        Ok(flows)
    }
}

/// What introspection says of a token that is good.
const ACTIVE: Expected = Expected { status: 200, text: "\"active\":true" };

const fn own(alg: Alg) -> Application {
    match alg {
        Alg::Es256 => world::CC_ES256,
        Alg::EdDsa => world::CC_EDDSA,
        Alg::Rs256 => world::CC_RS256,
    }
}

fn people(alg: Alg) -> Result<Application> {
    match alg {
        Alg::Es256 => Ok(world::BENCH_ES256),
        Alg::EdDsa => Ok(world::BENCH_EDDSA),
        Alg::Rs256 => anyhow::bail!("no application signs people in with RS256"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_its_ending_stands_for_all_of_them() {
        let names = |wanted: &str| chosen(&[wanted.to_owned()]).map(|cells| cells.len());
        assert_eq!(names("cc").unwrap(), 3);
        assert_eq!(names("introspection").unwrap(), 2);
        assert_eq!(names("discovery").unwrap(), 1);
        assert_eq!((names("scim").unwrap(), names("scim.member").unwrap()), (11, 3));
        assert!(names("nothing").is_err());
        assert_eq!(chosen(&[]).unwrap().len(), ALL.len());
    }
}
