//! The one door: every mutation that can alter who may do what goes through here, whoever asks.
//!
//! In one transaction: lock the organisations, authorise the actor, check source and invariants, write, compare
//! grants before and after, raise counters, end sessions and token families, write the audit record and the outbox,
//! keep the receipt. A dry run does the very same and is undone, so that a preview can't disagree with the act.

mod alerts;
mod authorise;
mod carry_out;
mod describe;
mod mails;
mod orgs_of;
mod pictures;

use std::collections::BTreeSet;

use crate::app::App;
use crate::domain::access::Verdict;
use crate::domain::audit::OWNER_BARRED;
use crate::domain::change::{Actor, Change, Ended, MemberReceipt, Mode, Origin, Receipt};
use crate::domain::federation::Known;
use crate::domain::language::Language;
use crate::domain::source::Source;
use crate::flows::tell::By;
use crate::flows::{end_sessions, links};
use crate::kernel::id::{ChangeId, MembershipId, OrgId};
use crate::kernel::time::UnixMillis;
use crate::store::access_edit::{AccessEdit, Outcome};
use crate::store::db::{Conn, Tx, is_deadlock};
use crate::store::{audit, connections, orgs, outbox, repeatable};

pub(super) use alerts::append_alarm;
pub(super) use mails::of_key;

/// What Muster itself does when a connection takes people away: that does not wait for an ownership to be transferred.
const DEPROVISIONED: &str = "deprovisioned";

/// So often a change is made again that a server's database gave up for another that waited for it.
const MOST_DEADLOCKS: u32 = 3;

/// Why a change was refused. Nothing was written but an audit row.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The actor may not do it.
    #[error("{act}: this needs {needs}")]
    Denied {
        /// What was asked.
        act: String,
        /// The permission that is missing, or why even that would not do.
        needs: String,
    },
    /// Something that the change names is not there, or belongs to another organisation.
    #[error("{0} was not found")]
    NotFound(String),
    /// A name or key is taken.
    #[error("{0}")]
    Conflict(String),
    /// What the change says is not acceptable.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// A sentence that says what to do.
        reason: String,
    },
    /// A connection owns what the change would write.
    #[error("managed by {connection}; change it there")]
    ManagedByIdp {
        /// The connection's name.
        connection: String,
    },
    /// Something stands in the way: it would leave the organisation without what it needs.
    #[error("{reason}")]
    Blocked {
        /// What, and what to do first.
        reason: String,
        /// The id of the object that is in the way.
        object: String,
        /// The call that clears it: a method and a path.
        clear: String,
    },
    /// Only a person may do it, and a tool asked.
    #[error("{act}: only a person may do this, not a tool with an API token")]
    UserRequired {
        /// What was asked.
        act: String,
    },
    /// As many as there may be are there already.
    #[error("{0}")]
    Limit(String),
    /// The organisation was edited since it was read.
    #[error("this was changed meanwhile; read it again")]
    Stale,
    /// The database failed; nothing was changed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

impl Refusal {
    /// The machine's word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Invalid { .. } => "invalid",
            Self::ManagedByIdp { .. } => "managed_by_idp",
            Self::Blocked { .. } => "blocked",
            Self::UserRequired { .. } => "user_required",
            Self::Limit(_) => "limit_reached",
            Self::Stale => "stale",
            Self::Store(_) => "unavailable",
        }
    }
}

/// Refuses what a connection owns, with the connection's name: for whoever has to decide before the door is asked.
///
/// # Errors
/// [`Refusal::ManagedByIdp`], or the database's.
pub async fn not_managed(conn: &mut Conn, source: &Source) -> Result<(), Refusal> {
    let Some(id) = source.connection() else { return Ok(()) };
    let name = connections::name_of(conn, id).await?;
    Err(Refusal::ManagedByIdp { connection: name.unwrap_or_else(|| id.to_owned()) })
}

