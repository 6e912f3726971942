//! How a connection's sign-in is set up: what its administrator says of the provider, and what follows from it.
//!
//! # Why
//! Whatever says who the provider is ([`Core`]) decides who gets in; a change of it needs another trial. The rest can be
//! changed while people sign in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use url::Url;

use super::claims::{is_address, is_dropped, is_hidden};
use super::preset::GOOGLE_ISSUER;
use super::{ClientAuth, Preset};
use crate::domain::oauth::redirect_uri::well_formed_web;

/// Who the provider is, and who Muster is to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Core {
    /// The issuer, exactly as the provider spells it in its tokens; an https address (OIDC Discovery §3).
    pub issuer: String,
    /// The client id that the provider gave Muster: 1 to 255 visible ASCII characters.
    pub client_id: String,
    /// How Muster authenticates.
    pub client_auth: ClientAuth,
}

/// Which claims become what here. Names of top-level claims; a dot leads into an object (`realm_access.roles`), but for
/// names that are addresses (`https://acme.test/groups`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    /// The user name: the first of these that is there.
    pub user_name: Vec<String>,
    /// The whole name.
    pub name: String,
    /// The first name.
    pub given_name: String,
    /// The surname.
    pub family_name: String,
    /// The address.
    pub email: String,
    /// The phone number.
    pub phone_number: String,
    /// The groups: a list of texts, or one text.
    pub groups: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            user_name: ["preferred_username", "email", "sub"].map(text).to_vec(),
            name: text("name"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            email: text("email"),
            phone_number: text("phone_number"),
            groups: text("groups"),
        }
    }
}

impl ClaimNames {
    /// Every name, in the order of declaration.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let others = [&self.name, &self.given_name, &self.family_name, &self.email, &self.phone_number, &self.groups];
        self.user_name.iter().chain(others).map(String::as_str)
    }

    fn check(&self) -> Result<(), Unfit> {
        if !(1..=MOST_USER_NAMES).contains(&self.user_name.len()) {
            let reason = format!("Name 1 to {MOST_USER_NAMES} claims, the first choice first.");
            return Err(Unfit { field: "claims.user_name", reason });
        }
        for name in &self.user_name {
            check_claim_name("claims.user_name", name)?;
        }
        let others = [
            ("claims.name", &self.name),
            ("claims.given_name", &self.given_name),
            ("claims.family_name", &self.family_name),
            ("claims.email", &self.email),
            ("claims.phone_number", &self.phone_number),
            ("claims.groups", &self.groups),
        ];
        for (field, name) in others {
            check_claim_name(field, name)?;
        }
        // Groups are shown in the log; what says who somebody is is not.
        let is_personal = |name: &str| ["sub", "email"].contains(&name);
        if is_personal(&self.groups) || self.all().filter(|name| *name == self.groups).count() > 1 {
            let reason = "Name a claim that holds groups and nothing else.".to_owned();
            return Err(Unfit { field: "claims.groups", reason });
        }
        Ok(())
    }
}

/// Whether a text can name a claim that is read here.
///
/// # Errors
/// [`Unfit`] with the field that is given.
pub fn check_claim_name(field: &'static str, name: &str) -> Result<(), Unfit> {
    let unfit = |reason: String| Err(Unfit { field, reason });
    if name.trim().is_empty() || name.chars().count() > LONGEST_CLAIM_NAME || name.chars().any(is_hidden) {
        return unfit(format!("A claim's name has 1 to {LONGEST_CLAIM_NAME} characters."));
    }
    if !is_address(name) && name.split('.').any(str::is_empty) {
        return unfit(format!("{name:?} has a dot that leads nowhere."));
    }
    let root = if is_address(name) { name } else { name.split('.').next().unwrap_or(name) };
    if is_dropped(root) || is_dropped(name) {
        return unfit(format!("{name:?} says something of one sign-in, or isn't kept; name another claim."));
    }
    Ok(())
}

/// How the provider tells that sessions are over or accounts disabled, besides OIDC back-channel logout, which is always
/// heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signals {
    /// The transmitter's issuer (Shared Signals Framework 1.0 §7); `None` hears no events.
    pub issuer: Option<String>,
    /// What its events name as audience; `None` is the address of the connection's events.
    pub audience: Option<String>,
    /// Where its events are fetched (RFC 8936); `None` waits for them to be pushed (RFC 8935).
    pub poll_url: Option<String>,
    /// Whether Okta's Universal Logout (global token revocation) is honoured.
    pub global_token_revocation: bool,
}

