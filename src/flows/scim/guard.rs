//! The guard against mass changes: what takes access from more than a set share of an organisation raises an alert,
//! and one request that would do so by itself waits for an administrator where the organisation chose so.
//!
//! # Why
//! A directory that loses a group by mistake sends the same words as one that means it. Single people are never held:
//! who leaves is out at once. Holding is for the one request that empties a group, and its end is set beforehand.

use serde_json::{Value, json};

use crate::app::App;
use crate::domain::audit::{MASS_CHANGE_HELD, MASS_LOSS};
use crate::domain::change::{Change, MemberReceipt, Mode, Receipt};
use crate::domain::people::user::{MembershipState, UserState};
use crate::flows::alarm::{self, Alarm};
use crate::flows::change_access::{Refusal, change_access_from};
use crate::flows::scim::Asking;
use crate::flows::scim::held::alarm_of;
use crate::kernel::id::{HeldId, MembershipId, OrgId};
use crate::kernel::time::{HOUR, MINUTE};
use crate::store::db::Conn;
use crate::store::scim::health;
use crate::store::scim::held::{self, Held, State};
use crate::store::{audit, memberships, users};

/// So many of a connection wait at a time: an administrator is mailed about each.
const MOST_HELD: i64 = 100;

/// A request as it came, below `/scim/v2`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Its method.
    pub method: &'r str,
    /// Its path.
    pub path: &'r str,
    /// Its body; null where it has none.
    pub body: &'r Value,
}

/// What is to become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is carried out.
    GoOn,
    /// It waits, in this row.
    Held(HeldId),
}

/// Looks at a request that may take access from very many, before it is carried out. One that waits already waits once.
///
/// # Errors
/// The database's. What the door would refuse goes on, and is refused there.
pub async fn look(app: &App, asking: &Asking, changes: &[Change], request: Request<'_>) -> Result<Look, Refusal> {
    let (connection, guard) = (&asking.connection, &asking.connection.settings.guard);
    if !guard.hold {
        return Ok(Look::GoOn);
    }
    let body = request.body.to_string();
    {
        let mut conn = app.db.read().await?;
        if let Some(id) = held::open_of(&mut conn, &connection.id, (request.method, request.path, &body)).await? {
            return Ok(Look::Held(id));
        }
    }
    let tried = change_access_from(app, &asking.actor(), &asking.origin, changes.to_vec(), Mode::DryRun).await;
    let receipt = match tried {
        Ok(receipt) => receipt,
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(_) => return Ok(Look::GoOn),
    };
    let losing = i64::try_from(losers(&receipt, &connection.org).len()).unwrap_or(i64::MAX);
    if losing < i64::from(guard.least) {
        return Ok(Look::GoOn);
    }
    let of_members = memberships::count_people(&mut app.db.read().await?, &connection.org).await?;
    if !guard.is_mass(losing, of_members) {
        return Ok(Look::GoOn);
    }
    Ok(Look::Held(hold(app, asking, request, body, (losing, of_members)).await?))
}

/// Why a request was not put aside.
enum NotPut {
    /// It waits already: the same came at the same time.
    Already(HeldId),
    Full,
    Store(sqlx::Error),
}

impl From<sqlx::Error> for NotPut {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error)
    }
}