/// Carries out changes that begin here, as one: all of them or none.
///
/// # Errors
/// Why not; see [`Refusal`]. A refusal leaves an audit row in a transaction of its own.
pub async fn change_access(app: &App, actor: &Actor, changes: Vec<Change>, mode: Mode) -> Result<Receipt, Refusal> {
    change_access_from(app, actor, &Origin::default(), changes, mode).await
}

/// As [`change_access`], for a request that came from somewhere.
///
/// # Errors
/// As [`change_access`].
pub async fn change_access_from(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    changes: Vec<Change>,
    mode: Mode,
) -> Result<Receipt, Refusal> {
    let now = app.now();
    let language = links::fallback(app);
    let asked = Asked { actor: actor.clone(), origin: origin.clone(), mode, now, language, turned_away: false };
    let refused = Refused::of(&changes);
    let again = if mode == Mode::Act { of_somebody_known(&changes) } else { Vec::new() };
    let outcome = run(app, &asked, &changes).await;
    if let Err(refusal) = &outcome {
        if mode == Mode::Act && !matches!(refusal, Refusal::Stale) {
            record_refusal(app, asked.clone(), refused, refusal).await;
        }
        if !again.is_empty() && carry_out::is_for_want_of_a_group(refusal) {
            let asked = Asked { turned_away: true, ..asked };
            if let Err(error) = run(app, &asked, &again).await {
                tracing::error!(%error, "what a mapping gave was not taken");
            }
        }
    }
    outcome
}

async fn run(app: &App, asked: &Asked, changes: &[Change]) -> Result<Receipt, Refusal> {
    let mode = asked.mode;
    let mut deadlocks = 0;
    let receipt = loop {
        let (handles, asked, changes) = (app.clone(), asked.clone(), changes.to_vec());
        let outcome: Result<Receipt, Refusal> =
            app.db.write(move |tx| Box::pin(carry(handles, tx, asked, changes))).await;
        match outcome {
            // A sweep or a sign-out was ending the same sessions in another order; nothing of this was kept.
            Err(Refusal::Store(error)) if is_deadlock(&error) && deadlocks < MOST_DEADLOCKS => deadlocks += 1,
            outcome => break outcome?,
        }
    };
    if mode == Mode::Act && !receipt.is_empty() {
        app.outbox_bell.notify_waiters();
        app.outbox_bell.notify_one();
    }
    Ok(receipt)
}

/// The sign-in of somebody who came through before: even turned away, the person loses what the mapping gave and does not
/// give any more.
fn of_somebody_known(changes: &[Change]) -> Vec<Change> {
    match changes {
        [Change::SignInThrough(came)] if matches!(came.known, Known::Linked(_)) => changes.to_vec(),
        _ => Vec::new(),
    }
}

/// Who asks, from where, how and when.
#[derive(Clone)]
struct Asked {
    actor: Actor,
    origin: Origin,
    mode: Mode,
    now: UnixMillis,
    /// The language of mails to people whose own isn't known.
    language: Language,
    /// Whether somebody is turned away who came through a connection, and only loses what its mapping gave.
    turned_away: bool,
}

/// What was asked for, as a refusal records it.
struct Refused {
    org: Option<OrgId>,
    lines: String,
    kinds: Vec<&'static str>,
    targets: Vec<String>,
}

impl Refused {
    fn of(changes: &[Change]) -> Self {
        Self {
            org: changes.iter().find_map(orgs_of::named).cloned(),
            lines: changes
                .iter()
                .filter(|change| !describe::is_condition(change))
                .map(describe::line)
                .collect::<Vec<_>>()
                .join("; "),
            kinds: describe::kinds(changes),
            targets: describe::targets(changes),
        }
    }
}

