//! Bulk requests: RFC 7644 §3.7, and in which order operations that name each other run.
//!
//! An operation may name what another makes as `bulkId:x`: in its data, in the path of a PATCH's operation, in its own
//! path. What is named runs first. Where people name each other in a circle (by `manager`), one of them is made without
//! its manager and gets it by a PATCH when all are there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Object;
use super::error::ScimError;
use super::patch::PATCH_OP;
use super::schema::{BULK_OPERATIONS, ENTERPRISE_URN, ResourceType};

/// What a reference to another operation's resource begins with.
const MARK: &str = "bulkId:";
const LONGEST_ID: usize = 256;

/// A bulk request.
#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    /// After so many failures the rest is not run.
    pub fail_on_errors: Option<usize>,
    /// What to do.
    pub operations: Vec<BulkOp>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkOp {
    /// POST, PUT, PATCH or DELETE.
    pub method: String,
    /// The endpoint, or the resource.
    pub path: String,
    /// Under which name others refer to what it makes.
    pub bulk_id: Option<String>,
    /// The version that the resource must have.
    pub version: Option<String>,
    /// The body.
    pub data: Value,
}

/// What to run next, by the operation's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The operation.
    Run(usize),
    /// The operation without these references, each of them to a manager: what they name is not there yet.
    RunWithout(usize, BTreeSet<String>),
    /// The PATCH that adds what was left out; nothing, if the operation failed.
    Complete(usize),
}

/// Reads a bulk request.
///
/// # Errors
/// `invalidSyntax` when it is none, or two operations have one `bulkId`; 413, naming the limit, for too many of them.
pub fn parse(body: &Value) -> Result<Bulk, ScimError> {
    let request = body.as_object().ok_or_else(|| ScimError::syntax("The body must be a BulkRequest."))?;
    let fail_on_errors = match member(request, "failOnErrors") {
        None | Some(Value::Null) => None,
        Some(number) => {
            let number = number.as_u64().ok_or_else(|| ScimError::syntax("failOnErrors must be a whole number."))?;
            usize::try_from(number).ok().filter(|number| *number > 0)
        }
    };
    let operations = member(request, "Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| ScimError::syntax("Operations must be a list."))?;
    if operations.len() > BULK_OPERATIONS {
        let limit = format!("A bulk request has at most {BULK_OPERATIONS} operations (maxOperations).");
        return Err(ScimError::status(413, limit));
    }
    let operations = operations.iter().map(operation).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    for id in operations.iter().filter_map(|operation| operation.bulk_id.as_ref()) {
        if !seen.insert(id) {
            return Err(ScimError::syntax("Two operations have the same bulkId."));
        }
    }
    Ok(Bulk { fail_on_errors, operations })
}

fn operation(value: &Value) -> Result<BulkOp, ScimError> {
    let operation = value.as_object().ok_or_else(|| ScimError::syntax("An operation must be an object."))?;
    let method = text(operation, "method")?.ok_or_else(|| ScimError::syntax("An operation needs its method."))?;
    let method = method.to_ascii_uppercase();
    let path = text(operation, "path")?.ok_or_else(|| ScimError::syntax("An operation needs its path."))?;
    let bulk_id = text(operation, "bulkId")?.filter(|id| !id.is_empty());
    if method == "POST" && bulk_id.is_none() {
        return Err(ScimError::syntax("A POST needs a bulkId."));
    }
    if bulk_id.as_ref().is_some_and(|id| id.len() > LONGEST_ID || id.contains(['/', '"'])) {
        return Err(ScimError::syntax(format!("A bulkId has at most {LONGEST_ID} bytes, and no slash or quote.")));
    }
    let version = text(operation, "version")?.filter(|version| !version.is_empty());
    Ok(BulkOp { method, path, bulk_id, version, data: member(operation, "data").cloned().unwrap_or_default() })
}

fn member<'o>(object: &'o Object, name: &str) -> Option<&'o Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn text(object: &Object, name: &str) -> Result<Option<String>, ScimError> {
    match member(object, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ScimError::syntax(format!("{name} must be a text."))),
    }
}

/// What an operation refers to, without `bulkId:`.
#[must_use]
pub fn references(operation: &BulkOp) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut note = |id: &str| {
        found.insert(id.to_owned());
        None::<String>
    };
    rewritten(&operation.path, &mut note);
    each_text(&operation.data, &mut |text| {
        rewritten(text, &mut note);
    });
    found
}

/// Puts ids in the place of references, and answers with those of which no id is known.
pub fn substitute(operation: &mut BulkOp, ids: &BTreeMap<String, String>) -> Vec<String> {
    let mut unknown = BTreeSet::new();
    let mut id_of = |id: &str| {
        let known = ids.get(id).cloned();
        if known.is_none() {
            unknown.insert(id.to_owned());
        }
        known
    };
    if let Some(path) = rewritten(&operation.path, &mut id_of) {
        operation.path = path;
    }
    replace_texts(&mut operation.data, &mut |text| rewritten(text, &mut id_of));
    unknown.into_iter().collect()
}

