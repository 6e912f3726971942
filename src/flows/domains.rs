//! E-mail domains of organisations: named, shown by a record in the DNS, and looked after once a day.
//!
//! # Why
//! A record that can't be found for a week was taken away; one that nobody can be asked for says nothing. So only an
//! answer of the DNS counts against a domain, and a domain that is lost lets nobody in by itself any more, but takes
//! from nobody what they have.

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use super::alarm::{self, Alarm};
use super::change_access::{Refusal, change_access_from};
use super::device::count;
use crate::app::App;
use crate::domain::audit::DOMAIN_LOST;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::people::domain_name::{DomainName, is_shown, record_name};
use crate::kernel::id::{DomainId, OrgId};
use crate::kernel::secret::Secret;
use crate::kernel::time::{DAY, MINUTE};
use crate::outside::dns::Answer;
use crate::store::domains::{self, Domain};

/// So many domains has an organisation at most.
const MOST: usize = 100;
/// So often a minute an organisation may have its domains looked for.
const CHECKS_A_MINUTE: u32 = 20;
/// A verified domain is looked for again after so long, in milliseconds; …
pub const AGAIN: i64 = DAY;
/// … and is lost when its record is gone for so long.
pub const GONE: i64 = 7 * DAY;
/// So many domains are looked for in one round …
const TOGETHER: i64 = 1_000;
/// … so many of them at a time.
const AT_ONCE: usize = 16;

/// What the DNS says of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The record is there.
    Shown,
    /// There is no record with this text.
    Missing,
    /// Nobody could be asked: why.
    Unanswered(String),
}

/// What came of looking for a domain's record.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The domain as it stands now.
    pub domain: Domain,
    /// What the DNS says.
    pub found: Found,
    /// The change, if the domain is verified by it.
    pub receipt: Option<Receipt>,
}

/// Names a domain that an organisation says is its own. Its record's text is in the domain's row.
///
/// # Errors
/// As the door's; the text is no domain, or there are too many.
pub async fn add(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    typed: &str,
    mode: Mode,
) -> Result<(DomainId, Receipt), Refusal> {
    let invalid = |reason: &str| Refusal::Invalid { field: "domain", reason: reason.to_owned() };
    let name = DomainName::parse(typed).map_err(invalid)?.into_string();
    let there = {
        let mut conn = app.db.read().await?;
        domains::of_org(&mut conn, org).await?.len()
    };
    if there >= MOST {
        return Err(Refusal::Limit(format!("An organisation has at most {MOST} domains.")));
    }
    let (domain, token) = (DomainId::fresh(), Secret::mint(&*app.chance, "").expose().to_owned());
    let change = Change::AddDomain { org: org.clone(), domain: domain.clone(), name, token };
    let receipt = change_access_from(app, actor, origin, vec![change], mode).await?;
    Ok((domain, receipt))
}

/// Looks for a domain's record now. A pending domain whose record is there is verified; who may ask, the door says
/// before anything is looked for.
///
/// # Errors
/// As the door's; it was asked too often.
pub async fn check(app: &App, actor: &Actor, origin: &Origin, org: &OrgId, id: &DomainId) -> Result<Checked, Refusal> {
    let verify = || vec![Change::VerifyDomain { org: org.clone(), domain: id.clone() }];
    change_access_from(app, actor, origin, verify(), Mode::DryRun).await?;
    if let Some(seconds) = count(app, &format!("domain_check:{org}"), CHECKS_A_MINUTE, MINUTE) {
        return Err(Refusal::Limit(format!("Domains were looked for too often; try again in {seconds} seconds.")));
    }
    let domain = stored(app, org, id).await?;
    let found = look(app, &domain).await;
    let mut receipt = None;
    match found {
        Found::Shown if domain.state == domains::State::Pending => {
            receipt = Some(change_access_from(app, actor, origin, verify(), Mode::Act).await?);
        }
        Found::Shown => note(app, &domain, true).await?,
        Found::Missing => note(app, &domain, false).await?,
        Found::Unanswered(_) => {}
    }
    Ok(Checked { domain: stored(app, org, id).await?, found, receipt })
}

async fn stored(app: &App, org: &OrgId, id: &DomainId) -> Result<Domain, Refusal> {
    let mut conn = app.db.read().await?;
    domains::find(&mut conn, org, id).await?.ok_or_else(|| Refusal::NotFound("The domain".to_owned()))
}

async fn look(app: &App, domain: &Domain) -> Found {
    match app.dns.texts(&record_name(&domain.domain)).await {
        Answer::Texts(texts) if is_shown(&domain.token, &texts) => Found::Shown,
        Answer::Texts(_) | Answer::Nothing => Found::Missing,
        Answer::Unanswered(why) => Found::Unanswered(why),
    }
}

/// Looks for the records of verified domains that were not looked for since yesterday. Several nodes may do it at
/// once; a domain is lost once.
///
/// # Errors
/// The database's.
pub async fn recheck(app: &App) -> Result<(), sqlx::Error> {
    let due = {
        let mut conn = app.db.read().await?;
        domains::due(&mut conn, app.now().minus(AGAIN), TOGETHER).await?
    };
    stream::iter(due).for_each_concurrent(AT_ONCE, |domain| again(app, domain)).await;
    Ok(())
}

async fn again(app: &App, domain: Domain) {
    let shown = match look(app, &domain).await {
        Found::Shown => true,
        Found::Missing => false,
        Found::Unanswered(why) => {
            tracing::warn!(domain.id = %domain.id, %why, "the record of a domain could not be asked for");
            put_off(app, &domain).await;
            return;
        }
    };
    if let Err(error) = note(app, &domain, shown).await {
        tracing::error!(domain.id = %domain.id, %error, "what became of a domain could not be written down");
    }
}

/// Has a domain that nobody answers for wait its turn like the others.
async fn put_off(app: &App, domain: &Domain) {
    let (id, at) = (domain.id.clone(), app.now());
    let noted: Result<(), sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { domains::note_asked(tx, &id, at).await })).await;
    if let Err(error) = noted {
        tracing::error!(domain.id = %domain.id, %error, "that a domain was asked for could not be written down");
    }
}

/// Writes down what the DNS said. Where the record is gone for too long, the domain is pending again, and people hear
/// of it.
async fn note(app: &App, domain: &Domain, shown: bool) -> Result<(), sqlx::Error> {
    let (domain, at) = (domain.clone(), app.now());
    let lost: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                domains::note_check(tx, &domain.id, shown, at).await?;
                let lost = !shown && domains::lapse(tx, &domain.id, at.minus(GONE)).await?;
                if lost {
                    alarm::put(tx, &loss(&domain), at).await?;
                }
                Ok(lost)
            })
        })
        .await;
    if lost? {
        app.outbox_bell.notify_one();
    }
    Ok(())
}

fn loss(domain: &Domain) -> Alarm {
    Alarm {
        org: domain.org.clone(),
        kind: DOMAIN_LOST,
        actor: Actor::System("domain_check"),
        origin: Origin::default(),
        action: format!("domain {} is pending again: its record is gone for a week", domain.domain),
        detail: json!({ "domain": domain.domain, "missing_since": domain.missing_since }),
        targets: vec![domain.id.to_string()],
    }
}
