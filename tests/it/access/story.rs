//! Random stories on both databases: after each change the door's answer, the rows and the model say the same.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muster::domain::access::{Cause, Policy, Verdict};
use muster::domain::change::{Ended, MemberReceipt, Mode, Receipt, Told};
use muster::flows::change_access::Refusal;
use muster::kernel::id::{ApplicationId, MembershipId, OrgId};
use muster::kernel::time::MINUTE;
use muster::store::{audit, families, sessions};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseResult, TestRunner};

use super::batch::Batch;
use super::books::{Books, Ending};
use super::deeds::{Step, grant, stories};
use super::model::Due;
use super::scene::Scene;
use super::snapshot::Snapshot;
use crate::support::world::{Kind, World};

/// The most stories, the most steps of one, and after how long no further one is begun.
const STORIES: u32 = 64;
const LONGEST: usize = 14;
const TIME: Duration = Duration::from_secs(12);

/// What the stories met, so that they can't have passed by meeting nothing.
#[derive(Debug, Default)]
struct Met {
    stories: u32,
    accepted: u32,
    refused: u32,
    without_effect: u32,
    verdicts: BTreeMap<Verdict, u32>,
    logout_tokens: usize,
}

struct Teller<'m> {
    scene: Scene,
    books: Books,
    met: &'m RefCell<Met>,
}

/// A change that was accepted, with what stood before and after it.
struct Accepted<'b> {
    batch: &'b Batch,
    receipt: &'b Receipt,
    before: &'b Snapshot,
    after: &'b Snapshot,
    expected: Vec<MemberReceipt>,
    ending: Ending,
    /// With which version each added membership begins.
    begins: BTreeMap<MembershipId, i64>,
}

