//! Codes that are mailed, or sent to a phone: six digits, ten minutes, to the address that the account has and no other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::enrol::{add, entitled};
use super::{Enrolled, NotDone, Who};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::mail::{Address, Mail, Template};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::factor::{CODE_LIFE, FactorKind, NewFactor, why_no_codes};
use crate::flows::{guard, links};
use crate::kernel::fold;
use crate::kernel::id::{FactorId, UserId};
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{HOUR, MINUTE, SECOND, UnixMillis};
use crate::store::db::{Conn, Tx};
use crate::store::users::User;
use crate::store::{factor_codes, factors, outbox, users};

/// What a code in a message is sealed for.
const SEAL: &str = "factor.code.message";
/// So long after one code there is another, in milliseconds.
const APART: i64 = MINUTE;
/// So many are sent in a row within an hour, none of them used.
const MOST_UNUSED: i64 = 3;

/// Where a code went, and until when it is good.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The address, masked.
    pub to: String,
    /// When the code is over.
    pub until: UnixMillis,
}

/// Switches codes by mail, or to the phone, on (H23).
///
/// # Errors
/// See [`NotDone`]; [`NotDone::NotHere`] says what is missing.
pub async fn switch_on(app: &App, who: Who<'_>, kind: FactorKind, origin: &Origin) -> Result<Enrolled, NotDone> {
    let by = entitled(app, who).await?;
    let found = users::find(&mut app.db.read().await?, &by.user).await?.ok_or(NotDone::Gone)?;
    if let Some(reason) = why_no_codes(&found.profile) {
        return Err(NotDone::NotHere(reason.to_owned()));
    }
    if address(&found.profile, kind).is_none() {
        return Err(NotDone::NotHere("Codes go by mail or to a phone.".to_owned()));
    }
    add(app, by, NewFactor::Code { id: FactorId::fresh(), kind }, origin).await
}

/// Where codes of a kind go.
pub(super) fn address(profile: &Profile, kind: FactorKind) -> Option<Address> {
    match kind {
        FactorKind::Email => profile.email.clone().map(Address::Email),
        FactorKind::Sms => profile.phone_number.as_deref().map(fold::phone_key).map(Address::Phone),
        FactorKind::Totp | FactorKind::Passkey => None,
    }
}

/// Sends somebody a code who is about to show it. `from` is the address that asks.
///
/// # Errors
/// See [`NotDone`]: [`NotDone::NotHere`] where the account has no such factor, [`NotDone::Limit`] where too much was sent.
pub async fn send(app: &App, user: &UserId, kind: FactorKind, from: &str) -> Result<Sent, NotDone> {
    let (found, to) = {
        let mut conn = app.db.read().await?;
        let held = factors::usable(&mut conn, user).await?;
        let found = users::find(&mut conn, user).await?.filter(|_| held.kinds.contains(&kind));
        let to = found.as_ref().and_then(|found| address(&found.profile, kind));
        let not_here = || NotDone::NotHere("Your account gets no codes this way.".to_owned());
        (found.ok_or_else(not_here)?, to.ok_or_else(not_here)?)
    };
    if let Some(seconds) = guard::may_have_code(app, from).await? {
        return Err(NotDone::Limit { seconds });
    }
    let code = mint(app);
    let (now, masked) = (app.now(), links::masked(to.as_str()));
    let until = now.plus(CODE_LIFE);
    let digest = mac(app, user, kind, code.expose());
    let mail = message(app, &found, to, (kind, &code), until).await?;
    let user = user.clone();
    let sent: Result<Option<i64>, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { keep(tx, &user, kind, (digest, until), mail, now).await })).await;
    match sent? {
        None => {
            app.outbox_bell.notify_one();
            Ok(Sent { to: masked, until })
        }
        Some(wait) => Err(NotDone::Limit { seconds: (wait / SECOND).max(1) }),
    }
}

