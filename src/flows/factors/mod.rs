//! What people have besides a password: made, shown, taken away.
//!
//! One file for each: [`totp`] an app that shows codes, [`passkey`], [`codes`] by mail and to the phone, [`recovery`];
//! [`verify`] judges what somebody shows, [`standing`] says what they have and may have. What an account has is written by
//! the door alone; here is what has to be proven first, and everything that is secret.

pub mod codes;
mod enrol;
pub mod passkey;
pub mod recovery;
mod standing;
pub mod totp;
mod verify;

use std::collections::BTreeSet;

pub use self::standing::{Standing, needs, standing};
pub use self::verify::{Presented, verify};
use super::Fault;
use super::change_access::{Refusal, change_access_from};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::people::assurance::{Level, Method};
pub use crate::domain::people::factor::Which;
use crate::kernel::id::UserId;
use crate::store::cookies::Facts;
use crate::store::factors;

/// Who adds a factor in the middle of a sign-in: somebody who has proven so much as the flow that asks says.
pub const ENROLLING: Actor = Actor::Link("enrolling");

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// This needs a proof of this level that is at most ten minutes old.
    #[error("prove again who you are")]
    Proof(Level),
    /// A code that is wrong, used or over; or what the browser sent is no answer.
    #[error("this is not right")]
    Wrong,
    /// What was begun is over, or another browser's.
    #[error("begin again")]
    Gone,
    /// It can't be had here: why, for people.
    #[error("{0}")]
    NotHere(String),
    /// Too much was sent.
    #[error("try again in {seconds} seconds")]
    Limit {
        /// When to come back.
        seconds: i64,
    },
    /// The door's refusal.
    #[error(transparent)]
    Refused(Refusal),
    /// Something that is ours to mend, or a crowd.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sqlx::Error> for NotDone {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => error.into(),
            other => Self::Refused(other),
        }
    }
}

/// Who adds a factor.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// Somebody who is signed in; they must have proven lately who they are, as strongly as they can, or by a recovery code.
    SignedIn(&'a Facts),
    /// Somebody in the middle of a sign-in that demands a factor. Who has one already must have shown one.
    Enrolling {
        /// Whose account it is.
        user: &'a UserId,
        /// What they did in this sign-in.
        methods: &'a BTreeSet<Method>,
    },
}

/// A factor that was added.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The door's receipt.
    pub receipt: Receipt,
    /// Ten recovery codes with the first factor that is in the person's own hands, to be shown once; else empty.
    pub codes: Vec<String>,
    /// Whether it took the place of another one.
    pub replaced: bool,
    /// What the person has proven by adding it.
    pub method: Method,
}

/// What a browser sends back of a passkey.
#[derive(Clone, Copy, Debug)]
pub struct PasskeyAnswer<'a> {
    /// The id of the challenge.
    pub challenge: &'a str,
    /// The credential, as JSON.
    pub response: &'a str,
}

/// Refuses who has not proven lately, as strongly as they can, who they are, nor has just shown a recovery code.
pub(super) async fn may_keep(app: &App, facts: &Facts) -> Result<(), NotDone> {
    let needs = factors::held(&mut app.db.read().await?, &facts.user).await?.best();
    if facts.may_keep_factors(needs, app.now()) { Ok(()) } else { Err(NotDone::Proof(needs)) }
}

/// Takes one of one's own factors away.
///
/// # Errors
/// See [`NotDone`]; [`Refusal::Blocked`] where an organisation requires it.
pub async fn remove(app: &App, facts: &Facts, which: &Which, origin: &Origin, mode: Mode) -> Result<Receipt, NotDone> {
    may_keep(app, facts).await?;
    let user = facts.user.clone();
    let change = Change::RemoveFactor { user: user.clone(), factor: which.clone() };
    Ok(change_access_from(app, &Actor::User(user), origin, vec![change], mode).await?)
}

/// Takes everything away that somebody has besides their password, on behalf of an administrator; all that they have open
/// ends.
///
/// # Errors
/// The door's refusal.
pub async fn reset(app: &App, actor: &Actor, user: &UserId, origin: &Origin, mode: Mode) -> Result<Receipt, Refusal> {
    change_access_from(app, actor, origin, vec![Change::ResetFactors { user: user.clone() }], mode).await
}

/// Lifts the lock of somebody's account, on behalf of an administrator.
///
/// # Errors
/// The door's refusal.
pub async fn unlock(app: &App, actor: &Actor, user: &UserId, origin: &Origin, mode: Mode) -> Result<Receipt, Refusal> {
    change_access_from(app, actor, origin, vec![Change::Unlock { user: user.clone() }], mode).await
}
