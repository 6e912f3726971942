//! Alert rules: which audit events somebody is told of, and how.

use serde::{Deserialize, Serialize};

/// How a rule tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Channel {
    /// A mail to these addresses; none stands for everyone who holds `alert.admin`.
    Mail {
        /// The addresses.
        #[serde(default)]
        to: Vec<String>,
    },
    /// A signed POST to this address.
    Webhook {
        /// An https URL.
        url: String,
    },
}

/// Which events: those that fit every part that is given. An absent part fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The machine's words, such as `group.delete`; `group.*` stands for all that begin so.
    pub kinds: Vec<String>,
    /// `accepted` or `denied`.
    pub outcome: Option<String>,
    /// The actor's label, such as `user:usr_…`.
    pub actor: Option<String>,
    /// An id that the act must concern.
    pub target: Option<String>,
}

/// What of an audit row a filter looks at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The machine's words.
    pub kinds: &'a [&'a str],
    /// Whether it was accepted.
    pub accepted: bool,
    /// The actor's label.
    pub actor: &'a str,
    /// Whom and what it concerned.
    pub targets: &'a [String],
}

impl Filter {
    /// Whether an audit row fits.
    #[must_use]
    pub fn fits(&self, seen: &Seen<'_>) -> bool {
        let kind =
            self.kinds.is_empty() || self.kinds.iter().any(|wanted| seen.kinds.iter().any(|k| covers(wanted, k)));
        let outcome = if seen.accepted { "accepted" } else { "denied" };
        kind && self.outcome.as_deref().is_none_or(|wanted| wanted == outcome)
            && self.actor.as_deref().is_none_or(|wanted| wanted == seen.actor)
            && self.target.as_ref().is_none_or(|wanted| seen.targets.contains(wanted))
    }
}

/// Whether a pattern names a kind: the kind itself, or `noun.*`.
fn covers(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(noun) => kind.strip_prefix(noun).is_some_and(|rest| rest.starts_with('.')),
        None => pattern == kind,
    }
}

/// A rule's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which events.
    pub filter: Filter,
    /// How they are told.
    pub channel: Channel,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_fits_what_every_part_of_it_fits() {
        let targets = ["grp_1".to_owned()];
        let seen = Seen { kinds: &["group.delete"], accepted: true, actor: "user:usr_1", targets: &targets };
        assert!(Filter::default().fits(&seen));
        let filter =
            |kinds: &[&str]| Filter { kinds: kinds.iter().map(|k| (*k).to_owned()).collect(), ..Filter::default() };
        assert!(filter(&["group.*"]).fits(&seen) && filter(&["user.add", "group.delete"]).fits(&seen));
        assert!(!filter(&["groups.*"]).fits(&seen) && !filter(&["group"]).fits(&seen));
        assert!(!Filter { outcome: Some("denied".to_owned()), ..Filter::default() }.fits(&seen));
        assert!(Filter { target: Some("grp_1".to_owned()), ..Filter::default() }.fits(&seen));
        assert!(!Filter { actor: Some("user:usr_2".to_owned()), ..Filter::default() }.fits(&seen));
    }
}
