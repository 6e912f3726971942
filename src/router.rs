//! Every address of the product, grouped by who asks, one line a route.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::app::App;
use crate::domain::feed as domain_feed;
use crate::domain::oidc::discovery;
use crate::domain::ssf::metadata;
use crate::flows::device::decide::END;
use crate::store::cookies::CookieStore;
use crate::web::api;
use crate::web::extract::browser::{CookieNames, mend_removals};
use crate::web::feed;
use crate::web::oidc::discovery::{Document, Rooms};
use crate::web::oidc::{
    authorize, cors, device as devices, discovery as documents, end_session, introspect, revoke, token, userinfo,
};
use crate::web::operating;
use crate::web::pages::{admin, consent, device, error, files, me, select_org, setup, sign_in};
use crate::web::pages::{email, invite, my, my_invitations, my_password, my_profile, register};
use crate::web::pages::{factor, factor_setup, locked, passkey};
use crate::web::pages::{forgot, identities, password_change, reset, upstream, upstream_trial, welcome};
use crate::web::scim;
use crate::web::ssf;
use crate::web::upstream as providers;

/// The routes over the handles, without what stands around every answer (`web::layers::wrap`).
pub fn build(app: &App, stopping: CancellationToken) -> Router {
    let (administrators, description, _) = api::build(app);
    let discovery = Document::discovery(app.issuer());
    let rooms = Rooms { app: app.clone(), discovery, description, metrics: recorder(), stopping };
    Router::new()
        .merge(administrators)
        .route("/api/v1", get(api::reference::reference))
        .route("/api/v1/openapi.json", get(api::reference::openapi))
        .merge(applications(app))
        .merge(receivers())
        .merge(verifiers())
        .merge(people(app))
        .merge(customers_providers())
        .merge(operators())
        .merge(scim::routes(app))
        .fallback(error::not_found)
        .with_state(rooms)
}

/// For applications.
fn applications(app: &App) -> Router<Rooms> {
    Router::new()
        .route("/.well-known/openid-configuration", get(documents::document))
        .route("/.well-known/oauth-authorization-server", get(documents::document))
        .route(discovery::JWKS, get(documents::jwks))
        .route(discovery::INTROSPECT, post(introspect::post))
        .route(discovery::DEVICE_AUTHORIZATION, post(devices::post))
        .merge(applications_in_browsers(app))
}

/// For applications that may live in a browser: what their pages read across origins.
fn applications_in_browsers(app: &App) -> Router<Rooms> {
    Router::new()
        .route(discovery::TOKEN, post(token::post))
        .route(discovery::USERINFO, get(userinfo::get).post(userinfo::post))
        .route(discovery::REVOKE, post(revoke::post))
        .layer(from_fn_with_state(app.clone(), cors::around))
}

/// For applications that receive security events.
fn receivers() -> Router<Rooms> {
    use ssf::{poll, status, streams, subjects, verify};
    Router::new()
        .route(metadata::CONFIGURATION, get(ssf::metadata::get))
        .route(
            metadata::STREAMS,
            get(streams::get).post(streams::post).patch(streams::patch).put(streams::put).delete(streams::delete),
        )
        .route(metadata::STATUS, get(status::get).post(status::post))
        .route(metadata::ADD_SUBJECT, post(subjects::add))
        .route(metadata::REMOVE_SUBJECT, post(subjects::remove))
        .route(metadata::VERIFY, post(verify::post))
        .route("/ssf/poll/{stream}", post(poll::post))
}

/// For services that check tokens without asking.
fn verifiers() -> Router<Rooms> {
    Router::new()
        .route(domain_feed::METADATA, get(feed::metadata))
        .route(domain_feed::REVOCATIONS, get(feed::revocations::get))
        .route("/status/{number}", get(feed::status::get))
}

