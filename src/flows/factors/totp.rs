//! An app that shows codes is bound: the seed is made, shown once as a picture and as text, and kept when the app has shown
//! two codes that follow each other.
//!
//! Until then there is no row. The seed travels in the page, sealed, and bound to the browser and to the account.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::enrol::{add, entitled, replace};
use super::{Enrolled, NotDone, Who};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::people::factor::{FactorKind, NewFactor, digits};
use crate::kernel::id::{FactorId, UserId};
use crate::kernel::secret::Secret;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::outside::totp::{Seed, picture};
use crate::store::{factors, users};

/// What a seed in a page is sealed for.
const BEGUN: &str = "factor.totp.begun";
/// What a seed in the database is sealed for.
const ROW: &str = "factor.totp";
/// How long the page may stand open, in milliseconds.
const LIFE: i64 = 10 * MINUTE;

/// A seed that was made, and is to be shown.
#[derive(Clone)]
pub struct Begun {
    /// For a hidden field.
    pub sealed: String,
    /// As text, in groups of four.
    pub secret: String,
    /// The address that the picture shows.
    pub uri: String,
    /// The picture: markup to be put into the page as it is.
    pub svg: String,
    /// Whether the account has an app already, whose place this one takes.
    pub moves: bool,
}

/// What is in the hidden field. It has no `Debug`.
#[derive(Serialize, Deserialize)]
struct Inside {
    id: FactorId,
    seed: String,
    account: String,
    at: UnixMillis,
    #[serde(default)]
    moves: bool,
}

/// Makes a seed for somebody's app. Nothing is written.
///
/// # Errors
/// See [`NotDone`].
pub async fn begin(app: &App, user: &UserId, binding: &str) -> Result<Begun, NotDone> {
    let (found, held) = {
        let mut conn = app.db.read().await?;
        let found = users::find(&mut conn, user).await?.ok_or(NotDone::Gone)?;
        (found, factors::held(&mut conn, user).await?)
    };
    let seed = Seed::fresh(&*app.chance);
    let inside = Inside {
        id: FactorId::fresh(),
        seed: URL_SAFE_NO_PAD.encode(seed.bytes()),
        account: found.user_name,
        at: app.now(),
        moves: held.kinds.contains(&FactorKind::Totp),
    };
    let text = Secret::presented(serde_json::to_string(&inside).unwrap_or_default());
    let sealed = app.sealer.seal_text(BEGUN, &place(user, binding), text.expose().as_bytes());
    shown(app, &seed, &inside, sealed).ok_or_else(|| NotDone::NotHere("No app can show this name.".to_owned()))
}

/// The same once more, after a wrong code; `None` when it is over, or another browser's.
#[must_use]
pub fn reopen(app: &App, user: &UserId, sealed: &str, binding: &str) -> Option<Begun> {
    let (inside, seed) = open(app, user, sealed, binding)?;
    shown(app, &seed, &inside, sealed.to_owned())
}

fn shown(app: &App, seed: &Seed, inside: &Inside, sealed: String) -> Option<Begun> {
    let uri = seed.uri(&app.config.mail.product, &inside.account)?;
    let svg = picture(&uri)?;
    Some(Begun { sealed, secret: seed.grouped(), uri, svg, moves: inside.moves })
}

fn place(user: &UserId, binding: &str) -> String {
    format!("{user} {binding}")
}

fn open(app: &App, user: &UserId, sealed: &str, binding: &str) -> Option<(Inside, Seed)> {
    let text = app.sealer.open_text(BEGUN, &place(user, binding), sealed).ok()?;
    let inside: Inside = serde_json::from_slice(&text).ok()?;
    let age = app.now().since(inside.at);
    let seed = Seed::kept(&URL_SAFE_NO_PAD.decode(&inside.seed).ok()?)?;
    (0..LIFE).contains(&age).then_some((inside, seed))
}

/// Binds the app when it has shown two codes, the second just now. For somebody who is signed in it takes the place of the
/// one that they have: where no other kind counts, that one could not be removed before.
///
/// # Errors
/// See [`NotDone`].
pub async fn confirm(
    app: &App,
    who: Who<'_>,
    sealed: &str,
    codes: (&str, &str),
    binding: &str,
    origin: &Origin,
) -> Result<Enrolled, NotDone> {
    let by = entitled(app, who).await?;
    let (inside, seed) = open(app, &by.user, sealed, binding).ok_or(NotDone::Gone)?;
    let there = factors::totp(&mut app.db.read().await?, &by.user).await?;
    // What bound the one that there is binds nothing once more: its codes would count a second time.
    if there.as_ref().is_some_and(|there| !by.may_replace || there.id == inside.id) {
        return Err(NotDone::NotHere("Your account has an authenticator app already.".to_owned()));
    }
    let (first, second) = (digits(codes.0).ok_or(NotDone::Wrong)?, digits(codes.1).ok_or(NotDone::Wrong)?);
    let last_step = seed.step_of_two((&first, &second), app.now()).ok_or(NotDone::Wrong)?;
    let sealed = app.sealer.seal(ROW, inside.id.as_str(), seed.bytes());
    let factor = NewFactor::Totp { id: inside.id, sealed, last_step };
    if there.is_some() { replace(app, by, factor, origin).await } else { add(app, by, factor, origin).await }
}

/// The time step that a typed code is of, by a kept seed. A seed that can't be opened fits no code.
pub(super) fn step_of(app: &App, kept: &crate::store::factors::Totp, typed: &str) -> Option<i64> {
    let Ok(bytes) = app.sealer.open(ROW, kept.id.as_str(), &kept.sealed) else {
        tracing::error!(factor = %kept.id, "an app's seed was sealed with another instance key");
        return None;
    };
    Seed::kept(&bytes)?.step_of(&digits(typed)?, app.now())
}
