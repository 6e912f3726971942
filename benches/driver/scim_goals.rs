//! The goals of SCIM: G11, and the latencies that go with it.

use crate::goals::{Bench, LARGE, Limit, Outcome, Pick, Side};
use crate::ground::Backend;
use crate::scim::{IN_BULK, Size};
use crate::scim_parse::Parses;
use crate::summary::{Findings, Row};
use crate::why;

const GOAL: &str = "G11";
/// How many users an import has.
const IMPORT: f64 = 100_000.0;

/// Judges what one ground has.
pub fn judge(findings: &Findings, ground: (Backend, u64), bench: &mut Bench) {
    let (rows, users) = (findings.rows(ground), ground.1);
    bench.ratio(GOAL, &rows, ("scim.create", 8.0));
    let made = ("users made a second, for orientation", "scim.create");
    bench.named(GOAL, &rows, made, (|row| Some(row.per_second), &Limit(Side::AtLeast, 2_000.0, "/s")));
    let import = ("100,000 users by bulk", "scim.bulk");
    bench.named(GOAL, &rows, import, (import_seconds, &Limit(Side::AtMost, 30.0, " s")));
    bench.ratio(GOAL, &rows, ("scim.get", 4.0));
    let ratio = |cell: &str| rows.iter().find(|row| row.cell == cell).and_then(|row| row.ratio);
    if users >= LARGE {
        bench.ratio(GOAL, &rows, ("scim.filter", 5.0));
    } else {
        elsewhere(bench, "scim.filter", LARGE, (ratio("scim.filter"), &Limit(Side::AtMost, 5.0, " y")));
    }
    let many = Size::Large.members();
    if users >= many {
        bench.ratio(GOAL, &rows, ("scim.member.100000", 12.0));
    } else {
        elsewhere(bench, "scim.member.100000", many, (None, &Limit(Side::AtMost, 12.0, " y")));
    }
    flat(&rows, users, bench);
    latencies(findings, ground, bench);
}

/// Seconds that a hundred thousand users take, at the pace of the bulk requests.
fn import_seconds(row: &Row) -> Option<f64> {
    (row.per_second > 0.0).then(|| IMPORT / IN_BULK as f64 / row.per_second)
}

/// A goal that is judged where there are more people: what is seen here is said.
fn elsewhere(bench: &mut Bench, what: &str, users: u64, (value, limit): (Option<f64>, &Limit)) {
    let Limit(_, most, unit) = limit;
    let seen = value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.2}{unit} here"));
    let reason = format!("{seen}; judged at {users} people, at most {most}{unit}");
    bench.say(GOAL, what, Outcome::Open, reason);
}

/// A member costs the same, however many there are.
fn flat(rows: &[Row], users: u64, bench: &mut Bench) {
    let row = |cell: &str| rows.iter().find(|row| row.cell == cell).filter(|row| row.failure.is_none());
    let small = row("scim.member.10");
    for (cell, members) in [("scim.member.1000", 1_000), ("scim.member.100000", 100_000)] {
        let (what, limit) = (format!("{cell}, CPU/y"), Limit(Side::AtMost, 1.3, " x of 10"));
        let here = row(cell);
        let growth = here.and_then(|here| Some(here.ratio? / small?.ratio?));
        if users < members {
            elsewhere(bench, &what, members, (None, &limit));
        } else {
            bench.judge(GOAL, &what, growth, &limit).because(|| why::of_growth(small, here));
        }
    }
}

/// What a request waits, at an easy pace.
fn latencies(findings: &Findings, ground: (Backend, u64), bench: &mut Bench) {
    let goals = [
        ("scim.filter", 5.0, LARGE),
        ("scim.page.middle", 50.0, LARGE),
        ("scim.page.cursor", 10.0, LARGE),
        ("scim.member.100000", 10.0, Size::Large.members()),
    ];
    for (cell, most, least) in goals {
        let (what, limit) = (format!("{cell}, p99 at easy pace"), Limit(Side::AtMost, most, " ms"));
        let p99 = findings.pace(ground, cell).map(|[_, p99]| p99);
        if ground.1 < least {
            elsewhere(bench, &what, least, (p99, &limit));
        } else {
            bench.judge(GOAL, &what, p99, &limit);
        }
    }
}

/// Looking somebody up costs the same, however many there are.
pub fn judge_growth(rows: (Option<&Row>, Option<&Row>), bench: &mut Bench) {
    let ratio: Pick = |row| row.ratio;
    let growth = rows.0.and_then(ratio).zip(rows.1.and_then(ratio)).map(|(small, large)| large / small);
    bench
        .judge(GOAL, "scim.filter, CPU/y", growth, &Limit(Side::AtMost, 1.3, " x small"))
        .because(|| why::of_growth(rows.0, rows.1));
}

/// A hostile filter is refused at once.
pub fn judge_filters(parses: &Parses, bench: &mut Bench) {
    let worst = parses.parentheses_us.max(parses.mebibyte_us).max(parses.largest_us);
    bench.judge(GOAL, "reading the worst filter", Some(worst / 1e3), &Limit(Side::AtMost, 5.0, " ms"));
}
