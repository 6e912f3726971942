//! What a connection's sign-in is told as, and what it is set up from: the words of the API on one side, the domain's on the
//! other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::patch::Given;
use super::problem::Problem;
use super::words::moment;
use crate::app::App;
use crate::domain::federation::preset::GOOGLE_ISSUER;
use crate::domain::federation::settings::{ClaimNames, Core, Signals, Unfit};
use crate::domain::federation::{ClientAuth, Preset, SignInSettings};
use crate::flows::federation::callback;
use crate::flows::federation::set_up::{LONGEST_SECRET, is_secret};
use crate::kernel::secret::Secret;
use crate::store::federation::upstreams::SignIn;

/// Which claims become what here. A dot leads into an object (`realm_access.roles`), but for names that are addresses.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ClaimNames)]
pub struct ClaimNamesBody {
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

/// How the provider tells what is over, besides back-channel logout, which is always heard.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Signals)]
pub struct SignalsBody {
    /// The transmitter's issuer; null: no events are heard.
    pub issuer: Option<String>,
    /// What its events name as audience; null: the address at which they are received.
    pub audience: Option<String>,
    /// Where events are fetched; null: they are pushed.
    pub poll_url: Option<String>,
    /// Whether Okta's Universal Logout is honoured.
    pub global_token_revocation: bool,
}

/// The addresses that the provider's administrator is given.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SignInAddresses)]
#[expect(clippy::struct_field_names, reason = "they are called so in the specifications")]
pub struct AddressesBody {
    /// Where people come back to: the redirect address, or callback.
    pub redirect_uri: String,
    /// Where a sign-in begins from the provider's own portal.
    pub initiate_login_uri: String,
    /// The key for `private_key_jwt`; null for other ways.
    pub jwks_uri: Option<String>,
    /// Where it says that sessions are over (OIDC back-channel logout).
    pub backchannel_logout_uri: String,
    /// Where it pushes security events (RFC 8935).
    pub events_uri: String,
    /// Where it has everything of a person end (Okta's Universal Logout).
    pub revocation_uri: String,
}

/// A connection's sign-in, without its secrets.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SignIn)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting by its own name")]
pub struct SignInBody {
    /// The connection.
    pub connection_id: String,
    /// `draft`; `tested`; `optional`: people may choose it; `enforced`: they can't sign in otherwise.
    pub stage: &'static str,
    /// Rises with every new set-up.
    pub revision: i64,
    /// What the set-up began from.
    pub preset: &'static str,
    /// The issuer, as the provider spells it.
    pub issuer: String,
    /// Who Muster is there.
    pub client_id: String,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`.
    pub client_auth: &'static str,
    /// Whether a client secret is kept.
    pub has_client_secret: bool,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// Which claims become what.
    pub claims: ClaimNamesBody,
    /// Whether userinfo is asked for what the ID token lacks.
    pub userinfo: bool,
    /// Whether somebody unknown gets an account at the first sign-in.
    pub provision: bool,
    /// The claim that is the `externalId` of accounts that the same connection pushes by SCIM.
    pub scim_claim: Option<String>,
    /// What the provider's `acr` values mean here.
    pub acr: BTreeMap<String, String>,
    /// Whether its `amr` is told on.
    pub amr: bool,
    /// Its `acr` values that are trusted to mean a second factor.
    pub trusted_acr: Vec<String>,
    /// Its `amr` values that are trusted to mean one.
    pub trusted_amr: Vec<String>,
    /// How it tells what is over.
    pub signals: SignalsBody,
    /// When somebody came through with this provider in a trial (RFC 3339); null while nobody has.
    pub tested_at: Option<String>,
    /// What the provider's administrator is given.
    pub addresses: AddressesBody,
    /// What that administrator does.
    pub guide: &'static str,
    /// Where, if that is one place for all.
    pub console: Option<&'static str>,
}

/// How a connection's sign-in stands and fares.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SignInState)]
pub struct SignInRow {
    /// `draft`, `tested`, `optional` or `enforced`.
    pub stage: &'static str,
    /// What the set-up began from.
    pub preset: &'static str,
    /// Whether its people's groups follow its mapping.
    pub mapping_on: bool,
    /// When somebody came through last (RFC 3339).
    pub last_sign_in_at: Option<String>,
    /// When the provider failed last (RFC 3339) …
    pub last_error_at: Option<String>,
    /// … and why.
    pub last_error: Option<String>,
    /// How often it has failed in a row.
    pub failures: i64,
    /// Since when (RFC 3339).
    pub failing_since: Option<String>,
}

/// Which claims become what; what is absent is as usual.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClaimNames {
    /// The user name: the first of these that is there; usually `preferred_username`, `email`, `sub`.
    user_name: Option<Vec<String>>,
    /// The whole name.
    name: Option<String>,
    /// The first name.
    given_name: Option<String>,
    /// The surname.
    family_name: Option<String>,
    /// The address.
    email: Option<String>,
    /// The phone number.
    phone_number: Option<String>,
    /// The groups.
    groups: Option<String>,
}

/// How the provider tells what is over; what is absent is not heard.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSignals {
    /// The transmitter's issuer (Shared Signals Framework 1.0).
    issuer: Option<String>,
    /// What its events name as audience; the address at which they are received if none is given.
    audience: Option<String>,
    /// Where events are fetched (RFC 8936); without it they are pushed (RFC 8935).
    poll_url: Option<String>,
    /// The bearer token for fetching them; without it the one before is kept.
    #[schema(write_only)]
    poll_token: Option<String>,
    /// Whether Okta's Universal Logout (global token revocation) is honoured.
    #[serde(default)]
    global_token_revocation: bool,
}

/// The whole set-up of a connection's sign-in. What is absent is as the preset has it, not as it was before; secrets
/// alone stay when none is sent, as long as the issuer does.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSignIn)]
pub struct SignInPut {
    /// `okta`, `entra`, `google`, `keycloak` or `generic`; `generic` if none is given.
    preset: Option<String>,
    /// The issuer, exactly as the provider spells it; Google's is known.
    issuer: Option<String>,
    /// The client id that the provider gave.
    client_id: String,
    /// `client_secret_basic` (if nothing is said), `client_secret_post`, `private_key_jwt` or `none`.
    client_auth: Option<String>,
    /// The client secret that the provider gave.
    #[schema(write_only)]
    client_secret: Option<String>,
    /// The scopes to ask for; `openid` is asked for in any case.
    scopes: Option<Vec<String>>,
    /// Which claims become what.
    #[serde(default)]
    claims: NewClaimNames,
    /// Whether userinfo is asked for what the ID token lacks.
    userinfo: Option<bool>,
    /// Whether somebody unknown gets an account at the first sign-in; true if nothing is said.
    provision: Option<bool>,
    /// The claim that is the `externalId` of accounts that the same connection pushes by SCIM; null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    scim_claim: Given<String>,
    /// What the provider's `acr` values mean here; other values mean no more than that somebody came through.
    #[serde(default)]
    acr: BTreeMap<String, String>,
    /// Whether its `amr` is told on to applications.
    #[serde(default)]
    amr: bool,
    /// Its `acr` values that are trusted to mean a second factor: whoever comes with one need show none here, and the
    /// level of their session is `urn:muster:acr:mfa`.
    #[serde(default)]
    trusted_acr: BTreeSet<String>,
    /// The same of its `amr` values, of which one is enough.
    #[serde(default)]
    trusted_amr: BTreeSet<String>,
    /// How it tells what is over.
    #[serde(default)]
    signals: NewSignals,
}

impl NewClaimNames {
    fn over(&self, usual: ClaimNames) -> ClaimNames {
        let text = |given: &Option<String>, usual: String| given.clone().unwrap_or(usual);
        ClaimNames {
            user_name: self.user_name.clone().unwrap_or(usual.user_name),
            name: text(&self.name, usual.name),
            given_name: text(&self.given_name, usual.given_name),
            family_name: text(&self.family_name, usual.family_name),
            email: text(&self.email, usual.email),
            phone_number: text(&self.phone_number, usual.phone_number),
            groups: text(&self.groups, usual.groups),
        }
    }
}

impl SignInPut {
    /// The set-up that is meant, but for secrets.
    ///
    /// # Errors
    /// 400 with the field that can't be meant so.
    pub fn settings(&self) -> Result<SignInSettings, Problem> {
        let preset = match self.preset.as_deref() {
            None => Preset::Generic,
            Some(word) => word
                .parse::<Preset>()
                .map_err(|_| Problem::invalid("preset", "Use okta, entra, google, keycloak or generic."))?,
        };
        let client_auth = match self.client_auth.as_deref() {
            None => ClientAuth::SecretBasic,
            Some(word) => word.parse::<ClientAuth>().map_err(|_| {
                let reason = "Use client_secret_basic, client_secret_post, private_key_jwt or none.";
                Problem::invalid("client_auth", reason)
            })?,
        };
        let issuer = match (&self.issuer, preset) {
            (Some(issuer), _) => issuer.clone(),
            (None, Preset::Google) => GOOGLE_ISSUER.to_owned(),
            (None, Preset::Okta | Preset::Entra | Preset::Keycloak | Preset::Generic) => {
                let reason = format!("Say who the provider is; it looks like {}.", preset.issuer_hint());
                return Err(Problem::invalid("issuer", reason));
            }
        };
        let usual = SignInSettings::begun_from(preset, Core { issuer, client_id: self.client_id.clone(), client_auth });
        let mut scopes = self.scopes.clone().map_or(usual.scopes, BTreeSet::from_iter);
        scopes.insert("openid".to_owned());
        let signals = Signals {
            issuer: self.signals.issuer.clone(),
            audience: self.signals.audience.clone(),
            poll_url: self.signals.poll_url.clone(),
            global_token_revocation: self.signals.global_token_revocation,
        };
        let settings = SignInSettings {
            scopes,
            claims: self.claims.over(usual.claims),
            userinfo: self.userinfo.unwrap_or(usual.userinfo),
            provision: self.provision.unwrap_or(usual.provision),
            scim_claim: self.scim_claim.clone().over(usual.scim_claim),
            acr: self.acr.clone(),
            amr: self.amr,
            trusted_acr: self.trusted_acr.clone(),
            trusted_amr: self.trusted_amr.clone(),
            signals,
            preset: usual.preset,
            core: usual.core,
        };
        settings.check().map_err(unfit)?;
        Ok(settings)
    }

    /// The client secret and the token for fetching events, as far as they were sent.
    ///
    /// # Errors
    /// 400 for one that nothing makes use of, or that is none.
    pub fn secrets(&self, settings: &SignInSettings) -> Result<(Option<Secret>, Option<Secret>), Problem> {
        let by_secret = matches!(settings.core.client_auth, ClientAuth::SecretBasic | ClientAuth::SecretPost);
        let polls = settings.signals.poll_url.is_some();
        let client = secret("client_secret", self.client_secret.as_deref(), by_secret)?;
        let poll = secret("signals.poll_token", self.signals.poll_token.as_deref(), polls)?;
        Ok((client, poll))
    }
}

fn secret(field: &'static str, sent: Option<&str>, is_used: bool) -> Result<Option<Secret>, Problem> {
    let Some(text) = sent else { return Ok(None) };
    if !is_used {
        return Err(Problem::invalid(field, "Nothing here makes use of it; leave it out."));
    }
    if !is_secret(text) {
        return Err(Problem::invalid(field, format!("Give it as the provider did: 1 to {LONGEST_SECRET} characters.")));
    }
    Ok(Some(Secret::presented(text)))
}

/// The answer to a set-up, or a mapping, that can't be meant so.
#[must_use]
pub fn unfit(Unfit { field, reason }: Unfit) -> Problem {
    Problem::invalid(field.strip_prefix("core.").unwrap_or(field), reason)
}

/// A connection's sign-in as answers show it.
#[must_use]
pub fn show(app: &App, found: &SignIn) -> SignInBody {
    let (id, settings) = (&found.connection.id, &found.settings);
    let ClaimNames { user_name, name, given_name, family_name, email, phone_number, groups } = settings.claims.clone();
    let Signals { issuer, audience, poll_url, global_token_revocation } = settings.signals.clone();
    let address = |end: &str| app.url(&format!("/upstream/{id}/{end}"));
    SignInBody {
        connection_id: id.to_string(),
        stage: found.stage.as_str(),
        revision: found.revision,
        preset: settings.preset.as_str(),
        issuer: settings.core.issuer.clone(),
        client_id: settings.core.client_id.clone(),
        client_auth: settings.core.client_auth.as_str(),
        has_client_secret: found.has_secret,
        scopes: settings.scopes.iter().cloned().collect(),
        claims: ClaimNamesBody { user_name, name, given_name, family_name, email, phone_number, groups },
        userinfo: settings.userinfo,
        provision: settings.provision,
        scim_claim: settings.scim_claim.clone(),
        acr: settings.acr.clone(),
        amr: settings.amr,
        trusted_acr: settings.trusted_acr.iter().cloned().collect(),
        trusted_amr: settings.trusted_amr.iter().cloned().collect(),
        signals: SignalsBody { issuer, audience, poll_url, global_token_revocation },
        tested_at: found.tested_at.map(moment),
        addresses: AddressesBody {
            redirect_uri: callback(app, id),
            initiate_login_uri: address("login"),
            jwks_uri: found.public_key.as_ref().map(|_| address("jwks")),
            backchannel_logout_uri: address("logout"),
            events_uri: address("events"),
            revocation_uri: address("revocation"),
        },
        guide: settings.preset.guide(),
        console: settings.preset.console(),
    }
}

/// How a connection's sign-in stands, for lists.
#[must_use]
pub fn row(found: &SignIn) -> SignInRow {
    SignInRow {
        stage: found.stage.as_str(),
        preset: found.settings.preset.as_str(),
        mapping_on: found.mapping.on,
        last_sign_in_at: found.health.last_sign_in_at.map(moment),
        last_error_at: found.health.last_error_at.map(moment),
        last_error: found.health.last_error.clone(),
        failures: found.health.failures,
        failing_since: found.health.failing_since.map(moment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> SignInPut {
        serde_json::from_str(text).unwrap()
    }

    fn refused(text: &str) -> String {
        let problem = read(text).settings().and_then(|settings| read(text).secrets(&settings).map(|_| ())).unwrap_err();
        let body = serde_json::to_value(&*problem).unwrap();
        body["invalid_parameters"][0]["field"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_not_said_is_as_the_preset_has_it() {
        let google = read(r#"{"preset": "google", "client_id": "m"}"#).settings().unwrap();
        assert_eq!((google.core.issuer.as_str(), google.core.client_auth), (GOOGLE_ISSUER, ClientAuth::SecretBasic));
        let okta =
            read(r#"{"preset": "okta", "issuer": "https://acme.okta.com", "client_id": "m"}"#).settings().unwrap();
        assert_eq!(okta, SignInSettings::begun_from(Preset::Okta, okta.core.clone()));
        let none = r#"{"preset": "okta", "issuer": "https://acme.okta.com", "client_id": "m", "scim_claim": null,
                       "scopes": ["email"], "claims": {"groups": "roles"}}"#;
        let none = read(none).settings().unwrap();
        assert_eq!((none.scim_claim, none.claims.groups.as_str(), none.claims.name.as_str()), (None, "roles", "name"));
        assert_eq!(none.scopes.into_iter().collect::<Vec<_>>(), ["email", "openid"]);
    }

    #[test]
    fn the_field_that_cannot_be_meant_so_is_named_as_it_was_sent() {
        assert_eq!(refused(r#"{"client_id": "m"}"#), "issuer");
        assert_eq!(refused(r#"{"issuer": "http://idp.example", "client_id": "m"}"#), "issuer");
        assert_eq!(refused(r#"{"issuer": "https://idp.example", "client_id": ""}"#), "client_id");
        assert_eq!(refused(r#"{"preset": "auth0", "client_id": "m"}"#), "preset");
        let with = |more: &str| format!(r#"{{"issuer": "https://idp.example", "client_id": "m", {more}}}"#);
        assert_eq!(refused(&with(r#""client_auth": "tls""#)), "client_auth");
        assert_eq!(refused(&with(r#""client_auth": "none", "client_secret": "s""#)), "client_secret");
        assert_eq!(refused(&with(r#""client_secret": """#)), "client_secret");
        assert_eq!(refused(&with(r#""signals": {"poll_token": "t"}"#)), "signals.poll_token");
    }
}