/// For people's browsers, with their session.
fn people(app: &App) -> Router<Rooms> {
    Router::new()
        .route("/", get(me::root))
        .route(discovery::AUTHORIZE, get(authorize::get).post(authorize::post))
        .route("/login", get(sign_in::get).post(sign_in::post))
        .route("/o/{slug}/login", get(sign_in::get_in_org))
        .route("/instance/login", get(sign_in::get_as_operator))
        .route("/login/password-change", get(password_change::get).post(password_change::post))
        .route("/login/mfa", get(factor::get).post(factor::post))
        .route("/login/mfa/setup", get(factor_setup::get).post(factor_setup::post))
        .route("/login/mfa/done", post(factor_setup::done))
        .route("/login/again", get(factor::again))
        .route("/login/passkey", post(passkey::post))
        .route("/login/locked", get(locked::get))
        .route("/forgot", get(forgot::get).post(forgot::post))
        .route("/reset/{secret}", get(reset::get).post(reset::post))
        .route("/welcome/{secret}", get(welcome::get).post(welcome::post))
        .route("/upstream/{connection}/callback", get(upstream::callback))
        .route("/upstream/{connection}/login", get(upstream::initiated))
        .route("/upstream/test/{secret}", get(upstream_trial::trial).post(upstream_trial::begin_trial))
        .route("/select-org", post(select_org::post))
        .route("/consent", post(consent::post))
        .route(discovery::DEVICE, get(device::get).post(device::post))
        .route("/device/confirm", post(device::post_confirm))
        .route(END, get(device::done))
        .route(discovery::END_SESSION, get(end_session::get).post(end_session::post))
        .route("/end_session/confirm", post(end_session::confirm))
        .route("/setup/{token}", get(setup::get).post(setup::post))
        .route("/me", get(me::get))
        .merge(people_themselves())
        .route("/me/password", get(my_password::get).post(my_password::post))
        .route("/me/profile", get(my_profile::get).post(my_profile::post))
        .route("/me/invitations", get(my_invitations::get).post(my_invitations::post))
        .route(upstream::IDENTITIES, get(identities::get).post(identities::post))
        .route("/invite/{secret}", get(invite::get).post(invite::post))
        .route("/email/{secret}", get(email::get).post(email::post))
        .route("/register", get(register::get).post(register::post))
        .route("/register/{secret}", get(register::get_link).post(register::post_link))
        .merge(administrators_pages())
        .layer(session_layer(app))
        .layer(from_fn_with_state(app.clone(), mend_removals))
        .route("/help", get(files::help))
        .route("/assets/{hash}/{name}", get(files::get))
}

/// For people, of their own accounts.
fn people_themselves() -> Router<Rooms> {
    use my::{access, activity, applications, keys, organisations, security, sessions};
    Router::new()
        .route("/me/security", get(security::get).post(security::post))
        .route("/me/security/remove", get(security::ask))
        .route("/me/security/totp", get(security::totp::get).post(security::totp::post))
        .route("/me/security/passkey", get(security::passkey::get).post(security::passkey::post))
        .route("/me/security/codes", get(security::codes::get))
        .route("/me/security/codes/download", post(security::codes::download))
        .route("/me/sessions", get(sessions::get).post(sessions::post))
        .route("/me/applications", get(applications::get).post(applications::post))
        .route("/me/keys", get(keys::get).post(keys::post))
        .route("/me/keys/download", post(keys::download))
        .route("/me/organisations", get(organisations::get))
        .route("/me/organisations/leave", get(organisations::ask).post(organisations::leave))
        .route("/me/access", get(access::get))
        .route("/me/activity", get(activity::get))
}

/// For administrators of an organisation, in their browsers.
fn administrators_pages() -> Router<Rooms> {
    Router::new()
        .merge(pages_of_groups_and_keys())
        .merge(pages_of_identity_providers())
        .route("/o/{slug}/admin", get(admin::root))
        .route("/o/{slug}/admin/people", get(admin::people::get))
        .route("/o/{slug}/admin/people/register", get(admin::register::get).post(admin::register::post))
        .route("/o/{slug}/admin/people/bulk", get(admin::bulk::get).post(admin::bulk::post))
        .route("/o/{slug}/admin/people/bulk/register", post(admin::bulk::register))
        .route("/o/{slug}/admin/people/invite", get(admin::invite::get).post(admin::invite::post))
        .route("/o/{slug}/admin/people/invite/send", post(admin::invite::send))
        .route("/o/{slug}/admin/people/download", post(admin::download::post))
        .route("/o/{slug}/admin/people/{member}/registered", get(admin::register::registered))
        .route("/o/{slug}/admin/people/{member}", get(admin::person::account).post(admin::person::guard_account))
        .route("/o/{slug}/admin/people/{member}/roles", get(admin::person::roles).post(admin::person::change_roles))
        .route("/o/{slug}/admin/people/{member}/groups", get(admin::person::groups).post(admin::person::set_groups))
        .route(
            "/o/{slug}/admin/people/{member}/projects",
            get(admin::person::projects).post(admin::person::leave_project),
        )
        .route("/o/{slug}/admin/people/{member}/applications", get(admin::person::applications))
        .route("/o/{slug}/admin/people/{member}/keys", get(admin::person::keys))
        .route(
            "/o/{slug}/admin/people/{member}/sessions",
            get(admin::person::sessions).post(admin::person::end_sessions),
        )
        .route("/o/{slug}/admin/people/{member}/link", post(admin::people::send_link))
        .route("/o/{slug}/admin/invitations", get(admin::invitations::get))
        .route("/o/{slug}/admin/invitations/{invitation}/resend", post(admin::invitations::resend))
        .route(
            "/o/{slug}/admin/invitations/{invitation}/cancel",
            get(admin::invitations::ask_cancel).post(admin::invitations::cancel),
        )
}

