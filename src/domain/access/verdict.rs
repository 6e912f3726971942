//! What a change ends for a member: nothing, the access tokens, or the session with all that came from it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::difference::{Difference, Held};
use super::effective::Grants;
use super::role::Role;

/// An organisation's rule for losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Any loss ends the session.
    #[default]
    Strict,
    /// `KakaoCloud`'s rule: leaving a group always ends it; other losses narrow unless nothing is left.
    Standing,
    /// Losses narrow; the session ends when nothing is left or an administrator's role was lost.
    Narrow,
}

impl Policy {
    /// The word in the database, the API and the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Standing => "standing",
            Self::Narrow => "narrow",
        }
    }
}
impl FromStr for Policy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "strict" => Ok(Self::Strict),
            "standing" => Ok(Self::Standing),
            "narrow" => Ok(Self::Narrow),
            _ => Err(format!("\"{text}\" is no policy; use strict, standing or narrow")),
        }
    }
}
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a member was touched by a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Something was only added: a role, a member, a name.
    Added,
    /// A role went: from a group, from the member, because its window is over, or a mapping was narrowed.
    RoleRemoved,
    /// The member was taken out of a group.
    RemovedFromGroup,
    /// A group of the member was deleted.
    GroupDeleted,
    /// The member may no longer sign in here: suspended, deactivated, removed, deleted, or the organisation is.
    Barred,
}

/// What ends. The order is the order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing ends.
    Keep,
    /// Issued access tokens are refused; refresh and session stay.
    Narrow,
    /// Sessions, refresh families and access tokens of the member in this organisation end.
    End,
}

/// The verdict for one member: the severest of its causes (design, section 4).
///
/// `administers` says whether losing an organisation's own role counts as losing an administrator's. A loss for which
/// no cause accounts is judged as a removed role, never passed over.
#[must_use]
pub fn verdict(
    policy: Policy,
    causes: &BTreeSet<Cause>,
    after: &Grants,
    difference: &Difference,
    administers: &dyn Fn(&Role) -> bool,
) -> Verdict {
    let view = View { lost: &difference.lost, after, administers };
    let severest = causes.iter().map(|cause| of_cause(policy, *cause, &view)).max().unwrap_or(Verdict::Keep);
    if severest == Verdict::Keep && view.lost_anything() && !causes.iter().any(|cause| *cause != Cause::Added) {
        return of_cause(policy, Cause::RoleRemoved, &view);
    }
    severest
}

struct View<'a> {
    lost: &'a [Held],
    after: &'a Grants,
    administers: &'a dyn Fn(&Role) -> bool,
}

impl View<'_> {
    const fn lost_anything(&self) -> bool {
        !self.lost.is_empty()
    }

    /// `narrow`'s rule: Keep if nothing was lost; End if nothing is left or an administrator's role went.
    fn narrowing(&self) -> Verdict {
        if !self.lost_anything() {
            return Verdict::Keep;
        }
        let admin = self.lost.iter().any(|held| held.role.is_admin() || (self.administers)(&held.role));
        if self.after.is_empty() || admin { Verdict::End } else { Verdict::Narrow }
    }

    const fn end_if_lost(&self) -> Verdict {
        if self.lost_anything() { Verdict::End } else { Verdict::Keep }
    }
}

fn of_cause(policy: Policy, cause: Cause, view: &View<'_>) -> Verdict {
    match (cause, policy) {
        (Cause::Added, _) => Verdict::Keep,
        (Cause::Barred, _) => Verdict::End,
        (Cause::GroupDeleted | Cause::RemovedFromGroup | Cause::RoleRemoved, Policy::Strict) => view.end_if_lost(),
        (Cause::GroupDeleted, Policy::Standing) => {
            if !view.lost_anything() {
                Verdict::Keep
            } else if view.after.any_through_a_group() {
                Verdict::Narrow
            } else {
                Verdict::End
            }
        }
        (Cause::RemovedFromGroup, Policy::Standing) => Verdict::End,
        (Cause::RoleRemoved, Policy::Standing) => view.narrowing(),
        (Cause::GroupDeleted | Cause::RemovedFromGroup | Cause::RoleRemoved, Policy::Narrow) => view.narrowing(),
    }
}
