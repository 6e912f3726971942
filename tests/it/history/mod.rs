//! Histories: many clients note what they asked, when, and what was answered, while processes are killed and connections
//! cut. Afterwards a checker that knows nothing of Muster but its promises looks for a broken one.
//!
//! A run is small unless the environment asks for more, and can be had again by its seed:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `MUSTER_HISTORY_OPERATIONS` | how many operations each database's history has at least | 3000 |
//! | `MUSTER_HISTORY_KILLS` | how often a process is killed (-9) on the way | 8 |
//! | `MUSTER_HISTORY_SEED` | what the dice begin with; every run prints its own | by chance |

mod check;
mod check_tests;
mod killer;
mod lane;
mod ledger;
mod links;
mod record;
mod run;
mod scene;
mod visit;