/// For those who keep an organisation's groups, and look at its access keys.
fn pages_of_groups_and_keys() -> Router<Rooms> {
    use admin::groups::{get as all, members, removal, roles, settings, wizard};
    Router::new()
        .route("/o/{slug}/admin/groups", get(all))
        .route("/o/{slug}/admin/groups/new", get(wizard::get).post(wizard::post))
        .route("/o/{slug}/admin/groups/{group}/new/permissions", get(wizard::permissions).post(wizard::give))
        .route("/o/{slug}/admin/groups/{group}/new/members", get(wizard::people).post(wizard::add))
        .route("/o/{slug}/admin/groups/{group}", get(members::get))
        .route("/o/{slug}/admin/groups/{group}/members", get(members::get).post(members::post))
        .route("/o/{slug}/admin/groups/{group}/members/remove", post(removal::post))
        .route("/o/{slug}/admin/groups/{group}/permissions", get(roles::get).post(roles::post))
        .route("/o/{slug}/admin/groups/{group}/permissions/remove", post(roles::remove))
        .route("/o/{slug}/admin/groups/{group}/settings", get(settings::get).post(settings::post))
        .route("/o/{slug}/admin/groups/{group}/delete", get(settings::ask_delete).post(settings::delete))
        .route("/o/{slug}/admin/access-keys", get(admin::access_keys::get))
}

/// For those who set an organisation's identity providers up, or look at them.
fn pages_of_identity_providers() -> Router<Rooms> {
    use admin::identity_providers::{create, get as all, log, mapping, overview, settings, tester};
    Router::new()
        .route("/o/{slug}/admin/identity-providers", get(all).post(create))
        .route("/o/{slug}/admin/identity-providers/{connection}", get(overview::get))
        .route("/o/{slug}/admin/identity-providers/{connection}/test", post(overview::test))
        .route("/o/{slug}/admin/identity-providers/{connection}/stage", post(overview::stage))
        .route("/o/{slug}/admin/identity-providers/{connection}/state", post(overview::state))
        .route("/o/{slug}/admin/identity-providers/{connection}/name", post(overview::name))
        .route("/o/{slug}/admin/identity-providers/{connection}/sign-in", get(settings::get).post(settings::post))
        .route("/o/{slug}/admin/identity-providers/{connection}/mapping", get(mapping::get))
        .route("/o/{slug}/admin/identity-providers/{connection}/mapping/settings", post(mapping::apply))
        .route("/o/{slug}/admin/identity-providers/{connection}/mapping/groups", post(mapping::add_group))
        .route("/o/{slug}/admin/identity-providers/{connection}/mapping/rules", post(mapping::add_rule))
        .route("/o/{slug}/admin/identity-providers/{connection}/mapping/remove", post(mapping::remove))
        .route("/o/{slug}/admin/identity-providers/{connection}/mapping/try", post(tester::post))
        .route("/o/{slug}/admin/identity-providers/{connection}/sign-ins", get(log::get))
}

/// For customers' own identity providers: what they say, and the key that they ask for. No session is read.
fn customers_providers() -> Router<Rooms> {
    Router::new()
        .route("/upstream/{connection}/jwks", get(providers::jwks::get))
        .route("/upstream/{connection}/logout", post(providers::logout::post))
        .route("/upstream/{connection}/events", post(providers::events::post))
        .route("/upstream/{connection}/revocation", post(providers::revocation::post))
}

/// For those who run it.
fn operators() -> Router<Rooms> {
    Router::new()
        .route("/healthz", get(operating::live))
        .route("/readyz", get(operating::ready))
        .route("/metrics", get(operating::metrics))
}

fn session_layer(app: &App) -> SessionManagerLayer<CookieStore> {
    let names = CookieNames::of(app);
    let store = CookieStore::new(app.db.clone(), app.clock.clone(), app.session_idle());
    SessionManagerLayer::new(store)
        .with_name(names.session)
        .with_path("/")
        .with_secure(names.secure)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnSessionEnd)
}

/// The process's one recorder of metrics; `None` when another library has installed its own.
fn recorder() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let handle = PrometheusBuilder::new().install_recorder().ok()?;
            let kept = handle.clone();
            // Samples of histograms are folded; else they pile up until somebody scrapes.
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                    kept.run_upkeep();
                }
            });
            Some(handle)
        })
        .clone()
}
