//! The REST API for administrators, under `/api/v1`: JSON in, JSON out, problem+json when something is wrong.
//!
//! Every route is declared in one line (`declare`): its handler and who may call it. The gate (`gate`) stands before each;
//! writes go through the door (`write`) and answer with its receipt.

mod access;
mod access_keys;
mod adoptions;
mod alerts;
mod application_body;
mod applications;
mod asked;
mod audit;
mod bindings;
mod break_glass;
mod bundles;
mod changes;
mod connection_credentials;
mod connection_log;
mod connections;
mod declare;
mod document;
mod domains;
mod gate;
mod groups;
mod held;
mod identities;
mod input;
mod invitations;
mod lookup;
mod managed_by;
mod mapping;
mod me;
mod memberships;
mod my_access;
mod my_account;
mod my_activity;
mod my_applications;
mod my_factors;
mod my_sessions;
mod named;
mod orgs;
mod paging;
mod patch;
mod person;
mod policies;
mod prefer;
mod problem;
mod projects;
pub mod reference;
mod register;
mod register_many;
mod repeat;
mod roles;
mod service_accounts;
mod sign_in_body;
mod sign_in_log;
mod sign_in_rules;
mod sign_in_settings;
mod state;
mod streams;
mod tag;
mod user_edit;
mod user_factors;
mod user_log;
mod user_password;
mod user_roles;
mod user_sessions;
mod users;
mod words;
mod write;

use axum::Router;
use serde_json::Value;
use utoipa::OpenApi;

use self::declare::Routes;
pub use self::declare::{Declared, Needs, Rule};
use self::reference::Description;
use crate::app::App;
use crate::web::oidc::discovery::Rooms;

#[derive(OpenApi)]
#[openapi(components(schemas(problem::ProblemBody)))]
struct Base;

/// The routes, their description, and their declarations.
pub fn build(app: &App) -> (Router<Rooms>, Description, Vec<Declared>) {
    let (router, declared) = declare(app).finish();
    let app = app.clone();
    (router, Description::of(move || describe(&app)), declared)
}

/// The OpenAPI document.
///
/// # Panics
/// It can't be written as JSON: a programmer's error that the first test shows.
fn describe(app: &App) -> Value {
    let (gathered, declared) = declare(app).document(Base::openapi());
    let gathered = serde_json::to_value(&gathered).expect("an OpenAPI document is JSON");
    document::finish(gathered, &declared, app.issuer())
}

fn declare(app: &App) -> Routes {
    let routes = Routes::new(app);
    let routes = orgs::routes(routes);
    let routes = policies::routes(routes);
    let routes = projects::routes(routes);
    let routes = users::routes(routes);
    let routes = register::routes(routes);
    let routes = register_many::routes(routes);
    let routes = user_edit::routes(routes);
    let routes = user_password::routes(routes);
    let routes = user_factors::routes(routes);
    let routes = user_roles::routes(routes);
    let routes = memberships::routes(routes);
    let routes = user_sessions::routes(routes);
    let routes = access::routes(routes);
    let routes = groups::routes(routes);
    let routes = invitations::routes(routes);
    let routes = roles::routes(routes);
    let routes = bundles::routes(routes);
    let routes = bindings::routes(routes);
    let routes = applications::routes(routes);
    let routes = streams::routes(routes);
    let routes = service_accounts::routes(routes);
    let routes = access_keys::routes(routes);
    let routes = connections::routes(routes);
    let routes = connection_credentials::routes(routes);
    let routes = connection_log::routes(routes);
    let routes = sign_in_settings::routes(routes);
    let routes = sign_in_log::routes(routes);
    let routes = mapping::routes(routes);
    let routes = held::routes(routes);
    let routes = adoptions::routes(routes);
    let routes = domains::routes(routes);
    let routes = identities::routes(routes);
    let routes = break_glass::routes(routes);
    let routes = alerts::routes(routes);
    let routes = audit::routes(routes);
    let routes = user_log::routes(routes);
    let routes = changes::routes(routes);
    let routes = me::routes(routes);
    let routes = my_account::routes(routes);
    let routes = my_factors::routes(routes);
    let routes = my_sessions::routes(routes);
    let routes = my_applications::routes(routes);
    let routes = my_access::routes(routes);
    let routes = my_activity::routes(routes);
    state::routes(routes)
}