/// The text with ids for its references; `None` when nothing changes.
///
/// A reference is a whole text, a segment of a path or an address, or a quoted literal of a filter.
fn rewritten(text: &str, id_of: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    if !text.contains(MARK) {
        return None;
    }
    let (mut out, mut rest, mut changed) = (String::with_capacity(text.len()), text, false);
    while let Some(at) = rest.find(MARK) {
        let (before, after) = (&rest[..at], &rest[at + MARK.len()..]);
        let begins = out.is_empty() && before.is_empty() || before.ends_with(['/', '"']);
        let id = &after[..after.find(['/', '"']).unwrap_or(after.len())];
        out.push_str(before);
        rest = &after[id.len()..];
        if let Some(known) = (begins && !id.is_empty()).then(|| id_of(id)).flatten() {
            changed = true;
            out.push_str(&known);
        } else {
            out.push_str(MARK);
            out.push_str(id);
        }
    }
    out.push_str(rest);
    changed.then_some(out)
}

fn each_text(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, see)),
        Value::Object(members) => members.values().for_each(|value| each_text(value, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace_texts(value: &mut Value, with: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = with(text) {
                *text = new;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace_texts(value, with)),
        Value::Object(members) => members.values_mut().for_each(|value| replace_texts(value, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// In which order the operations run: as they stand, but what is named before what names it.
///
/// Two groups that name each other can't be helped: groups have no groups in them. They stand in the plan as they are,
/// and each is refused when it runs.
#[must_use]
pub fn plan(operations: &[BulkOp]) -> Vec<Step> {
    let places: BTreeMap<&str, usize> = operations
        .iter()
        .enumerate()
        .filter_map(|(place, operation)| Some((operation.bulk_id.as_deref()?, place)))
        .collect();
    let needs = operations
        .iter()
        .map(|operation| {
            let mut needs: Vec<usize> =
                references(operation).iter().filter_map(|id| places.get(id.as_str()).copied()).collect();
            needs.sort_unstable();
            needs
        })
        .collect();
    let mut planner = Planner { operations, needs, state: vec![State::Open; operations.len()], steps: Vec::new() };
    for place in 0..operations.len() {
        planner.visit(place);
    }
    planner.with_completions()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Begun,
    Planned,
}

struct Planner<'a> {
    operations: &'a [BulkOp],
    needs: Vec<Vec<usize>>,
    state: Vec<State>,
    steps: Vec<Step>,
}

impl Planner<'_> {
    /// Plans an operation after all that it needs, without recursion: a chain may be as long as the request.
    fn visit(&mut self, from: usize) {
        let mut way = vec![(from, 0)];
        while let Some((place, next)) = way.pop() {
            if next == 0 {
                if self.state[place] != State::Open {
                    continue;
                }
                self.state[place] = State::Begun;
            }
            if let Some(need) = self.needs[place].get(next).copied() {
                way.push((place, next + 1));
                way.push((need, 0));
                continue;
            }
            self.state[place] = State::Planned;
            self.steps.push(self.step(place));
        }
    }

    /// What of its needs is begun and not planned lies on the way here: a circle.
    fn step(&self, place: usize) -> Step {
        let operation = &self.operations[place];
        let open = self.needs[place].iter().filter(|need| **need == place || self.state[**need] == State::Begun);
        let missing: BTreeSet<String> = open.filter_map(|need| self.operations[*need].bulk_id.clone()).collect();
        if missing.is_empty() || !names_as_managers_alone(operation, &missing) {
            return Step::Run(place);
        }
        Step::RunWithout(place, missing)
    }

    /// Each completion right after the last of what it waits for.
    fn with_completions(self) -> Vec<Step> {
        let mut waiting: Vec<(usize, BTreeSet<String>)> = Vec::new();
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            let place = match &step {
                Step::Run(place) | Step::Complete(place) => *place,
                Step::RunWithout(place, missing) => {
                    waiting.push((*place, missing.clone()));
                    *place
                }
            };
            steps.push(step);
            let Some(id) = &self.operations[place].bulk_id else { continue };
            waiting.retain_mut(|(waits, missing)| {
                missing.remove(id);
                if missing.is_empty() {
                    steps.push(Step::Complete(*waits));
                }
                !missing.is_empty()
            });
        }
        steps
    }
}

fn names_as_managers_alone(operation: &BulkOp, missing: &BTreeSet<String>) -> bool {
    operation.method != "PATCH" && references(&without(operation, missing)).is_disjoint(missing)
}

/// The operation without a manager who is among these references.
#[must_use]
pub fn without(operation: &BulkOp, missing: &BTreeSet<String>) -> BulkOp {
    let mut operation = operation.clone();
    let Some(data) = operation.data.as_object_mut() else { return operation };
    for (_, extension) in data.iter_mut().filter(|(urn, _)| ResourceType::User.extension(urn).is_some()) {
        let Some(extension) = extension.as_object_mut() else { continue };
        extension.retain(|name, manager| {
            let mut found = false;
            each_text(manager, &mut |text| {
                rewritten(text, &mut |id| {
                    found |= missing.contains(id);
                    None
                });
            });
            !(found && name.eq_ignore_ascii_case("manager"))
        });
    }
    operation
}

/// The body of the PATCH that adds the manager who was left out, with the reference still in it.
#[must_use]
pub fn completion(operation: &BulkOp) -> Option<Value> {
    let data = operation.data.as_object()?;
    let (_, extension) = data.iter().find(|(urn, _)| ResourceType::User.extension(urn).is_some())?;
    let manager = member(extension.as_object()?, "manager")?;
    let path = format!("{ENTERPRISE_URN}:manager");
    Some(json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "add", "path": path, "value": manager }] }))
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
