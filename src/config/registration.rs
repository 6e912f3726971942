//! `[registration]`: whether people may make accounts of their own.

use serde::Deserialize;

/// Who makes accounts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Registration {
    /// Whether anybody with an e-mail address may make an account of their own. Without it accounts come by invitation
    /// or are made by administrators.
    pub self_service: bool,
}
