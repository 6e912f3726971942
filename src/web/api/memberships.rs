//! Memberships by themselves: who is in the organisation, and removing somebody by id or by e-mail address.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::managed_by::{Keepers, ManagedBy};
use super::named;
use super::paging::{self, Page, PageQuery};
use super::person::{self, OwnedThings};
use super::problem::Problem;
use super::user_edit::realm_of;
use super::words::{ReceiptBody, moment};
use super::write;
use crate::app::App;
use crate::domain::change::Change;
use crate::domain::people::identifier;
use crate::domain::source::Source;
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::store::db::Conn;
use crate::store::member_list::{self, Listed};
use crate::store::{memberships, users};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("users.read"), routes!(list))
        .route(Needs::Org("users.remove").people_only(), routes!(remove))
}

/// A membership.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MembershipRow {
    /// Its id.
    pub id: String,
    /// The account.
    pub user_id: String,
    /// Its user name; of a service account its name.
    pub user_name: String,
    /// `managed`, `own` or `service_account`.
    pub kind: &'static str,
    /// Where the account comes from: `local`, or a connection, which alone may change it.
    pub source: String,
    /// The connection that keeps the account and the membership; null where they are kept here.
    pub managed_by: Option<ManagedBy>,
    /// The membership's state.
    pub state: &'static str,
    /// The account's state.
    pub user_state: &'static str,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

/// Who is to be removed: either an account, or an address in a realm.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemoveQuery {
    /// The account's id.
    user_id: Option<String>,
    /// The e-mail address.
    email: Option<String>,
    /// With an address: `own` for the persons' own accounts, `managed` for the organisation's.
    realm: Option<String>,
    /// A member who answers from then on for what the person answered for.
    reassign_to: Option<String>,
}

/// A membership that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct MembershipGone {
    /// Nothing.
    pub object: Option<MembershipRow>,
    /// What the person answered for.
    pub owned: OwnedThings,
    /// What the change did.
    pub receipt: ReceiptBody,
}

fn show(row: Listed, keepers: &Keepers) -> MembershipRow {
    MembershipRow {
        source: row.source.to_string(),
        managed_by: keepers.keeper(&row.source),
        id: row.member.into_string(),
        user_id: row.user.into_string(),
        user_name: row.user_name,
        kind: person::kind(&row.kind),
        state: row.member_state.as_str(),
        user_state: row.user_state.as_str(),
        created_at: moment(row.created_at),
    }
}

/// The memberships of an organisation, service accounts among them, by user name.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/memberships", tag = "memberships", params(PageQuery),
    responses((status = 200, description = "A page of memberships.", body = Page<MembershipRow>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<MembershipRow>>, Problem> {
    let limit = paging::limit(query.limit)?;
    let after = paging::after(query.cursor.as_deref(), 2)?.and_then(|parts| <[String; 2]>::try_from(parts).ok());
    let after = after.map(|[key, member]| (key, MembershipId::trusted(member)));
    let mut conn = app.db.read().await?;
    let page = member_list::Query { search: None, after, limit: limit + 1, people_only: false };
    let rows = member_list::page(&mut conn, &asked.room()?.id, &page).await?;
    let sources: Vec<&Source> = rows.iter().map(|row| &row.source).collect();
    let keepers = Keepers::of(&mut conn, &sources).await?;
    let cursor = |row: &Listed| paging::cursor(&[&row.cursor.0, row.cursor.1.as_str()]);
    Ok(Json(Page::of(rows, limit, cursor, |row| show(row, &keepers))))
}

/// Removes somebody from the organisation: sessions, tokens, keys, roles and groups go; the account stays, whoever it
/// belongs to. A second call is 404.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/memberships", tag = "memberships", params(RemoveQuery),
    responses((status = 200, description = "What ended, and what the person answered for.", body = MembershipGone)))]
async fn remove(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Query(query): Query<RemoveQuery>,
) -> Result<Json<MembershipGone>, Problem> {
    let org = asked.room()?.id.clone();
    let mut conn = app.db.read().await?;
    let user = account(&mut conn, &org, &query).await?;
    let gone = || Problem::not_found("The member");
    let member = memberships::of_user(&mut conn, &org, &user).await?.ok_or_else(gone)?.id;
    person::found(&mut conn, &org, &member).await?;
    let owned = memberships::owned(&mut conn, &member).await?;
    drop(conn);
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member, to) = (org.clone(), member.clone(), query.reassign_to.clone());
        Box::pin(async move {
            let mut changes = Vec::new();
            if let Some(named) = &to {
                let to = named::member(conn, &org, named).await?.id;
                changes.push(Change::Reassign { org: org.clone(), from: member.clone(), to });
            }
            changes.push(Change::RemoveMember { org, member });
            // Nothing of one membership is read under this address, so that no tag can be of it.
            Ok((String::new(), changes))
        })
    })
    .await?;
    Ok(Json(MembershipGone { object: None, owned: owned.into(), receipt: ReceiptBody::of(&receipt) }))
}

/// Whom the query names.
async fn account(conn: &mut Conn, org: &OrgId, query: &RemoveQuery) -> Result<UserId, Problem> {
    const EITHER: &str = "Give user_id, or email and realm.";
    match (&query.user_id, &query.email, &query.realm) {
        (Some(id), None, None) => id.parse().map_err(|_| Problem::not_found("The member")),
        (None, Some(email), Some(realm)) => {
            let realm = realm_of("realm", org, realm)?;
            let found = users::by_identifier(conn, realm, &identifier::key(email)).await?;
            found.map(|user| user.id).ok_or_else(|| Problem::not_found("The member"))
        }
        (None, Some(_), None) => Err(Problem::invalid("realm", EITHER)),
        _ => Err(Problem::invalid("user_id", EITHER)),
    }
}
