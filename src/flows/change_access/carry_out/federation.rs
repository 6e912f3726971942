//! Sign-in through connections: how one is set up and opened, who somebody is upstream, and what the provider ends. The
//! rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::{invalid, unknown};
use super::people::end_links;
use super::provisioning::note_owner;
use super::{came_through, enforced, mapping};
use crate::domain::change::Change;
use crate::domain::connection::ConnectionState;
use crate::domain::federation::settings::{SignInSettings, Unfit};
use crate::domain::federation::{ClientAuth, Ended, NewSignIn, Stage, Upstream};
use crate::domain::people::user::{Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{ConnectionId, DomainId, IdentityId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::access_edit::federation::NewIdentity;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::federation::identities::{self, Identity};
use crate::store::federation::upstreams::{self, SignIn};
use crate::store::sessions_through::{self, Which};
use crate::store::{connections, domains, memberships, users};

const SIGN_IN: &str = "The connection's sign-in";
const IDENTITY: &str = "The identity";

/// Carries a change of sign-in through a connection out.
pub(super) async fn carry_out(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::SetDomainConnection { org, domain, connection } => {
            (set_domain(edit, org, domain, connection.as_ref()).await?, "The domain")
        }
        Change::PutSignIn(new) => (put(edit, aside, new).await?, SIGN_IN),
        Change::SetSignInStage { org, connection, stage } => {
            (set_stage(edit, aside, (org, connection), *stage).await?, SIGN_IN)
        }
        Change::PassSignInTest { org, connection, revision } => {
            (pass_test(edit, (org, connection), *revision).await?, SIGN_IN)
        }
        Change::RemoveSignIn { org, connection } => (remove(edit, aside, (org, connection)).await?, SIGN_IN),
        Change::SetMapping { org, connection, mapping } => {
            (mapping::set(edit, (org, connection), mapping).await?, SIGN_IN)
        }
        Change::SignInThrough(came) => return came_through::carry_out(edit, came, aside).await,
        Change::LinkIdentity { org, connection, user, identity, upstream } => {
            (link(edit, (org, connection), user, (identity, upstream)).await?, IDENTITY)
        }
        Change::UnlinkIdentity { org, user, identity } => {
            let found = identities::by_id(edit.conn(), org, identity).await?.filter(|found| found.user == *user);
            match found {
                Some(found) => (forget(edit, aside, &found).await?, IDENTITY),
                None => (Written::Missing, IDENTITY),
            }
        }
        Change::EndUpstream { connection, ended, .. } => {
            (end_upstream(edit, aside, connection, ended).await?, IDENTITY)
        }
        Change::SetUpstreamAccount { org, connection, user, active, at } => {
            (set_account(edit, aside, (org, connection), user, (*active, *at)).await?, "The user")
        }
        Change::SetBreakGlass { org, member, on } => {
            (enforced::set_break_glass(edit, aside, (org, member), *on).await?, "The member")
        }
        _ => return Err(unknown()),
    })
}

async fn set_domain(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    domain: &DomainId,
    connection: Option<&ConnectionId>,
) -> Result<Written, Refusal> {
    let Some(found) = domains::find(edit.conn(), org, domain).await? else { return Ok(Written::Missing) };
    if let Some(connection) = connection {
        if found.state != domains::State::Verified {
            return Err(invalid("connection", "Verify the domain first: nobody signs in by one that is not proven."));
        }
        known(edit, org, connection).await?;
    }
    Ok(edit.set_domain_connection(org, domain, connection).await?)
}

/// A connection of the organisation that was not deleted.
async fn known(edit: &mut AccessEdit<'_>, org: &OrgId, connection: &ConnectionId) -> Result<(), Refusal> {
    match connections::find(edit.conn(), org, connection).await? {
        Some(found) if found.state != ConnectionState::Deleted => Ok(()),
        Some(_) | None => Err(Refusal::NotFound("The connection".to_owned())),
    }
}

/// What the domain finds unfit.
pub(super) fn unfit(Unfit { field, reason }: Unfit) -> Refusal {
    Refusal::Invalid { field, reason }
}

async fn put(edit: &mut AccessEdit<'_>, aside: &mut Aside, new: &NewSignIn) -> Result<Written, Refusal> {
    known(edit, &new.org, &new.connection).await?;
    new.settings.check().map_err(unfit)?;
    let before = upstreams::find(edit.conn(), &new.org, &new.connection).await?;
    check_secrets(edit, new, before.as_ref()).await?;
    let written = edit.put_sign_in(new).await?;
    let another = before.is_some_and(|before| before.settings.core.issuer != new.settings.core.issuer);
    if written == Written::Done && another {
        // Whoever vouched for them is not asked any more.
        end_through(edit, aside, &new.connection, Which::All).await?;
    }
    Ok(written)
}

