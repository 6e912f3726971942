//! `[[organisation.bundle]]` and `[[organisation.alert]]`: roles under one name, and whom to tell of what.

use serde::Deserialize;

use super::application::defaults;
use crate::domain::alert::{Channel, Filter, Rule};

/// `[[organisation.bundle]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleTable {
    /// What it is found by, without regard to case.
    pub name: String,
    /// Words of [`super::RoleWord`], in the order in which they are shown.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// `[[organisation.alert]]`. The rule is exact: an absent part of the filter fits every event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertTable {
    /// What it is found by.
    pub name: String,
    /// Whether it tells.
    #[serde(default = "defaults::yes")]
    pub active: bool,
    /// The machine's words for events; `group.*` stands for all that begin so.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// `accepted` or `denied`.
    pub outcome: Option<String>,
    /// The actor's label.
    pub actor: Option<String>,
    /// An id that the act must concern.
    pub target: Option<String>,
    /// The addresses that are told by mail, an empty list for everyone who holds `alert.admin`; or …
    pub mail: Option<Vec<String>>,
    /// … the address that is told by a signed request. The secret is made by Muster.
    pub webhook: Option<String>,
}

impl AlertTable {
    /// The table that describes a rule.
    #[must_use]
    pub fn of(name: String, active: bool, rule: Rule) -> Self {
        let Filter { kinds, outcome, actor, target } = rule.filter;
        let (mail, webhook) = match rule.channel {
            Channel::Mail { to } => (Some(to), None),
            Channel::Webhook { url } => (None, Some(url)),
        };
        Self { name, active, kinds, outcome, actor, target, mail, webhook }
    }

    /// The rule that the table describes.
    #[must_use]
    pub fn rule(&self) -> Rule {
        let filter = Filter {
            kinds: self.kinds.clone(),
            outcome: self.outcome.clone(),
            actor: self.actor.clone(),
            target: self.target.clone(),
        };
        let channel = match &self.webhook {
            Some(url) => Channel::Webhook { url: url.clone() },
            None => Channel::Mail { to: self.mail.clone().unwrap_or_default() },
        };
        Rule { filter, channel }
    }
}
