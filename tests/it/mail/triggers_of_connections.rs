//! What of a connection is told to people by mail.

use muster::domain::change::{Actor, Change, Mode};
use muster::domain::connection::{ConnectionSettings, CredentialKind, NewConnection, NewScimCredential, ScimProfile};
use muster::domain::federation::settings::Core;
use muster::domain::federation::{ClientAuth, NewSignIn, Preset, SignInSettings, Stage};
use muster::domain::mail::Template;
use muster::flows::change_access::change_access;
use muster::flows::federation::health;
use muster::flows::scim::expiring;
use muster::kernel::id::{ConnectionId, ScimCredentialId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::outside::upstream::UpstreamError;
use muster::store::federation::upstreams;

use super::triggers::Story;
use crate::support::PASSWORD;
use crate::support::org::Org;

/// A connection that is to be made, in an organisation where two people hear of it and a third does not.
async fn okta(acme: &Org) -> (ConnectionId, NewConnection) {
    for (person, role) in [("ada", "org.admin"), ("ivo", "iam.admin"), ("rob", "org.reader")] {
        acme.person(person, PASSWORD).await;
        acme.give(person, role, None).await;
    }
    let id = ConnectionId::fresh();
    let new = NewConnection {
        id: id.clone(),
        org: acme.id.clone(),
        name: "Okta".to_owned(),
        profile: ScimProfile::Auto,
        local_grants: false,
        settings: ConnectionSettings::default(),
    };
    (id, new)
}

/// A connection's token ends soon.
pub async fn token_ends(story: &mut Story) {
    let (world, acme) = (story.world.clone(), story.acme.clone());
    let (id, new) = okta(&acme).await;
    let token = NewScimCredential {
        id: ScimCredentialId::fresh(),
        connection: id,
        kind: CredentialKind::Token,
        name: "first".to_owned(),
        secret: Secret::presented("mst_first").digest(),
        expires_at: world.now().plus(180 * DAY),
    };
    let give = Change::AddScimCredential { org: acme.id.clone(), credential: Box::new(token) };
    world.act(vec![Change::PutConnection(Box::new(new)), give]).await;
    world.advance(160 * DAY);
    expiring::warn(&world).await.unwrap();
    story.nobody("it has twenty days left").await;
    world.advance(SECOND);
    expiring::warn(&world).await.unwrap();
    let both = [(Template::ScimTokenExpiring, "ada@example.test"), (Template::ScimTokenExpiring, "ivo@example.test")];
    let news = story.told(&both).await;
    assert!(news.iter().all(|mail| mail.values["connection"] == "Okta" && mail.values["key"] == "first"));
    expiring::warn(&world).await.unwrap();
    story.nobody("one warning").await;
}

/// A connection's identity provider keeps failing.
pub async fn provider_fails(story: &mut Story) {
    let (world, acme) = (story.world.clone(), story.acme.clone());
    let (id, new) = okta(&acme).await;
    let core = Core {
        issuer: "https://acme.okta.test".to_owned(),
        client_id: "muster".to_owned(),
        client_auth: ClientAuth::None,
    };
    let sign_in = NewSignIn {
        connection: id.clone(),
        org: acme.id.clone(),
        settings: SignInSettings::begun_from(Preset::Okta, core),
        sealed_secret: None,
        sealed_key: None,
        public_key: None,
        sealed_poll_token: None,
    };
    world.act(vec![Change::PutConnection(Box::new(new)), Change::PutSignIn(Box::new(sign_in))]).await;
    let revision = upstreams::by_id(&mut world.conn().await, &id).await.unwrap().unwrap().revision;
    let passed = Change::PassSignInTest { org: acme.id.clone(), connection: id.clone(), revision };
    change_access(&world, &Actor::System("sign_in_tested"), vec![passed], Mode::Act).await.unwrap();
    let open = Change::SetSignInStage { org: acme.id.clone(), connection: id.clone(), stage: Stage::Optional };
    world.act(vec![open]).await;
    let fail = || async { health::failed(&world, &id, &UpstreamError::Unreachable).await.unwrap() };
    for _ in 0..5 {
        fail().await;
    }
    story.nobody("it began a moment ago").await;
    world.advance(5 * MINUTE);
    fail().await;
    let both = [(Template::ConnectionFailing, "ada@example.test"), (Template::ConnectionFailing, "ivo@example.test")];
    let news = story.told(&both).await;
    assert!(news.iter().all(|mail| mail.values["connection"] == "Okta" && !mail.values["error"].is_empty()));
    world.advance(DAY - SECOND);
    fail().await;
    story.nobody("once a day").await;
    health::worked(&world, &id).await.unwrap();
    world.advance(MINUTE);
    fail().await;
    story.nobody("it worked in between").await;
}
