//! The refresh grant (RFC 6749 §6, RFC 9700 §4.14.2): rotation at each use, reuse ends the family, a lost response
//! may be repeated.
//!
//! The text of a refresh token is `mst_rt_<family>.<43 characters of secret><22 characters of tag>`. The tag is a MAC
//! under the instance key over all that stands before it.
//!
//! # Why
//! The family's id stands in the `jti` of access tokens, so every resource server knows it. Without the tag anybody
//! who has seen one could end the family by sending rubbish under its name. With it, what ends a family is a token
//! that was really issued once.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::tell::{self, By};
use super::{Fault, invalid_grant, issue};
use crate::app::App;
use crate::domain::oauth::application::{Application, Profile};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::refresh_token::{self, Decision, FamilyState, decide};
use crate::domain::oauth::scope::Scopes;
use crate::domain::ssf::caep::Initiator;
use crate::kernel::id::FamilyId;
use crate::kernel::secret::{Digest, Secret, same};
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::audit::{Event, note};
use crate::store::db::Conn;
use crate::store::families::{self, Family};

/// Characters of the tag: 128 bits.
const TAG: usize = 22;

/// Refreshes: new tokens from what the person holds now, for a caller at an address that the organisation allows.
///
/// # Errors
/// `invalid_request` without a token, `invalid_scope` for more than was granted, else `invalid_grant`.
pub async fn refresh(
    app: &App,
    conn: &mut Conn,
    application: &Application,
    params: &Params,
    address: IpAddr,
) -> Result<issue::Tokens, Fault> {
    let text = params.get("refresh_token").ok_or_else(|| OAuthError::invalid_request("refresh_token is missing"))?;
    let (id, presented) = parse(app, text).ok_or_else(invalid_grant)?;
    // Each round but the last was overtaken by another request with the same token.
    for _ in 0..4 {
        let Some(family) = families::find(conn, &id, "").await? else {
            return Err(invalid_grant());
        };
        if family.holding.application != application.id {
            return Err(invalid_grant());
        }
        let now = app.now();
        if family.standing.judge(now).is_err() || now >= family.idle_until {
            return Err(invalid_grant());
        }
        admitted(&family, application.is_public().then_some(address))?;
        let mut family = narrowed(family, params)?;
        // What the application may not ask for any more is not given any more.
        family.granted.scopes = application.permitted_scopes(&family.granted.scopes);
        if let Some(successor) = advance(app, &family, &presented, application, now).await? {
            let mut tokens = issue::for_family(app, conn, &family, application, false).await?;
            tokens.refresh_token = Some(successor);
            return Ok(tokens);
        }
    }
    Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, "too many requests with the same token; try again").into())
}

/// The member may use the application, and come from this address, which is known of public applications alone: a
/// confidential one asks from its own server. Nothing is written: what is refused here is honoured again from an allowed
/// address.
fn admitted(family: &Family, address: Option<IpAddr>) -> Result<(), Fault> {
    let Some(conditions) = family.conditions()? else {
        return Ok(());
    };
    let application = &family.holding.application;
    let admitted = match address {
        Some(_) => conditions.admit(application, address),
        None => conditions.may_use(application),
    };
    admitted.map_err(|_| invalid_grant())
}

