//! Accounts of the organisation that stand in the way of one that a connection pushes: which of them the connection
//! takes over by itself, and what an administrator decides of the others.
//!
//! # Why
//! Elsewhere whoever could push people could take anybody's account: by its number, by an address that nobody had
//! proven, in another customer's directory. Here only a name or an address leads to an account, never `externalId`;
//! only within the organisation's own realm; and a connection takes over by itself only whom the organisation may
//! answer for: somebody whose own e-mail address was pushed, of a domain that the organisation has verified, who
//! neither owns nor administers anything.

use std::collections::BTreeSet;

use crate::app::App;
use crate::domain::change::{Actor, AdoptionDecision, Change, Mode, Origin, Provisioned, Receipt};
use crate::domain::connection::ConnectionState;
use crate::domain::federation::claims;
use crate::domain::people::domain_name::DomainName;
use crate::domain::people::identifier;
use crate::domain::people::user::{Kind, UserState};
use crate::domain::scim::{Object, derive};
use crate::domain::source::Source;
use crate::flows::adoptable::{answers_for, is_plain};
use crate::flows::change_access::{Refusal, change_access_from};
use crate::flows::scim::Asking;
use crate::kernel::id::{AdoptionId, OrgId, UserId};
use crate::store::connections::{self, Connection};
use crate::store::db::Conn;
use crate::store::federation::{identities, upstreams};
use crate::store::scim::adoptions::{self, Adoption, Asked};
use crate::store::users::User;
use crate::store::{domains, users};

/// What stands in the way of a pushed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// An account that the connection takes over.
    Adopt(UserId),
    /// An account of which an administrator decides.
    Queue(UserId),
    /// An account that is none of the connection's business: its own already, another's, or kept apart.
    Other,
}

/// What stands in the way of a pushed account; `None` when its name and its address are free.
///
/// # Errors
/// The database's.
pub async fn in_the_way(app: &App, asking: &Asking, new: &Provisioned) -> Result<Option<Way>, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let Connection { id, org, .. } = &asking.connection;
    let found = claimed(&mut conn, org, new).await?;
    let Some(first) = found.first() else {
        return Ok(None);
    };
    // Somebody whom the same connection signed in before it pushed them.
    let its_own = Source::Oidc(id.to_string());
    if found.len() == 1 && first.source == its_own && first.kind == Kind::Managed(org.clone()) {
        let user = first.id.clone();
        if is_the_same(&mut conn, &asking.connection, first, new).await? {
            return Ok(Some(Way::Adopt(user)));
        }
        let apart = adoptions::is_kept_apart(&mut conn, id, &user).await?;
        return Ok(Some(if apart { Way::Other } else { Way::Queue(user) }));
    }
    let at_home = |user: &User| user.kind == Kind::Managed(org.clone()) && user.source.connection().is_none();
    if !found.iter().all(at_home) || adoptions::is_kept_apart(&mut conn, id, &first.id).await? {
        return Ok(Some(Way::Other));
    }
    let one = found.len() == 1;
    let said: Vec<&str> = new.profile.email.as_deref().into_iter().chain([new.user_name.as_str()]).collect();
    let fits = one && answers_for(&mut conn, org, first, &said).await? && is_plain(&mut conn, org, first).await?;
    let user = first.id.clone();
    Ok(Some(if fits { Way::Adopt(user) } else { Way::Queue(user) }))
}

/// Whether whoever came through under an account is whom the connection pushes now: by the immutable id where the sign-in
/// names one, else by an address that was proven. A user name is whatever the person could have the provider say.
async fn is_the_same(
    conn: &mut Conn,
    connection: &Connection,
    user: &User,
    new: &Provisioned,
) -> Result<bool, sqlx::Error> {
    let sign_in = upstreams::find(conn, &connection.org, &connection.id).await?;
    let Some(name) = sign_in.and_then(|found| found.settings.scim_claim) else {
        let said: Vec<&str> = new.profile.email.as_deref().into_iter().collect();
        return answers_for(conn, &connection.org, user, &said).await;
    };
    let all = identities::of_user_in(conn, &connection.org, &user.id).await?;
    let Some(one) = all.into_iter().find(|one| one.connection == connection.id) else {
        return Ok(false);
    };
    let kept = identities::claims(conn, &one.id).await?.unwrap_or_default();
    let said = if name == "sub" { Some(one.upstream.subject.as_str()) } else { claims::text(&kept, &name) };
    Ok(said.is_some() && said == new.resource.external_id.as_deref())
}