async fn hold(
    app: &App,
    asking: &Asking,
    request: Request<'_>,
    body: String,
    (losing, of_members): (i64, i64),
) -> Result<HeldId, Refusal> {
    let (connection, at) = (asking.connection.clone(), app.now());
    let row = Held {
        id: HeldId::fresh(),
        org: connection.org.clone(),
        connection: connection.id.clone(),
        state: State::Held,
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        body,
        losing,
        of_members,
        created_at: at,
        decide_at: at.plus(i64::from(connection.settings.guard.hold_minutes) * MINUTE),
        decided_at: None,
        decided_by: None,
    };
    let id = row.id.clone();
    let action = format!(
        "a request of connection \"{}\" is held: it would take access from {losing} of {of_members} people",
        connection.name
    );
    let alarm = alarm_of(&row, MASS_CHANGE_HELD, (&asking.actor(), &asking.origin), action, Value::Null);
    let put: Result<(), NotPut> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                // The record is locked from here on: of two requests that are the same, the second sees the first.
                alarm::put(tx, &alarm, at).await?;
                if let Some(id) = held::open_of(tx, &connection.id, (&row.method, &row.path, &row.body)).await? {
                    return Err(NotPut::Already(id));
                }
                if health::held(tx, &connection.id).await? >= MOST_HELD {
                    return Err(NotPut::Full);
                }
                held::put(tx, &row).await?;
                Ok(())
            })
        })
        .await;
    match put {
        Ok(()) => {
            app.outbox_bell.notify_one();
            Ok(id)
        }
        Err(NotPut::Already(id)) => Ok(id),
        Err(NotPut::Full) => Err(Refusal::Limit("Too many requests wait for an administrator already".to_owned())),
        Err(NotPut::Store(error)) => Err(error.into()),
    }
}

/// Counts whom a change has taken access from, and raises an alert where it is a mass within an hour: once an hour.
pub async fn note(app: &App, asking: &Asking, receipt: &Receipt) {
    if receipt.dry_run {
        return;
    }
    if let Err(error) = count(app, asking, receipt).await {
        tracing::error!(connection.id = %asking.connection.id, %error, "losses of access could not be counted");
    }
}

async fn count(app: &App, asking: &Asking, receipt: &Receipt) -> Result<(), sqlx::Error> {
    let (connection, now) = (&asking.connection, app.now());
    let losers = losers(receipt, &connection.org);
    if losers.is_empty() {
        return Ok(());
    }
    let counted = app.losses.add(&connection.id, i64::try_from(losers.len()).unwrap_or(i64::MAX), now);
    let members = match counted.members {
        Some(members) => members,
        None => app.losses.of_members(&connection.id, people_before(app, &connection.org, &losers).await?),
    };
    let mass = connection.settings.guard.is_mass(counted.losing, members);
    if !mass || !app.losses.is_news(&connection.id, now) {
        return Ok(());
    }
    // Another node, or this one before it was started anew, may have told it.
    let told = audit::Filter {
        kind: Some(MASS_LOSS.to_owned()),
        targets: vec![connection.id.to_string()],
        from: Some(now.minus(HOUR)),
        ..audit::Filter::default()
    };
    if !audit::page(&mut app.db.read().await?, &connection.org, &told, None, 1).await?.is_empty() {
        return Ok(());
    }
    let losing = counted.losing;
    let alarm = Alarm {
        org: connection.org.clone(),
        kind: MASS_LOSS,
        actor: asking.actor(),
        origin: asking.origin.clone(),
        action: format!(
            "connection \"{}\" took access from {losing} of {members} people within an hour",
            connection.name
        ),
        detail: json!({ "losing": losing, "of_members": members, "last_change": receipt.id }),
        targets: vec![connection.id.to_string()],
    };
    alarm::raise(app, alarm).await
}

fn losers<'r>(receipt: &'r Receipt, org: &OrgId) -> Vec<&'r MemberReceipt> {
    receipt.members.iter().filter(|member| member.org == *org && !member.lost.is_empty()).collect()
}

/// How many people the organisation had before they lost something. Somebody taken away alone is not among them any
/// more.
async fn people_before(app: &App, org: &OrgId, losers: &[&MemberReceipt]) -> Result<i64, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let people = memberships::count_people(&mut conn, org).await?;
    let gone = match losers {
        [one] => !counts(&mut conn, org, &one.member).await?,
        _ => false,
    };
    Ok(people + i64::from(gone))
}

async fn counts(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<bool, sqlx::Error> {
    let member = memberships::find(conn, org, member).await?;
    let Some(member) = member.filter(|found| found.state == MembershipState::Active) else {
        return Ok(false);
    };
    Ok(users::find(conn, &member.user).await?.is_some_and(|user| user.state == UserState::Active))
}
