//! What a run prints: the table of cells, start-up and memory, and the goals; and the same as lines of JSON.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::goals::{Outcome, Verdict};
use crate::ground::Backend;
use crate::perf::Counters;
use crate::summary::{Findings, Row, Storm};

/// A file of JSON lines, or none.
pub struct Record(Option<File>);

impl Record {
    /// A record in this file, which is made anew.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn new(path: Option<&Path>) -> Result<Self> {
        let create = |path: &Path| File::create(path).with_context(|| format!("creating {}", path.display()));
        Ok(Self(path.map(create).transpose()?))
    }

    /// Writes one line: `{"kind": {…}}`.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn line(&mut self, kind: &str, value: &impl Serialize) -> Result<()> {
        if let Some(file) = &mut self.0 {
            writeln!(file, "{}", serde_json::json!({ kind: value }))?;
        }
        Ok(())
    }
}

/// Says where a run is made and what can be counted.
pub fn print_head(findings: &Findings, counters: &Counters) {
    let machine = &findings.machine;
    println!("commit {} · {} × {} · Linux {}", machine.commit, machine.cores, machine.cpu, machine.kernel);
    match counters {
        Counters::UserAndKernel => {
            println!("instructions by perf stat, the program's and the kernel's")
        }
        Counters::User => println!("instructions by perf stat, the program's alone"),
        Counters::Missing(why) => {
            println!("CPU time only: instructions can't be counted here ({why})")
        }
    }
}

/// Prints the cells of one ground.
pub fn print_ground(findings: &Findings, ground: (Backend, u64)) {
    let (database, users) = ground;
    println!("\n{database}, {users} people (medians; an operation of authcode and password is two requests)");
    println!(
        "{:<20} {:>8} {:>7} {:>7} {:>7} {:>9} {:>7} {:>6} {:>8} {:>8} {:>6} {:>8}",
        "cell", "op/s", "p50 ms", "p90 ms", "p99 ms", "cpu µs", "x y", "% L", "ki user", "ki all", "sql", "db µs"
    );
    for row in findings.rows(ground) {
        print_row(&row);
    }
    for cell in crate::cells::ALL.iter().filter(|cell| cell.is_paced()).map(|cell| cell.name()) {
        if let Some([p50, p99]) = findings.pace(ground, cell) {
            println!("at an easy pace: {cell} p50 {p50:.2} ms, p99 {p99:.2} ms");
        }
    }
    for storm in findings.storms.iter().filter(|storm| (storm.database, storm.users) == ground) {
        print_storm(storm);
    }
    for starts in findings.starts.iter().filter(|starts| (starts.database, starts.users) == ground) {
        println!("start: {:.1} ms warm, {:.1} ms on an empty database", starts.warm_ms, starts.empty_ms);
    }
    for memory in findings.memories.iter().filter(|memory| (memory.database, memory.users) == ground) {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let (idle, loaded) = (memory.idle, memory.loaded);
        println!(
            "memory: idle {:.1} MiB RssAnon, {:.1} MiB VmRSS; after the load {:.1} MiB RssAnon, {:.1} MiB VmRSS",
            mib(idle.own_kib),
            mib(idle.resident_kib),
            mib(loaded.own_kib),
            mib(loaded.resident_kib)
        );
    }
    let here = || findings.samples.iter().filter(move |sample| (sample.database, sample.users) == ground);
    let flush = here().map(|sample| sample.flush_us);
    let load = here().map(|sample| sample.load_average).fold(0.0, f64::max);
    let yard = crate::summary::median(here().map(|sample| Some(sample.yard.cpu_us))).unwrap_or_default();
    let (least, most) = (flush.clone().min().unwrap_or_default(), flush.max().unwrap_or_default());
    println!("y = {yard:.2} µs; a flush took {least}–{most} µs; load average up to {load:.1}");
    if let Some(costs) = findings.costs.last() {
        println!("{costs}");
    }
    println!("{}", findings.parses);
}

fn print_row(row: &Row) {
    if let Some(failure) = &row.failure {
        println!("{:<20} FAILED: {failure}", row.cell);
        return;
    }
    let optional = |value: Option<f64>, scale: f64, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{:.digits$}", value * scale))
    };
    let [p50, p90, p99] = row.latencies_ms;
    println!(
        "{:<20} {:>8.0} {:>7.2} {:>7.2} {:>7.2} {:>9.1} {:>7} {:>6} {:>8} {:>8} {:>6} {:>8}",
        row.cell,
        row.per_second,
        p50,
        p90,
        p99,
        row.cpu_us,
        optional(row.ratio, 1.0, 2),
        optional(row.share, 100.0, 0),
        optional(row.user_instructions, 1e-3, 1),
        optional(row.instructions, 1e-3, 1),
        optional(row.statements, 1.0, 2),
        optional(row.database_cpu_us, 1.0, 1),
    );
}

fn print_storm(storm: &Storm) {
    let failure = [&storm.calm, &storm.storm, &storm.sign_ins].into_iter().find_map(|window| window.failure.as_ref());
    match failure {
        Some(failure) => println!("storm: FAILED: {failure}"),
        None => println!(
            "storm: p99 of cc.eddsa {:.2} ms calm, {:.2} ms while {:.0} people a second sign in",
            f64::from(storm.calm.p99_us) / 1e3,
            f64::from(storm.storm.p99_us) / 1e3,
            storm.sign_ins.per_second
        ),
    }
}

/// Prints the goals, and how many came out how.
pub fn print_goals(verdicts: &[Verdict]) {
    println!("\n{:<5} {:<20} {:<38} {:<6} value against limit", "goal", "where", "what", "");
    for verdict in verdicts {
        let Verdict { goal, place, what, outcome, reason, why } = verdict;
        println!("{goal:<5} {place:<20} {what:<38} {outcome:<6} {reason}");
        if let Some(why) = why {
            println!("{:6}why: {why}", "");
        }
    }
    let count = |wanted: Outcome| verdicts.iter().filter(|verdict| verdict.outcome == wanted).count();
    println!("\n{} pass, {} short, {} open.", count(Outcome::Pass), count(Outcome::Short), count(Outcome::Open));
    println!(
        "Not judged by this driver: G2 (other products), the sessions and tenants of G4, \"writes nothing before the \
         code\" of G6, the memory of a session of G9, the peer of G11 (benches/scim_peers), G12–G15."
    );
}
