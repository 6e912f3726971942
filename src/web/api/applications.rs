//! Applications: the OAuth clients of an organisation, and those of the instance itself.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::application_body::{ApplicationBody, ApplicationFields, has_secret};
use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, ConfirmQuery, Query};
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::words::ReceiptBody;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::{Change, Mode, Receipt};
use crate::domain::oauth::application::Application;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::kernel::id::OrgId;
use crate::kernel::secret::{Digest, Secret};
use crate::store::application_list::{self, Listed};
use crate::store::db::Conn;
use crate::store::orgs;

/// What every secret of an application begins with.
const PREFIX: &str = "mst_cs_";

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("applications.read"), routes!(list))
        .route(Needs::Org("applications.write").sensitive(), routes!(create))
        .route(Needs::Org("applications.read"), routes!(get))
        .route(Needs::Org("applications.write").sensitive(), routes!(change))
        .route(Needs::Org("applications.write"), routes!(delete))
        .route(Needs::Org("applications.write").sensitive(), routes!(new_secret))
        .route(Needs::Org("applications.write"), routes!(end_old_secret))
        .route(Needs::Operator, routes!(list_of_instance))
        .route(Needs::Operator.sensitive(), routes!(create_for_instance))
        .route(Needs::Operator, routes!(get_of_instance))
        .route(Needs::Operator.sensitive(), routes!(change_of_instance))
        .route(Needs::Operator, routes!(delete_of_instance))
        .route(Needs::Operator.sensitive(), routes!(new_secret_of_instance))
        .route(Needs::Operator, routes!(end_old_secret_of_instance))
}

/// An application, with its new secret.
#[derive(Serialize, ToSchema)]
pub struct ApplicationWithSecret {
    /// The application; null in a dry run of making it.
    object: Option<ApplicationBody>,
    /// The secret, this once and never again; null for an application that has none, and in a dry run.
    secret: Option<String>,
    /// What the change did.
    receipt: ReceiptBody,
}

impl ApplicationWithSecret {
    fn answer(object: Option<ApplicationBody>, secret: Option<&Secret>, receipt: &Receipt) -> Response {
        let status = if receipt.dry_run { StatusCode::OK } else { StatusCode::CREATED };
        let secret = secret.filter(|_| !receipt.dry_run).map(|secret| secret.expose().to_owned());
        (status, axum::Json(Self { object, secret, receipt: ReceiptBody::of(receipt) })).into_response()
    }
}

/// Whose applications the path is about: an organisation's, or the instance's.
fn home(asked: &Asked) -> Option<&OrgId> {
    asked.place.org.as_ref().map(|room| &room.id)
}

async fn found(conn: &mut Conn, home: Option<&OrgId>, named: &str) -> Result<Listed, Problem> {
    application_list::find(conn, home, named).await?.ok_or_else(|| Problem::not_found("The application"))
}

async fn page(app: &App, asked: &Asked, query: &PageQuery) -> Result<axum::Json<Page<ApplicationBody>>, Problem> {
    let limit = paging::limit(query.limit)?;
    let after = paging::after(query.cursor.as_deref(), 1)?.and_then(|mut parts| parts.pop()).unwrap_or_default();
    let mut conn = app.db.read().await?;
    let rows = application_list::page(&mut conn, home(asked), &after, limit + 1).await?;
    let place = |row: &Listed| paging::cursor(&[&row.application.client_id]);
    Ok(axum::Json(Page::of(rows, limit, place, ApplicationBody::from)))
}

async fn register(app: &App, asked: &Asked, how: &How, fields: &ApplicationFields) -> Result<Response, Problem> {
    let mut application = fields.new_registration(home(asked).cloned())?;
    let secret = has_secret(application.auth_method).then(|| Secret::mint(&*app.chance, PREFIX));
    application.secrets = secret.iter().map(Secret::digest).collect();
    let id = application.id.to_string();
    let receipt = write::send(app, asked, how, vec![Change::PutApplication(Box::new(application))]).await?;
    let mut conn = app.db.read().await?;
    let made = application_list::find(&mut conn, home(asked), &id).await?;
    Ok(ApplicationWithSecret::answer(made.map(Into::into), secret.as_ref(), &receipt))
}

async fn one(app: &App, asked: &Asked, named: &str) -> Result<axum::Json<ApplicationBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(found(&mut conn, home(asked), named).await?.into()))
}

