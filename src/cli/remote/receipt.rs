//! Receipts of the API in words: what was done, who lost and gained what, what ended, who was told.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::words;
use super::connection::Connection;
use super::show::{grant, plain};
use crate::domain::change::{Ended, Told};
use crate::outside::api_client::Ask;

/// Names of ids.
pub type Names = BTreeMap<String, String>;

/// What the ids of a receipt mean, as far as the receipt itself and the list of projects tell.
pub async fn names(connection: &mut Connection, receipt: &Value) -> Names {
    let mut names = Names::new();
    for member in receipt["members"].as_array().into_iter().flatten() {
        for id in ["membership_id", "user_id"] {
            if let (Some(id), Some(name)) = (member[id].as_str(), member["user_name"].as_str()) {
                names.insert(id.to_owned(), plain(name));
            }
        }
    }
    if receipt.to_string().contains("prj_") {
        learn_projects(connection, &mut names).await;
    }
    names
}

/// Ids stay where the list can't be read: the change is done, and its receipt is told in any case.
async fn learn_projects(connection: &mut Connection, names: &mut Names) {
    let Ok(org) = connection.org() else { return };
    let ask = Ask::get(&["orgs", &org, "projects"]).with("limit", "200");
    let Ok(page) = connection.call(&ask).await else { return };
    for project in page["items"].as_array().into_iter().flatten() {
        if let (Some(id), Some(key)) = (project["id"].as_str(), project["key"].as_str()) {
            names.insert(id.to_owned(), plain(key));
        }
    }
}