async fn carry(app: App, tx: &mut Tx, asked: Asked, changes: Vec<Change>) -> Result<Receipt, Refusal> {
    let Asked { actor, origin, mode, now, language, turned_away } = asked;
    let orgs = orgs_of::all(tx, &changes).await?;
    let mut edit = AccessEdit::open(tx, &orgs, now).await?;
    edit.set_author(actor.label());
    let mut acts = Vec::new();
    let connection = match &actor {
        Actor::Connection { connection, .. } => Some(connection.clone()),
        Actor::System(_)
        | Actor::CommandLine
        | Actor::Operator(_)
        | Actor::User(_)
        | Actor::Tool(_)
        | Actor::Link(_) => None,
    };
    let deprovisioning = connection.is_some() || actor == Actor::System(DEPROVISIONED);
    authorise::check_together(&actor, &changes)?;
    let break_glass = carry_out::made_break_glass(&changes);
    let mut aside =
        end_sessions::Aside { break_glass, turned_away, connection, deprovisioning, ..end_sessions::Aside::default() };
    let mut pictures = pictures::Pictures::default();
    let mut noted = mails::Before::new(language);
    for change in &changes {
        authorise::check(&mut edit, &actor, change).await?;
        alerts::check_address(&app.relying_party, change)?;
        noted.note(edit.conn(), change).await?;
        let before = pictures.before(edit.conn(), change).await?;
        if carry_out::one(&mut edit, change, &mut aside).await? {
            acts.push(describe::line(change));
            pictures.after(edit.conn(), change, before).await?;
        }
    }
    let (tx, settled) = edit.settle().await?;
    check_owners(tx, &orgs).await?;
    let id = ChangeId::fresh();
    let by = By::of_change(&app, &actor, &id, &acts);
    let (ended, told) = end_sessions::after_change(tx, &by, &settled, &aside, now).await?;
    let members = member_receipts(settled.outcomes);
    let receipt =
        Receipt { id, at: now, actor: actor.label(), dry_run: mode == Mode::DryRun, acts, members, ended, told };
    keep(tx, &receipt, &orgs, &changes, &origin, pictures).await?;
    for org in &aside.owner_barred {
        tell_of_owner(tx, &receipt, org, &origin).await?;
    }
    mails::put(tx, &receipt, &changes, noted, now).await?;
    for (mail, invitation) in aside.mails {
        outbox::put_mail(tx, mail, Some(&receipt.id), invitation.as_ref(), now).await?;
    }
    if mode == Mode::DryRun {
        tx.undo();
    }
    Ok(receipt)
}

/// That a connection has taken the owner away: somebody has to see to it that another takes over.
async fn tell_of_owner(tx: &mut Tx, receipt: &Receipt, org: &OrgId, origin: &Origin) -> Result<(), Refusal> {
    let entry = audit::Entry {
        org: Some(org),
        at: receipt.at,
        actor: &receipt.actor,
        action: "the owner of the organisation was deactivated upstream: transfer the ownership",
        accepted: true,
        change: Some(&receipt.id),
        detail: "{}",
        kinds: &[OWNER_BARRED],
        targets: &[],
        address: &origin.address,
        request_id: &origin.request_id,
    };
    Ok(alerts::append_alarm(tx, &entry).await?)
}

/// An organisation that has an owner keeps one who is a member of it.
async fn check_owners(tx: &mut Tx, orgs: &BTreeSet<OrgId>) -> Result<(), Refusal> {
    for org in orgs {
        let Some(found) = orgs::find(tx, org).await? else {
            continue;
        };
        if let Some(owner) = found.owner
            && crate::store::memberships::find(tx, org, &owner).await?.is_none()
        {
            return Err(owner_in_the_way(org, &owner));
        }
    }
    Ok(())
}

/// The owner can't go before the ownership does.
fn owner_in_the_way(org: &OrgId, owner: &MembershipId) -> Refusal {
    Refusal::Blocked {
        reason: "Transfer the organisation's ownership first: its owner can't be removed, deleted or suspended."
            .to_owned(),
        object: owner.to_string(),
        clear: format!("POST /api/v1/orgs/{org}/transfer"),
    }
}

fn member_receipts(outcomes: Vec<Outcome>) -> Vec<MemberReceipt> {
    let show = |Outcome { org, member, user, user_name, difference, verdict, .. }| MemberReceipt {
        org,
        member,
        user,
        user_name,
        lost: difference.lost,
        gained: difference.gained,
        verdict,
    };
    outcomes.into_iter().map(show).collect()
}

