//! One window of load, and what it cost the server: CPU, instructions, statements and the database's CPU.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::flows::Flow;
use crate::ground::Backend;
use crate::http::{self, Connection};
use crate::load::{self, Limits, Outcome};
use crate::perf::{Counters, Instructions, Watch};
use crate::process;

/// The counter of SQL statements among the server's metrics.
pub const STATEMENTS: &str = "muster_sql_statements_total";
/// How long the server may finish what it does after its answers.
const SETTLE: Duration = Duration::from_millis(30);

/// Whom to watch during a window.
pub struct Probe<'a> {
    /// Where the process listens.
    pub address: SocketAddr,
    /// The process.
    pub pid: u32,
    /// The parent of the database's processes.
    pub database_pid: Option<u32>,
    /// What can be counted.
    pub counters: &'a Counters,
}

/// What one window cost, an operation (of one request or more).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Window {
    /// Operations done.
    pub operations: u64,
    /// Requests that they took.
    pub requests: u64,
    /// Operations a second; for orientation only.
    pub per_second: f64,
    /// Half of the operations took no longer.
    pub p50_us: u32,
    /// Nine of ten took no longer.
    pub p90_us: u32,
    /// 99 of 100 took no longer.
    pub p99_us: u32,
    /// The longest one.
    pub max_us: u32,
    /// The server's CPU microseconds an operation.
    pub cpu_us: f64,
    /// The kernel's part of them.
    pub kernel_cpu_us: f64,
    /// How often a thread of the server left a core, an operation.
    pub switches: f64,
    /// The database's processes' CPU microseconds an operation.
    pub database_cpu_us: Option<f64>,
    /// The server's instructions an operation, outside the kernel.
    pub user_instructions: Option<f64>,
    /// The kernel's instructions for the server, an operation.
    pub kernel_instructions: Option<f64>,
    /// SQL statements an operation.
    pub statements: Option<f64>,
    /// Why the cell counts as failed.
    pub failure: Option<String>,
}

/// The counters' standing at one moment.
struct Standing {
    statements: Option<f64>,
    cpu: u64,
    kernel_cpu: u64,
    switches: u64,
    database_cpu: Option<u64>,
}

impl Probe<'_> {
    /// Lets the callers work and reads the counters before and after.
    pub async fn window(&self, flows: Vec<Flow>, limits: Limits) -> Window {
        let statements = self.statements().await;
        let watch = self.counters.watch(self.pid);
        let before = self.standing(statements);
        let (outcome, _) = load::closed_loop(flows, limits).await;
        tokio::time::sleep(SETTLE).await;
        let mut after = self.standing(None);
        let instructions = watch.and_then(Watch::stop);
        after.statements = self.statements().await;
        Window::of(&outcome, &before, &after, instructions)
    }

    fn standing(&self, statements: Option<f64>) -> Standing {
        let database_cpu = self.database_pid.map(process::cpu_with_children);
        let (cpu, kernel_cpu) = (process::cpu(self.pid), process::kernel_cpu(self.pid));
        Standing { statements, cpu, kernel_cpu, switches: process::switches(self.pid), database_cpu }
    }

    /// How many statements the server has sent, if it tells.
    async fn statements(&self) -> Option<f64> {
        let request = http::get(&self.address.to_string(), "/metrics", &[]);
        let answer = Connection::to(self.address).send(&request).await.ok()?;
        (answer.status == 200).then(|| counter(&answer.text(), STATEMENTS)).flatten()
    }
}

/// The sum of a counter's series in the text format of Prometheus.
pub fn counter(metrics: &str, name: &str) -> Option<f64> {
    let series = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let values = series
        .filter(|rest| rest.starts_with(['{', ' ']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or(0.0) + value))
}

impl Window {
    /// A window that came to nothing.
    pub fn failed(reason: String) -> Self {
        Self { failure: Some(reason), ..Self::default() }
    }

    fn of(outcome: &Outcome, before: &Standing, after: &Standing, instructions: Option<Instructions>) -> Self {
        let operations = outcome.operations.max(1) as f64;
        let each = |total: u64| total as f64 / operations;
        let nothing = (outcome.operations == 0).then(|| "nothing was done".to_owned());
        Self {
            operations: outcome.operations,
            requests: outcome.requests,
            per_second: outcome.operations as f64 / outcome.elapsed.as_secs_f64().max(1e-9),
            p50_us: outcome.permille(500),
            p90_us: outcome.permille(900),
            p99_us: outcome.permille(990),
            max_us: outcome.permille(1000),
            cpu_us: each(after.cpu.saturating_sub(before.cpu)),
            kernel_cpu_us: each(after.kernel_cpu.saturating_sub(before.kernel_cpu)),
            switches: each(after.switches.saturating_sub(before.switches)),
            database_cpu_us: after.database_cpu.zip(before.database_cpu).map(|(a, b)| each(a.saturating_sub(b))),
            user_instructions: instructions.map(|counted| each(counted.user)),
            kernel_instructions: instructions.and_then(|counted| counted.kernel).map(each),
            // A counter that does not stand yet before the first statement stood at zero.
            statements: after.statements.map(|a| (a - before.statements.unwrap_or(0.0)) / operations),
            failure: outcome.failure.clone().or(nothing),
        }
    }
}

/// A cell's window, the yardstick's window directly before it, and what the moment was like.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The server's database.
    pub database: Backend,
    /// The people in it.
    pub users: u64,
    /// The cell's name.
    pub cell: &'static str,
    /// Which round it was.
    pub round: u32,
    /// What the operation needed.
    pub window: Window,
    /// What the yardstick's request needed just before.
    pub yard: Window,
    /// CPU microseconds of the signatures or of the Argon2id that the operation can't do without.
    pub floor_us: Option<f64>,
    /// The load average of the machine.
    pub load_average: f64,
    /// Microseconds of a flush to the database's disk.
    pub flush_us: u64,
}

impl Sample {
    /// The cost in yardsticks.
    pub fn ratio(&self) -> Option<f64> {
        self.of_cost(self.yard.cpu_us).map(f64::recip)
    }

    /// The share of the cost that can't be avoided: L/cpu with L = y + n·s.
    pub fn share(&self) -> Option<f64> {
        self.of_cost(self.yard.cpu_us + self.floor_us?)
    }

    /// The cost in floors: what a sign-in costs, in Argon2id hashes.
    pub fn floors(&self) -> Option<f64> {
        self.of_cost(self.floor_us?).map(f64::recip)
    }

    fn of_cost(&self, part: f64) -> Option<f64> {
        (part > 0.0 && self.window.cpu_us > 0.0).then(|| part / self.window.cpu_us)
    }
}

#[cfg(test)]
mod tests {
    use super::counter;

    #[test]
    fn a_counter_is_the_sum_of_its_series() {
        let metrics = "# TYPE muster_sql_statements_total counter\nmuster_sql_statements_total{kind=\"read\"} 40\n\
                       muster_sql_statements_total 2\nmuster_sql_statements_total_other 9\n";
        assert_eq!(counter(metrics, "muster_sql_statements_total"), Some(42.0));
        assert_eq!(counter("", "muster_sql_statements_total"), None);
    }
}
