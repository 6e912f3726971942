//! `[log]`: what is written to stderr, and how.

use serde::Deserialize;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// Which events, as `tracing` writes filters: `info`, `info,muster::web=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,tower_sessions_core=error".to_owned() }
    }
}
