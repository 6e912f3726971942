//! The person whom the shop knows: the claims of a checked ID token and of userinfo, and the tokens behind them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenType};
use openidconnect::{
    AccessToken, AdditionalClaims, EmptyExtraTokenFields, IdToken, IdTokenClaims, IdTokenFields, Nonce, RefreshToken,
    StandardTokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kernel::time::UnixMillis;

/// The claims by which Muster says what a person may do in one organisation.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct RoleClaims {
    /// The organisation's id.
    pub org_id: Option<String>,
    /// The organisation's short name.
    pub org_slug: Option<String>,
    /// Roles in the organisation.
    #[serde(default)]
    pub org_roles: Vec<String>,
    /// Roles in projects, by the project's key.
    #[serde(default)]
    pub project_roles: BTreeMap<String, Vec<String>>,
    /// The access version.
    pub acv: Option<i64>,
    /// The session at Muster.
    pub sid: Option<String>,
}
impl AdditionalClaims for RoleClaims {}

/// What a token response carries besides OAuth's own members.
pub type ShopFields = IdTokenFields<
    RoleClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
/// A token response.
pub type ShopTokens = StandardTokenResponse<ShopFields, CoreTokenType>;
/// An ID token; it is checked when its claims are taken out.
pub type ShopIdToken = IdToken<RoleClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
/// The claims of a checked ID token.
pub type ShopClaims = IdTokenClaims<RoleClaims, CoreGenderClaim>;
/// The claims of userinfo.
pub type ShopProfile = UserInfoClaims<RoleClaims, CoreGenderClaim>;

/// A signed-in person: claims that were checked, and the tokens behind them.
#[derive(Clone)]
pub struct SignedIn {
    pub(super) claims: ShopClaims,
    pub(super) profile: ShopProfile,
    pub(super) roles: RoleClaims,
    pub(super) raw: Map<String, Value>,
    pub(super) since: UnixMillis,
    pub(super) renewed: UnixMillis,
    pub(super) nonce: Nonce,
    pub(super) id_token: ShopIdToken,
    pub(super) access: AccessToken,
    pub(super) refresh: Option<RefreshToken>,
}

impl SignedIn {
    /// The `sub` claim.
    pub fn subject(&self) -> &str {
        self.claims.subject().as_str()
    }

    /// The `sid` claim, by which a logout token names this sign-in.
    pub fn sid(&self) -> Option<&str> {
        self.claims.additional_claims().sid.as_deref()
    }

    /// The name to greet by.
    pub fn name(&self) -> &str {
        let name = self.profile.name().and_then(|name| name.get(None)).map(|name| name.as_str());
        name.or_else(|| self.user_name()).unwrap_or_else(|| self.subject())
    }

    /// The name typed to sign in.
    pub fn user_name(&self) -> Option<&str> {
        self.profile.preferred_username().map(|name| name.as_str())
    }

    /// The e-mail address.
    pub fn email(&self) -> Option<&str> {
        self.profile.email().map(|email| email.as_str())
    }

    /// What the person may do.
    pub const fn roles(&self) -> &RoleClaims {
        &self.roles
    }

    /// The claims of the ID token as they came.
    pub const fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    /// When the person signed in here.
    pub const fn since(&self) -> UnixMillis {
        self.since
    }

    /// When the tokens came.
    pub const fn renewed(&self) -> UnixMillis {
        self.renewed
    }

    /// Whether the tokens can be renewed.
    pub const fn can_renew(&self) -> bool {
        self.refresh.is_some()
    }

    /// Whether the claims make the person an administrator of the organisation.
    pub fn administers(&self) -> bool {
        self.roles.org_roles.iter().any(|role| role == "org.admin" || role == "org.owner")
    }
}

/// Whether two ID tokens are about one sign-in: same person, same session, same moment (Core §12.2).
pub fn same_sign_in(before: &ShopClaims, after: &ShopClaims) -> bool {
    before.subject() == after.subject()
        && before.additional_claims().sid == after.additional_claims().sid
        && after.auth_time().is_none_or(|moment| before.auth_time() == Some(moment))
}

/// The role claims of the ID token, or userinfo's where the application leaves them out of the ID token.
pub fn roles_of(claims: &ShopClaims, profile: &ShopProfile) -> RoleClaims {
    let told = claims.additional_claims();
    if told.org_id.is_some() { told.clone() } else { profile.additional_claims().clone() }
}

/// The claims of a token that was checked, as they came.
pub fn payload(id_token: &ShopIdToken) -> Map<String, Value> {
    let text = id_token.to_string();
    let bytes = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// A person for tests of what comes after a sign-in. The ID token's signature is nonsense; nobody checks it there.
#[cfg(test)]
pub mod example {
    use serde_json::json;

    use super::super::wire::HttpFault;
    use super::*;

    /// The person `subject` of the session `sid`, an administrator of the organisation.
    pub fn person(subject: &str, sid: &str) -> SignedIn {
        let told = json!({
            "iss": "https://id.test", "sub": subject, "aud": "shop", "iat": 1_800_000_000, "exp": 1_800_000_600, "auth_time": 1_800_000_000,
            "sid": sid, "org_id": "org_1", "org_slug": "acme", "org_roles": ["org.admin"], "project_roles": {"web": ["project.admin"]},
            "acv": 1874,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!(
            "{}.{}.{}",
            part(&json!({"alg": "RS256", "typ": "JWT"})),
            part(&told),
            URL_SAFE_NO_PAD.encode("nonsense")
        );
        let id_token: ShopIdToken = text.parse().expect("an ID token");
        let claims: ShopClaims = serde_json::from_value(told).expect("claims");
        let about = json!({"sub": subject, "name": "Ana Kim", "preferred_username": "ana", "email": "ana@acme.test"})
            .to_string();
        let profile = ShopProfile::from_json::<HttpFault>(about.as_bytes(), None).expect("a profile");
        SignedIn {
            roles: roles_of(&claims, &profile),
            raw: payload(&id_token),
            since: UnixMillis(0),
            renewed: UnixMillis(0),
            nonce: Nonce::new("n".to_owned()),
            access: AccessToken::new("a".to_owned()),
            refresh: Some(RefreshToken::new("r".to_owned())),
            claims,
            profile,
            id_token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::example::person;
    use super::*;

    #[test]
    fn the_role_claims_stand_beside_the_standard_ones() {
        let ana = person("usr_1", "sid_1");
        assert_eq!(
            (ana.subject(), ana.sid(), ana.name(), ana.email()),
            ("usr_1", Some("sid_1"), "Ana Kim", Some("ana@acme.test"))
        );
        assert_eq!((ana.roles().acv, ana.roles().org_slug.as_deref()), (Some(1874), Some("acme")));
        assert_eq!(ana.roles().project_roles["web"], ["project.admin"]);
        assert!(ana.administers() && ana.can_renew());
        assert_eq!(ana.raw()["acv"], 1874);
    }

    #[test]
    fn a_new_id_token_of_another_session_is_not_the_same_sign_in() {
        let (first, second) = (person("usr_1", "sid_1"), person("usr_1", "sid_2"));
        assert!(same_sign_in(&first.claims, &first.claims));
        assert!(!same_sign_in(&first.claims, &second.claims));
    }
}
