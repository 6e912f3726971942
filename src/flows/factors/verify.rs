//! What somebody shows besides a password is judged: at the sign-in, and when they prove again who they are.
//!
//! One counter holds for every kind, and it is the account's (F1, K1): a wrong code is counted in the transaction that
//! looks at it, with the account's row locked, so that of fifty who come together with one code one comes through, and of
//! five hundred guesses no more are looked at than may be.

use super::passkey::{self, Answered, Use};
use super::{NotDone, PasskeyAnswer, codes, recovery, totp};
use crate::app::App;
use crate::domain::mail::Template;
use crate::domain::people::assurance::Method;
use crate::domain::people::factor::{FactorKind, digits};
use crate::domain::people::user::UserState;
use crate::flows::guard::{self, Caller, KnownDevice, Ticket};
use crate::flows::notices::{self, Said};
use crate::flows::{Fault, links, sign_in};
use crate::kernel::id::{FactorId, UserId};
use crate::kernel::secret::{Digest, same};
use crate::kernel::time::UnixMillis;
use crate::store::audit::{Event, note};
use crate::store::db::{Conn, Tx};
use crate::store::failures::Counted;
use crate::store::users::{self, Candidate};
use crate::store::{factor_codes, factors, known_devices, recovery_codes};

/// What somebody shows.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// A code of their app.
    Totp(&'a str),
    /// A recovery code.
    Recovery(&'a str),
    /// A code that was mailed.
    Email(&'a str),
    /// A code that was sent to their phone.
    Sms(&'a str),
    /// The answer of a passkey.
    Passkey(PasskeyAnswer<'a>),
}

impl Presented<'_> {
    const fn method(&self) -> Method {
        match self {
            Self::Totp(_) => Method::Totp,
            Self::Recovery(_) => Method::Recovery,
            Self::Email(_) => Method::EmailCode,
            Self::Sms(_) => Method::SmsCode,
            Self::Passkey(_) => Method::Passkey,
        }
    }

    /// What the events of the sign-in call it.
    const fn word(&self) -> &'static str {
        match self {
            Self::Totp(_) => "totp",
            Self::Recovery(_) => "recovery_code",
            Self::Email(_) => "email",
            Self::Sms(_) => "sms",
            Self::Passkey(_) => "passkey",
        }
    }
}

/// What is compared, as far as it is known before the account's row is locked.
enum Guess {
    /// A code of this step of the app.
    Step(FactorId, i64),
    /// A recovery code.
    Recovery(Digest),
    /// A code that was sent.
    Sent(FactorKind, Digest),
    /// Nothing that could be right.
    Nothing,
}

/// Judges what somebody shows: what they have proven by it, or `None`, whatever the reason. A right code ends the count of
/// failures; a wrong one is counted. A passkey is never counted, and no lock holds it up.
///
/// # Errors
/// Too many guesses from one address, or the database's.
pub async fn verify(
    app: &App,
    user: &UserId,
    presented: Presented<'_>,
    binding: &str,
    with: Caller<'_>,
) -> Result<Option<Method>, Fault> {
    if let Presented::Passkey(answer) = presented {
        // There is nothing to be guessed, and so no try to be taken.
        return by_passkey(app, user, answer, binding, with, Ticket::default()).await;
    }
    let ticket = guard::admit(app, with.address).await?;
    let (candidate, device, guess) = {
        let mut conn = app.db.read().await?;
        let Some(candidate) = users::candidate(&mut conn, user).await? else { return Ok(None) };
        let device = guard::device_of(&mut conn, Some(user), with.device).await?;
        let guess = guess(app, &mut conn, &candidate, presented).await?;
        (candidate, device, guess)
    };
    let right = settle(app, candidate, device, (guess, presented.word()), with.address, ticket).await?;
    Ok(right.then(|| presented.method()))
}

/// What of an account a guess is compared with. Whatever is missing, nothing fits.
async fn guess(
    app: &App,
    conn: &mut Conn,
    candidate: &Candidate,
    presented: Presented<'_>,
) -> Result<Guess, sqlx::Error> {
    if candidate.state != UserState::Active {
        return Ok(Guess::Nothing);
    }
    let user = &candidate.id;
    let (kind, typed) = match presented {
        Presented::Totp(typed) => {
            let kept = factors::totp(conn, user).await?;
            let step = kept.as_ref().and_then(|kept| totp::step_of(app, kept, typed));
            return Ok(kept.zip(step).map_or(Guess::Nothing, |(kept, step)| Guess::Step(kept.id, step)));
        }
        Presented::Recovery(typed) => return Ok(recovery::digest(typed).map_or(Guess::Nothing, Guess::Recovery)),
        Presented::Email(typed) => (FactorKind::Email, typed),
        Presented::Sms(typed) => (FactorKind::Sms, typed),
        Presented::Passkey(_) => return Ok(Guess::Nothing),
    };
    if !factors::usable(conn, user).await?.kinds.contains(&kind) {
        return Ok(Guess::Nothing);
    }
    Ok(digits(typed).map_or(Guess::Nothing, |code| Guess::Sent(kind, codes::mac(app, user, kind, &code))))
}

/// Looks at a guess with the account's row locked, and counts it.
async fn settle(
    app: &App,
    candidate: Candidate,
    device: Option<KnownDevice>,
    (guess, word): (Guess, &'static str),
    address: &str,
    ticket: Ticket,
) -> Result<bool, Fault> {
    let (rule, at, fallback) = (guard::rule_of(app, &candidate), app.now(), links::fallback(app));
    let (user, whose, address) = (candidate.id.clone(), candidate.id, address.to_owned());
    let settled: Result<(bool, Option<UnixMillis>), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                // The account's row is locked from here on. Who is locked out learns nothing, and uses nothing up.
                let open = guard::half_way(tx, &user, device.as_ref(), at).await?;
                let right = open
                    && is_right(tx, &user, &guess, at).await?
                    && guard::passed(tx, &user, device.as_ref(), at).await?;
                let mut locked = None;
                if right {
                    guard::give_back(tx, &ticket).await?;
                    if let Guess::Recovery(_) = guess {
                        // What was lost may be what browsers are spared.
                        known_devices::forget_factors(tx, &user, None).await?;
                        let left = recovery_codes::left(tx, &user).await?;
                        let values = vec![("left", Said::Text(left.to_string()))];
                        let template = Template::RecoveryCodeUsed;
                        notices::tell_holder(tx, &user, template, values, at, fallback).await?;
                    }
                } else {
                    locked = guard::failed(tx, Counted::Account(&user), rule, device.as_ref(), at).await?;
                }
                let kind = if right { "factor.accepted" } else { "factor.refused" };
                let detail = serde_json::json!({ "address": address, "factor": word }).to_string();
                let user = Some(user.into_string());
                note(tx, &Event { at, kind, org: None, user, application: None, detail }).await?;
                Ok((right, locked))
            })
        })
        .await;
    let (right, locked) = settled?;
    if right {
        app.outbox_bell.notify_one();
    }
    if let Some(until) = locked {
        sign_in::tell_of_lock(app, whose, until, at);
    }
    Ok(right)
}