/// Six digits: each of a million is as likely as the others, but for one in 10^13.
fn mint(app: &App) -> Secret {
    let mut bytes = [0; 8];
    app.chance.fill(&mut bytes);
    Secret::presented(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000))
}

/// What the database keeps of a code: a MAC, for six digits are guessed from a digest at once.
pub(super) fn mac(app: &App, user: &UserId, kind: FactorKind, code: &str) -> Digest {
    let parts = [user.as_str().as_bytes(), kind.as_str().as_bytes(), code.as_bytes()];
    Digest::of(&app.sealer.mac("factor.code", &parts))
}

/// What travels in a message, sealed and bound to its address. It has no `Debug`.
#[derive(Serialize, Deserialize)]
struct Inside {
    user: UserId,
    kind: FactorKind,
    code: String,
}

async fn message(
    app: &App,
    reader: &User,
    to: Address,
    (kind, code): (FactorKind, &Secret),
    until: UnixMillis,
) -> Result<Mail, sqlx::Error> {
    let org = reader.kind.org().cloned();
    let language = links::language_for(app, &mut app.db.read().await?, Some(reader), org.as_ref()).await?;
    let inside = Inside { user: reader.id.clone(), kind, code: code.expose().to_owned() };
    let inside = Secret::presented(serde_json::to_string(&inside).unwrap_or_default());
    let sealed = Some(app.sealer.seal_text(SEAL, to.as_str(), inside.expose().as_bytes()));
    let values = BTreeMap::from([
        ("name".to_owned(), reader.name.clone()),
        ("user_name".to_owned(), reader.user_name.clone()),
        ("expires_at".to_owned(), until.to_string()),
    ]);
    Ok(Mail { template: Template::FactorCode, to, language, org, values, sealed })
}

/// Keeps the code and has its message go out; how long to wait, in milliseconds, where too much was sent.
async fn keep(
    tx: &mut Tx,
    user: &UserId,
    kind: FactorKind,
    (code, expires_at): (Digest, UnixMillis),
    mail: Mail,
    now: UnixMillis,
) -> Result<Option<i64>, sqlx::Error> {
    users::take_turns(tx, user).await?;
    let last = factor_codes::last(tx, user, kind).await?;
    let (sent, since) = match &last {
        Some(last) if now.since(last.sent_at) < APART => return Ok(Some(APART - now.since(last.sent_at))),
        Some(last) if now.since(last.since) < HOUR && last.sent >= MOST_UNUSED => {
            return Ok(Some(HOUR - now.since(last.since)));
        }
        Some(last) if now.since(last.since) < HOUR => (last.sent + 1, last.since),
        Some(_) | None => (1, now),
    };
    factor_codes::put(tx, user, kind, &factor_codes::Sent { code, sent_at: now, expires_at, sent, since }).await?;
    outbox::put_mail(tx, mail, None, None, now).await?;
    Ok(None)
}

/// What a message that carries a code is worth when it is sent.
pub enum Carried {
    /// This is the code.
    Code(Secret),
    /// It was used, or a newer one was sent.
    Superseded,
    /// Its time is over.
    Over,
    /// It was sealed with another instance key.
    Unreadable,
}

/// Opens the code that a message carries, for the one who delivers it.
///
/// # Errors
/// The database's.
pub async fn carried(app: &App, conn: &mut Conn, mail: &Mail) -> Result<Carried, sqlx::Error> {
    let text = mail.sealed.as_deref().and_then(|sealed| app.sealer.open_text(SEAL, mail.to.as_str(), sealed).ok());
    let inside = text.and_then(|text| serde_json::from_slice::<Inside>(&text).ok());
    let Some(Inside { user, kind, code }) = inside else { return Ok(Carried::Unreadable) };
    let digest = mac(app, &user, kind, &code);
    Ok(match factor_codes::last(conn, &user, kind).await?.filter(|last| last.code == digest) {
        None => Carried::Superseded,
        Some(last) if app.now() >= last.expires_at => Carried::Over,
        Some(_) => Carried::Code(Secret::presented(code)),
    })
}