/// Muster must have what it shows the provider; and what was given for one address is never shown at another, where
/// whoever set the address would read it.
async fn check_secrets(edit: &mut AccessEdit<'_>, new: &NewSignIn, before: Option<&SignIn>) -> Result<(), Refusal> {
    let stored = upstreams::secrets(edit.conn(), &new.connection).await?;
    let (settings, old) = (&new.settings, before.map(|before| &before.settings));
    let moved = old.is_some_and(|old| old.core.issuer != settings.core.issuer);
    let has = |kept: bool, sent: bool| sent || (kept && !moved);
    match settings.core.client_auth {
        ClientAuth::SecretBasic | ClientAuth::SecretPost => {
            let kept = stored.as_ref().is_some_and(|stored| stored.secret.is_some());
            if !has(kept, new.sealed_secret.is_some()) {
                return Err(invalid("client_secret", "Send the client secret that this issuer gave you."));
            }
        }
        ClientAuth::PrivateKeyJwt => {
            // A signature names its audience: the key may stay.
            if new.sealed_key.is_none() && stored.as_ref().is_none_or(|stored| stored.key.is_none()) {
                return Err(invalid("client_auth", "A key is needed for private_key_jwt; have one made."));
            }
        }
        ClientAuth::None => {}
    }
    let polled = |settings: &SignInSettings| settings.signals.poll_url.clone();
    let elsewhere = old.and_then(polled) != polled(settings);
    let kept = stored.is_some_and(|stored| stored.poll_token.is_some()) && !elsewhere;
    if polled(settings).is_some() && !kept && new.sealed_poll_token.is_none() {
        return Err(invalid("poll_token", "Send the token for fetching events at this address."));
    }
    Ok(())
}

async fn set_stage(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (org, connection): (&OrgId, &ConnectionId),
    stage: Stage,
) -> Result<Written, Refusal> {
    let Some(found) = upstreams::find(edit.conn(), org, connection).await? else { return Ok(Written::Missing) };
    if found.stage == stage {
        return Ok(Written::Already);
    }
    if stage != Stage::Draft && found.tested_at.is_none() {
        return Err(Refusal::Blocked {
            reason: "Sign in by way of a trial first: nobody has come through with this set-up yet.".to_owned(),
            object: connection.to_string(),
            clear: format!("POST /api/v1/orgs/{org}/connections/{connection}/sign-in/test"),
        });
    }
    if stage.is_open() && (found.connection.state != ConnectionState::Active || !found.org_active) {
        return Err(Refusal::Conflict("The connection does not work; enable it first".to_owned()));
    }
    if stage == Stage::Enforced {
        enforced::may_be(edit, org, connection).await?;
    }
    let written = edit.set_stage(org, connection, stage).await?;
    if written == Written::Taken {
        return Err(Refusal::Conflict("Another connection of the organisation is enforced".to_owned()));
    }
    if written == Written::Done && stage == Stage::Enforced {
        aside.enforced.insert(org.clone(), connection.clone());
    }
    Ok(written)
}

async fn pass_test(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    revision: i64,
) -> Result<Written, Refusal> {
    match upstreams::find(edit.conn(), org, connection).await? {
        None => Ok(Written::Missing),
        Some(found) if found.revision != revision => Err(Refusal::Stale),
        Some(_) => Ok(edit.pass_test(org, connection, revision).await?),
    }
}

/// What its mapping gave goes with it; who its people are stays known.
async fn remove(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (org, connection): (&OrgId, &ConnectionId),
) -> Result<Written, Refusal> {
    if upstreams::find(edit.conn(), org, connection).await?.is_none() {
        return Ok(Written::Missing);
    }
    end_through(edit, aside, connection, Which::All).await?;
    Ok(edit.remove_sign_in(org, connection).await?)
}

/// Sets a connection's state. What came through one that no longer works ends; one that is enforced and works again has
/// everybody come through it again.
pub(super) async fn set_connection_state(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (org, connection): (&OrgId, &ConnectionId),
    state: ConnectionState,
) -> Result<Written, Refusal> {
    let before = upstreams::find(edit.conn(), org, connection).await?;
    let enforces = before.is_some_and(|before| before.stage == Stage::Enforced && before.connection.state != state);
    if enforces && state == ConnectionState::Active {
        enforced::may_be(edit, org, connection).await?;
    }
    let written = edit.set_connection_state(org, connection, state).await?;
    if written != Written::Done {
        return Ok(written);
    }
    match state {
        ConnectionState::Active => {
            if enforces {
                aside.enforced.insert(org.clone(), connection.clone());
            }
        }
        ConnectionState::Disabled | ConnectionState::Deleted => {
            end_through(edit, aside, connection, Which::All).await?;
        }
    }
    Ok(written)
}

