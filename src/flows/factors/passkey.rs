//! Passkeys: added, named, and shown, by themselves or beside a password.
//!
//! Each challenge is a row that is taken once, before anything is compared, and is good for the browser and the purpose that
//! it was made for. A lock holds no passkey up: nothing about one can be guessed.

use std::collections::BTreeSet;

use super::enrol::{add, entitled};
use super::{Enrolled, NotDone, PasskeyAnswer, Who, may_keep};
use crate::app::App;
use crate::domain::audit::PASSKEY_CLONED;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::mail::Template;
use crate::domain::people::assurance::Method;
use crate::domain::people::factor::{MOST_PASSKEYS, NewFactor, check_passkey_name};
use crate::domain::people::user::{Kind, UserState};
use crate::flows::alarm::{self, Alarm};
use crate::flows::change_access::{Refusal, change_access_from};
use crate::flows::guard::{self, Caller, Ticket};
use crate::flows::halfway::Shown;
use crate::flows::links;
use crate::flows::notices::{self, Said};
use crate::flows::sign_in::{ChangeFirst, Context, Reason, org_of};
use crate::kernel::id::{ChallengeId, OrgId, PasskeyId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::outside::passkeys::{Asked, NoPasskey, Used};
use crate::store::audit::{Event, note};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::passkeys::{self, Found, NewChallenge, Purpose};
use crate::store::{memberships, users};

/// What a challenge is sealed for.
const ROW: &str = "passkey.challenge";
/// How long a challenge can be answered, in milliseconds.
const LIFE: i64 = 10 * MINUTE;
/// Why there is none here.
const UNAVAILABLE: &str = "Passkeys need an address with a name. This instance is reached by a number.";

/// What a browser is to be asked.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The row's id, which comes back with the answer.
    pub id: ChallengeId,
    /// For `navigator.credentials`, as JSON: `{"publicKey": …}`.
    pub options: String,
}

/// Somebody who signed in with a passkey.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The account.
    pub user: UserId,
    /// What they did.
    pub methods: BTreeSet<Method>,
    /// When.
    pub at: UnixMillis,
    /// When the account's password was set: what ends its sessions with a new one ends this one, however close it comes.
    pub password_at: UnixMillis,
}

impl SignedIn {
    /// The same as what any sign-in has shown.
    pub(in crate::flows) fn shown(&self) -> Shown {
        Shown { methods: self.methods.clone(), factor_at: Some(self.at), ..Shown::default() }
    }
}

/// What a passkey's answer leads to.
#[derive(Clone, Debug)]
pub enum Came {
    /// Somebody is signed in.
    SignedIn(SignedIn),
    /// Their password was given to them by somebody else, and must be changed first.
    ChangeFirst(ChangeFirst),
}

impl From<NoPasskey> for NotDone {
    fn from(none: NoPasskey) -> Self {
        match none {
            NoPasskey::Unavailable => Self::NotHere(UNAVAILABLE.to_owned()),
            NoPasskey::Wrong | NoPasskey::Cloned => Self::Wrong,
        }
    }
}

/// Whether there are passkeys on this instance.
#[must_use]
pub fn available(app: &App) -> bool {
    app.passkeys.available()
}

/// Why somebody can't have one more passkey.
pub(super) fn why_none(app: &App, count: usize) -> Option<String> {
    if !available(app) {
        return Some(UNAVAILABLE.to_owned());
    }
    (count >= MOST_PASSKEYS).then(|| format!("An account has at most {MOST_PASSKEYS} passkeys. Remove one first."))
}

/// Keeps a challenge for this browser.
async fn keep(
    app: &App,
    asked: Asked,
    (purpose, user): (Purpose, Option<&UserId>),
    binding: &str,
) -> Result<Challenge, NotDone> {
    let id = ChallengeId::fresh();
    let new = NewChallenge {
        id: id.clone(),
        purpose,
        user: user.cloned(),
        binding: Digest::of(binding.as_bytes()),
        sealed: app.sealer.seal(ROW, id.as_str(), asked.state.as_bytes()),
        expires_at: app.now().plus(LIFE),
    };
    let kept: Result<(), sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { passkeys::put_challenge(tx, &new).await })).await;
    kept?;
    Ok(Challenge { id, options: asked.options })
}