/// A line with ids replaced by names.
fn told(line: &str, names: &Names) -> String {
    let word = |word: &str| {
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
        let (id, rest) = word.split_at(end);
        format!("{}{rest}", names.get(id).map_or(id, String::as_str))
    };
    plain(line).split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The words of a trial, and of an act.
struct Tense {
    nothing: &'static str,
    did: &'static str,
    lost: &'static str,
    gained: &'static str,
    ended: &'static str,
    told: &'static str,
}

const WOULD: Tense = Tense {
    nothing: "Nothing would change.",
    did: "Would do",
    lost: "Would lose",
    gained: "Would gain",
    ended: "Would end",
    told: "Would be told",
};
const DID: Tense =
    Tense { nothing: "Nothing changed.", did: "Done", lost: "Lost", gained: "Gained", ended: "Ended", told: "Told" };

/// A receipt, paragraph by paragraph.
pub fn report(receipt: &Value, names: &Names) -> String {
    let dry_run = receipt["dry_run"] == true;
    let tense = if dry_run { &WOULD } else { &DID };
    let list = |name: &str| receipt[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let acts: Vec<String> = list("acts").iter().filter_map(Value::as_str).map(|act| told(act, names)).collect();
    let mut text = String::new();
    paragraph(&mut text, tense.did, &acts);
    let members = list("members");
    paragraph(&mut text, tense.lost, &lines(members, "lost", names));
    paragraph(&mut text, tense.gained, &lines(members, "gained", names));
    let total = receipt["members_total"].as_u64().unwrap_or(0);
    let rest = total.saturating_sub(members.len() as u64);
    if rest > 0 {
        let _ = writeln!(text, "And {} more: `muster change members CHANGE`.", words::count(rest, "person"));
    }
    paragraph(&mut text, tense.ended, &ended(receipt));
    let applications: Vec<Told> = serde_json::from_value(receipt["told"].clone()).unwrap_or_default();
    paragraph(&mut text, tense.told, &applications.iter().map(words::told).collect::<Vec<_>>());
    if text.is_empty() {
        return tense.nothing.to_owned();
    }
    if let (false, Some(change)) = (dry_run, receipt["change_id"].as_str()) {
        let _ = writeln!(text, "Change: {}", plain(change));
    }
    text.trim_end().to_owned()
}

fn ended(receipt: &Value) -> Vec<String> {
    let ended: Ended = serde_json::from_value(receipt["ended"].clone()).unwrap_or_default();
    if ended == Ended::default() {
        return Vec::new();
    }
    let keys = if ended.access_keys > 0 {
        format!(", {}", words::count(ended.access_keys, "access key"))
    } else {
        String::new()
    };
    vec![format!("{}{keys}", words::ended(&ended))]
}

/// Who lost or gained what, a line each.
fn lines(members: &[Value], what: &str, names: &Names) -> Vec<String> {
    let line = |member: &Value| {
        let held: Vec<String> =
            member[what].as_array()?.iter().filter_map(grant).map(|grant| told(&grant, names)).collect();
        if held.is_empty() {
            return None;
        }
        let verdict = match member["verdict"].as_str().filter(|_| what == "lost") {
            Some("keep") => " (stays signed in)",
            Some("narrow") => " (stays signed in with less; access tokens end)",
            Some("end") => " (sessions and tokens end)",
            _ => "",
        };
        Some(format!("{}: {}{verdict}", plain(member["user_name"].as_str().unwrap_or_default()), held.join(", ")))
    };
    members.iter().filter_map(line).collect()
}

fn paragraph(text: &mut String, head: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "{head}:");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

/// What an answer says beside its object and receipt: rows that were refused, what somebody owned.
pub fn besides(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for row in answer["refused"].as_array().into_iter().flatten() {
        let text = |name: &str| plain(row[name].as_str().unwrap_or_default());
        lines.push(format!("Refused: {}: {}", text("id"), text("reason")));
    }
    for (what, owned) in answer["owned"].as_object().into_iter().flatten() {
        let owned = super::show::cell(owned);
        if owned != "–" {
            lines.push(format!("Owned {}: {owned}", what.replace('_', " ")));
        }
    }
    lines
}

/// The one secret of an answer, wherever it stands: a key's or an application's, or a password that was made.
pub fn secret(answer: &Value) -> Option<&str> {
    match answer {
        Value::Object(members) => {
            let own = ["secret", "password"].iter().find_map(|name| members.get(*name)?.as_str());
            own.or_else(|| members.values().find_map(secret))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receipt() -> Value {
        let held = json!([{ "role": "project.admin", "scope": { "kind": "project", "project_id": "prj_1" } }]);
        json!({
            "change_id": "chg_1", "dry_run": true, "acts": ["take project.admin on prj_1 from usr_1"],
            "members": [{ "user_id": "usr_1", "user_name": "ana", "lost": held, "gained": [], "verdict": "end" }],
            "members_total": 3, "ended": { "sessions": 1, "token_families": 2, "access_keys": 1 },
            "told": [
                { "client_id": "shop", "logout_tokens": 1 },
                { "client_id": "desk", "logout_tokens": 0, "security_events": 2 },
            ],
        })
    }

    #[test]
    fn a_receipt_is_told_in_names_and_says_what_ends() {
        let names =
            Names::from([("prj_1", "web"), ("usr_1", "ana")].map(|(id, name)| (id.to_owned(), name.to_owned())));
        assert_eq!(
            report(&receipt(), &names),
            "Would do:\n  take project.admin on web from ana\n\
             Would lose:\n  ana: project.admin on web (sessions and tokens end)\n\
             And 2 persons more: `muster change members CHANGE`.\n\
             Would end:\n  1 session, 2 token families, 1 access key\n\
             Would be told:\n  shop (1 logout token)\n  desk (2 security events)"
        );
    }

    #[test]
    fn a_change_that_changed_nothing_says_so() {
        assert_eq!(report(&json!({ "dry_run": true, "change_id": "chg_1" }), &Names::new()), "Nothing would change.");
        assert_eq!(report(&json!({ "change_id": "chg_1" }), &Names::new()), "Nothing changed.");
    }

    #[test]
    fn refused_rows_and_the_secret_are_found() {
        let answer = json!({ "refused": [{ "row": 0, "id": "usr_9", "reason": "No." }], "owned": { "service_accounts": ["a"] },
            "object": { "key": { "secret": "mks_1" } } });
        assert_eq!(besides(&answer), ["Refused: usr_9: No.", "Owned service accounts: a"]);
        assert_eq!(secret(&answer), Some("mks_1"));
        assert_eq!(secret(&json!({ "object": { "user_name": "ana" }, "password": "p" })), Some("p"));
        assert_eq!(secret(&json!({ "object": null })), None);
    }
}