impl Teller<'_> {
    async fn step(&mut self, step: &Step) -> TestCaseResult {
        match step {
            Step::Together(wishes) => {
                let mut batch = self.scene.batch();
                for wish in wishes {
                    let _ = grant(wish, &mut batch, &self.scene.orgs, &self.scene.users, self.scene.world.now());
                    if batch.refused.is_some() {
                        break;
                    }
                }
                self.carry(batch).await
            }
            Step::Wait(minutes) => {
                self.scene.world.advance(minutes * MINUTE);
                for org in self.scene.orgs.clone() {
                    let mut batch = self.scene.batch();
                    batch.end_windows(&org);
                    self.carry(batch).await?;
                }
                Ok(())
            }
        }
    }

    async fn carry(&mut self, batch: Batch) -> TestCaseResult {
        self.books.sign_everybody_in(&self.scene).await;
        let before = Snapshot::read(&self.scene).await;
        self.agrees(&before)?;
        let dry = self.scene.ask(&batch, Mode::DryRun).await;
        prop_assert_eq!(&before, &Snapshot::read(&self.scene).await, "the dry run of {:?} wrote", batch.changes);
        let real = self.scene.ask(&batch, Mode::Act).await;
        let after = Snapshot::read(&self.scene).await;
        match (dry, real, batch.refused) {
            (Ok(dry), Ok(receipt), None) => {
                same_receipt(&dry, &receipt)?;
                let expected = batch.outcomes();
                let ended = expected.iter().filter(|line| line.verdict == Verdict::End).map(|line| line.member.clone());
                let ending = self.books.ending(&ended.collect(), &batch.barred, &self.scene);
                let begins = self.books.versions(&batch, &before, &after);
                let (batch, receipt, before, after) = (&batch, &receipt, &before, &after);
                let accepted = Accepted { batch, receipt, before, after, expected, ending, begins };
                self.accepted(&accepted).await?;
                self.books.strike(&accepted.ending);
                self.scene.model = batch.model.clone();
                self.agrees(after)
            }
            (Err(dry), Err(real), Some(word)) => {
                prop_assert_eq!((dry.code(), real.code()), (word, word), "{:?}", batch.changes);
                self.refused(&batch, &before, &after, &real)
            }
            (dry, real, refused) => {
                let text = format!("{:?}: {dry:?}, then {real:?}, and the model says {refused:?}", batch.changes);
                Err(TestCaseError::fail(text))
            }
        }
    }

    /// What is held and what is live, as the rows say, is what the model and the books say.
    fn agrees(&self, found: &Snapshot) -> TestCaseResult {
        let (model, now) = (&self.scene.model, self.scene.world.now());
        let members = model.orgs.iter().flat_map(|(org, of)| of.members.keys().map(move |id| (org, id)));
        let held: BTreeMap<_, _> = members.map(|(org, id)| (id.clone(), model.held(org, id, now, Due::Over))).collect();
        prop_assert_eq!(&found.held, &held);
        prop_assert_eq!(&found.entries, &self.books.entries.keys().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(&found.families, &self.books.families.keys().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(&found.sessions, &self.books.sessions.keys().cloned().collect::<BTreeSet<_>>());
        Ok(())
    }

    async fn accepted(&self, accepted: &Accepted<'_>) -> TestCaseResult {
        let Accepted { batch, receipt, expected, .. } = accepted;
        prop_assert_eq!(&receipt.members, expected, "{:?}", batch.changes);
        prop_assert_eq!(receipt.acts.len(), batch.acts, "{:?} of {:?}", receipt.acts, batch.changes);
        additions_end_nothing(accepted)?;
        ended_exactly(accepted)?;
        self.told_exactly(accepted)?;
        counted_as_designed(accepted)?;
        audited_once(accepted)?;
        self.kept(accepted).await?;
        self.honoured(accepted).await?;
        let mut met = self.met.borrow_mut();
        met.accepted += 1;
        met.without_effect += u32::from(receipt.is_empty());
        met.logout_tokens += accepted.ending.farewells.len();
        for line in expected {
            *met.verdicts.entry(line.verdict).or_default() += 1;
        }
        Ok(())
    }

    /// One outbox row for each sign-out of an application that has an address, and as many on the receipt.
    fn told_exactly(&self, accepted: &Accepted<'_>) -> TestCaseResult {
        let change = Some(accepted.receipt.id.as_str().to_owned());
        let mut rows = accepted.after.enqueued_since(accepted.before);
        rows.sort();
        let expected: Vec<_> = accepted
            .ending
            .farewells
            .iter()
            .cloned()
            .map(|(application, user, sid)| (change.clone(), application, user, sid))
            .collect();
        prop_assert_eq!(rows, expected);
        let mut counts: BTreeMap<&ApplicationId, u64> = BTreeMap::new();
        for (application, _, _) in &accepted.ending.farewells {
            *counts.entry(application).or_default() += 1;
        }
        let receivers = self.scene.receivers();
        let told: Vec<Told> = counts
            .into_iter()
            .map(|(id, logout_tokens)| Told { client_id: receivers[id].clone(), logout_tokens, security_events: 0 })
            .collect();
        prop_assert_eq!(&accepted.receipt.told, &told);
        Ok(())
    }

    /// The receipt is kept as it was given, if there is anything on it; and every chain is whole.
    async fn kept(&self, accepted: &Accepted<'_>) -> TestCaseResult {
        let mut conn = self.scene.world.conn().await;
        let kept = audit::receipt(&mut conn, &accepted.receipt.id).await.unwrap();
        prop_assert_eq!(kept.as_ref(), leaves_a_trace(accepted.receipt).then_some(accepted.receipt));
        for org in &self.scene.orgs {
            prop_assert_eq!(audit::first_broken(&mut conn, org).await.unwrap(), None);
        }
        Ok(())
    }

    /// What ended is refused at the next use, and what did not is honoured, older access tokens aside.
    async fn honoured(&self, accepted: &Accepted<'_>) -> TestCaseResult {
        let (mut conn, now) = (self.scene.world.conn().await, self.scene.world.now());
        let concerned: BTreeSet<&MembershipId> = accepted.expected.iter().map(|line| &line.member).collect();
        let ending = &accepted.ending;
        for (id, family) in &self.books.families {
            if !concerned.contains(&family.member) && !ending.families.contains(id) {
                continue;
            }
            let standing = families::find(&mut conn, id, "").await.unwrap().expect("the row stays").standing;
            let live = !ending.families.contains(id);
            let least = accepted.after.counters.get(&family.member).map(|(_, least, _)| *least);
            prop_assert_eq!(standing.judge(now).is_ok(), live, "{} {:?}", id, &standing);
            let fresh = live && least.is_some_and(|least| family.acv >= least);
            prop_assert_eq!(
                standing.judge_access_token(Some(family.acv), now).is_ok(),
                fresh,
                "{} {:?}",
                id,
                &standing
            );
        }
        for (id, entry) in &self.books.entries {
            if concerned.contains(&entry.member) || ending.entries.contains(id) {
                let stay = sessions::stay(&mut conn, &entry.session, Some(&entry.org), now).await.unwrap();
                let lives = matches!(stay, sessions::Stay::Live(found) if found.id == *id);
                prop_assert_eq!(lives, !ending.entries.contains(id));
            }
        }
        Ok(())
    }

    /// A refused change leaves one row in the audit record, and nothing else.
    fn refused(&self, batch: &Batch, before: &Snapshot, after: &Snapshot, refusal: &Refusal) -> TestCaseResult {
        let rows = after.audited_since(before);
        let org = rows.first().and_then(|(org, ..)| org.clone());
        prop_assert_eq!(rows, vec![(org.clone(), "command_line".to_owned(), "denied".to_owned(), None)]);
        prop_assert!(org.is_none_or(|org| batch.orgs.contains(&org)), "{}", refusal);
        prop_assert_eq!(&Snapshot { audit: before.audit.clone(), ..after.clone() }, before, "{:?}", batch.changes);
        self.met.borrow_mut().refused += 1;
        Ok(())
    }
}

fn leaves_a_trace(receipt: &Receipt) -> bool {
    !receipt.is_empty() || receipt.ended != Ended::default()
}

/// But for its id, its time and that it is one, a dry run's receipt is the act's.
fn same_receipt(dry: &Receipt, real: &Receipt) -> TestCaseResult {
    prop_assert!(dry.dry_run && !real.dry_run);
    let dressed = Receipt { id: real.id.clone(), at: real.at, dry_run: false, ..dry.clone() };
    prop_assert_eq!(&dressed, real);
    Ok(())
}

fn additions_end_nothing(accepted: &Accepted<'_>) -> TestCaseResult {
    let touched = &accepted.batch.touched;
    for line in &accepted.receipt.members {
        let added = touched[&line.member].causes == BTreeSet::from([Cause::Added]);
        prop_assert!(!added || (line.verdict == Verdict::Keep && line.lost.is_empty()), "{:?}", line);
    }
    let all_added = touched.values().all(|touched| touched.causes == BTreeSet::from([Cause::Added]));
    if all_added && accepted.batch.barred.is_empty() {
        prop_assert_eq!(accepted.receipt.ended, Ended::default());
    }
    Ok(())
}

fn ended_exactly(accepted: &Accepted<'_>) -> TestCaseResult {
    let Accepted { before, after, ending, .. } = accepted;
    let gone: BTreeSet<_> = before.entries.difference(&after.entries).cloned().collect();
    prop_assert_eq!(&gone, &ending.entries, "entries of {:?}", accepted.batch.changes);
    let gone: BTreeSet<_> = before.families.difference(&after.families).cloned().collect();
    prop_assert_eq!(&gone, &ending.families, "families of {:?}", accepted.batch.changes);
    let gone: BTreeSet<_> = before.sessions.difference(&after.sessions).cloned().collect();
    prop_assert_eq!(&gone, &ending.sessions, "sessions of {:?}", accepted.batch.changes);
    let ended = Ended {
        sessions: ending.entries.len() as u64,
        token_families: ending.families.len() as u64,
        ..Ended::default()
    };
    prop_assert_eq!(accepted.receipt.ended, ended);
    Ok(())
}

/// `acv` rises where anything changed, `acv_least` with it for Narrow and End, `epoch` for End; nothing else rises. A new
/// membership begins above the account's earlier ones.
fn counted_as_designed(accepted: &Accepted<'_>) -> TestCaseResult {
    let verdicts: BTreeMap<&MembershipId, Verdict> =
        accepted.expected.iter().map(|line| (&line.member, line.verdict)).collect();
    let mut expected = BTreeMap::new();
    for id in accepted.batch.model.orgs.values().flat_map(|org| org.members.keys()) {
        let begin = || (accepted.begins[id], accepted.begins[id], 1);
        let (acv, least, epoch) = accepted.before.counters.get(id).copied().unwrap_or_else(begin);
        let counters = match verdicts.get(id) {
            None => (acv, least, epoch),
            Some(Verdict::Keep) => (acv + 1, least, epoch),
            Some(Verdict::Narrow) => (acv + 1, acv + 1, epoch),
            Some(Verdict::End) => (acv + 1, acv + 1, epoch + 1),
        };
        expected.insert(id.clone(), counters);
    }
    prop_assert_eq!(&accepted.after.counters, &expected, "{:?}", accepted.batch.changes);
    Ok(())
}

/// One row for each organisation concerned, one of the instance's where there is none, none where nothing changed.
fn audited_once(accepted: &Accepted<'_>) -> TestCaseResult {
    let mut concerned: BTreeSet<Option<OrgId>> = accepted.batch.orgs.iter().cloned().map(Some).collect();
    if concerned.is_empty() {
        concerned.insert(None);
    }
    let change = Some(accepted.receipt.id.as_str().to_owned());
    let row = |org| (org, "command_line".to_owned(), "accepted".to_owned(), change.clone());
    let expected: Vec<_> = concerned.into_iter().filter(|_| leaves_a_trace(accepted.receipt)).map(row).collect();
    let mut rows = accepted.after.audited_since(accepted.before);
    rows.sort();
    prop_assert_eq!(rows, expected, "{:?}", accepted.batch.changes);
    Ok(())
}

async fn tell(world: &World, policies: [Policy; 2], steps: &[Step], met: &RefCell<Met>) -> TestCaseResult {
    let number = {
        let mut met = met.borrow_mut();
        met.stories += 1;
        met.stories
    };
    let scene = Scene::set(world, number as usize, policies).await;
    let mut teller = Teller { scene, books: Books::default(), met };
    for step in steps {
        teller.step(step).await?;
    }
    Ok(())
}

/// Fixed unless `PROPTEST_RNG_SEED` says otherwise; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let given = ProptestConfig { failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { STORIES };
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(20_262) } else { given.rng_seed };
    ProptestConfig { cases, rng_seed, ..given }
}