/// Takes the challenge that an answer names: what the answer is compared with, if it is this browser's and for this.
async fn take(
    app: &App,
    answer: &PasskeyAnswer<'_>,
    (purpose, user): (Purpose, Option<&UserId>),
    binding: &str,
) -> Result<String, NotDone> {
    let id: ChallengeId = answer.challenge.parse().map_err(|_| NotDone::Gone)?;
    let now = app.now();
    let taken: Result<Option<passkeys::Challenge>, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { passkeys::take_challenge(tx, &id, purpose, now).await })).await;
    let binding = Digest::of(binding.as_bytes());
    let taken = taken?.filter(|taken| taken.binding == binding && taken.user.as_ref() == user).ok_or(NotDone::Gone)?;
    let state = app.sealer.open(ROW, taken.id.as_str(), &taken.sealed).map_err(|_| NotDone::Gone)?;
    String::from_utf8(state).map_err(|_| NotDone::Gone)
}

/// The handle that an account's passkeys carry: its id.
fn handle_of(user: &UserId) -> Result<u128, NotDone> {
    user.number().ok_or(NotDone::Gone)
}

/// Begins to add a passkey.
///
/// # Errors
/// See [`NotDone`].
pub async fn begin(app: &App, user: &UserId, binding: &str) -> Result<Challenge, NotDone> {
    let (found, known) = {
        let mut conn = app.db.read().await?;
        let found = users::find(&mut conn, user).await?.ok_or(NotDone::Gone)?;
        (found, passkeys::with_keys(&mut conn, user).await?)
    };
    if let Some(reason) = why_none(app, known.len()) {
        return Err(NotDone::NotHere(reason));
    }
    let known = known.into_iter().map(|one| one.credential).collect();
    let name = if found.name.is_empty() { &found.user_name } else { &found.name };
    let asked = app.passkeys.ask_for_new(handle_of(user)?, (&found.user_name, name), known)?;
    keep(app, asked, (Purpose::Register, Some(user)), binding).await
}

/// Adds the passkey that answers the challenge.
///
/// # Errors
/// See [`NotDone`].
pub async fn confirm(
    app: &App,
    who: Who<'_>,
    answer: PasskeyAnswer<'_>,
    name: &str,
    binding: &str,
    origin: &Origin,
) -> Result<Enrolled, NotDone> {
    let by = entitled(app, who).await?;
    // What is said of the name first: a challenge that was taken is gone.
    let name =
        check_passkey_name(name).map_err(|reason| Refusal::Invalid { field: "name", reason: reason.to_owned() })?;
    let state = take(app, &answer, (Purpose::Register, Some(&by.user)), binding).await?;
    let made = app.passkeys.made(answer.response, &state)?;
    let factor = NewFactor::Passkey {
        id: PasskeyId::fresh(),
        credential: made.credential,
        name,
        content: made.content,
        counter: made.counter,
    };
    add(app, by, factor, origin).await
}

/// Renames one of one's own passkeys.
///
/// # Errors
/// See [`NotDone`].
pub async fn rename(
    app: &App,
    facts: &Facts,
    passkey: &PasskeyId,
    name: &str,
    origin: &Origin,
) -> Result<Receipt, NotDone> {
    may_keep(app, facts).await?;
    let user = facts.user.clone();
    let change = Change::RenamePasskey { user: user.clone(), passkey: passkey.clone(), name: name.to_owned() };
    Ok(change_access_from(app, &Actor::User(user), origin, vec![change], Mode::Act).await?)
}

/// Begins a sign-in without a name.
///
/// # Errors
/// See [`NotDone`].
pub async fn begin_sign_in(app: &App, binding: &str) -> Result<Challenge, NotDone> {
    let asked = app.passkeys.ask_anybody()?;
    keep(app, asked, (Purpose::SignIn, None), binding).await
}

/// Begins a proof by somebody whose account is known; `None` when they have no passkey, or there are none here.
///
/// # Errors
/// See [`NotDone`].
pub async fn begin_proof(app: &App, user: &UserId, binding: &str) -> Result<Option<Challenge>, NotDone> {
    let known = passkeys::with_keys(&mut app.db.read().await?, user).await?;
    if known.is_empty() || !available(app) {
        return Ok(None);
    }
    let contents: Vec<String> = known.into_iter().map(|one| one.content).collect();
    let asked = app.passkeys.ask_somebody(&contents)?;
    keep(app, asked, (Purpose::Prove, Some(user)), binding).await.map(Some)
}

/// A passkey that answered, before anything is written.
pub(super) struct Answered {
    found: Found,
    used: Used,
}

/// What the use of a passkey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A sign-in.
    SignIn,
    /// One after which the password must be changed before anything else.
    ChangeFirst,
    /// A proof beside a password, or once more.
    Proof,
}