/// The accounts in the organisation's realm that have the pushed address or the pushed name; that of the address first.
async fn claimed(conn: &mut Conn, org: &OrgId, new: &Provisioned) -> Result<Vec<User>, sqlx::Error> {
    let keys = new.profile.email.as_deref().into_iter().chain([new.user_name.as_str()]).map(identifier::key);
    let (mut found, mut seen): (Vec<User>, BTreeSet<String>) = (Vec::new(), BTreeSet::new());
    for key in keys.filter(|key| !key.is_empty() && !key.contains('\0')) {
        if !seen.insert(key.clone()) {
            continue;
        }
        let user = users::by_identifier(conn, org.as_str(), &key).await?;
        let user = user.filter(|user| user.state != UserState::Deleted);
        found.extend(user.filter(|user| found.iter().all(|other| other.id != user.id)));
    }
    Ok(found)
}

/// Has an account wait for an administrator's decision, with what was pushed; one that is kept apart does not.
///
/// # Errors
/// The database's.
pub async fn queue(app: &App, asking: &Asking, user: &UserId, new: &Provisioned) -> Result<(), sqlx::Error> {
    let (id, at) = (AdoptionId::fresh(), app.now());
    let (org, connection) = (asking.connection.org.clone(), asking.connection.id.clone());
    let (user, resource) = (user.clone(), new.resource.attributes.clone());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let asked = Asked { id: &id, org: &org, connection: &connection, user: &user, resource: &resource };
                adoptions::put(tx, &asked, at).await.map(|_| ())
            })
        })
        .await
}

/// Decides of an account that stands in a connection's way. Who may, and whether the account can still be handed over,
/// the door says.
///
/// # Errors
/// As the door's; there is no such row, or the connection doesn't work any more.
pub async fn decide(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    (adoption, decision): (&AdoptionId, AdoptionDecision),
    mode: Mode,
) -> Result<Receipt, Refusal> {
    let mut changes = vec![Change::DecideAdoption { org: org.clone(), adoption: adoption.clone(), decision }];
    if decision == AdoptionDecision::Adopt {
        changes.push(handing_over(app, org, adoption).await?);
    }
    change_access_from(app, actor, origin, changes, mode).await
}

/// The change that hands an account over, with what was pushed last.
async fn handing_over(app: &App, org: &OrgId, id: &AdoptionId) -> Result<Change, Refusal> {
    let mut conn = app.db.read().await?;
    let Some(adoption) = adoptions::find(&mut conn, org, id).await? else {
        return Err(Refusal::NotFound("The adoption".to_owned()));
    };
    let connection = connections::find(&mut conn, org, &adoption.connection).await?;
    let Some(connection) = connection.filter(|found| found.state == ConnectionState::Active) else {
        return Err(Refusal::Conflict("The connection does not work any more".to_owned()));
    };
    let verified = domains::verified_of(&mut conn, org).await?;
    let new = pushed(&adoption, &connection, &verified, app.now().seconds())?;
    let Adoption { org, user, .. } = adoption;
    Ok(Change::AdoptUser { org, connection: connection.id, user, new: Box::new(new) })
}

fn pushed(
    adoption: &Adoption,
    connection: &Connection,
    verified: &[String],
    updated_at: i64,
) -> Result<Provisioned, Refusal> {
    let unfit = |reason: String| Refusal::Invalid { field: "resource", reason };
    let object: Object = serde_json::from_str(&adoption.resource).map_err(|error| unfit(error.to_string()))?;
    let is_ours =
        |domain: &str| DomainName::parse(domain).is_ok_and(|domain| verified.iter().any(|one| one == domain.as_str()));
    let mut new = derive::provisioned(&object, connection.profile, is_ours).map_err(|error| unfit(error.detail))?;
    new.profile.updated_at = updated_at;
    Ok(new)
}