fn drive(kind: Kind) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(world) = runtime.block_on(World::fresh(kind)) else {
        return;
    };
    let (begun, met) = (Instant::now(), RefCell::new(Met::default()));
    let asked_for_more = std::env::var_os("PROPTEST_CASES").is_some();
    let outcome = TestRunner::new(config()).run(&stories(LONGEST), |(policies, steps)| {
        if begun.elapsed() > TIME && !asked_for_more {
            return Ok(());
        }
        runtime.block_on(tell(&world, policies, &steps, &met))
    });
    runtime.block_on(world.db.close());
    runtime.block_on(async { drop(world) });
    let met = met.into_inner();
    eprintln!("on {kind:?} in {:?}: {met:?}", begun.elapsed());
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let all = [Verdict::Keep, Verdict::Narrow, Verdict::End];
    let varied =
        all.iter().all(|verdict| met.verdicts.contains_key(verdict)) && met.refused > 0 && met.without_effect > 0;
    assert!(varied && met.logout_tokens > 0, "the stories met too little: {met:?}");
}

// K40 K42 K46 K47
#[test]
fn every_change_does_exactly_what_the_model_says_on_sqlite() {
    drive(Kind::Sqlite);
}

#[test]
fn every_change_does_exactly_what_the_model_says_on_postgresql() {
    drive(Kind::Postgres);
}
