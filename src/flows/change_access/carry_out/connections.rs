//! Connections, their clients' credentials and domains: the rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::{check_name, invalid, unknown};
use super::federation;
use crate::domain::change::Change;
use crate::domain::connection::{ConnectionState, CredentialKind, MOST_CREDENTIALS, NewConnection, NewScimCredential};
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{ConnectionId, OrgId};
use crate::kernel::time::DAY;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::connections;
use crate::store::scim::credentials;

/// So many connections has an organisation at most …
const MOST_CONNECTIONS: usize = 20;
/// … and a credential so long a life.
const LONGEST_LIFE: i64 = 365 * DAY;

/// Carries a change of a connection's set-up out.
pub(super) async fn carry_out(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    const WHAT: &str = "The connection";
    Ok(match change {
        Change::PutConnection(new) => {
            check(edit, new).await?;
            let written = edit.put_connection(new).await?;
            (written, if written == Written::Taken { "A connection with this name" } else { WHAT })
        }
        Change::SetConnectionState { org, connection, state } => {
            (federation::set_connection_state(edit, aside, (org, connection), *state).await?, WHAT)
        }
        Change::ReleaseConnection { org, connection } => (release(edit, org, connection).await?, WHAT),
        Change::AddScimCredential { org, credential } => {
            check_credential(edit, org, credential).await?;
            (edit.add_scim_credential(org, credential).await?, "A credential with this secret")
        }
        Change::RemoveScimCredential { org, credential } => {
            (edit.remove_scim_credential(org, credential).await?, "The credential")
        }
        Change::DecideAdoption { org, adoption, decision } => {
            (edit.decide_adoption(org, adoption, *decision).await?, "The open adoption")
        }
        Change::AddDomain { org, domain, name, token } => {
            let written = edit.add_domain(org, domain, name, token).await?;
            (written, "This domain")
        }
        Change::VerifyDomain { org, domain } => {
            let written = edit.verify_domain(org, domain).await?;
            if written == Written::Taken {
                return Err(Refusal::Conflict("Another organisation has verified this domain".to_owned()));
            }
            (written, "The domain")
        }
        Change::RemoveDomain { org, domain } => (edit.remove_domain(org, domain).await?, "The domain"),
        _ => return Err(unknown()),
    })
}

async fn check(edit: &mut AccessEdit<'_>, new: &NewConnection) -> Result<(), Refusal> {
    check_name("name", &new.name, 100)?;
    let guard = &new.settings.guard;
    if !(1..=100).contains(&guard.share) {
        return Err(invalid("settings.guard.share", "Use 1 to 100 (per cent)."));
    }
    if !(1..=100_000).contains(&guard.least) {
        return Err(invalid("settings.guard.least", "Use 1 to 100,000 (people)."));
    }
    if !(5..=10_080).contains(&guard.hold_minutes) {
        return Err(invalid("settings.guard.hold_minutes", "Use 5 to 10,080 minutes (a week)."));
    }
    if let Some(url) = &new.settings.admin_url
        && !(url.len() <= 500 && url::Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.has_host()))
    {
        return Err(invalid("settings.admin_url", "Use an https address of at most 500 characters."));
    }
    let all = connections::of_org(edit.conn(), &new.org).await?;
    let others = all.iter().filter(|found| found.state != ConnectionState::Deleted && found.id != new.id);
    if others.count() >= MOST_CONNECTIONS {
        return Err(Refusal::Limit(format!("An organisation has at most {MOST_CONNECTIONS} connections.")));
    }
    Ok(())
}

/// What a connection that still works owns is its own.
async fn release(edit: &mut AccessEdit<'_>, org: &OrgId, connection: &ConnectionId) -> Result<Written, Refusal> {
    match connections::find(edit.conn(), org, connection).await? {
        Some(found) if found.state == ConnectionState::Active => Err(Refusal::Blocked {
            reason: "Disable or delete the connection first: as long as it works, it owns its people and groups."
                .to_owned(),
            object: connection.to_string(),
            clear: format!("PATCH /api/v1/orgs/{org}/connections/{connection}"),
        }),
        Some(_) => Ok(edit.release_connection(org, connection).await?),
        None => Ok(Written::Missing),
    }
}

async fn check_credential(edit: &mut AccessEdit<'_>, org: &OrgId, new: &NewScimCredential) -> Result<(), Refusal> {
    check_name("name", &new.name, 100)?;
    let at = edit.at();
    if new.expires_at <= at || new.expires_at > at.plus(LONGEST_LIFE) {
        return Err(invalid("expires_at", "Choose a moment in the future, at most 365 days ahead."));
    }
    match connections::find(edit.conn(), org, &new.connection).await? {
        Some(found) if found.state != ConnectionState::Deleted => {}
        Some(_) | None => return Err(Refusal::NotFound("The connection".to_owned())),
    }
    if credentials::count_live(edit.conn(), &new.connection, new.kind, at).await? >= MOST_CREDENTIALS {
        let what = match new.kind {
            CredentialKind::Token => "tokens",
            CredentialKind::Client => "clients",
        };
        let text = format!("A connection has at most {MOST_CREDENTIALS} {what} at a time; remove one first.");
        return Err(Refusal::Limit(text));
    }
    Ok(())
}
