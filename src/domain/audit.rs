//! The audit record's own rules: the chain of hashes, the words for what was done, and cells of a table.
//!
//! Each row's hash covers its content and the hash of the row before. Rows from before acts had words are covered as
//! they were written; every newer row has a word, so that none can pass for an old one without its hash breaking.

use std::fmt::Write as _;

use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// The words for what was done: a noun and a verb. They never change; there may be more.
pub const KINDS: &[&str] = &[
    "org.create",
    "org.rename",
    "org.set_policy",
    "org.set_session_limits",
    "org.set_settings",
    "org.set_state",
    "org.transfer",
    "project.create",
    "project.rename",
    "project.delete",
    "project.remove_member",
    "user.create",
    "user.set_profile",
    "user.set_state",
    "user.set_access_type",
    "user.reset_password",
    "user.send_link",
    "user.set_password",
    "user.change_password",
    "user.confirm_email",
    "user.register",
    "user.send_registration_link",
    "invitation.create",
    "invitation.resend",
    "invitation.cancel",
    "invitation.decline",
    "invitation.accept",
    "member.add",
    "member.set_state",
    "member.restrict",
    "member.replace_identity",
    "member.reassign",
    "member.set_groups",
    "member.remove",
    "session.end",
    "group.create",
    "group.change",
    "group.delete",
    "group.add_members",
    "group.remove_members",
    "role.create",
    "role.change",
    "role.delete",
    "binding.create",
    "binding.remove",
    "binding.expire",
    "application.put",
    "application.set_owner",
    "application.remove",
    "service_account.create",
    "service_account.change",
    "service_account.set_owner",
    "service_account.remove",
    "access_key.create",
    "access_key.change",
    "access_key.remove",
    "bundle.put",
    "bundle.remove",
    "alert.put",
    "alert.remove",
    "setup_link.use",
    MASS_LOSS,
    MASS_CHANGE_HELD,
    MASS_CHANGE_RELEASED,
    MASS_CHANGE_REJECTED,
    DOMAIN_LOST,
    REQUEST_DENIED,
    "connection.put",
    "connection.set_state",
    "connection.release",
    "scim_credential.create",
    "scim_credential.remove",
    "user.provision",
    "user.set_provisioned",
    "user.deprovision",
    "user.adopt",
    "adoption.decide",
    "group.provision",
    "group.set_provisioned",
    "group.deprovision",
    "group.set_members",
    "domain.add",
    "domain.verify",
    "domain.remove",
    "domain.set_connection",
    "sign_in.put",
    "sign_in.set_stage",
    "sign_in.pass_test",
    "sign_in.remove",
    "mapping.set",
    "user.come_through",
    "user.set_upstream",
    "identity.link",
    "identity.unlink",
    "session.end_upstream",
    "member.set_break_glass",
    OWNER_BARRED,
    "factor.add",
    "factor.replace",
    "factor.remove",
    "factor.reset",
    "factor.codes",
    "passkey.rename",
    "user.unlock",
    PASSKEY_CLONED,
    "delivery.retry",
    "delivery.give_up",
];

/// A connection took access from more people than its guard allows, within an hour.
pub const MASS_LOSS: &str = "connection.mass_loss";
/// A request that would do so waits for an administrator.
pub const MASS_CHANGE_HELD: &str = "connection.mass_change_held";
/// It was carried out.
pub const MASS_CHANGE_RELEASED: &str = "connection.mass_change_released";
/// It was dropped.
pub const MASS_CHANGE_REJECTED: &str = "connection.mass_change_rejected";
/// The record of a verified domain is gone.
pub const DOMAIN_LOST: &str = "domain.lost";
/// A connection has taken an organisation's owner away.
pub const OWNER_BARRED: &str = "org.owner_barred";
/// A passkey's counter went back: there may be two of it.
pub const PASSKEY_CLONED: &str = "passkey.cloned";
/// What somebody must hear of though no change tells it: by mail, whatever the rules of alerts say.
pub const ALARMS: [&str; 7] = [
    MASS_LOSS,
    MASS_CHANGE_HELD,
    MASS_CHANGE_RELEASED,
    MASS_CHANGE_REJECTED,
    DOMAIN_LOST,
    OWNER_BARRED,
    PASSKEY_CLONED,
];

/// A request that was turned away before anything of it was looked at.
pub const REQUEST_DENIED: &str = "request.denied";

/// A database that was brought back from a backup was made fit to serve: the instance's own act, which no rule can name.
pub const RESTORED: &str = "instance.restored";

/// What stands in a row that has no word: an empty one would make it look like a row from before there were any.
pub const NO_KIND: &str = "none";

