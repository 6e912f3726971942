//! Where the cost of a goal that is not met goes, told from what the same run has measured.

use crate::ground::Backend;
use crate::startup::Starts;
use crate::summary::{Findings, Memories, Row, median};

/// The parts of an operation's CPU: the bare route, the signatures or the hash, and the rest, set against the
/// statements and the switches of threads that go with it.
pub fn of_cell(row: &Row) -> String {
    let floor = row.floor_us.unwrap_or_default();
    let rest = (row.cpu_us - row.yard_us - floor).max(0.0);
    let kernel = 100.0 * row.kernel_cpu_us / row.cpu_us.max(f64::MIN_POSITIVE);
    let statements = row.statements.filter(|count| *count >= 0.5).map_or_else(
        || "and no statement goes with them".to_owned(),
        |count| format!("over {count:.1} SQL statements: {:.0} µs each", rest / count),
    );
    format!(
        "of {:.0} µs the bare route has {:.0} and signatures or the hash {floor:.0}; the other {rest:.0} {statements}. \
         {kernel:.0} % of all is the kernel's, with {:.1} switches of threads",
        row.cpu_us, row.yard_us, row.switches,
    )
}

/// How much of the machine the hashes of a storm take.
pub fn of_storm(findings: &Findings, (database, users): (Backend, u64)) -> String {
    let here = findings.storms.iter().filter(|storm| (storm.database, storm.users) == (database, users));
    let rate = median(here.map(|storm| Some(storm.sign_ins.per_second))).unwrap_or_default();
    let hash = median(findings.costs.iter().map(|costs| Some(costs.argon2id_us))).unwrap_or_default();
    format!(
        "{rate:.0} hashes a second of {hash:.0} µs keep {:.1} of {} cores busy, which the driver shares",
        rate * hash / 1e6,
        findings.machine.cores,
    )
}

/// The parts of a start.
pub fn of_start(starts: &Starts, statements: Option<f64>) -> String {
    let statements = statements.map_or_else(String::new, |count| format!(", {count:.0} SQL statements"));
    let connect = starts.connect_ms.map_or_else(String::new, |ms| format!(", {ms:.1} ms a connection to the database"));
    format!("loading the program takes {:.1} ms{connect}{statements}", starts.load_ms)
}

/// What a load left behind.
pub fn of_memory(memory: &Memories) -> String {
    let mib = |kib: u64| kib as f64 / 1024.0;
    format!(
        "{:.1} MiB of its own when idle, {:.1} MiB more after the load; a hash works in 19 MiB, which stay",
        mib(memory.idle.own_kib),
        mib(memory.loaded.own_kib.saturating_sub(memory.idle.own_kib)),
    )
}

/// Whether the statements grew with the people.
pub fn of_growth(small: Option<&Row>, large: Option<&Row>) -> String {
    let statements = |row: Option<&Row>| row.and_then(|row| row.statements).unwrap_or_default();
    let micros = |row: Option<&Row>| row.map_or(0.0, |row| row.cpu_us);
    format!(
        "{:.1} SQL statements with few people and {:.1} with many; {:.0} and {:.0} µs",
        statements(small),
        statements(large),
        micros(small),
        micros(large),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_cell_make_the_whole() {
        let row = Row {
            cpu_us: 500.0,
            yard_us: 10.0,
            floor_us: Some(90.0),
            kernel_cpu_us: 300.0,
            switches: 42.0,
            statements: Some(20.0),
            ..Row::default()
        };
        assert_eq!(
            of_cell(&row),
            "of 500 µs the bare route has 10 and signatures or the hash 90; the other 400 over 20.0 SQL statements: \
             20 µs each. 60 % of all is the kernel's, with 42.0 switches of threads"
        );
        let none = Row { statements: None, floor_us: None, ..row };
        assert!(of_cell(&none).contains("the other 490 and no statement goes with them"));
    }
}
