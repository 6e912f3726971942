//! Requests that wait because they would take access from very many: who decides of them, and what becomes of them.
//!
//! # Why
//! A request that is released goes through the door like any other, as the connection's; it is carried out first and
//! noted afterwards, so that a crash in between repeats what changes nothing any more instead of forgetting it.

use serde_json::{Value, json};

use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Role, Scope};
use crate::domain::audit::{MASS_CHANGE_REJECTED, MASS_CHANGE_RELEASED};
use crate::domain::change::{Actor, Origin};
use crate::domain::connection::{ConnectionState, OnTimeout};
use crate::flows::alarm::{self, Alarm};
use crate::flows::change_access::{Refusal, record_denial};
use crate::flows::reach;
use crate::flows::scim::{Asking, write};
use crate::kernel::id::{ChangeId, GroupId, HeldId, OrgId, ScimCredentialId};
use crate::kernel::time::MINUTE;
use crate::store::connections::{self, Connection};
use crate::store::scim::groups;
use crate::store::scim::held::{self, Held, State};

/// Who decides where nobody did.
const NOBODY: Actor = Actor::System("hold_over");
/// So many held requests are decided in one round …
const TOGETHER: i64 = 100;
/// … each by one node, which has so long for it.
const LEASE: i64 = 3 * MINUTE;

/// What came of a request that was carried out after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The status that its client would have got. 404: what it was about is gone by now.
    pub status: u16,
    /// The change that it became.
    pub change: Option<ChangeId>,
}

/// Carries a held request out, as the connection's; the record names who released it.
///
/// # Errors
/// There is no such request, or somebody decided of it; the actor may not; or it can't be carried out (any more).
pub async fn release(app: &App, actor: &Actor, origin: &Origin, org: &OrgId, id: &HeldId) -> Result<Released, Refusal> {
    let (row, connection) = open(app, (actor, origin), org, id, "release").await?;
    let Some(connection) = connection else {
        return Err(Refusal::Conflict("The connection does not work any more; reject the request".to_owned()));
    };
    if row.decide_at < app.now().plus(LEASE) && !claim(app, &row).await? {
        return Err(decided());
    }
    match carry_out(app, (actor, origin), &row, connection).await? {
        Outcome::Done(released) => Ok(released),
        Outcome::Later(reason) | Outcome::Never(reason) => Err(Refusal::Blocked {
            reason,
            object: id.to_string(),
            clear: format!("POST /api/v1/orgs/{org}/held/{id}/reject"),
        }),
    }
}

/// Drops a held request: everything stays as it is.
///
/// # Errors
/// There is no such request, or somebody decided of it; or the actor may not.
pub async fn reject(app: &App, actor: &Actor, origin: &Origin, org: &OrgId, id: &HeldId) -> Result<(), Refusal> {
    let (row, _) = open(app, (actor, origin), org, id, "reject").await?;
    if drop_it(app, (actor, origin), &row, "an administrator rejected it").await? { Ok(()) } else { Err(decided()) }
}

fn decided() -> Refusal {
    Refusal::Conflict("This request was decided already".to_owned())
}

/// A request that is held, and its connection if that works; for somebody who may set connections up.
async fn open(
    app: &App,
    (actor, origin): (&Actor, &Origin),
    org: &OrgId,
    id: &HeldId,
    deed: &str,
) -> Result<(Held, Option<Connection>), Refusal> {
    const NEEDS: &str = "connections.write";
    let act = format!("{deed} held request {id}");
    if matches!(actor, Actor::Tool(_)) {
        return Err(Refusal::UserRequired { act });
    }
    let mut conn = app.db.read().await?;
    let Some(standpoint) = reach::of_actor(app, &mut conn, actor, org).await? else {
        return Err(Refusal::NotFound(format!("organisation {org}")));
    };
    let admin = match &standpoint.reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.holds(&Role::OrgAdmin, &Scope::Org),
    };
    if !admin || !standpoint.reach.allows(NEEDS) {
        drop(conn);
        record_denial(app, actor, origin, (Some(org.clone()), act.clone()), NEEDS).await;
        return Err(Refusal::Denied { act, needs: NEEDS.to_owned() });
    }
    let Some(row) = held::find(&mut conn, org, id).await? else {
        return Err(Refusal::NotFound("The held request".to_owned()));
    };
    if row.state != State::Held {
        return Err(decided());
    }
    let connection = connections::find(&mut conn, org, &row.connection).await?;
    Ok((row, connection.filter(|found| found.state == ConnectionState::Active)))
}