/// The whole set-up but for secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInSettings {
    /// What the set-up began from.
    pub preset: Preset,
    /// Who the provider is.
    pub core: Core,
    /// The scopes that are asked for; `openid` always.
    pub scopes: BTreeSet<String>,
    /// Which claims become what.
    pub claims: ClaimNames,
    /// Whether userinfo is asked for what the ID token lacks.
    pub userinfo: bool,
    /// Whether somebody unknown gets an account at the first sign-in.
    pub provision: bool,
    /// The claim that is the `externalId` of the accounts that the same connection pushes by SCIM; `None` matches none.
    pub scim_claim: Option<String>,
    /// What the provider's `acr` values mean here; others mean no more than that somebody came through.
    pub acr: BTreeMap<String, String>,
    /// Whether the provider's `amr` is told on to applications.
    pub amr: bool,
    /// The provider's `acr` values that are trusted to mean a second factor: whoever comes with one need show none here.
    #[serde(default)]
    pub trusted_acr: BTreeSet<String>,
    /// The same of its `amr` values, of which one is enough.
    #[serde(default)]
    pub trusted_amr: BTreeSet<String>,
    /// How sessions and accounts end from there.
    #[serde(default)]
    pub signals: Signals,
}

impl SignInSettings {
    /// Where a set-up begins.
    #[must_use]
    pub fn begun_from(preset: Preset, core: Core) -> Self {
        let standard = ["openid", "profile", "email"];
        let more: &[&str] = match preset {
            Preset::Okta => &["groups"],
            Preset::Entra | Preset::Google | Preset::Keycloak | Preset::Generic => &[],
        };
        let scim_claim = match preset {
            // Okta pushes its user id, which is the subject; Entra's object id is the same for every application.
            Preset::Okta => Some("sub"),
            Preset::Entra => Some("oid"),
            Preset::Google | Preset::Keycloak | Preset::Generic => None,
        };
        let userinfo = match preset {
            // Its userinfo says nothing that the ID token lacks.
            Preset::Entra => false,
            Preset::Okta | Preset::Google | Preset::Keycloak | Preset::Generic => true,
        };
        Self {
            preset,
            core,
            scopes: standard.iter().chain(more).map(|scope| (*scope).to_owned()).collect(),
            claims: ClaimNames::default(),
            userinfo,
            provision: true,
            scim_claim: scim_claim.map(str::to_owned),
            acr: BTreeMap::new(),
            amr: false,
            trusted_acr: BTreeSet::new(),
            trusted_amr: BTreeSet::new(),
            signals: Signals::default(),
        }
    }

    /// What can't be meant so, the first of it.
    ///
    /// # Errors
    /// [`Unfit`]: the field, and what to do.
    pub fn check(&self) -> Result<(), Unfit> {
        self.core.check()?;
        if self.preset == Preset::Google && self.core.issuer != GOOGLE_ISSUER {
            return Err(Unfit { field: "core.issuer", reason: format!("Google's issuer is {GOOGLE_ISSUER}.") });
        }
        self.check_scopes()?;
        self.claims.check()?;
        if let Some(name) = &self.scim_claim {
            check_claim_name("scim_claim", name)?;
        }
        self.check_acr()?;
        check_trusted("trusted_acr", &self.trusted_acr)?;
        check_trusted("trusted_amr", &self.trusted_amr)?;
        self.signals.check()
    }

    fn check_scopes(&self) -> Result<(), Unfit> {
        let unfit = |reason: String| Err(Unfit { field: "scopes", reason });
        if !self.scopes.contains("openid") {
            return unfit("Ask for openid; without it there is no ID token.".to_owned());
        }
        if self.scopes.len() > MOST_SCOPES {
            return unfit(format!("Ask for at most {MOST_SCOPES} scopes."));
        }
        // RFC 6749 §3.3.
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        match self.scopes.iter().find(|scope| !(1..=100).contains(&scope.len()) || !scope.bytes().all(fits)) {
            Some(bad) => unfit(format!("{bad:?} is no scope.")),
            None => Ok(()),
        }
    }

