//! Providers that are no fakes: oidc-provider, an OpenID provider of another make, and another Muster. People come
//! through, get what their groups there give them, lose exactly that with the group, and are out when they are there.

use std::time::Duration;

use muster::domain::change::Change;
use muster::domain::federation::settings::{ACR_UPSTREAM, Core};
use muster::domain::federation::{ClientAuth, Upstream};
use muster::domain::people::user::{Kind, UserState};
use muster::domain::source::Source;
use muster::store::federation::identities;
use muster::store::users;
use serde_json::{Value, json};

use super::real_scene::{Acme, CLIENT_ID, CLIENT_SECRET, Oidc, Traveller, address_of};
use crate::scim::visitor::Visitor;
use crate::support::PASSWORD;
use crate::support::application::{self, Credentials};
use crate::support::browser::{Browser, Landing};
use crate::support::client::Ask;
use crate::support::federated::verify_domain;
use crate::support::server::{Site, on_both};
use crate::support::verifier::Verifier;
use crate::support::world::Kind as Database;

const SOON: Duration = Duration::from_secs(10);

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// How Acme's Muster is registered at oidc-provider.
fn registration(site: &Site, acme: &Acme, more: Value) -> Value {
    let mut client = json!({
        "client_id": CLIENT_ID, "redirect_uris": [acme.url(site, "callback")], "response_types": ["code"],
        "grant_types": ["authorization_code"], "backchannel_logout_uri": acme.url(site, "logout"),
    });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client
}

/// With a secret in the `Authorization` header; it says which session is over.
fn by_secret(site: &Site, acme: &Acme) -> Value {
    let more = json!({
        "token_endpoint_auth_method": "client_secret_basic", "client_secret": CLIENT_SECRET,
        "backchannel_logout_session_required": true,
    });
    registration(site, acme, more)
}

/// With Muster's own key, which the provider fetches; it says whose sessions are over.
fn by_key(site: &Site, acme: &Acme) -> Value {
    let more = json!({
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
        "jwks_uri": acme.url(site, "jwks"), "backchannel_logout_session_required": false,
    });
    registration(site, acme, more)
}

/// Acme with oidc-provider; `None` where there is no Node.js.
async fn joined(site: &Site, client_auth: ClientAuth, claims_in: &str) -> Option<(Acme, Oidc)> {
    let acme = Acme::set(site).await;
    let client = if client_auth == ClientAuth::PrivateKeyJwt { by_key(site, &acme) } else { by_secret(site, &acme) };
    let oidc = Oidc::start(client, claims_in).await?;
    let core = Core { issuer: oidc.issuer.clone(), client_id: CLIENT_ID.to_owned(), client_auth };
    acme.joins(site, core, CLIENT_SECRET, ["g-developers", "g-staff"]).await;
    Some((acme, oidc))
}

