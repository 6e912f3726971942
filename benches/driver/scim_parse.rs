//! Reading filters in this process: what the usual, the largest and the hostile ones cost, without any HTTP.

use std::fmt;
use std::hint::black_box;

use anyhow::{Result, ensure};
use muster::domain::scim::filter::{MOST_BYTES, MOST_TERMS, parse_filter};
use serde::Serialize;

use crate::micro::each;

/// CPU microseconds of reading one filter.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Parses {
    /// `userName eq "…"`, as every client asks.
    pub name_us: f64,
    /// `emails[type eq "work"].value eq "…"`, as Entra asks.
    pub element_us: f64,
    /// As many comparisons as a filter may have.
    pub largest_us: f64,
    /// Ten thousand opening parentheses, refused.
    pub parentheses_us: f64,
    /// A mebibyte, refused.
    pub mebibyte_us: f64,
}

impl Parses {
    /// Measures them, in about one and a half seconds.
    ///
    /// # Errors
    /// A filter is refused that should not be, or the other way round.
    pub fn measure() -> Result<Self> {
        let comparison = |number: usize| format!("userName eq \"{number:0>40}\"");
        let largest = (0..MOST_TERMS).map(comparison).collect::<Vec<_>>().join(" or ");
        ensure!(largest.len() <= MOST_BYTES, "the largest filter is too large");
        let hostile = "a pr and (not (".repeat((1 << 20) / 15);
        Ok(Self {
            name_us: read(r#"userName eq "person-500000""#, true)?,
            element_us: read(r#"emails[type eq "work"].value eq "person-500000@bench.example""#, true)?,
            largest_us: read(&largest, true)?,
            parentheses_us: read(&"(".repeat(10_000), false)?,
            mebibyte_us: read(&hostile, false)?,
        })
    }
}

fn read(filter: &str, is_good: bool) -> Result<f64> {
    let start: String = filter.chars().take(40).collect();
    ensure!(parse_filter(filter).is_ok() == is_good, "{start}… should {}be read", if is_good { "" } else { "not " });
    Ok(each(|| {
        black_box(parse_filter(black_box(filter)).is_ok());
    }))
}

impl fmt::Display for Parses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name_us, element_us, largest_us, parentheses_us, mebibyte_us } = self;
        write!(
            f,
            "CPU µs of reading a SCIM filter: by name {name_us:.2}, by element {element_us:.2}, \
             {MOST_TERMS} comparisons {largest_us:.1}; refusing 10,000 parentheses {parentheses_us:.2}, 1 MiB {mebibyte_us:.2}"
        )
    }
}
