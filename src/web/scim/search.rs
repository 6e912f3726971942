//! Questions for many resources: by parameters, or by a body, so that nothing personal need stand in an address (RFC 7644
//! §3.4.2, §3.4.3).

use serde_json::Value;

use super::gate::{Answer, Call};
use super::reply;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::list::ListQuery;
use crate::domain::scim::schema::ResourceType;
use crate::flows::scim::read;

/// `GET /Users`, `GET /Groups`, `GET /`.
pub async fn by_query(call: &Call<'_>, kinds: &[ResourceType]) -> Result<Answer, ScimError> {
    list(call, kinds, &ListQuery::from_pairs(&call.query)?).await
}

/// `POST /Users/.search`, `POST /Groups/.search`, `POST /.search`.
pub async fn by_body(call: &Call<'_>, kinds: &[ResourceType], sent: &Value) -> Result<Answer, ScimError> {
    list(call, kinds, &ListQuery::from_search(sent)?).await
}

async fn list(call: &Call<'_>, kinds: &[ResourceType], query: &ListQuery) -> Result<Answer, ScimError> {
    let listed = read::list(call.app, call.asking, kinds, query).await?;
    Ok(reply::json(200, &listed.body()).into())
}
