//! `muster login`, `logout` and `whoami`: a sign-in in the browser for the command line (RFC 8628).

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::Instant;

use super::credentials::{Entry, Store};
use super::remote::connection::{CLIENT_ID, Connection, Wanted, client, oauth, take};
use super::remote::failed::Failed;
use super::say;
use crate::outside::api_client::{ApiClient, ApiError, Ask, Endpoints};

const SCOPES: &str = "openid profile email offline_access roles muster.admin";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 §3.2: the interval where the server names none, and §3.5: what each `slow_down` adds.
const STEP: Duration = Duration::from_secs(5);

/// Which server, which organisation, whom to trust.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// The server's address; else the one that was signed in to last
    #[arg(long, value_name = "URL", env = "MUSTER_SERVER")]
    server: Option<String>,
    /// The organisation's slug
    #[arg(long, value_name = "SLUG", env = "MUSTER_ORG")]
    org: Option<String>,
    /// Certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE", env = "MUSTER_CA_FILE")]
    ca: Option<PathBuf>,
}

impl Place {
    fn wanted(&self) -> Wanted {
        Wanted { server: self.server.clone(), org: self.org.clone(), ca: self.ca.clone() }
    }

    /// The server's origin: the one that is named, or the last.
    fn server(&self, store: &Store) -> Result<String, Failed> {
        match &self.server {
            Some(server) => Ok(client(server, None)?.server().to_owned()),
            None => store.read()?.current.ok_or_else(|| Failed::Usage("which server? use --server URL".to_owned())),
        }
    }
}

/// Signs in: shows a code, and waits until somebody allows it in a browser.
pub async fn login(place: Place) -> Result<(), Failed> {
    let store = Store::of_person()?;
    let server = place.server(&store)?;
    let before = store.read()?.servers.remove(&server).unwrap_or_default();
    let ca = match place.ca {
        Some(path) => Some(std::path::absolute(path).map_err(anyhow::Error::from)?),
        None => before.ca,
    };
    let api = client(&server, ca.as_deref())?;
    let endpoints = api.endpoints().await?;
    if endpoints.device_authorization.is_empty() {
        return Err(Failed::Invalid(format!("{server} offers no sign-in for devices")));
    }
    let mut asked = vec![("client_id", CLIENT_ID), ("scope", SCOPES)];
    if let Some(org) = &place.org {
        asked.push(("organization", org.as_str()));
    }
    let (status, begun) = api.form(&endpoints.device_authorization, &asked).await?;
    if status != 200 {
        return Err(Failed::Invalid(format!("{server} refuses to begin a sign-in: {}", oauth(&begun))));
    }
    let tokens = wait(&api, &endpoints, &begun).await?;
    let mut entry = Entry { org: place.org, ca, ..Entry::default() };
    if !take(&mut entry, &tokens) {
        return Err(anyhow::anyhow!("{server} gave no token").into());
    }
    let held = store.lock().await?;
    let mut kept = store.read()?;
    kept.servers.insert(server.clone(), entry);
    kept.current = Some(server.clone());
    held.write(&kept)?;
    say(format_args!("Signed in to {server}."));
    Ok(())
}

/// Says where to go, and polls until somebody has decided (RFC 8628 §3.4, §3.5).
async fn wait(api: &ApiClient, endpoints: &Endpoints, begun: &Value) -> Result<Value, Failed> {
    let text = |name: &str| begun[name].as_str().unwrap_or_default();
    let (code, user_code, address) = (text("device_code"), text("user_code"), text("verification_uri"));
    if code.is_empty() || user_code.is_empty() || address.is_empty() {
        return Err(anyhow::anyhow!("{} gave no code", api.server()).into());
    }
    // What is shown came from outside: a terminal must not obey it.
    say(format_args!("Open in a browser: {}", super::remote::plain(address)));
    say(format_args!("Type this code there: {}", super::remote::plain(user_code)));
    let life = Duration::from_secs(begun["expires_in"].as_u64().unwrap_or(600).min(3600));
    let end = Instant::now() + life;
    let mut interval = begun["interval"].as_u64().map_or(STEP, |seconds| Duration::from_secs(seconds.clamp(1, 60)));
    let fields = [("grant_type", GRANT), ("device_code", code), ("client_id", CLIENT_ID)];
    loop {
        tokio::time::sleep(interval).await;
        if Instant::now() >= end {
            return Err(Failed::SignIn("the code has expired: use `muster login` again".to_owned()));
        }
        let (status, answer) = match api.form(&endpoints.token, &fields).await {
            Ok(answer) => answer,
            // §3.5: on a lost connection the pace is halved.
            Err(ApiError::TimedOut(_) | ApiError::Unreachable(_)) => {
                interval = (interval * 2).min(Duration::from_mins(1));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match (status, answer["error"].as_str().unwrap_or_default()) {
            (200, _) => return Ok(answer),
            (_, "authorization_pending") => {}
            (_, "slow_down") => interval += STEP,
            (_, "access_denied") => return Err(Failed::Denied("the sign-in was refused".to_owned())),
            (_, "expired_token") => {
                return Err(Failed::SignIn("the code has expired: use `muster login` again".to_owned()));
            }
            (429 | 500..=599, _) => interval += STEP,
            _ => return Err(Failed::SignIn(format!("the sign-in failed: {}", oauth(&answer)))),
        }
    }
}

/// Signs out: the refresh token is revoked, and what was kept is forgotten in any case.
pub async fn logout(place: Place) -> Result<(), Failed> {
    let store = Store::of_person()?;
    let server = place.server(&store)?;
    let held = store.lock().await?;
    let mut kept = store.read()?;
    let entry = kept.servers.remove(&server).ok_or_else(|| Failed::not_signed_in(&server))?;
    if kept.current.as_ref() == Some(&server) {
        kept.current = None;
    }
    held.write(&kept)?;
    drop(held);
    revoke(&server, place.ca.or(entry.ca.clone()).as_deref(), &entry).await.map_err(|failed| {
        let told = "forgotten on this machine, but not ended on the server";
        Failed::Here(anyhow::anyhow!("{told}: {failed}. End the session there, on your account's page"))
    })?;
    say(format_args!("Signed out of {server}."));
    Ok(())
}

async fn revoke(server: &str, ca: Option<&Path>, entry: &Entry) -> Result<(), Failed> {
    let api = client(server, ca)?;
    let fields =
        [("client_id", CLIENT_ID), ("token", entry.refresh_token.as_str()), ("token_type_hint", "refresh_token")];
    let (status, answer) = api.form(&api.endpoints().await?.revocation, &fields).await?;
    if status == 200 { Ok(()) } else { Err(anyhow::anyhow!("{}", oauth(&answer)).into()) }
}

/// Says who calls, and what they may.
pub async fn whoami(place: &Place, json: bool) -> Result<(), Failed> {
    let mut connection = Connection::open(&place.wanted()).await?;
    let me = connection.call(&Ask::get(&["me"])).await?;
    if json {
        say(serde_json::to_string_pretty(&me).unwrap_or_default());
    } else {
        say(format_args!("server: {}", connection.server()));
        say(super::remote::facts(&me));
    }
    Ok(())
}
