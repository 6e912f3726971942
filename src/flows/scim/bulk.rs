//! Bulk requests (RFC 7644 §3.7): each operation goes through the door by itself, in an order in which what is named is there.
//!
//! Operations are no transaction together: what fails is told, and the rest goes on, until as many have failed as the
//! client said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::authenticate::{NotAuthenticated, is_honoured};
use super::write::{self, Done};
use super::{Asking, refused};
use crate::app::App;
use crate::domain::scim::bulk::{self, BulkOp, Step};
use crate::domain::scim::error::ScimError;
use crate::domain::scim::project::Projection;
use crate::domain::scim::resource::{etag, location};
use crate::domain::scim::schema::ResourceType;

/// The schema of the answer.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// Carries out a bulk request; the answer is its `BulkResponse`, which tells of each operation that was tried.
///
/// # Errors
/// 400 for what is no bulk request, 413 for one with too many operations; 401 when the credential ends on the way. What
/// an operation meets stands in the answer.
pub async fn run(app: &App, asking: &Asking, body: &Value) -> Result<Value, ScimError> {
    let request = bulk::parse(body)?;
    let mut run = Run {
        app,
        asking,
        base: asking.base(app),
        // An operation's answer has no resource in it: nothing more need be read.
        projection: Projection::parse(Some("id"), None)?,
        operations: &request.operations,
        ids: BTreeMap::new(),
        answers: BTreeMap::new(),
    };
    for step in bulk::plan(&request.operations) {
        if !is_honoured(app, asking).await.map_err(refused::unavailable)? {
            return Err(NotAuthenticated::Refused.into_error());
        }
        let over = request.fail_on_errors.is_some_and(|most| run.failures() >= most);
        match step {
            Step::Complete(place) => run.complete(place).await,
            Step::Run(_) | Step::RunWithout(..) if over => {}
            Step::Run(place) => run.one(place, &BTreeSet::new()).await,
            Step::RunWithout(place, missing) => run.one(place, &missing).await,
        }
    }
    Ok(run.told())
}

/// A bulk request on its way.
struct Run<'a> {
    app: &'a App,
    asking: &'a Asking,
    base: String,
    projection: Projection,
    operations: &'a [BulkOp],
    /// The ids of what was made, by the names that the client gave it.
    ids: BTreeMap<String, String>,
    answers: BTreeMap<usize, Answer>,
}

/// How an operation came out.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    /// The resource, where there is one to name.
    resource: Option<(ResourceType, String)>,
    version: Option<i64>,
    error: Option<ScimError>,
}

