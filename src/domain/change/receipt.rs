//! What a change did: the receipt that is kept, and shown.

use serde::{Deserialize, Serialize};

use crate::domain::access::Verdict;
use crate::domain::access::difference::Held;
use crate::kernel::id::{ChangeId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The change's id.
    pub id: ChangeId,
    /// When, in milliseconds since 1970.
    pub at: UnixMillis,
    /// Who.
    pub actor: String,
    /// Whether it was undone again.
    pub dry_run: bool,
    /// What was asked, a line each; changes that changed nothing are left out.
    pub acts: Vec<String>,
    /// Everyone for whom something changed.
    pub members: Vec<MemberReceipt>,
    /// What ended.
    pub ended: Ended,
    /// Which applications are told, and how much.
    pub told: Vec<Told>,
}

impl Receipt {
    /// Whether nothing was changed at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty() && self.members.is_empty()
    }
}

/// What a change did to one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReceipt {
    /// The organisation.
    pub org: OrgId,
    /// The membership.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// Its user name, for people.
    pub user_name: String,
    /// What was lost.
    pub lost: Vec<Held>,
    /// What was gained.
    pub gained: Vec<Held>,
    /// What ends.
    pub verdict: Verdict,
}

/// How much a change ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Session entries: one organisation's part of a browser session.
    pub sessions: u64,
    /// Access keys.
    #[serde(default)]
    pub access_keys: u64,
    /// Token families with their refresh and access tokens.
    pub token_families: u64,
}

/// An application that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its client id.
    pub client_id: String,
    /// How many logout tokens it is sent.
    pub logout_tokens: u64,
    /// How many security events its streams get.
    #[serde(default)]
    pub security_events: u64,
}
