//! What of a set-up's secrets outlives a new one.

use super::*;
use crate::domain::connection::ScimProfile;
use crate::domain::federation::Preset;
use crate::domain::federation::settings::{ClaimNames, Core, Signals};
use crate::kernel::time::UnixMillis;
use crate::store::connections::Connection;
use crate::store::federation::upstreams::{Health, Sealed, SignIn};

fn settings(issuer: &str, client_auth: ClientAuth, poll_url: Option<&str>) -> SignInSettings {
    SignInSettings {
        preset: Preset::Generic,
        core: Core { issuer: issuer.to_owned(), client_id: "muster".to_owned(), client_auth },
        scopes: ["openid".to_owned()].into(),
        claims: ClaimNames::default(),
        userinfo: false,
        provision: true,
        scim_claim: None,
        acr: std::collections::BTreeMap::new(),
        amr: false,
        trusted_acr: std::collections::BTreeSet::new(),
        trusted_amr: std::collections::BTreeSet::new(),
        signals: Signals { poll_url: poll_url.map(str::to_owned), ..Signals::default() },
    }
}

fn before(settings: SignInSettings) -> SignIn {
    let connection = Connection {
        id: ConnectionId::from_u128(1),
        org: OrgId::from_u128(2),
        name: "Acme".to_owned(),
        state: ConnectionState::Active,
        profile: ScimProfile::Auto,
        local_grants: false,
        settings: crate::domain::connection::ConnectionSettings::default(),
        users: 0,
        groups: 0,
        created_at: UnixMillis(0),
        last_sync_at: None,
        last_error_at: None,
        last_error: None,
    };
    SignIn {
        connection,
        org_active: true,
        stage: Stage::Optional,
        revision: 1,
        settings,
        has_secret: true,
        public_key: None,
        mapping: Mapping::default(),
        mapping_version: 1,
        tested_at: None,
        health: Health::default(),
    }
}

fn kept(from: SignInSettings, to: SignInSettings) -> (bool, bool) {
    let sealed = Sealed { secret: Some(vec![1]), key: None, poll_token: Some(vec![2]) };
    let new = NewSignIn {
        connection: ConnectionId::from_u128(1),
        org: OrgId::from_u128(2),
        settings: to,
        sealed_secret: None,
        sealed_key: None,
        public_key: None,
        sealed_poll_token: None,
    };
    let kept = Kept::of(&new, Some((&before(from), sealed)));
    (kept.secret.is_some(), kept.poll_token.is_some())
}

#[test]
fn a_secret_stays_while_it_goes_to_the_same_place() {
    let basic = |issuer, poll_url| settings(issuer, ClientAuth::SecretBasic, poll_url);
    let here = || basic("https://one.test", Some("https://one.test/poll"));
    assert_eq!(kept(here(), here()), (true, true));
    assert_eq!(kept(here(), basic("https://two.test", Some("https://one.test/poll"))), (false, true));
    assert_eq!(kept(here(), basic("https://one.test", Some("https://two.test/poll"))), (true, false));
    assert_eq!(kept(here(), basic("https://one.test", None)), (true, false));
    let by_key = settings("https://one.test", ClientAuth::PrivateKeyJwt, None);
    assert_eq!(kept(here(), by_key), (false, false));
}