impl Use {
    /// The event that is noted.
    const fn event(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in.accepted",
            Self::ChangeFirst => "sign_in.change_first",
            Self::Proof => "factor.accepted",
        }
    }
}

/// Signs in whoever a passkey says it is, where they may sign in. The lock of an account holds nobody up.
///
/// # Errors
/// See [`NotDone`]: [`NotDone::Wrong`] for every reason that concerns the account.
pub async fn sign_in(
    app: &App,
    answer: PasskeyAnswer<'_>,
    context: &Context,
    with: Caller<'_>,
    binding: &str,
) -> Result<Came, NotDone> {
    let ticket = guard::admit(app, with.address).await?;
    let came = match who_answers(app, &answer, context, binding).await {
        Ok((answered, None)) => settle(app, answered, with, (ticket, Use::SignIn)).await.map(Came::SignedIn),
        Ok((answered, Some(given))) => {
            let settled = settle(app, answered, with, (ticket, Use::ChangeFirst)).await;
            settled.map(|signed| Came::ChangeFirst(change_first(&signed, &given, context)))
        }
        Err(refused) => Err(refused),
    };
    if let Err(NotDone::Wrong) = &came {
        refuse(app, None, "sign_in.refused", with).await?;
    }
    came
}

/// What is left to do for somebody whose password was given to them by somebody else, as after that password.
fn change_first(signed: &SignedIn, given: &str, context: &Context) -> ChangeFirst {
    let first = ChangeFirst::new(signed.user.clone(), Reason::Given, given, signed.at);
    first.after(signed.shown(), org_of(context).cloned())
}

/// Whose passkey answers, and the stored hash of a password that they must change first.
async fn who_answers(
    app: &App,
    answer: &PasskeyAnswer<'_>,
    context: &Context,
    binding: &str,
) -> Result<(Answered, Option<String>), NotDone> {
    let state = take(app, answer, (Purpose::SignIn, None), binding).await?;
    let claimed = app.passkeys.claimed(answer.response)?;
    let mut conn = app.db.read().await?;
    let found = passkeys::by_credential(&mut conn, &claimed.credential).await?.ok_or(NotDone::Wrong)?;
    // An answer to a challenge that names nobody says itself whose it is, and must not be wrong about it.
    if claimed.handle.is_none() || claimed.handle != found.user.number() {
        return Err(NotDone::Wrong);
    }
    let candidate = users::candidate(&mut conn, &found.user).await?;
    let usable = candidate.filter(|one| one.state == UserState::Active && !one.barred).ok_or(NotDone::Wrong)?;
    // What a connection owns comes through its provider: beside that a passkey is a second factor, and no way of its own.
    let account = users::find(&mut conn, &found.user).await?.ok_or(NotDone::Wrong)?;
    if account.source.connection().is_some() || !fits(&mut conn, context, &found.user, &usable.kind).await? {
        return Err(NotDone::Wrong);
    }
    drop(conn);
    let given = usable.password.filter(|_| usable.must_change);
    let judged = app.passkeys.answered(answer.response, &state, &found.content);
    Ok((judged_by(app, found, judged).await?, given))
}

/// Whether an account may sign in there: whose sign-in page it is decides as it does for a password.
async fn fits(conn: &mut Conn, context: &Context, user: &UserId, kind: &Kind) -> Result<bool, sqlx::Error> {
    Ok(match (context, kind) {
        (_, Kind::Service(..)) | (Context::Unknown, _) => false,
        (Context::None, Kind::Own | Kind::Managed(_) | Kind::Operator) => true,
        (Context::Operator, kind) => *kind == Kind::Operator,
        (Context::Org(org), Kind::Managed(of)) => org == of,
        (Context::Org(org), Kind::Own) => memberships::of_user(conn, org, user).await?.is_some(),
        (Context::Org(_), Kind::Operator) => false,
    })
}

/// Judges the answer of somebody whose account is known.
pub(super) async fn proof(
    app: &App,
    user: &UserId,
    answer: &PasskeyAnswer<'_>,
    binding: &str,
) -> Result<Answered, NotDone> {
    let state = take(app, answer, (Purpose::Prove, Some(user)), binding).await?;
    let claimed = app.passkeys.claimed(answer.response)?;
    let found = passkeys::by_credential(&mut app.db.read().await?, &claimed.credential).await?;
    let found = found.filter(|found| found.user == *user).ok_or(NotDone::Wrong)?;
    if claimed.handle.is_some() && claimed.handle != user.number() {
        return Err(NotDone::Wrong);
    }
    let judged = app.passkeys.proven(answer.response, &state, &found.content);
    judged_by(app, found, judged).await
}