/// The successor's text; `None` when the family moved on between reading and writing.
async fn advance(
    app: &App,
    family: &Family,
    presented: &Secret,
    application: &Application,
    now: UnixMillis,
) -> Result<Option<Secret>, Fault> {
    let Some(current) = family.current else {
        return Err(invalid_grant());
    };
    let state = FamilyState {
        generation: family.generation,
        current,
        previous: family.previous,
        rotated_at: family.rotated_at,
        rotates: application.profile != Profile::Fapi2,
    };
    let (id, idle_until) = (family.id.clone(), now.plus(app.config.tokens.refresh_idle_secs * SECOND));
    match decide(&state, &presented.digest(), now) {
        Decision::Rotate => {
            let next = successor(app, &family.id, family.generation, presented);
            let (from, to) = ((family.generation, current), next.digest());
            let rotated: Result<bool, sqlx::Error> = app
                .db
                .write(move |tx| Box::pin(async move { families::rotate(tx, &id, from, to, now, idle_until).await }))
                .await;
            Ok(rotated?.then(|| text(app, &family.id, &next)))
        }
        Decision::Repeat => {
            let next = successor(app, &family.id, family.generation - 1, presented);
            Ok(Some(text(app, &family.id, &next)))
        }
        Decision::Keep => {
            let kept: Result<(), sqlx::Error> =
                app.db.write(move |tx| Box::pin(async move { families::keep_alive(tx, &id, idle_until).await })).await;
            kept?;
            Ok(Some(text(app, &family.id, presented)))
        }
        Decision::Reuse => {
            end_family(app, family, application, now).await?;
            Err(invalid_grant())
        }
    }
}

/// A refresh may ask for fewer scopes, never for more (RFC 6749 §6).
fn narrowed(mut family: Family, params: &Params) -> Result<Family, Fault> {
    let Some(asked) = params.get("scope") else {
        return Ok(family);
    };
    let asked = Scopes::parse(asked).map_err(|_| OAuthError::new(ErrorCode::InvalidScope, "scope is malformed"))?;
    if !asked.is_subset(&family.granted.scopes) {
        return Err(OAuthError::new(ErrorCode::InvalidScope, "scope goes beyond what was granted").into());
    }
    family.granted.scopes = asked;
    Ok(family)
}

async fn end_family(app: &App, family: &Family, application: &Application, now: UnixMillis) -> Result<(), Fault> {
    let id = family.id.clone();
    let event = Event {
        at: now,
        kind: "refresh_token.reused",
        org: family.holding.member.as_ref().map(|(org, _)| org.as_str().to_owned()),
        user: Some(family.holding.user.as_str().to_owned()),
        application: Some(application.id.as_str().to_owned()),
        detail: "{}".to_owned(),
    };
    let by = By::new(app, Initiator::Policy, "a refresh token was used twice");
    let ended: Result<u64, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let ended = families::end(tx, &id, "refresh_token_reused", now).await?;
                note(tx, &event).await?;
                if ended { tell::family_ended(tx, &by, &id, now).await } else { Ok(0) }
            })
        })
        .await;
    tell::ring(app, ended?);
    Ok(())
}

/// The first secret of a family: its digest, and the token's text.
#[must_use]
pub fn first_secret(app: &App, family: &FamilyId) -> (Digest, Secret) {
    let secret = Secret::presented(URL_SAFE_NO_PAD.encode(app.chance.bytes32()));
    (secret.digest(), text(app, family, &secret))
}

/// The secret that follows: the same for everyone who presents the same token in the same generation.
fn successor(app: &App, family: &FamilyId, generation: i64, presented: &Secret) -> Secret {
    let parts: [&[u8]; 3] = [family.as_str().as_bytes(), &generation.to_be_bytes(), presented.expose().as_bytes()];
    Secret::presented(URL_SAFE_NO_PAD.encode(app.sealer.mac("refresh_token.successor", &parts)))
}

fn tag(app: &App, before: &str) -> String {
    let mut tag = URL_SAFE_NO_PAD.encode(app.sealer.mac("refresh_token.tag", &[before.as_bytes()]));
    tag.truncate(TAG);
    tag
}

fn text(app: &App, family: &FamilyId, secret: &Secret) -> Secret {
    let before = refresh_token::text(family, secret);
    Secret::presented(format!("{}{}", before.expose(), tag(app, before.expose())))
}

/// The family and the secret of a token that was issued here; `None` for everything else.
#[must_use]
pub fn parse(app: &App, text: &str) -> Option<(FamilyId, Secret)> {
    let cut = text.len().checked_sub(TAG)?;
    let (before, found) = text.split_at_checked(cut)?;
    if !same(tag(app, before).as_bytes(), found.as_bytes()) {
        return None;
    }
    refresh_token::parse(before)
}