impl Run<'_> {
    fn failures(&self) -> usize {
        self.answers.values().filter(|answer| answer.error.is_some()).count()
    }

    /// Runs an operation, without its references to some managers.
    async fn one(&mut self, place: usize, missing: &BTreeSet<String>) {
        let Some(operation) = self.operations.get(place) else {
            return;
        };
        let answer = if missing.is_empty() {
            self.carry_out(operation.clone()).await
        } else {
            self.carry_out(bulk::without(operation, missing)).await
        };
        if let (Some(name), Some((_, id)), None) = (&operation.bulk_id, &answer.resource, &answer.error) {
            self.ids.insert(name.clone(), id.clone());
        }
        self.answers.insert(place, answer);
    }

    /// Gives a user the manager that was not there when it was made.
    async fn complete(&mut self, place: usize) {
        let (Some(operation), Some(answer)) = (self.operations.get(place), self.answers.get(&place)) else {
            return;
        };
        let (None, Some((kind, id)), Some(data)) = (&answer.error, &answer.resource, bulk::completion(operation))
        else {
            return;
        };
        let path = format!("/{}/{id}", kind.endpoint());
        let patch = BulkOp { method: "PATCH".to_owned(), path, bulk_id: None, version: None, data };
        let completed = self.carry_out(patch).await;
        if let Some(answer) = self.answers.get_mut(&place) {
            match completed.error {
                None => answer.version = completed.version.or(answer.version),
                Some(error) => (answer.status, answer.error) = (error.status, Some(error)),
            }
        }
    }

    async fn carry_out(&self, mut operation: BulkOp) -> Answer {
        let unknown = bulk::substitute(&mut operation, &self.ids);
        let path = operation.path.strip_prefix(&self.base).unwrap_or(&operation.path);
        let named = write::parts(path);
        let done = match (named, unknown.first()) {
            (_, Some(name)) => Err(unresolved(name)),
            (None, None) => Err(ScimError::not_found("The endpoint")),
            (Some(named), None) => self.write(&operation, named).await,
        };
        match done {
            Ok(done) => {
                let id = if done.id.is_empty() { None } else { Some(done.id) };
                let resource = named.zip(id).map(|((kind, _), id)| (kind, id));
                Answer { status: done.status, resource, version: done.version, error: None }
            }
            Err(error) => {
                // All but a POST that failed have a place (§3.7).
                let resource = named.filter(|(_, id)| !id.is_empty() && operation.method != "POST");
                let resource = resource.map(|(kind, id)| (kind, id.to_owned()));
                Answer { status: error.status, resource, version: None, error: Some(error) }
            }
        }
    }

    async fn write(&self, operation: &BulkOp, named: (ResourceType, &str)) -> Result<Done, ScimError> {
        let (app, asking, projection) = (self.app, self.asking, &self.projection);
        let (data, version) = (&operation.data, operation.version.as_deref());
        match (operation.method.as_str(), named.1.is_empty()) {
            ("POST", true) => write::create(app, asking, named.0, data, projection).await,
            ("PUT", false) => write::replace(app, asking, named, data, version, projection).await,
            ("PATCH", false) => write::patch(app, asking, named, data, version, projection).await,
            ("DELETE", false) => write::delete(app, asking, named, version).await,
            _ => Err(refused::no_method()),
        }
    }

    /// The `BulkResponse`.
    fn told(&self) -> Value {
        let one = |(place, answer): (&usize, &Answer)| {
            let operation = self.operations.get(*place)?;
            Some(told(operation, answer, &self.base))
        };
        let operations: Vec<Value> = self.answers.iter().filter_map(one).collect();
        json!({ "schemas": [BULK_RESPONSE], "Operations": operations })
    }
}

/// One operation of the answer. Its status is a text.
fn told(operation: &BulkOp, answer: &Answer, base: &str) -> Value {
    let mut told = json!({ "method": operation.method, "status": answer.status.to_string() });
    if let Some(name) = &operation.bulk_id {
        told["bulkId"] = name.as_str().into();
    }
    if let Some((kind, id)) = &answer.resource {
        told["location"] = location(base, *kind, id).into();
    }
    if let Some(version) = answer.version {
        told["version"] = etag(version).into();
    }
    if let Some(error) = &answer.error {
        told["response"] = error.body();
    }
    told
}

/// 409: a reference to what was not made (§3.7.1).
fn unresolved(name: &str) -> ScimError {
    let detail = format!("bulkId:{name} names nothing that this request has made.");
    ScimError { status: 409, ..ScimError::value(detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://id.example/scim/v2";

    fn operation(method: &str) -> BulkOp {
        let (method, path) = (method.to_owned(), "/Users".to_owned());
        BulkOp { method, path, bulk_id: Some("ana".to_owned()), version: None, data: Value::Null }
    }

    #[test]
    fn an_operation_that_went_well_says_where_and_in_which_version() {
        let resource = Some((ResourceType::User, "usr_1".to_owned()));
        let answer = Answer { status: 201, resource, version: Some(1), error: None };
        let expected = json!({
            "method": "POST", "status": "201", "bulkId": "ana", "version": "W/\"1\"",
            "location": "https://id.example/scim/v2/Users/usr_1",
        });
        assert_eq!(told(&operation("POST"), &answer, BASE), expected);
    }

    #[test]
    fn one_that_failed_says_why_and_a_post_that_failed_has_no_place() {
        let error = unresolved("ben");
        let answer = Answer { status: error.status, resource: None, version: None, error: Some(error) };
        let told = told(&operation("POST"), &answer, BASE);
        assert_eq!((told["status"].as_str(), told["response"]["status"].as_str()), (Some("409"), Some("409")));
        assert!(told.get("location").is_none() && told.get("version").is_none());
    }
}