/// Plans a change of what is registered now, and sends it. A registration is written whole, its secrets with it: so
/// nothing that is edited in the organisation between the reading and the door's lock is overwritten, but the plan is
/// made anew. The instance's own applications have no organisation whose lock would tell; its operators are few.
async fn alter<P>(app: &App, asked: &Asked, how: &How, named: &str, plan: P) -> Result<Receipt, Problem>
where
    P: Fn(Application) -> Result<Change, Problem> + Send + Sync,
{
    const TRIES: usize = 5;
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Act };
    for _ in 0..TRIES {
        let mut conn = app.db.read().await?;
        let mut changes = Vec::new();
        if let Some(org) = home(asked) {
            let version = orgs::access_version(&mut conn, org).await?.unwrap_or_default();
            changes.push(Change::ExpectVersion { org: org.clone(), version });
        }
        let before = found(&mut conn, home(asked), named).await?;
        drop(conn);
        tag::check(how.if_match.as_deref(), &tag::of(&ApplicationBody::from(before.clone())))?;
        changes.push(plan(before.application)?);
        match change_access_from(app, &asked.actor, &asked.origin, changes, mode).await {
            Err(Refusal::Stale) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(Refusal::Stale.into())
}

async fn replace(
    app: &App,
    asked: &Asked,
    how: &How,
    named: &str,
    fields: &ApplicationFields,
) -> Result<Response, Problem> {
    let plan =
        |before: Application| -> Result<Change, Problem> { Ok(Change::PutApplication(Box::new(fields.onto(before)?))) };
    let receipt = alter(app, asked, how, named, plan).await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, home(asked), named).await?;
    Ok(Written::<ApplicationBody>::ok(Some(after.into()), &receipt))
}

async fn remove(app: &App, asked: &Asked, how: &How, named: &str, confirm: Option<&str>) -> Result<Response, Problem> {
    let plan = |before: Application| {
        if confirm == Some(before.client_id.as_str()) {
            return Ok(Change::RemoveApplication { application: before.id });
        }
        Err(Problem::invalid("confirm", "Type the application's client id, exactly, to delete it."))
    };
    let receipt = alter(app, asked, how, named, plan).await?;
    Ok(Written::<ApplicationBody>::ok(None, &receipt))
}

/// The secrets that work besides a new one: the newest of those before, so that nothing stops while it is handed out.
fn overlapping(before: &[Digest], new: Digest) -> Vec<Digest> {
    before.last().copied().into_iter().chain([new]).collect()
}

async fn mint(app: &App, asked: &Asked, how: &How, named: &str) -> Result<Response, Problem> {
    let secret = Secret::mint(&*app.chance, PREFIX);
    let digest = secret.digest();
    let plan = |before: Application| {
        if !has_secret(before.auth_method) {
            let detail = format!("It authenticates with {}, and so has no secret.", before.auth_method);
            return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
        }
        let secrets = overlapping(&before.secrets, digest);
        Ok(Change::PutApplication(Box::new(Application { secrets, ..before })))
    };
    let receipt = alter(app, asked, how, named, plan).await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, home(asked), named).await?;
    Ok(ApplicationWithSecret::answer(Some(after.into()), Some(&secret), &receipt))
}

async fn end_old(app: &App, asked: &Asked, how: &How, named: &str) -> Result<Response, Problem> {
    let plan = |before: Application| {
        let secrets = before.secrets.last().copied().into_iter().collect();
        Ok(Change::PutApplication(Box::new(Application { secrets, ..before })))
    };
    let receipt = alter(app, asked, how, named, plan).await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, home(asked), named).await?;
    Ok(Written::<ApplicationBody>::ok(Some(after.into()), &receipt))
}

/// The applications of an organisation, by client id.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/applications", tag = "applications", params(PageQuery),
    responses((status = 200, description = "A page of applications.", body = Page<ApplicationBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<ApplicationBody>>, Problem> {
    page(&app, &asked, &query).await
}

/// Registers an application of an organisation, and answers with its secret, this once.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/applications", tag = "applications", request_body = ApplicationFields,
    responses((status = 201, description = "The application and its secret.", body = ApplicationWithSecret),
              (status = 200, description = "A dry run: nothing was made.", body = ApplicationWithSecret)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(fields): Body<ApplicationFields>,
) -> Result<Response, Problem> {
    register(&app, &asked, &how, &fields).await
}

/// One application, by its id or its client id. Its secrets are never shown.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/applications/{application}", tag = "applications",
    responses((status = 200, description = "The application.", body = ApplicationBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, application)): Path<(String, String)>,
) -> Result<axum::Json<ApplicationBody>, Problem> {
    one(&app, &asked, &application).await
}

/// Changes an application's registration. A disabled one is refused everywhere, and its tokens die.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/applications/{application}", tag = "applications",
    request_body = ApplicationFields,
    responses((status = 200, description = "The application.", body = Written<ApplicationBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, application)): Path<(String, String)>,
    Body(fields): Body<ApplicationFields>,
) -> Result<Response, Problem> {
    replace(&app, &asked, &how, &application, &fields).await
}

