//! The goals of speed and size that one run can judge: G1, G3–G10, and G11 by `scim_goals`.
//!
//! A goal that the run can't judge is said to be open, and why; it never passes silently.

use std::fmt;

use serde::Serialize;

use crate::ground::Backend;
use crate::scim_goals;
use crate::summary::{Findings, Row};
use crate::why;

/// The people from which a database counts as large.
pub const LARGE: u64 = 1_000_000;
/// The people up to which a database counts as small.
const SMALL: u64 = 1_000;

/// How a goal came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is met.
    Pass,
    /// It is not met.
    Short,
    /// The run can't tell.
    Open,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Short => "SHORT",
            Self::Open => "open",
        })
    }
}

/// One goal on one ground.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The goal's number.
    pub goal: &'static str,
    /// The ground.
    pub place: String,
    /// What is judged.
    pub what: String,
    /// How it came out.
    pub outcome: Outcome,
    /// The value against the limit, or why it is open.
    pub reason: String,
    /// Where the cost goes, when the goal is not met.
    pub why: Option<String>,
}

/// Which side of the limit is good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The lower one.
    AtMost,
    /// The upper one.
    AtLeast,
}

/// A limit with its unit.
pub struct Limit(pub Side, pub f64, pub &'static str);

impl Limit {
    fn judge(&self, value: f64) -> (Outcome, String) {
        let Self(side, limit, unit) = *self;
        let (word, good) = match side {
            Side::AtMost => ("at most", value <= limit),
            Side::AtLeast => ("at least", value >= limit),
        };
        let off = ((value / limit - 1.0) * 100.0).abs();
        let miss = if good { String::new() } else { format!(", off by {off:.0} %") };
        let outcome = if good { Outcome::Pass } else { Outcome::Short };
        (outcome, format!("{value:.2}{unit}, {word} {limit}{unit}{miss}"))
    }
}

/// Collects the verdicts of one place.
pub struct Bench {
    place: String,
    verdicts: Vec<Verdict>,
}

impl Bench {
    /// Judges a value; one that is not there is open.
    pub fn judge(&mut self, goal: &'static str, what: &str, value: Option<f64>, limit: &Limit) -> &mut Self {
        let (outcome, reason) =
            value.map_or_else(|| (Outcome::Open, "not measured".to_owned()), |value| limit.judge(value));
        self.say(goal, what, outcome, reason)
    }

    /// Gives a verdict.
    pub fn say(&mut self, goal: &'static str, what: &str, outcome: Outcome, reason: String) -> &mut Self {
        let (place, what) = (self.place.clone(), what.to_owned());
        self.verdicts.push(Verdict { goal, place, what, outcome, reason, why: None });
        self
    }

    /// Adds to the last verdict where the cost goes, if it is short.
    pub fn because(&mut self, why: impl FnOnce() -> String) {
        if let Some(last) = self.verdicts.last_mut().filter(|last| last.outcome == Outcome::Short) {
            last.why = Some(why());
        }
    }

    /// A cell's ratio to the yardstick; a cell that failed is short of every goal.
    pub fn ratio(&mut self, goal: &'static str, rows: &[Row], (cell, most): (&str, f64)) {
        let limit = Limit(Side::AtMost, most, " y");
        self.cell(goal, rows, cell, (|row| row.ratio, &limit));
    }

    fn cell(&mut self, goal: &'static str, rows: &[Row], cell: &str, judged: (Pick, &Limit)) {
        self.named(goal, rows, (cell, cell), judged);
    }

    /// As a cell is judged, with words of its own for what is judged.
    pub fn named(
        &mut self,
        goal: &'static str,
        rows: &[Row],
        (what, cell): (&str, &str),
        (pick, limit): (Pick, &Limit),
    ) {
        let row = rows.iter().find(|row| row.cell == cell);
        if let Some(failure) = row.and_then(|row| row.failure.clone()) {
            self.say(goal, what, Outcome::Short, format!("the cell failed: {failure}"));
            return;
        }
        self.judge(goal, what, row.and_then(pick), limit);
        if let Some(row) = row {
            self.because(|| why::of_cell(row));
        }
    }
}

/// The figure of a row that is judged.
pub type Pick = fn(&Row) -> Option<f64>;

/// Judges what a run found.
pub fn judge(findings: &Findings) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for ground in findings.grounds() {
        verdicts.extend(judge_ground(findings, ground));
    }
    let mut databases: Vec<Backend> = findings.grounds().into_iter().map(|(database, _)| database).collect();
    databases.dedup();
    for database in databases {
        verdicts.extend(judge_growth(findings, database));
    }
    let mut bench = Bench { place: "program".to_owned(), verdicts };
    let size = findings.program_bytes as f64 / 1e6;
    bench
        .judge("G10", "size, pages embedded", Some(size), &Limit(Side::AtMost, 30.0, " MB"))
        .because(|| "not broken down here; `cargo bloat --release --crates` does".to_owned());
    scim_goals::judge_filters(&findings.parses, &mut bench);
    bench.verdicts.sort_by_key(|verdict| verdict.goal[1..].parse::<u32>().unwrap_or_default());
    bench.verdicts
}

