//! `POST /Bulk` (RFC 7644 §3.7): many operations in one request, each of which is answered for itself.

use serde_json::Value;

use super::gate::{Answer, Call};
use super::reply;
use crate::domain::scim::error::ScimError;
use crate::flows::scim::bulk;

/// Carries a bulk request out. What it changed stands in the record, change by change: it is no change itself.
pub async fn carry_out(call: &Call<'_>, sent: &Value) -> Result<Answer, ScimError> {
    let told = bulk::run(call.app, call.asking, sent).await?;
    Ok(reply::json(200, &told).into())
}