async fn keep(
    tx: &mut Tx,
    receipt: &Receipt,
    orgs: &BTreeSet<OrgId>,
    changes: &[Change],
    origin: &Origin,
    pictures: pictures::Pictures,
) -> Result<(), Refusal> {
    if receipt.is_empty() && receipt.ended == Ended::default() {
        return Ok(()); // a change that changes nothing leaves no trace
    }
    let mut all: Vec<OrgId> = Vec::new();
    for org in orgs.iter().chain(changes.iter().filter_map(orgs_of::named)) {
        if !all.contains(org) && orgs::find(tx, org).await?.is_some() {
            all.push(org.clone());
        }
    }
    audit::keep_receipt(tx, receipt, &all).await?;
    if let Some((caller, key)) = &origin.repeatable {
        repeatable::note_change(tx, caller, key, &receipt.id).await?;
    }
    let ends = receipt.members.iter().filter(|m| m.verdict == Verdict::End).count();
    let (changed, left_out) = pictures.into_lines();
    let detail = serde_json::json!({
        "acts": receipt.acts, "members": receipt.members.len(), "ends": ends,
        "sessions": receipt.ended.sessions, "token_families": receipt.ended.token_families,
        "access_keys": receipt.ended.access_keys,
        "changed": changed, "changes_left_out": left_out,
    });
    let detail = detail.to_string();
    let summary = receipt.acts.join("; ");
    let (kinds, mut targets) = (describe::kinds(changes), describe::targets(changes));
    if receipt.members.len() <= MOST_TARGETS {
        targets.extend(receipt.members.iter().map(|member| member.user.to_string()));
    }
    let chains: Vec<Option<&OrgId>> = if all.is_empty() { vec![None] } else { all.iter().map(Some).collect() };
    for org in chains {
        let entry = audit::Entry {
            org,
            at: receipt.at,
            actor: &receipt.actor,
            action: &summary,
            accepted: true,
            change: Some(&receipt.id),
            detail: &detail,
            kinds: &kinds,
            targets: &targets,
            address: &origin.address,
            request_id: &origin.request_id,
        };
        alerts::append(tx, &entry).await?;
    }
    Ok(())
}

/// Records that somebody was turned away before the door: a write whose route they may not call.
pub async fn record_denial(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    asked: (Option<OrgId>, String),
    code: &'static str,
) {
    let (org, act) = asked;
    let needs = code.to_owned();
    let language = links::fallback(app);
    let (actor, origin, now) = (actor.clone(), origin.clone(), app.now());
    let by = Asked { actor, origin, mode: Mode::Act, now, language, turned_away: false };
    let refused = Refused { org, lines: act.clone(), kinds: vec!["request.denied"], targets: Vec::new() };
    record_refusal(app, by, refused, &Refusal::Denied { act, needs }).await;
}

/// So many members of a receipt are found by the audit record's search; beyond, the receipt names them.
const MOST_TARGETS: usize = 100;

async fn record_refusal(app: &App, asked: Asked, refused: Refused, refusal: &Refusal) {
    let (at, actor) = (asked.now, asked.actor.label());
    let Refused { org, lines, kinds, targets } = refused;
    let detail = serde_json::json!({ "code": refusal.code(), "reason": refusal.to_string() }).to_string();
    let written: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let known = match &org {
                    Some(id) => orgs::find(tx, id).await?.is_some(),
                    None => false,
                };
                let entry = audit::Entry {
                    org: org.as_ref().filter(|_| known),
                    at,
                    actor: &actor,
                    action: &lines,
                    accepted: false,
                    change: None,
                    detail: &detail,
                    kinds: &kinds,
                    targets: &targets,
                    address: &asked.origin.address,
                    request_id: &asked.origin.request_id,
                };
                alerts::append(tx, &entry).await
            })
        })
        .await;
    if let Err(error) = written {
        tracing::error!(%error, "a refusal was not recorded");
    }
}