/// Whether a pattern names a kind: the kind itself, or `noun.*` for all that begin so.
#[must_use]
pub fn names_a_kind(pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(noun) => noun.ends_with('.') && KINDS.iter().any(|kind| kind.starts_with(noun)),
        None => KINDS.contains(&pattern),
    }
}

/// What of a row its hash covers: everything that the row says.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    /// The row's id.
    pub id: &'a str,
    /// The organisation.
    pub org: &'a str,
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: &'a str,
    /// What, for people.
    pub action: &'a str,
    /// `accepted` or `denied`.
    pub outcome: &'a str,
    /// More, as JSON.
    pub detail: &'a str,
    /// The words for what was done; empty in rows from before there were any, and then nothing below is covered.
    pub kinds: &'a str,
    /// The change; empty when there is none.
    pub change: &'a str,
    /// Where it was asked from.
    pub address: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// Whom and what it concerned, as a JSON list.
    pub targets: &'a str,
}

impl Covered<'_> {
    /// The row's hash, given that of the row before; the first row has none before it.
    #[must_use]
    pub fn hash(&self, previous: &[u8]) -> Digest {
        let at = self.at.to_string();
        let mut fields = vec![self.id, self.org, &at, self.actor, self.action, self.outcome, self.detail];
        if !self.kinds.is_empty() {
            fields.extend([self.kinds, self.change, self.address, self.request_id, self.targets]);
        }
        chain(previous, &fields)
    }
}

/// SHA-256 over the previous hash and the row's length-prefixed fields.
#[must_use]
pub fn chain(previous: &[u8], fields: &[&str]) -> Digest {
    let mut bytes = previous.to_vec();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    Digest::of(&bytes)
}

/// Bytes as people compare them: lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A cell of a table in CSV (RFC 4180 §2). A text that a spreadsheet would take for a formula gets an apostrophe before
/// it.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 2);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        cell.push('\'');
    }
    cell.push_str(text);
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Covered<'static> {
        Covered {
            id: "aud_1",
            org: "org_1",
            at: UnixMillis(1),
            actor: "command_line",
            action: "delete group grp_1",
            outcome: "accepted",
            detail: "{}",
            kinds: "group.delete",
            change: "chg_1",
            address: "203.0.113.7",
            request_id: "r",
            targets: "[\"grp_1\"]",
        }
    }

    #[test]
    fn moving_text_between_fields_changes_the_hash() {
        assert_ne!(chain(b"", &["ab", "c"]), chain(b"", &["a", "bc"]));
    }

    #[test]
    fn every_part_of_a_row_and_the_row_before_are_covered() {
        let whole = row().hash(b"before");
        assert_ne!(row().hash(b"other"), whole);
        let changed = [
            Covered { id: "x", ..row() },
            Covered { org: "x", ..row() },
            Covered { at: UnixMillis(2), ..row() },
            Covered { actor: "x", ..row() },
            Covered { action: "x", ..row() },
            Covered { outcome: "x", ..row() },
            Covered { detail: "x", ..row() },
            Covered { kinds: "x", ..row() },
            Covered { kinds: "", ..row() },
            Covered { change: "", ..row() },
            Covered { address: "x", ..row() },
            Covered { request_id: "x", ..row() },
            Covered { targets: "[]", ..row() },
        ];
        for other in changed {
            assert_ne!(other.hash(b"before"), whole, "{other:?}");
        }
    }

    #[test]
    fn a_row_from_before_there_were_words_keeps_its_hash() {
        let old = Covered { kinds: "", change: "", address: "", request_id: "", targets: "[]", ..row() };
        let fields = ["aud_1", "org_1", "1", "command_line", "delete group grp_1", "accepted", "{}"];
        assert_eq!(old.hash(b""), chain(b"", &fields));
    }

    #[test]
    fn a_pattern_names_a_kind_or_all_of_a_noun() {
        for good in ["group.delete", "group.*", "access_key.*", "request.denied"] {
            assert!(names_a_kind(good), "{good}");
        }
        for bad in ["", "*", "group", "group.", "group*", "gro.*", ".*", "group.delete.*", "none"] {
            assert!(!names_a_kind(bad), "{bad}");
        }
    }

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_begins_a_formula() {
        assert_eq!(csv_cell("plain"), "plain");
        assert_eq!(csv_cell("a,b"), "\"a,b\"");
        assert_eq!(csv_cell("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(csv_cell("a\r\nb"), "\"a\r\nb\"");
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("@SUM(A1,2)"), "\"'@SUM(A1,2)\"");
        for begin in ["+", "-", "\t", "\r", "\n"] {
            let cell = csv_cell(&format!("{begin}1"));
            assert!(cell.trim_start_matches('"').starts_with('\''), "{cell:?}");
        }
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
    }
}
