//! Who calls which server: a token from the environment, an access key, or what `muster login` kept.
//!
//! Access tokens are renewed before they end, and once more when the server says that one is not honoured.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::failed::Failed;
use crate::cli::credentials::{Entry, Kept, Store};
use crate::kernel::secret::Secret;
use crate::kernel::time::Clock as _;
use crate::outside::api_client::{ApiClient, ApiError, Ask};
use crate::outside::clock::SystemClock;

/// The built-in application of the command line.
pub const CLIENT_ID: &str = "muster-cli";
/// A token that ends within so many seconds is renewed first.
const MARGIN: i64 = 30;

/// Which server, which organisation, whom to trust: flags, or the variables that stand for them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `--server`, `MUSTER_SERVER`.
    pub server: Option<String>,
    /// `--org`, `MUSTER_ORG`.
    pub org: Option<String>,
    /// `--ca`, `MUSTER_CA_FILE`.
    pub ca: Option<PathBuf>,
}

/// A server, and whose token it is asked with.
#[derive(Debug)]
pub struct Connection {
    api: ApiClient,
    org: Option<String>,
    token: Secret,
    source: Source,
}

/// Where a new token comes from.
#[derive(Debug)]
enum Source {
    /// Nowhere: it was given.
    Given,
    /// An access key.
    Key { id: String, secret: Secret },
    /// The refresh token that is kept.
    Kept(Store),
}

