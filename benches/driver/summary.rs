//! The medians of a cell over its rounds.

use serde::Serialize;

use crate::ground::Backend;
use crate::measure::{Sample, Window};
use crate::micro::Costs;
use crate::process::{Machine, Memory};
use crate::scim_pace::Pace;
use crate::scim_parse::Parses;
use crate::startup::Starts;

/// What a server's memory was like.
#[derive(Clone, Debug, Serialize)]
pub struct Memories {
    /// The server's database.
    pub database: Backend,
    /// The people in it.
    pub users: u64,
    /// Two seconds after its start.
    pub idle: Memory,
    /// Two seconds after all its load.
    pub loaded: Memory,
}

/// What token requests wait while many people sign in at once.
#[derive(Clone, Debug, Serialize)]
pub struct Storm {
    /// The server's database.
    pub database: Backend,
    /// The people in it.
    pub users: u64,
    /// Which round it was.
    pub round: u32,
    /// Without the storm.
    pub calm: Window,
    /// Under the storm.
    pub storm: Window,
    /// The people who signed in.
    pub sign_ins: Window,
}

impl Storm {
    /// How many times longer the slowest hundredth waits.
    pub fn ratio(&self) -> Option<f64> {
        let whole = [&self.calm, &self.storm, &self.sign_ins].iter().all(|window| window.failure.is_none());
        (whole && self.calm.p99_us > 0).then(|| f64::from(self.storm.p99_us) / f64::from(self.calm.p99_us))
    }
}

/// Everything that a run found.
#[derive(Debug)]
pub struct Findings {
    /// Where it ran.
    pub machine: Machine,
    /// The size of the server's program.
    pub program_bytes: u64,
    /// The costs of signatures and hashes, one for each round.
    pub costs: Vec<Costs>,
    /// What reading SCIM filters costs.
    pub parses: Parses,
    /// The cells' samples.
    pub samples: Vec<Sample>,
    /// Windows at an easy pace.
    pub paces: Vec<Pace>,
    /// Sign-in storms.
    pub storms: Vec<Storm>,
    /// Start-up times.
    pub starts: Vec<Starts>,
    /// Memory.
    pub memories: Vec<Memories>,
}

impl Findings {
    /// The grounds that were measured, in order.
    pub fn grounds(&self) -> Vec<(Backend, u64)> {
        let mut grounds: Vec<(Backend, u64)> = Vec::new();
        for ground in self.starts.iter().map(|starts| (starts.database, starts.users)) {
            if !grounds.contains(&ground) {
                grounds.push(ground);
            }
        }
        grounds
    }

    /// The rows of one ground, in the order of the cells.
    pub fn rows(&self, ground: (Backend, u64)) -> Vec<Row> {
        let names = crate::cells::ALL.iter().map(|cell| cell.name());
        names.filter_map(|cell| self.row(ground, cell)).collect()
    }

    /// A cell's medians, if it was measured.
    pub fn row(&self, (database, users): (Backend, u64), cell: &'static str) -> Option<Row> {
        let here = |sample: &&Sample| (sample.database, sample.users, sample.cell) == (database, users, cell);
        let samples: Vec<&Sample> = self.samples.iter().filter(here).collect();
        (!samples.is_empty()).then(|| Row::of(cell, &samples))
    }

    /// The milliseconds that a half and 99 of 100 of a cell's requests did not exceed at an easy pace; none where a
    /// window failed.
    pub fn pace(&self, (database, users): (Backend, u64), cell: &str) -> Option<[f64; 2]> {
        let here = |pace: &&Pace| (pace.database, pace.users, pace.cell) == (database, users, cell);
        let windows = || self.paces.iter().filter(here).map(|pace| &pace.window);
        if windows().any(|window| window.failure.is_some()) {
            return None;
        }
        let over = |pick: fn(&Window) -> u32| median(windows().map(|window| Some(f64::from(pick(window)) / 1e3)));
        Some([over(|window| window.p50_us)?, over(|window| window.p99_us)?])
    }

    /// The median ratio of the storms of one ground.
    pub fn storm_ratio(&self, (database, users): (Backend, u64)) -> Option<f64> {
        let here = self.storms.iter().filter(|storm| (storm.database, storm.users) == (database, users));
        median(here.map(Storm::ratio))
    }
}

/// The medians of a cell.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The cell's name.
    pub cell: &'static str,
    /// Operations a second.
    pub per_second: f64,
    /// Latencies in milliseconds: a half, nine of ten, 99 of 100.
    pub latencies_ms: [f64; 3],
    /// The server's CPU microseconds.
    pub cpu_us: f64,
    /// The kernel's part of them.
    pub kernel_cpu_us: f64,
    /// How often a thread of the server left a core.
    pub switches: f64,
    /// CPU microseconds of the bare route.
    pub yard_us: f64,
    /// CPU microseconds of the signatures or the hash.
    pub floor_us: Option<f64>,
    /// The cost in yardsticks.
    pub ratio: Option<f64>,
    /// L/cpu, where there is a floor.
    pub share: Option<f64>,
    /// The cost in floors.
    pub floors: Option<f64>,
    /// Instructions outside the kernel.
    pub user_instructions: Option<f64>,
    /// All instructions.
    pub instructions: Option<f64>,
    /// SQL statements.
    pub statements: Option<f64>,
    /// The database's CPU microseconds.
    pub database_cpu_us: Option<f64>,
    /// Why it counts as failed: one bad round is enough.
    pub failure: Option<String>,
}

impl Row {
    fn of(cell: &'static str, samples: &[&Sample]) -> Self {
        let over = |pick: &dyn Fn(&Sample) -> Option<f64>| median(samples.iter().map(|sample| pick(sample)));
        let window = |pick: fn(&Window) -> f64| over(&|sample: &Sample| Some(pick(&sample.window))).unwrap_or_default();
        let optional = |pick: fn(&Window) -> Option<f64>| over(&|sample: &Sample| pick(&sample.window));
        Self {
            cell,
            per_second: window(|w| w.per_second),
            latencies_ms: [
                window(|w| f64::from(w.p50_us) / 1e3),
                window(|w| f64::from(w.p90_us) / 1e3),
                window(|w| f64::from(w.p99_us) / 1e3),
            ],
            cpu_us: window(|w| w.cpu_us),
            kernel_cpu_us: window(|w| w.kernel_cpu_us),
            switches: window(|w| w.switches),
            yard_us: over(&|sample| Some(sample.yard.cpu_us)).unwrap_or_default(),
            floor_us: over(&|sample| sample.floor_us),
            ratio: over(&Sample::ratio),
            share: over(&Sample::share),
            floors: over(&Sample::floors),
            user_instructions: optional(|w| w.user_instructions),
            instructions: optional(|w| Some(w.user_instructions? + w.kernel_instructions?)),
            statements: optional(|w| w.statements),
            database_cpu_us: optional(|w| w.database_cpu_us),
            failure: samples.iter().find_map(|sample| sample.window.failure.clone()),
        }
    }
}

/// The median of the values that are there.
pub fn median(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = values.flatten().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_passes_over_what_was_not_measured() {
        assert_eq!(median([Some(9.0), None, Some(1.0), Some(2.0)].into_iter()), Some(2.0));
        assert_eq!(median([None].into_iter()), None);
    }
}
