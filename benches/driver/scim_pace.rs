//! What a request of a directory waits while few ask at an easy pace: latency without the queue of a closed loop.

use std::time::Duration;

use serde::Serialize;

use crate::ground::Backend;
use crate::load::Limits;
use crate::measure::Window;

/// How many callers there are.
pub const CALLERS: usize = 4;
/// How long each rests after an answer.
const REST: Duration = Duration::from_millis(2);

/// One window at an easy pace.
#[derive(Clone, Debug, Serialize)]
pub struct Pace {
    /// The server's database.
    pub database: Backend,
    /// The people in it.
    pub users: u64,
    /// The cell's name.
    pub cell: &'static str,
    /// Which round it was.
    pub round: u32,
    /// What the requests took.
    pub window: Window,
}

/// The limits of a window that lasts so long.
pub const fn limits(duration: Duration) -> Limits {
    Limits { pause: REST, ..Limits::time(duration) }
}