async fn judged_by(app: &App, found: Found, judged: Result<Used, NoPasskey>) -> Result<Answered, NotDone> {
    match judged {
        Ok(used) if used.credential == found.credential => Ok(Answered { found, used }),
        Ok(_) => Err(NotDone::Wrong),
        Err(why) => {
            if why == NoPasskey::Cloned {
                warn(app, &found).await?;
            }
            Err(why.into())
        }
    }
}

/// Writes down that a passkey was used; a counter that did not go on is found out here, whoever was quicker. A sign-in is
/// noted with its browser. The account's row is locked first, as wherever its passkeys are written.
pub(super) async fn settle(
    app: &App,
    answered: Answered,
    with: Caller<'_>,
    (ticket, what): (Ticket, Use),
) -> Result<SignedIn, NotDone> {
    let Answered { found, used } = answered;
    let (at, fallback) = (app.now(), links::fallback(app));
    let (agent, address) = (with.agent.to_owned(), with.address.to_owned());
    let whose = found.user.clone();
    let (user, passkey) = (found.user.clone(), found.id.clone());
    let settled: Result<Settled, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                users::take_turns(tx, &user).await?;
                if !passkeys::note_use(tx, &passkey, (used.counter, &used.content), at).await? {
                    let there = passkeys::is_there(tx, &passkey).await?;
                    return Ok(if there { Settled::Cloned } else { Settled::Refused });
                }
                let Some(password_at) = passkeys::note_sign_in(tx, &user, at).await? else {
                    return Ok(Settled::Refused);
                };
                guard::give_back(tx, &ticket).await?;
                if what == Use::SignIn {
                    notices::note_browser(tx, &user, &agent, &address, at, fallback).await?;
                }
                let detail = serde_json::json!({ "address": address, "factor": "passkey" }).to_string();
                let (kind, user) = (what.event(), Some(user.into_string()));
                note(tx, &Event { at, kind, org: None, user, application: None, detail }).await?;
                Ok(Settled::Done(password_at))
            })
        })
        .await;
    match settled? {
        Settled::Done(password_at) => {
            app.outbox_bell.notify_one();
            Ok(SignedIn { user: whose, methods: BTreeSet::from([Method::Passkey]), at, password_at })
        }
        Settled::Cloned => {
            warn(app, &found).await?;
            Err(NotDone::Wrong)
        }
        Settled::Refused => Err(NotDone::Wrong),
    }
}

/// What became of a passkey's use.
enum Settled {
    /// It counts; when the account's password was set.
    Done(UnixMillis),
    Cloned,
    Refused,
}

/// Notes that an answer was refused.
pub(super) async fn refuse(
    app: &App,
    user: Option<&UserId>,
    kind: &'static str,
    with: Caller<'_>,
) -> Result<(), sqlx::Error> {
    let (at, user) = (app.now(), user.map(|user| user.as_str().to_owned()));
    let detail = serde_json::json!({ "address": with.address, "factor": "passkey" }).to_string();
    app.db
        .write(move |tx| {
            Box::pin(async move { note(tx, &Event { at, kind, org: None, user, application: None, detail }).await })
        })
        .await
}

/// Tells the person, and those who look after their organisation, that a passkey's counter went back (F9).
async fn warn(app: &App, found: &Found) -> Result<(), sqlx::Error> {
    let (at, fallback, found) = (app.now(), links::fallback(app), found.clone());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let values = vec![("key", Said::Text(found.name.clone()))];
                notices::tell_holder(tx, &found.user, Template::PasskeyCloned, values, at, fallback).await?;
                let account = users::find(tx, &found.user).await?;
                if let Some(org) = account.and_then(|account| account.kind.org().cloned()) {
                    alarm::put(tx, &cloned(org, &found), at).await?;
                }
                Ok::<(), sqlx::Error>(())
            })
        })
        .await?;
    app.outbox_bell.notify_one();
    Ok(())
}

fn cloned(org: OrgId, found: &Found) -> Alarm {
    Alarm {
        org,
        kind: PASSKEY_CLONED,
        actor: Actor::System("passkey_cloned"),
        origin: Origin::default(),
        action: format!("refuse passkey {} of {}: its counter went back, there may be two of it", found.id, found.user),
        detail: serde_json::json!({ "passkey": found.id, "user": found.user }),
        targets: vec![found.user.to_string(), found.id.to_string()],
    }
}