/// Whether a guess is right; it is used up by that.
async fn is_right(tx: &mut Tx, user: &UserId, guess: &Guess, at: UnixMillis) -> Result<bool, sqlx::Error> {
    match guess {
        Guess::Step(id, step) => factors::take_step(tx, id, *step, at).await,
        Guess::Recovery(code) => recovery_codes::use_up(tx, user, *code, at).await,
        Guess::Sent(kind, code) => {
            let Some(sent) = factor_codes::take_try(tx, user, *kind, at).await? else { return Ok(false) };
            if !same(sent.as_bytes(), code.as_bytes()) {
                return Ok(false);
            }
            Ok(factor_codes::use_up(tx, user, *kind, *code).await? && factors::note_use(tx, user, *kind, at).await?)
        }
        Guess::Nothing => Ok(false),
    }
}

async fn by_passkey(
    app: &App,
    user: &UserId,
    answer: PasskeyAnswer<'_>,
    binding: &str,
    with: Caller<'_>,
    ticket: Ticket,
) -> Result<Option<Method>, Fault> {
    let judged: Result<Answered, NotDone> = passkey::proof(app, user, &answer, binding).await;
    let proven = match judged {
        Ok(answered) => passkey::settle(app, answered, with, (ticket, Use::Proof)).await,
        Err(refused) => Err(refused),
    };
    match proven {
        Ok(_) => Ok(Some(Method::Passkey)),
        Err(NotDone::Fault(fault)) => Err(fault),
        Err(
            NotDone::Proof(_)
            | NotDone::Wrong
            | NotDone::Gone
            | NotDone::NotHere(_)
            | NotDone::Limit { .. }
            | NotDone::Refused(_),
        ) => {
            passkey::refuse(app, Some(user), "factor.refused", with).await?;
            Ok(None)
        }
    }
}
