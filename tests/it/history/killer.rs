//! Whoever kills processes and cuts connections while a history is written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::record::Dice;
use super::scene::Scene;
use crate::support::process::Serving;

/// A process that is started again must listen within this time, on a machine that is busy with the history itself.
const BACK: Duration = Duration::from_secs(20);

/// How a history goes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many operations it has at least.
    pub operations: usize,
    /// How often a process is killed on the way.
    pub kills: usize,
    /// What the dice begin with.
    pub seed: u64,
}

/// What was done to the processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// So many were killed.
    pub kills: usize,
    /// So often all connections to the database were cut.
    pub cuts: usize,
    /// The longest time from a start until the process listened.
    pub slowest: Duration,
}

/// The processes, and what was done to them.
pub struct Killer {
    scene: Arc<Scene>,
    serving: Vec<Serving>,
    dice: Dice,
    done: Done,
}

impl Killer {
    /// Starts the processes, one after the other.
    pub async fn start(scene: Arc<Scene>, dice: Dice) -> Self {
        let mut serving = Vec::new();
        for node in &scene.nodes {
            serving.push(node.serve().await);
        }
        Self { scene, serving, dice, done: Done::default() }
    }

    /// Kills and cuts in equal parts of the history, and says that it is over when it is long enough. The processes run on,
    /// so that the last requests are answered.
    pub async fn run(mut self, plan: Plan) -> (Done, Vec<Serving>) {
        for kill in 1..=plan.kills {
            self.until(plan.operations * kill / (plan.kills + 1)).await;
            tokio::time::sleep(Duration::from_millis(self.dice.roll(60))).await;
            if self.scene.nodes.len() > 1 && kill % 2 == 0 {
                self.cut().await;
                tokio::time::sleep(Duration::from_millis(self.dice.roll(100))).await;
            }
            self.kill().await;
        }
        self.until(plan.operations).await;
        self.scene.over.store(true, std::sync::atomic::Ordering::SeqCst);
        (self.done, self.serving)
    }

    async fn until(&self, operations: usize) {
        let (mut before, mut since) = (self.scene.log.len(), Instant::now());
        while self.scene.log.len() < operations {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.scene.log.len() > before {
                (before, since) = (self.scene.log.len(), Instant::now());
            }
            assert!(since.elapsed() < Duration::from_secs(60), "nobody gets an answer any more");
        }
    }

    async fn kill(&mut self) {
        let node = usize::try_from(self.dice.roll(self.scene.nodes.len() as u64)).unwrap();
        self.serving.remove(node).kill().await;
        tokio::time::sleep(Duration::from_millis(self.dice.roll(250))).await;
        let begun = Instant::now();
        let again = self.scene.nodes[node].serve().await;
        assert!(begun.elapsed() < BACK, "it took {:?} to come back", begun.elapsed());
        self.done.slowest = self.done.slowest.max(begun.elapsed());
        self.serving.insert(node, again);
        self.done.kills += 1;
    }

    /// Has the database drop every connection but the one that asks for it, which may itself have been cut before.
    async fn cut(&mut self) {
        for _ in 0..10 {
            let Ok(mut conn) = self.scene.world.db.read().await else { continue };
            let cut: Result<(i64,), _> = conn
                .query(
                    "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .one()
                .await;
            if cut.is_ok_and(|(count,)| count > 0) {
                self.done.cuts += 1;
                return;
            }
        }
    }
}
