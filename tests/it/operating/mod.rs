//! Operating Muster: the real program, files that say what is wanted, and machines that stop without warning.

mod alerts;
pub mod apply_file;
mod backup;
mod cli;
mod export_file;
mod lost_connections;
mod metrics;
mod power_cut;
mod probes;
mod processes;
mod rolling;
mod traces;
