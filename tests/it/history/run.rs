//! A history on each database, and the checker's word on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster::kernel::secret::Chance as _;
use muster::outside::chance::SystemChance;
use muster::store::audit;

use super::check::check;
use super::killer::{Killer, Plan};
use super::lane::{Lane, prober};
use super::links;
use super::record::{Dice, Event, Outcome};
use super::scene::Scene;
use crate::support::world::Kind;

/// So many people sign in, are given the role and lose it.
const LANES: usize = 6;
/// So many only get links; each has a lane of its own.
const WITH_LINKS: usize = 2;
/// So many show tokens of others meanwhile.
const PROBERS: u64 = 3;
/// So many faults are printed.
const PRINTED: usize = 10;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn plan() -> Plan {
    let by_chance = u64::from_le_bytes(SystemChance.bytes32()[..8].try_into().unwrap());
    let count = |name, otherwise| usize::try_from(setting(name, otherwise)).unwrap();
    Plan {
        operations: count("MUSTER_HISTORY_OPERATIONS", 3000),
        kills: count("MUSTER_HISTORY_KILLS", 8),
        seed: setting("MUSTER_HISTORY_SEED", by_chance),
    }
}

/// How often each thing was done, and each answer was given.
fn tally(events: &[Event]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for event in events {
        let deed = format!("{:?}", event.deed);
        let deed = deed.split('(').next().unwrap_or_default().to_owned();
        let outcome = match event.outcome {
            Outcome::Done | Outcome::Given(_) | Outcome::Issued { .. } => "done",
            Outcome::Saw(true) => "yes",
            Outcome::Saw(false) => "no",
            Outcome::Refused => "refused",
            Outcome::Nothing => "nothing",
            Outcome::Unknown(_) => "unknown",
        };
        *tally.entry(format!("{deed} {outcome}")).or_default() += 1;
    }
    tally
}

async fn history(kind: Kind, plan: Plan) -> Option<(Arc<Scene>, Vec<Event>)> {
    let scene = Scene::set(kind, LANES + WITH_LINKS).await?;
    let killer = Killer::start(Arc::clone(&scene), Dice::new(plan.seed, 1)).await;
    let mut clients = Vec::new();
    for person in 0..LANES {
        let dice = Dice::new(plan.seed, 100 + person as u64);
        clients.push(tokio::spawn(Lane::new(Arc::clone(&scene), person, dice).run()));
    }
    for person in LANES..LANES + WITH_LINKS {
        let dice = Dice::new(plan.seed, 100 + person as u64);
        clients.push(tokio::spawn(links::lane(Arc::clone(&scene), person, dice)));
    }
    for number in 0..PROBERS {
        clients.push(tokio::spawn(prober(Arc::clone(&scene), Dice::new(plan.seed, 200 + number))));
    }
    let (done, serving) = killer.run(plan).await;
    for client in clients {
        client.await.expect("a client met an answer that nothing allows");
    }
    for one in serving {
        one.kill().await;
    }
    let events = scene.log.events();
    let (kills, cuts, slowest) = (done.kills, done.cuts, done.slowest);
    let (all, nothing) = (events.len(), scene.log.nothing());
    eprintln!(
        "{kind:?}: {all} operations, {kills} kills, {cuts} cuts, back within {slowest:?}, {nothing} found nobody"
    );
    assert_eq!(kills, plan.kills);
    assert!(kind == Kind::Sqlite || plan.kills < 8 || cuts > 0, "no connection was cut");
    assert!(plan.kills == 0 || nothing > 0, "no request met a process that was gone");
    Some((scene, events))
}

/// The database is whole: its pages, and the chain of the audit record.
async fn is_whole(scene: &Scene, kind: Kind) {
    // Connections that were cut while they lay ready fail once each.
    for _ in 0..20 {
        let _ = scene.world.db.ping().await;
    }
    let mut conn = scene.world.conn().await;
    assert_eq!(audit::first_broken(&mut conn, &scene.org).await.unwrap(), None, "the audit record is broken");
    if kind == Kind::Sqlite {
        let (word,): (String,) = conn.query("PRAGMA integrity_check").one().await.unwrap();
        assert_eq!(word, "ok");
    }
}

/// A run in which nothing happened would prove nothing.
fn met_enough(events: &[Event], tally: &BTreeMap<String, usize>, plan: Plan) {
    let count = |what: &str| tally.get(what).copied().unwrap_or_default();
    let least = plan.operations / 500;
    for what in ["Grant done", "Revoke done", "Redeem done", "Refresh done", "Look done", "Look refused", "Read yes"] {
        assert!(count(what) >= least, "{what}: {} of {} operations", count(what), events.len());
    }
    assert!(count("UseLink done") > 0 && count("UseLink refused") > 0, "{tally:?}");
    let interrupted = events.iter().any(|event| matches!(event.outcome, Outcome::Unknown(_)));
    assert!(plan.kills < 8 || interrupted, "no answer was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_or_cut_no_promise_is_broken_in_any_history() {
    let plan = plan();
    for kind in Kind::BOTH {
        eprintln!("MUSTER_HISTORY_SEED={} on {kind:?}", plan.seed);
        let Some((scene, events)) = history(kind, plan).await else {
            continue;
        };
        let tally = tally(&events);
        eprintln!("{tally:?}");
        is_whole(&scene, kind).await;
        let faults = check(&events);
        for fault in faults.iter().take(PRINTED) {
            eprintln!("{:?}: {}", fault.rule, fault.told);
        }
        assert!(faults.is_empty(), "{} faults with MUSTER_HISTORY_SEED={}", faults.len(), plan.seed);
        met_enough(&events, &tally, plan);
        scene.world.db.close().await;
    }
}
