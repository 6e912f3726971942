//! Bundles of roles and rules of alerts: the rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::unknown;
use crate::domain::change::Change;
use crate::store::access_edit::{AccessEdit, Written};

/// Carries a change of a bundle or an alert out.
pub(super) async fn carry_out(
    _edit: &mut AccessEdit<'_>,
    _change: &Change,
) -> Result<(Written, &'static str), Refusal> {
    Err(unknown())
}