/// Keeps a held request from other nodes for a while; false when one of them has it.
async fn claim(app: &App, row: &Held) -> Result<bool, sqlx::Error> {
    let (id, seen, until) = (row.id.clone(), row.decide_at, app.now().plus(LEASE));
    app.db.write(move |tx| Box::pin(async move { held::claim(tx, &id, seen, until).await })).await
}

/// Decides of what nobody decided in time, as the connections say. Several nodes may do it at once: each is decided by
/// one of them.
///
/// # Errors
/// The database's.
pub async fn decide_due(app: &App) -> Result<(), sqlx::Error> {
    let due = {
        let mut conn = app.db.read().await?;
        held::due(&mut conn, app.now(), TOGETHER).await?
    };
    for due in due {
        if !claim(app, &due).await? {
            continue;
        }
        let found = held::find(&mut app.db.read().await?, &due.org, &due.id).await?;
        let Some(found) = found.filter(|found| found.state == State::Held) else { continue };
        let row = Held { decide_at: due.decide_at, ..found };
        let connection = connections::find(&mut app.db.read().await?, &row.org, &row.connection).await?;
        let works = connection.filter(|found| found.state == ConnectionState::Active);
        let by = (&NOBODY, &Origin::default());
        let dropped = match works {
            None => Some("its connection does not work any more".to_owned()),
            Some(connection) => match connection.settings.guard.on_timeout {
                OnTimeout::Reject => Some("nobody decided in time".to_owned()),
                OnTimeout::Release => match carry_out(app, by, &row, connection).await? {
                    Outcome::Done(_) => None,
                    Outcome::Never(reason) => Some(reason),
                    Outcome::Later(reason) => {
                        tracing::warn!(held.id = %row.id, %reason, "a held request is tried again later");
                        None
                    }
                },
            },
        };
        if let Some(reason) = dropped {
            drop_it(app, by, &row, &reason).await?;
        }
    }
    Ok(())
}

/// Drops what waits for a group whose client has said anew who is in it: what it took by mistake and has corrected is not
/// taken when the time is over.
pub async fn superseded(app: &App, asking: &Asking, path: &str) {
    let connection = &asking.connection;
    if !connection.settings.guard.hold {
        return;
    }
    let dropped = async {
        let waiting = held::waiting_at(&mut app.db.read().await?, &connection.id, path).await?;
        for row in waiting {
            let by = (&asking.actor(), &asking.origin);
            drop_it(app, by, &row, "the identity provider has sent the members again").await?;
        }
        Ok::<_, sqlx::Error>(())
    };
    if let Err(error) = dropped.await {
        tracing::error!(%error, "a held request that was corrected upstream was not dropped");
    }
}

/// What came of carrying a held request out.
enum Outcome {
    Done(Released),
    /// Not now: why.
    Later(String),
    /// Not any more: why.
    Never(String),
}

async fn carry_out(
    app: &App,
    by: (&Actor, &Origin),
    row: &Held,
    connection: Connection,
) -> Result<Outcome, sqlx::Error> {
    let Ok(body) = serde_json::from_str::<Value>(&row.body) else {
        return Ok(Outcome::Never("It can't be read any more.".to_owned()));
    };
    if may_give(&row.method, &body) && is_overtaken(app, row).await? {
        let reason = "The connection has changed the group since. Carried out now, this could give back what was taken \
                      meanwhile; reject it, and have the identity provider send the group again.";
        return Ok(Outcome::Never(reason.to_owned()));
    }
    let (actor, origin) = by;
    let origin = Origin { request_id: format!("{} by {}", row.id, actor.label()), repeatable: None, ..origin.clone() };
    let name = connection.name.clone();
    // No credential was shown this time; the row stands for it.
    let credential = ScimCredentialId::trusted(row.id.to_string());
    let asking = Asking { connection, credential, origin };
    let released = match write::replay(app, &asking, &row.method, &row.path, &body).await {
        Ok(done) => Released { status: done.status, change: done.change },
        Err(error) if error.status == 404 => Released { status: 404, change: None },
        Err(error) if error.status >= 500 || error.status == 429 => return Ok(Outcome::Later(error.detail)),
        Err(error) => return Ok(Outcome::Never(error.detail)),
    };
    let action = format!("a held request of connection \"{name}\" is carried out");
    let more = json!({ "status": released.status, "change": released.change });
    let alarm = alarm_of(row, MASS_CHANGE_RELEASED, by, action, more);
    settle(app, row, State::Released, alarm).await?;
    Ok(Outcome::Done(released))
}