fn judge_ground(findings: &Findings, ground: (Backend, u64)) -> Vec<Verdict> {
    let (database, users) = ground;
    let rows = findings.rows(ground);
    let mut bench = Bench { place: format!("{database} {users}"), verdicts: Vec::new() };
    for (cell, share) in [("cc.rs256", 0.85), ("cc.eddsa", 0.50), ("cc.es256", 0.45)] {
        bench.cell("G1", &rows, cell, (|row| row.share, &Limit(Side::AtLeast, share, " L/cpu")));
    }
    if users >= LARGE {
        bench.ratio("G3", &rows, ("refresh.eddsa", 14.0));
    } else {
        let value = rows.iter().find(|row| row.cell == "refresh.eddsa").and_then(|row| row.ratio);
        let seen = value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.2} y here"));
        bench.say("G3", "refresh.eddsa", Outcome::Open, format!("{seen}; judged at {LARGE} people, at most 14 y"));
    }
    let reads = [("introspection", 3.0), ("introspection.first", 10.0), ("userinfo", 4.0)];
    let fixed = [("discovery", 1.3), ("jwks", 1.3), ("discovery_304", 1.2)];
    for goal in reads.into_iter().chain(fixed) {
        bench.ratio("G5", &rows, goal);
    }
    bench.ratio("G6", &rows, ("authcode.eddsa", 25.0));
    bench.cell("G7", &rows, "password", (|row| row.floors, &Limit(Side::AtMost, 1.03, " Argon2id")));
    let storm = findings.storm_ratio(ground);
    bench
        .judge("G7", "p99 of cc.eddsa in a sign-in storm", storm, &Limit(Side::AtMost, 2.0, " x calm"))
        .because(|| why::of_storm(findings, ground));
    judge_starts(findings, ground, &mut bench);
    judge_memory(findings, ground, &mut bench);
    scim_goals::judge(findings, ground, &mut bench);
    bench.verdicts
}

fn judge_starts(findings: &Findings, ground: (Backend, u64), bench: &mut Bench) {
    for starts in findings.starts.iter().filter(|starts| (starts.database, starts.users) == ground) {
        bench
            .judge("G8", "start, warm", Some(starts.warm_ms), &Limit(Side::AtMost, 15.0, " ms"))
            .because(|| why::of_start(starts, starts.warm_statements));
        bench
            .judge("G8", "start, empty database", Some(starts.empty_ms), &Limit(Side::AtMost, 60.0, " ms"))
            .because(|| why::of_start(starts, starts.empty_statements));
    }
}

fn judge_memory(findings: &Findings, ground: (Backend, u64), bench: &mut Bench) {
    let mib = |kib: u64| Some(kib as f64 / 1024.0);
    for memory in findings.memories.iter().filter(|memory| (memory.database, memory.users) == ground) {
        let judged = [
            ("idle, VmRSS", memory.idle.resident_kib, 24.0),
            ("idle, RssAnon", memory.idle.own_kib, 16.0),
            ("after this run's load, RssAnon", memory.loaded.own_kib, 48.0),
        ];
        for (what, kib, most) in judged {
            bench.judge("G9", what, mib(kib), &Limit(Side::AtMost, most, " MiB")).because(|| why::of_memory(memory));
        }
    }
}

/// G4: the same cost however many people there are.
fn judge_growth(findings: &Findings, database: Backend) -> Vec<Verdict> {
    let users = || findings.grounds().into_iter().filter(move |(here, _)| *here == database).map(|(_, users)| users);
    let small = users().filter(|users| *users <= SMALL).max();
    let large = users().filter(|users| *users >= LARGE).min();
    let mut bench = Bench { place: database.to_string(), verdicts: Vec::new() };
    for cell in ["refresh.eddsa", "introspection", "userinfo"] {
        let (Some(small), Some(large)) = (small, large) else {
            bench.say("G4", cell, Outcome::Open, format!("needs {SMALL} and {LARGE} people in one run"));
            continue;
        };
        let row = |users| findings.row((database, users), cell).filter(|row| row.failure.is_none());
        let growth = |pick: Pick| Some(row(large).as_ref().and_then(pick)? / row(small).as_ref().and_then(pick)?);
        let instructions = growth(|row| row.instructions.or(row.user_instructions));
        let (here, there) = (row(small), row(large));
        let why = || why::of_growth(here.as_ref(), there.as_ref());
        bench
            .judge("G4", &format!("{cell}, instructions"), instructions, &Limit(Side::AtMost, 1.25, " x small"))
            .because(why);
        bench
            .judge("G4", &format!("{cell}, CPU/y"), growth(|row| row.ratio), &Limit(Side::AtMost, 1.6, " x small"))
            .because(why);
    }
    let row = |users| findings.row((database, users), "scim.filter").filter(|row| row.failure.is_none());
    let (here, there) = (small.and_then(row), large.and_then(row));
    scim_goals::judge_growth((here.as_ref(), there.as_ref()), &mut bench);
    bench.verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_the_limit_is_good_on_either_side() {
        assert_eq!(Limit(Side::AtMost, 3.0, " y").judge(3.0).0, Outcome::Pass);
        assert_eq!(Limit(Side::AtLeast, 0.5, "").judge(0.5).0, Outcome::Pass);
        let (outcome, reason) = Limit(Side::AtMost, 3.0, " y").judge(4.5);
        assert_eq!((outcome, reason.as_str()), (Outcome::Short, "4.50 y, at most 3 y, off by 50 %"));
    }

    #[test]
    fn a_cell_that_failed_is_short_and_one_that_is_missing_is_open() {
        let failed = Row { cell: "userinfo", failure: Some("401".to_owned()), ..Row::default() };
        let mut bench = Bench { place: String::new(), verdicts: Vec::new() };
        bench.ratio("G5", &[failed], ("userinfo", 4.0));
        bench.ratio("G5", &[], ("jwks", 1.3));
        let outcomes: Vec<Outcome> = bench.verdicts.iter().map(|verdict| verdict.outcome).collect();
        assert_eq!(outcomes, [Outcome::Short, Outcome::Open]);
    }
}