    fn check_acr(&self) -> Result<(), Unfit> {
        let unfit = |reason: String| Err(Unfit { field: "acr", reason });
        if self.acr.len() > MOST_ACR {
            return unfit(format!("Translate at most {MOST_ACR} values."));
        }
        let value = |text: &str| (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        match self.acr.iter().find(|(theirs, ours)| !value(theirs) || !value(ours)) {
            Some((theirs, ours)) => unfit(format!("{theirs:?} to {ours:?}: a value has 1 to 200 visible characters.")),
            None => Ok(()),
        }
    }
}

fn check_trusted(field: &'static str, values: &BTreeSet<String>) -> Result<(), Unfit> {
    let unfit = |reason: String| Err(Unfit { field, reason });
    if values.len() > MOST_ACR {
        return unfit(format!("Trust at most {MOST_ACR} values."));
    }
    let is_unfit =
        |text: &&String| !(1..=200).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic());
    match values.iter().find(is_unfit) {
        Some(bad) => unfit(format!("{bad:?}: a value has 1 to 200 visible characters.")),
        None => Ok(()),
    }
}

impl Core {
    fn check(&self) -> Result<(), Unfit> {
        check_issuer("core.issuer", &self.issuer)?;
        if is_everybodys(&self.issuer) {
            let reason = "This issuer stands for every tenant. Use your own: \
                          https://login.microsoftonline.com/YOUR-TENANT-ID/v2.0."
                .to_owned();
            return Err(Unfit { field: "core.issuer", reason });
        }
        let id = &self.client_id;
        if !(1..=255).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "A client id has 1 to 255 visible ASCII characters.".to_owned();
            return Err(Unfit { field: "core.client_id", reason });
        }
        Ok(())
    }
}

impl Signals {
    fn check(&self) -> Result<(), Unfit> {
        match &self.issuer {
            Some(issuer) => check_issuer("signals.issuer", issuer)?,
            None if self.audience.is_some() || self.poll_url.is_some() => {
                let reason = "Name the issuer of the events; without one none are heard.".to_owned();
                return Err(Unfit { field: "signals.issuer", reason });
            }
            None => {}
        }
        let fits =
            |text: &str| (1..=LONGEST_ISSUER).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if self.audience.as_deref().is_some_and(|audience| !fits(audience)) {
            let reason = format!("An audience has 1 to {LONGEST_ISSUER} visible ASCII characters.");
            return Err(Unfit { field: "signals.audience", reason });
        }
        if let Some(Err(reason)) = self.poll_url.as_deref().map(well_formed_web) {
            return Err(Unfit { field: "signals.poll_url", reason: format!("The address {reason}.") });
        }
        Ok(())
    }
}

/// OIDC Discovery §3 and §4.1: an https address without query and fragment; plain http on this machine alone.
fn check_issuer(field: &'static str, issuer: &str) -> Result<(), Unfit> {
    let unfit = |reason: String| Err(Unfit { field, reason });
    if let Err(reason) = well_formed_web(issuer) {
        return unfit(format!("The issuer {reason}."));
    }
    if issuer.len() > LONGEST_ISSUER {
        return unfit(format!("An issuer has at most {LONGEST_ISSUER} characters."));
    }
    if issuer.contains('?') {
        return unfit("The issuer must not carry a query.".to_owned());
    }
    if issuer.contains("/.well-known/") {
        return unfit("Write the issuer alone, without /.well-known and what follows.".to_owned());
    }
    Ok(())
}

/// Whether an issuer is one of Microsoft's that stand for many tenants: anybody could come through it.
fn is_everybodys(issuer: &str) -> bool {
    const CLOUDS: [&str; 4] = [
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "sts.windows.net",
    ];
    const MANY: [&str; 3] = ["common", "organizations", "consumers"];
    let Ok(url) = Url::parse(issuer) else { return false };
    let tenant = url.path_segments().and_then(|mut parts| parts.next().map(str::to_ascii_lowercase));
    url.host_str().is_some_and(|host| CLOUDS.contains(&host))
        && tenant.is_none_or(|tenant| tenant.is_empty() || MANY.contains(&tenant.as_str()))
}

/// So many claims may be named for the user name.
pub const MOST_USER_NAMES: usize = 10;
/// The longest name of a claim, in characters.
pub const LONGEST_CLAIM_NAME: usize = 200;
/// So many scopes are asked for at most.
pub const MOST_SCOPES: usize = 30;
/// So many `acr` values are translated at most.
pub const MOST_ACR: usize = 20;
/// The longest issuer, in bytes.
pub const LONGEST_ISSUER: usize = 500;
/// The level that somebody reaches who came through a connection, unless the connection says more.
pub const ACR_UPSTREAM: &str = "urn:muster:acr:upstream";

/// Why a set-up is refused: the field, and a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The field, dotted.
    pub field: &'static str,
    /// What to do.
    pub reason: String,
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