/// The application was told that these are out: each once, in a token that verifies, and of nobody else.
async fn is_told_of(site: &Site, acme: &Acme, gone: &[&Visitor]) {
    let tokens = acme.receiver.wait_for(gone.len(), SOON).await;
    assert_eq!(tokens.len(), gone.len());
    let (mut verifier, mut told) = (Verifier::new(site.at.clone()), Vec::new());
    for (_, token) in &tokens {
        let said = verifier.verify(token).await.expect("its signature holds");
        assert_eq!(said["aud"], json!(acme.shop.client_id));
        told.push((said["sub"].to_string(), said["sid"].to_string()));
    }
    let of = |visitor: &&Visitor| {
        let id = visitor.tokens.id_claims();
        (id["sub"].to_string(), id["sid"].to_string())
    };
    let mut wanted: Vec<(String, String)> = gone.iter().map(of).collect();
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_through_oidc_provider_gets_an_account_and_the_roles_of_their_groups_there() {
    on_both(async |site| {
        let Some((acme, oidc)) = joined(site, ClientAuth::SecretBasic, "userinfo").await else {
            return;
        };
        verify_domain(site, &acme.org, "acme.test").await;
        let mut ana = Traveller::new(site, &oidc, "ana");
        let seen = ana.enters(&acme).await;
        assert_eq!(ana.asked, 1, "the provider asked who she is, and Muster nothing");
        assert_eq!(seen.roles(), (words(&["org.reader"]), words(&["project.admin"])));
        let upstream = Upstream { issuer: oidc.issuer.clone(), subject: "ana".to_owned() };
        let known = identities::find(&mut site.conn().await, &acme.connection, &upstream).await.unwrap();
        let known = known.expect("the identity is linked");
        let account = users::find(&mut site.conn().await, &known.user).await.unwrap().expect("she has an account");
        assert_eq!(account.source, Source::Oidc(acme.connection.to_string()));
        assert_eq!(account.kind, Kind::Managed(acme.org.id.clone()));
        assert_eq!((account.user_name.as_str(), account.profile.email.as_deref()), ("ana", Some("ana@acme.test")));
        let said = seen.tokens.id_claims();
        assert_eq!((&said["sub"], &said["acr"]), (&json!(known.user.as_str()), &json!(ACR_UPSTREAM)));

        // Whoever the application expects is not even asked by the provider.
        let (mut bo, ask) = (Traveller::new(site, &oidc, "bo"), Ask::of(&acme.shop).with("login_hint", "bo"));
        let arrival = bo.comes_for(&acme, &ask).await.arrival();
        let tokens = acme.shop.tokens_of(&arrival, &ask).await;
        assert_eq!((bo.asked, tokens.id_claims()["sub"] == said["sub"]), (0, false));
        assert_eq!(acme.org.user_id("bo").await.as_str(), tokens.id_claims()["sub"].as_str().unwrap());

        // And whoever changes their mind there is sent back to the application, which hears of it.
        let (mut eve, ask) = (Traveller::new(site, &oidc, "ana"), Ask::of(&acme.shop));
        let hinted = ask.clone().with("idp_hint", acme.connection.as_str());
        let sent = eve.here.open(&hinted.url(&site.at)).await.arrival();
        let page = eve.there.open(&address_of(&sent)).await.page();
        let back = eve.there.press(&page, "account-cancel", &[]).await.arrival();
        let arrival = eve.here.open(&address_of(&back)).await.arrival();
        assert_eq!((arrival.param("error"), arrival.param("state")), ("access_denied", ask.param("state")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_lost_at_oidc_provider_takes_exactly_its_role_at_the_next_sign_in() {
    on_both(async |site| {
        let Some((acme, oidc)) = joined(site, ClientAuth::SecretBasic, "id_token").await else {
            return;
        };
        let (mut ana, mut bo) = (Traveller::new(site, &oidc, "ana"), Traveller::new(site, &oidc, "bo"));
        let before = ana.enters(&acme).await;
        let mut beside = bo.enters(&acme).await;
        assert_eq!(before.roles(), (words(&["org.reader"]), words(&["project.admin"])));

        oidc.set_groups("ana", &["g-staff", "g-elsewhere"]).await;
        ana.comes(site, &acme).await;
        assert_eq!(ana.asked, 1, "her session there stands");
        // What was open with the role is over; what she opened now has the rest.
        before.is_out(&acme.shop).await;
        let mut after = ana.enters(&acme).await;
        assert_eq!(after.roles(), (words(&["org.reader"]), words(&[])));
        after.is_in(&acme.shop).await;
        beside.is_in(&acme.shop).await;
        assert_eq!(beside.roles(), (words(&["org.reader"]), words(&["project.admin"])));
        is_told_of(site, &acme, &[&before]).await;

        oidc.set_groups("ana", &["g-developers", "g-staff"]).await;
        ana.comes(site, &acme).await;
        assert!(acme.shop.is_active(after.tokens.access()).await, "what is gained ends nothing");
        assert_eq!(ana.enters(&acme).await.roles(), (words(&["org.reader"]), words(&["project.admin"])));

        oidc.set_groups("ana", &[]).await;
        ana.comes(site, &acme).await;
        assert_eq!(ana.enters(&acme).await.roles(), (words(&[]), words(&[])), "she comes in, and holds nothing");
        beside.is_in(&acme.shop).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_at_oidc_provider_is_out_here_and_at_the_application_behind() {
    on_both(async |site| {
        let Some((acme, oidc)) = joined(site, ClientAuth::SecretBasic, "userinfo").await else {
            return;
        };
        let (mut desk, mut phone) = (Traveller::new(site, &oidc, "ana"), Traveller::new(site, &oidc, "ana"));
        let mut bo = Traveller::new(site, &oidc, "bo");
        let at_desk = desk.enters(&acme).await;
        let mut on_phone = phone.enters(&acme).await;
        let mut beside = bo.enters(&acme).await;

        // That one session is over, as soon as the provider's page says so; her other one and everybody's stand.
        desk.signs_out_there().await;
        at_desk.is_out(&acme.shop).await;
        on_phone.is_in(&acme.shop).await;
        beside.is_in(&acme.shop).await;
        is_told_of(site, &acme, &[&at_desk]).await;

        // Nobody is shut out by it: she comes again, and is asked who she is.
        let mut again = desk.enters(&acme).await;
        assert_eq!(desk.asked, 2);
        again.is_in(&acme.shop).await;

        // An administrator there ends all of hers.
        assert_eq!(oidc.end("ana").await, 2);
        on_phone.is_out(&acme.shop).await;
        again.is_out(&acme.shop).await;
        beside.is_in(&acme.shop).await;
        is_told_of(site, &acme, &[&at_desk, &on_phone, &again]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn muster_proves_to_oidc_provider_who_it_is_by_a_key_and_hears_whose_sessions_are_over() {
    on_both(async |site| {
        let Some((acme, oidc)) = joined(site, ClientAuth::PrivateKeyJwt, "id_token").await else {
            return;
        };
        let (mut desk, mut phone) = (Traveller::new(site, &oidc, "ana"), Traveller::new(site, &oidc, "ana"));
        let mut bo = Traveller::new(site, &oidc, "bo");
        let (at_desk, on_phone) = (desk.enters(&acme).await, phone.enters(&acme).await);
        let mut beside = bo.enters(&acme).await;
        assert_eq!(at_desk.roles(), (words(&["org.reader"]), words(&["project.admin"])));

        // It names no session, so that all of hers are over.
        desk.signs_out_there().await;
        at_desk.is_out(&acme.shop).await;
        on_phone.is_out(&acme.shop).await;
        beside.is_in(&acme.shop).await;
        is_told_of(site, &acme, &[&at_desk, &on_phone]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_must_prove_themselves_anew_is_asked_again_by_oidc_provider() {
    on_both(async |site| {
        let Some((acme, oidc)) = joined(site, ClientAuth::SecretBasic, "userinfo").await else {
            return;
        };
        let mut ana = Traveller::new(site, &oidc, "ana");
        ana.enters(&acme).await;
        ana.enters(&acme).await;
        assert_eq!(ana.asked, 1, "her session here is enough");
        for (number, ask) in [Ask::of(&acme.shop).with("prompt", "login"), Ask::of(&acme.shop).with("max_age", "0")]
            .into_iter()
            .enumerate()
        {
            let arrival = ana.comes_for(&acme, &ask).await.arrival();
            let tokens = acme.shop.tokens_of(&arrival, &ask).await;
            assert_eq!(ana.asked, number + 2);
            let proven = tokens.id_claims()["auth_time"].as_i64().expect("it is said when");
            assert!((0..=60).contains(&(site.now().seconds() - proven)), "{proven}");
        }
    })
    .await;
}

/// Somebody with one browser at two Musters: goes where the lower one has sent them, types what the upper one asks for,
/// and comes back.
async fn through_muster(here: &mut Browser, there: &mut Browser, landing: Landing) -> Landing {
    let mut above = there.open(&address_of(&landing.arrival())).await;
    let acts: [(&str, &[(&str, &str)]); 2] =
        [("login-submit", &[("username", "ana"), ("password", PASSWORD)]), ("consent-allow", &[])];
    for _ in 0..=acts.len() {
        let page = match above {
            Landing::Away(arrival) => return here.open(&address_of(&arrival)).await,
            Landing::Page(page) => page,
        };
        let (button, typed) = acts.iter().find(|(button, _)| page.has(button)).unwrap_or_else(|| panic!("{page:?}"));
        above = there.press(&page, button, typed).await;
    }
    panic!("asked without end: {above:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_muster_is_the_provider_and_a_role_that_is_taken_there_ends_the_session_here() {
    on_both(async |site| {
        // Above: Globex, where Ana has her account, and the groups by which the lower one goes.
        let Some(above) = Site::open(Database::Sqlite, |_| {}).await else {
            return;
        };
        let (acme, globex) = (Acme::set(site).await, above.org("globex").await);
        let ana_above = globex.person("ana", PASSWORD).await;
        for group in ["Engineers", "Everybody"] {
            globex.group(group, &["ana"]).await;
        }
        let binding = globex.give("ana", "org.reader", None).await;
        let registered = application::register(&above, CLIENT_ID, |application| {
            application.org = Some(globex.id.clone());
            application.redirect_uris = vec![acme.url(site, "callback")];
            application.backchannel_logout_uri = Some(acme.url(site, "logout"));
            application.backchannel_logout_session_required = true;
        })
        .await;
        let Credentials::Basic(secret) = &registered.credentials else { panic!("{:?}", registered.credentials) };
        let (issuer, client_id) = (above.at.issuer.clone(), CLIENT_ID.to_owned());
        let core = Core { issuer, client_id, client_auth: ClientAuth::SecretBasic };
        acme.joins(site, core, secret, ["Engineers", "Everybody"]).await;

        let (mut here, mut there) = (site.browser(), above.browser());
        let before = enters_by_muster(&acme, &mut here, &mut there).await;
        assert_eq!(before.roles(), (words(&["org.reader"]), words(&["project.admin"])));
        let upstream = Upstream { issuer: above.at.issuer.clone(), subject: ana_above.to_string() };
        let known = identities::find(&mut site.conn().await, &acme.connection, &upstream).await.unwrap();
        let known = known.expect("the identity is linked");
        assert_eq!(before.tokens.id_claims()["sub"], json!(known.user.as_str()));
        assert_ne!(known.user, ana_above, "an account of its own");

        // The group gave nothing above, so that nothing ends there; below it gave a role, which goes at the next sign-in.
        globex.take_out("Engineers", &["ana"]).await;
        let mut elsewhere = site.browser();
        let after = enters_by_muster(&acme, &mut elsewhere, &mut there).await;
        assert_eq!(after.roles(), (words(&["org.reader"]), words(&[])));
        before.is_out(&acme.shop).await;
        is_told_of(site, &acme, &[&before]).await;

        // What ends her session above is told to the lower one, which ends what came of it and tells its application.
        globex.take(&binding).await;
        is_told_of(site, &acme, &[&before, &after]).await;
        after.is_out(&acme.shop).await;
        let page = elsewhere.open(&site.at.url("/me")).await.page();
        assert!(page.has("login-form"), "{page:?}");

        // And whom the upper one suspends does not get past its sign-in page.
        above.act(vec![Change::SetUserState { user: ana_above, state: UserState::Suspended }]).await;
        let landing = site.browser().open(&asked_of(&acme, &Ask::of(&acme.shop))).await;
        let mut stranger = above.browser();
        let page = stranger.open(&address_of(&landing.arrival())).await.page();
        let typed = [("username", "ana"), ("password", PASSWORD)];
        let page = stranger.press(&page, "login-submit", &typed).await.page();
        assert!(page.has("login-form"), "{page:?}");
        above.close().await;
    })
    .await;
}

/// The application's request, with the connection that it hints at.
fn asked_of(acme: &Acme, ask: &Ask) -> String {
    ask.clone().with("idp_hint", acme.connection.as_str()).url(&acme.shop.at)
}

async fn enters_by_muster(acme: &Acme, here: &mut Browser, there: &mut Browser) -> Visitor {
    let ask = Ask::of(&acme.shop);
    let landing = here.open(&asked_of(acme, &ask)).await;
    let arrival = through_muster(here, there, landing).await.arrival();
    let tokens = acme.shop.tokens_of(&arrival, &ask).await;
    Visitor::over("ana", here.clone(), tokens)
}