/// Removes an application; its tokens die. The client id must be typed again in `confirm`.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/applications/{application}", tag = "applications",
    params(ConfirmQuery),
    responses((status = 200, description = "What was removed.", body = Written<ApplicationBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, application)): Path<(String, String)>,
    Query(query): Query<ConfirmQuery>,
) -> Result<Response, Problem> {
    remove(&app, &asked, &how, &application, query.confirm.as_deref()).await
}

/// Makes a new secret and answers with it, this once. The newest of those before works on; an older one does not.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/applications/{application}/secrets", tag = "applications",
    responses((status = 201, description = "The application and its new secret.", body = ApplicationWithSecret),
              (status = 200, description = "A dry run: nothing was made.", body = ApplicationWithSecret)))]
async fn new_secret(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, application)): Path<(String, String)>,
) -> Result<Response, Problem> {
    mint(&app, &asked, &how, &application).await
}

/// Ends every secret but the newest.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/applications/{application}/secrets/old", tag = "applications",
    responses((status = 200, description = "The application.", body = Written<ApplicationBody>)))]
async fn end_old_secret(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, application)): Path<(String, String)>,
) -> Result<Response, Problem> {
    end_old(&app, &asked, &how, &application).await
}

/// The applications of the instance itself, which belong to no organisation, by client id.
#[utoipa::path(get, path = "/api/v1/applications", tag = "applications", params(PageQuery),
    responses((status = 200, description = "A page of applications.", body = Page<ApplicationBody>)))]
async fn list_of_instance(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<ApplicationBody>>, Problem> {
    page(&app, &asked, &query).await
}

/// Registers an application of the instance, and answers with its secret, this once.
#[utoipa::path(post, path = "/api/v1/applications", tag = "applications", request_body = ApplicationFields,
    responses((status = 201, description = "The application and its secret.", body = ApplicationWithSecret),
              (status = 200, description = "A dry run: nothing was made.", body = ApplicationWithSecret)))]
async fn create_for_instance(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(fields): Body<ApplicationFields>,
) -> Result<Response, Problem> {
    register(&app, &asked, &how, &fields).await
}

/// One application of the instance, by its id or its client id. Its secrets are never shown.
#[utoipa::path(get, path = "/api/v1/applications/{application}", tag = "applications",
    responses((status = 200, description = "The application.", body = ApplicationBody)))]
async fn get_of_instance(
    State(app): State<App>,
    asked: Asked,
    Path(application): Path<String>,
) -> Result<axum::Json<ApplicationBody>, Problem> {
    one(&app, &asked, &application).await
}

/// Changes the registration of an application of the instance.
#[utoipa::path(patch, path = "/api/v1/applications/{application}", tag = "applications",
    request_body = ApplicationFields,
    responses((status = 200, description = "The application.", body = Written<ApplicationBody>)))]
async fn change_of_instance(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(application): Path<String>,
    Body(fields): Body<ApplicationFields>,
) -> Result<Response, Problem> {
    replace(&app, &asked, &how, &application, &fields).await
}

/// Removes an application of the instance; its tokens die. The client id must be typed again in `confirm`.
#[utoipa::path(delete, path = "/api/v1/applications/{application}", tag = "applications", params(ConfirmQuery),
    responses((status = 200, description = "What was removed.", body = Written<ApplicationBody>)))]
async fn delete_of_instance(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(application): Path<String>,
    Query(query): Query<ConfirmQuery>,
) -> Result<Response, Problem> {
    remove(&app, &asked, &how, &application, query.confirm.as_deref()).await
}

/// Makes a new secret of an application of the instance and answers with it, this once.
#[utoipa::path(post, path = "/api/v1/applications/{application}/secrets", tag = "applications",
    responses((status = 201, description = "The application and its new secret.", body = ApplicationWithSecret),
              (status = 200, description = "A dry run: nothing was made.", body = ApplicationWithSecret)))]
async fn new_secret_of_instance(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(application): Path<String>,
) -> Result<Response, Problem> {
    mint(&app, &asked, &how, &application).await
}

/// Ends every secret of an application of the instance but the newest.
#[utoipa::path(delete, path = "/api/v1/applications/{application}/secrets/old", tag = "applications",
    responses((status = 200, description = "The application.", body = Written<ApplicationBody>)))]
async fn end_old_secret_of_instance(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(application): Path<String>,
) -> Result<Response, Problem> {
    end_old(&app, &asked, &how, &application).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_leaves_the_newest_before_it_and_no_older_one() {
        let [first, second, third] = [Digest::of(b"1"), Digest::of(b"2"), Digest::of(b"3")];
        assert_eq!(overlapping(&[], first), [first]);
        assert_eq!(overlapping(&[first], second), [first, second]);
        assert_eq!(overlapping(&[first, second], third), [second, third]);
    }
}
