//! Invitations: their states, which acts each state allows, and which addresses may be invited.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::access::{Role, Scope, Window};
use crate::kernel::id::GroupId;
use crate::kernel::time::{DAY, SECOND, UnixMillis};

/// Two mails of one invitation are at least so far apart, in milliseconds.
pub const RESEND_APART: i64 = 60 * SECOND;
/// So many mails of one invitation are sent in a day.
pub const RESENDS_A_DAY: i64 = 5;
/// The most people that one call registers or invites.
pub const MOST_AT_ONCE: usize = 100;

/// Where an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its mail was not sent yet.
    Processing,
    /// Its mail was sent; nobody has answered.
    Pending,
    /// The person is a member.
    Accepted,
    /// The person said no.
    Declined,
    /// Somebody in the organisation took it back, or whoever sent it is gone.
    Cancelled,
    /// Nobody answered in time.
    Expired,
    /// The mail could not be delivered.
    Failed,
}

/// What can be done with an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A new link by mail; the old one dies.
    Resend,
    /// Taking it back.
    Cancel,
    /// Becoming a member.
    Accept,
    /// Saying no.
    Decline,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Processing, Self::Pending, Self::Accepted, Self::Declined, Self::Cancelled, Self::Expired, Self::Failed];

    /// The word in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    /// Whether an invitation in this state allows the act. This is the whole table; `docs/guides/people.md` prints it.
    #[must_use]
    pub const fn allows(self, act: Act) -> bool {
        match (self, act) {
            (Self::Pending, _) => true,
            // The link may be in somebody's hands although we were not told yet that the mail went out.
            (Self::Processing, Act::Cancel | Act::Accept | Act::Decline) => true,
            (Self::Processing, Act::Resend) => false,
            // A new link makes it open again.
            (Self::Expired | Self::Failed, Act::Resend) => true,
            (Self::Failed, Act::Cancel) => true,
            (Self::Expired | Self::Failed, _) => false,
            (Self::Accepted | Self::Declined | Self::Cancelled, _) => false,
        }
    }

    /// Whether it still waits for an answer.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Processing | Self::Pending)
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| format!("\"{text}\" is no state"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A role that an invitation brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// The role.
    pub role: Role,
    /// On what.
    pub scope: Scope,
    /// When.
    pub window: Window,
}

/// What the person becomes by accepting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Member of these groups.
    pub groups: BTreeSet<GroupId>,
    /// Holder of these roles.
    pub roles: Vec<Offered>,
}

/// An organisation's rules for invitations. An absent key is its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Addresses that may be invited; empty is any. `*` is any run without `.` and `@`, `**` any run, `?` one character.
    pub domains: Vec<String>,
    /// How many days an invitation lives: 1 to 30.
    pub days: u32,
    /// How many days a mailed link lives: 1 to 7.
    pub link_days: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { domains: Vec::new(), days: 30, link_days: 7 }
    }
}

impl Rules {
    /// How long an invitation lives, in milliseconds.
    #[must_use]
    pub fn life(&self) -> i64 {
        i64::from(self.days) * DAY
    }

    /// How long a mailed link lives, in milliseconds.
    #[must_use]
    pub fn link_life(&self) -> i64 {
        i64::from(self.link_days) * DAY
    }

    /// Whether an address may be invited. Patterns without `@` are about the domain alone.
    #[must_use]
    pub fn admits(&self, email: &str) -> bool {
        let email = email.to_lowercase();
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.domains.is_empty()
            || self.domains.iter().any(|pattern| {
                let pattern = pattern.to_lowercase();
                fits(pattern.as_bytes(), if pattern.contains('@') { &email } else { domain }.as_bytes())
            })
    }
}

/// Whether a text fits a pattern: `*` any run without `.` and `@`, `**` any run, `?` one character. One row of a table
/// of yes and no at a time, so that no pattern takes longer than its length times the text's.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; text.len() + 1];
        if pattern[at] == b'*' {
            let any = pattern.get(at + 1) == Some(&b'*');
            at += if any { 2 } else { 1 };
            let mut open = false;
            for place in 0..=text.len() {
                if place > 0 && !any && matches!(text[place - 1], b'.' | b'@') {
                    open = false;
                }
                open |= reached[place];
                next[place] = open;
            }
        } else {
            for place in 0..text.len() {
                let same = pattern[at] == b'?' || pattern[at] == text[place];
                next[place + 1] = reached[place] && same;
            }
            at += 1;
        }
        reached = next;
    }
    reached[text.len()]
}

/// Whether one more mail may be sent now; otherwise from when on. `sent` is how many were sent since `since`.
///
/// # Errors
/// The moment from which it may.
pub fn may_resend(last: UnixMillis, since: UnixMillis, sent: i64, now: UnixMillis) -> Result<(), UnixMillis> {
    if now.since(last) < RESEND_APART {
        return Err(last.plus(RESEND_APART));
    }
    if now.since(since) < DAY && sent >= RESENDS_A_DAY {
        return Err(since.plus(DAY));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_follow_their_three_signs() {
        let rules = |pattern: &str| Rules { domains: vec![pattern.to_owned()], ..Rules::default() };
        assert!(Rules::default().admits("a@b.c"));
        for (pattern, good, bad) in [
            ("acme.com", "ana@ACME.com", "ana@sub.acme.com"),
            ("*.acme.com", "ana@sub.acme.com", "ana@a.b.acme.com"),
            ("**.acme.com", "ana@a.b.acme.com", "ana@acme.com"),
            ("**@*.ibm.com", "a.b@us.ibm.com", "a@ibm.com"),
            ("ana?@acme.com", "ana1@acme.com", "ana12@acme.com"),
            ("acme.com", "ana@acme.com", "ana@acme.com.evil.org"),
        ] {
            assert!(rules(pattern).admits(good), "{pattern} {good}");
            assert!(!rules(pattern).admits(bad), "{pattern} {bad}");
        }
        assert!(!rules("acme.com").admits("a@acme.com@evil.org"));
    }

    #[test]
    fn the_table_of_states_and_acts_is_this_one() {
        let acts = [Act::Resend, Act::Cancel, Act::Accept, Act::Decline];
        let table: Vec<String> = State::ALL
            .iter()
            .map(|state| {
                let cells: String = acts.iter().map(|act| if state.allows(*act) { 'y' } else { '-' }).collect();
                format!("{state} {cells}")
            })
            .collect();
        assert_eq!(
            table,
            [
                "processing -yyy",
                "pending yyyy",
                "accepted ----",
                "declined ----",
                "cancelled ----",
                "expired y---",
                "failed yy--",
            ]
        );
    }

    #[test]
    fn a_mail_is_sent_again_after_a_minute_and_five_times_a_day() {
        let at = |seconds: i64| UnixMillis(seconds * SECOND);
        assert_eq!(may_resend(at(0), at(0), 1, at(59)), Err(at(60)));
        assert_eq!(may_resend(at(0), at(0), 1, at(60)), Ok(()));
        assert_eq!(may_resend(at(600), at(0), 5, at(700)), Err(at(0).plus(DAY)));
        assert_eq!(may_resend(at(600), at(0), 5, at(0).plus(DAY)), Ok(()));
    }
}