/// Whether a request can put anybody into a group, besides taking people out.
fn may_give(method: &str, body: &Value) -> bool {
    if method == "DELETE" {
        return false;
    }
    let named = |name: &str, object: &Value| {
        let found = object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let only_removes = |operation: &Value| {
        named("op", operation).as_ref().and_then(Value::as_str).is_some_and(|op| op.eq_ignore_ascii_case("remove"))
    };
    match named("operations", body) {
        Some(Value::Array(all)) => method != "PATCH" || !all.iter().all(only_removes),
        Some(_) | None => true,
    }
}

/// Whether the connection changed the group after it had sent the request.
async fn is_overtaken(app: &App, row: &Held) -> Result<bool, sqlx::Error> {
    let last = row.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let Ok(group) = last.parse::<GroupId>() else { return Ok(false) };
    let found = groups::find(&mut app.db.read().await?, &row.connection, &group).await?;
    Ok(found.is_some_and(|found| found.modified_at > row.created_at))
}

/// Drops a request; false when somebody else decided meanwhile.
async fn drop_it(app: &App, by: (&Actor, &Origin), row: &Held, reason: &str) -> Result<bool, sqlx::Error> {
    let name = connections::name_of(&mut app.db.read().await?, row.connection.as_str()).await?.unwrap_or_default();
    let action = format!("a held request of connection \"{name}\" is dropped");
    let alarm = alarm_of(row, MASS_CHANGE_REJECTED, by, action, json!({ "reason": reason }));
    settle(app, row, State::Rejected, alarm).await
}

/// Notes what was decided and tells it; false when somebody else was quicker, and then nobody is told.
async fn settle(app: &App, row: &Held, state: State, alarm: Alarm) -> Result<bool, sqlx::Error> {
    let (id, at, by) = (row.id.clone(), app.now(), alarm.actor.label());
    let settled: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let first = held::decide(tx, &id, state, &by, at).await?;
                if first {
                    alarm::put(tx, &alarm, at).await?;
                }
                Ok(first)
            })
        })
        .await;
    let first = settled?;
    if first {
        app.outbox_bell.notify_one();
    }
    Ok(first)
}

pub(super) fn alarm_of(row: &Held, kind: &'static str, by: (&Actor, &Origin), action: String, more: Value) -> Alarm {
    let mut detail = json!({
        "held": row.id, "method": row.method, "path": row.path, "losing": row.losing, "of_members": row.of_members,
        "decide_at": row.decide_at,
    });
    if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
        detail.extend(more);
    }
    let (actor, origin) = (by.0.clone(), Origin { repeatable: None, ..by.1.clone() });
    let targets = vec![row.connection.to_string(), row.id.to_string()];
    Alarm { org: row.org.clone(), kind, actor, origin, action, detail, targets }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_takes_and_nothing_else_gives_nobody_anything() {
        let patch = |ops: &[&str]| {
            let all: Vec<Value> = ops.iter().map(|op| json!({ "op": op, "path": "members" })).collect();
            json!({ "operations": all })
        };
        assert!(!may_give("DELETE", &Value::Null));
        assert!(!may_give("PATCH", &patch(&["Remove", "remove"])));
        assert!(may_give("PATCH", &patch(&["remove", "add"])) && may_give("PATCH", &patch(&["Replace"])));
        assert!(may_give("PATCH", &Value::Null) && may_give("PUT", &json!({ "members": [] })));
        assert!(may_give("PUT", &patch(&["remove"])));
    }
}