/// Links somebody upstream to the account of the person who proved to be both. An account that a connection owns is linked
/// by what the connection says, and a place that another identity has is not given up.
async fn link(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    user: &UserId,
    (identity, upstream): (&IdentityId, &Upstream),
) -> Result<Written, Refusal> {
    let closed = || came_through::turned_away("closed");
    let disabled = || came_through::turned_away("account_disabled");
    let sign_in = upstreams::find(edit.conn(), org, connection).await?.filter(SignIn::works).ok_or_else(closed)?;
    if sign_in.settings.core.issuer != upstream.issuer {
        return Err(closed());
    }
    let account = users::find(edit.conn(), user).await?.ok_or_else(disabled)?;
    super::not_from_a_connection(edit, &account.source).await?;
    let fits = match &account.kind {
        Kind::Own => true,
        Kind::Managed(of) => of == org,
        Kind::Service(..) | Kind::Operator => false,
    };
    let member = memberships::of_user(edit.conn(), org, user).await?.ok_or_else(disabled)?;
    if !fits || account.state != UserState::Active || member.state != MembershipState::Active {
        return Err(disabled());
    }
    let taken = || came_through::turned_away("link_taken");
    if let Some(before) = identities::find(edit.conn(), connection, upstream).await? {
        return if before.user == *user { Ok(Written::Already) } else { Err(taken()) };
    }
    let member = &member.id;
    let new = NewIdentity { id: identity, connection, org, user, member, upstream, claims: None };
    match edit.link(&new).await? {
        Written::Taken => Err(taken()),
        written @ (Written::Done | Written::Already | Written::Missing) => Ok(written),
    }
}

/// Forgets who somebody is upstream: what came through it ends, and what the mapping gave for it is gone.
pub(super) async fn forget(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    identity: &Identity,
) -> Result<Written, Refusal> {
    let Identity { id, connection, org, user, .. } = identity;
    end_through(edit, aside, connection, Which::Identity(id)).await?;
    Ok(edit.unlink(org, user, id).await?)
}

/// Forgets everything that an account of an organisation is upstream there.
pub(super) async fn forget_all(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (org, user): (&OrgId, &UserId),
) -> Result<(), Refusal> {
    for identity in identities::of_user_in(edit.conn(), org, user).await? {
        forget(edit, aside, &identity).await?;
    }
    Ok(())
}

/// Ends what came through a connection, what outlives its session too. Whether anything did.
async fn end_through(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    connection: &ConnectionId,
    which: Which<'_>,
) -> Result<Written, Refusal> {
    let at = edit.at();
    let why = match which {
        Which::All => "connection_over",
        Which::Identity(_) | Which::Sid(_) | Which::SidOf(..) => "upstream_over",
    };
    let entries = sessions_through::end_entries_through(edit.tx(), connection, which, at).await?;
    let families = sessions_through::end_families_through(edit.tx(), connection, which, why, at).await?;
    sessions_through::end_sessions_through(edit.tx(), connection, which, at).await?;
    let ended = !entries.is_empty() || !families.is_empty();
    aside.ended.extend(entries);
    aside.farewells.extend(families);
    Ok(if ended { Written::Done } else { Written::Already })
}

/// Ends what the provider says is over. Nobody is asked whether they are still a member, or the connection still open.
async fn end_upstream(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    connection: &ConnectionId,
    ended: &Ended,
) -> Result<Written, Refusal> {
    let whose = match ended {
        Ended::Session { upstream: None, .. } => None,
        Ended::Session { upstream: Some(upstream), .. } | Ended::Person(upstream) => {
            match identities::find(edit.conn(), connection, upstream).await? {
                Some(found) => Some(found.id),
                None => return Ok(Written::Already), // nobody came through as this one
            }
        }
    };
    let which = match (ended, &whose) {
        (Ended::Session { sid, .. }, None) => Which::Sid(sid),
        (Ended::Session { sid, .. }, Some(identity)) => Which::SidOf(sid, identity),
        (Ended::Person(_), Some(identity)) => Which::Identity(identity),
        (Ended::Person(_), None) => return Ok(Written::Already),
    };
    end_through(edit, aside, connection, which).await
}

/// What the provider says of an account at `at`. One that the connection owns is barred and let in again as its own word
/// says, but not against SCIM's, which knows more; of anybody else's what came through the connection ends.
async fn set_account(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (org, connection): (&OrgId, &ConnectionId),
    user: &UserId,
    (active, at): (bool, UnixMillis),
) -> Result<Written, Refusal> {
    let Some(found) = users::find(edit.conn(), user).await? else { return Ok(Written::Missing) };
    let all = identities::of_user_in(edit.conn(), org, user).await?;
    let identity = all.into_iter().find(|identity| identity.connection == *connection);
    if let Some(identity) = &identity
        && !edit.note_account_said(&identity.id, active, at).await?
    {
        return Ok(Written::Already); // it has said otherwise since
    }
    let its_own = found.source.connection() == Some(connection.as_str()) && found.kind == Kind::Managed(org.clone());
    if !its_own {
        return match identity {
            None => Ok(Written::Missing),
            Some(_) if active => Ok(Written::Already),
            Some(identity) => end_through(edit, aside, connection, Which::Identity(&identity.id)).await,
        };
    }
    let by_scim = found.source == Source::Scim(connection.to_string());
    if active && by_scim && !edit.beside_user(connection, user).await?.is_some_and(|row| row.active) {
        return Ok(Written::Already);
    }
    let written = edit.set_upstream_active(user, active).await?;
    if written == Written::Done {
        if !active {
            aside.users.insert(user.clone(), "account_barred");
            end_links(edit, user).await?;
            edit.cancel_invitations_of(user, None).await?;
        }
        note_owner(edit, aside, &found, !active).await?;
    }
    Ok(written)
}