/// A client of a server.
pub fn client(server: &str, ca: Option<&Path>) -> Result<ApiClient, Failed> {
    let pem = match ca {
        None => None,
        Some(path) => match std::fs::read(path) {
            Ok(pem) => Some(pem),
            Err(error) => return Err(anyhow::anyhow!("{}: {error}", path.display()).into()),
        },
    };
    Ok(ApiClient::new(server, pem.as_deref())?)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

impl Connection {
    /// Finds the server and a token that still lives for a while.
    pub async fn open(wanted: &Wanted) -> Result<Self, Failed> {
        if let Some(token) = variable("MUSTER_TOKEN") {
            let api = client(&named(wanted, "MUSTER_TOKEN")?, wanted.ca.as_deref())?;
            return Ok(Self { api, org: wanted.org.clone(), token: Secret::presented(token), source: Source::Given });
        }
        if let Some(id) = variable("MUSTER_KEY_ID") {
            let api = client(&named(wanted, "MUSTER_KEY_ID")?, wanted.ca.as_deref())?;
            let secret = variable("MUSTER_KEY_SECRET")
                .ok_or_else(|| Failed::Usage("MUSTER_KEY_ID needs MUSTER_KEY_SECRET beside it".to_owned()))?;
            let secret = Secret::presented(secret);
            let token = by_key(&api, &id, &secret).await?;
            return Ok(Self { api, org: wanted.org.clone(), token, source: Source::Key { id, secret } });
        }
        Self::kept(wanted).await
    }

    async fn kept(wanted: &Wanted) -> Result<Self, Failed> {
        let store = Store::of_person()?;
        let kept = store.read()?;
        let server = match (&wanted.server, &kept.current) {
            (Some(server), _) => client(server, None)?.server().to_owned(),
            (None, Some(current)) => current.clone(),
            (None, None) => return Err(Failed::not_signed_in("URL")),
        };
        let entry = kept.servers.get(&server).ok_or_else(|| Failed::not_signed_in(&server))?;
        let api = client(&server, wanted.ca.as_deref().or(entry.ca.as_deref()))?;
        let org = wanted.org.clone().or_else(|| entry.org.clone());
        let mut token = Secret::presented(entry.access_token.clone());
        if !lives(entry) {
            token = renewed(&api, &store, &token).await?;
        }
        Ok(Self { api, org, token, source: Source::Kept(store) })
    }

    /// The server.
    pub fn server(&self) -> &str {
        self.api.server()
    }

    /// The organisation that commands are about: what was said, or the token's own.
    pub fn org(&self) -> Result<String, Failed> {
        let missing = || Failed::Usage("which organisation? use --org SLUG, or set MUSTER_ORG".to_owned());
        let own = || claim(&self.token, "org_slug").or_else(|| claim(&self.token, "org_id"));
        self.org.clone().or_else(own).ok_or_else(missing)
    }

    /// The account that the token is of.
    pub fn user(&self) -> Option<String> {
        claim(&self.token, "sub")
    }

    /// Calls the API.
    pub async fn call(&mut self, ask: &Ask) -> Result<Value, Failed> {
        match self.api.call(&self.token, ask).await {
            Err(error) if self.may_renew(&error) => {
                self.renew().await?;
                Ok(self.api.call(&self.token, ask).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Calls the API and passes on what it answers.
    pub async fn stream(&mut self, ask: &Ask, into: &mut (dyn std::io::Write + Send)) -> Result<(), Failed> {
        match self.api.stream(&self.token, ask, into).await {
            // The refusal came before anything was passed on.
            Err(error) if self.may_renew(&error) => {
                self.renew().await?;
                Ok(self.api.stream(&self.token, ask, into).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    fn may_renew(&self, error: &ApiError) -> bool {
        let dead =
            matches!(error, ApiError::Refused(problem) if problem.status == 401 && problem.code == "invalid_token");
        dead && !matches!(self.source, Source::Given)
    }

    async fn renew(&mut self) -> Result<(), Failed> {
        self.token = match &self.source {
            Source::Given => return Err(Failed::SignIn("MUSTER_TOKEN is not honoured any more".to_owned())),
            Source::Key { id, secret } => by_key(&self.api, id, secret).await?,
            Source::Kept(store) => renewed(&self.api, store, &self.token).await?,
        };
        Ok(())
    }
}

fn named(wanted: &Wanted, variable: &str) -> Result<String, Failed> {
    // A secret is never sent to a server that somebody once signed in to.
    let missing = || Failed::Usage(format!("{variable} needs MUSTER_SERVER (or --server) beside it"));
    wanted.server.clone().ok_or_else(missing)
}

/// An API token by an access key.
async fn by_key(api: &ApiClient, id: &str, secret: &Secret) -> Result<Secret, Failed> {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret.expose()),
        ("scope", "muster.admin"),
    ];
    let (status, answer) = api.form(&api.endpoints().await?.token, &fields).await?;
    match (status, answer["access_token"].as_str()) {
        (200, Some(token)) => Ok(Secret::presented(token)),
        _ => Err(Failed::SignIn(format!("the access key {id} is not honoured: {}", oauth(&answer)))),
    }
}

/// A new access token by the refresh token that is kept, unless somebody else has just got one.
async fn renewed(api: &ApiClient, store: &Store, dead: &Secret) -> Result<Secret, Failed> {
    let held = store.lock().await?;
    let mut kept: Kept = store.read()?;
    let entry = kept.servers.get_mut(api.server()).ok_or_else(|| Failed::not_signed_in(api.server()))?;
    if entry.access_token != dead.expose() && lives(entry) {
        return Ok(Secret::presented(entry.access_token.clone()));
    }
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", entry.refresh_token.as_str()), ("client_id", CLIENT_ID)];
    let (status, answer) = api.form(&api.endpoints().await?.token, &fields).await?;
    if !take(entry, &answer) {
        if status == 429 || status >= 500 {
            return Err(anyhow::anyhow!("the sign-in can't be renewed now: {}", oauth(&answer)).into());
        }
        let again = format!("the sign-in has ended: use `muster login --server {}`", api.server());
        return Err(Failed::SignIn(again));
    }
    let token = Secret::presented(entry.access_token.clone());
    held.write(&kept)?;
    Ok(token)
}

/// Notes what a token endpoint gave; whether it gave any.
pub fn take(entry: &mut Entry, answer: &Value) -> bool {
    let Some(access) = answer["access_token"].as_str() else {
        return false;
    };
    access.clone_into(&mut entry.access_token);
    entry.expires_at = SystemClock.now().seconds() + answer["expires_in"].as_i64().unwrap_or(0);
    if let Some(refresh) = answer["refresh_token"].as_str() {
        refresh.clone_into(&mut entry.refresh_token);
    }
    true
}

fn lives(entry: &Entry) -> bool {
    entry.expires_at - MARGIN > SystemClock.now().seconds()
}

/// An OAuth error in words.
pub fn oauth(answer: &Value) -> &str {
    let text = answer["error_description"].as_str().or_else(|| answer["error"].as_str());
    text.unwrap_or("the server gives no reason")
}

/// A claim of a token, for show and for defaults: whether the token is good, the server says.
fn claim(token: &Secret, name: &str) -> Option<String> {
    let part = token.expose().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    claims[name].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_organisation_is_the_tokens_where_nothing_else_is_said() {
        let body = URL_SAFE_NO_PAD.encode(json!({ "org_slug": "acme", "sub": "usr_1" }).to_string());
        let token = Secret::presented(format!("x.{body}.y"));
        assert_eq!(claim(&token, "org_slug").as_deref(), Some("acme"));
        assert_eq!(claim(&token, "org_id"), None);
        assert_eq!(claim(&Secret::presented("rubbish"), "sub"), None);
    }

    #[test]
    fn a_token_is_kept_with_its_end_and_an_old_refresh_token_stays_without_a_new_one() {
        let mut entry = Entry { refresh_token: "old".to_owned(), ..Entry::default() };
        assert!(!take(&mut entry, &json!({ "error": "invalid_grant" })));
        assert!(take(&mut entry, &json!({ "access_token": "a", "expires_in": 600 })) && lives(&entry));
        assert_eq!((entry.access_token.as_str(), entry.refresh_token.as_str()), ("a", "old"));
        assert!(take(&mut entry, &json!({ "access_token": "b", "expires_in": 20, "refresh_token": "new" })));
        assert_eq!((lives(&entry), entry.refresh_token.as_str()), (false, "new"));
    }
}
