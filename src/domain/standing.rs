//! Whether a session entry or a token family is still honoured: judged at every use, from what the database says now.

use crate::kernel::id::MembershipId;
use crate::kernel::time::UnixMillis;

/// The membership, as the database has it at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStanding {
    /// Its id.
    pub id: MembershipId,
    /// Whether membership and organisation are active.
    pub active: bool,
    /// Whether the member owns the organisation.
    pub owner: bool,
    /// The organisation's slug.
    pub org_slug: String,
    /// The access version.
    pub acv: i64,
    /// Older access tokens are refused.
    pub acv_least: i64,
    /// Older entries and families are refused.
    pub epoch: i64,
}

/// The browser session's part, for what lives within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryStanding {
    /// Whether the entry or its session was ended.
    pub ended: bool,
    /// When the entry or its session runs out at the latest.
    pub expires_at: UnixMillis,
}

/// Everything that a family's validity hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the account is active.
    pub user_active: bool,
    /// Whether the family (or entry) belongs to an organisation.
    pub of_org: bool,
    /// The membership; `None` when it is gone.
    pub member: Option<MemberStanding>,
    /// The entry; `None` for offline access.
    pub entry: Option<EntryStanding>,
    /// The family's or entry's own epoch.
    pub epoch: i64,
    /// Whether it was ended itself.
    pub ended: bool,
    /// When it runs out.
    pub expires_at: UnixMillis,
}

/// Why something is not honoured any more; for logs and tests, callers outside hear one answer for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// It was ended.
    Ended,
    /// It ran out.
    Expired,
    /// The account may not sign in.
    UserBarred,
    /// The membership is gone or may not sign in.
    MemberBarred,
    /// The membership's epoch rose since.
    EpochRose,
    /// The access token's version is too old.
    AccessVersionTooOld,
    /// The browser session is over.
    SessionOver,
}

impl Standing {
    /// Whether it is honoured at `now`.
    ///
    /// # Errors
    /// Why it is not.
    pub fn judge(&self, now: UnixMillis) -> Result<(), Lapsed> {
        if self.ended {
            return Err(Lapsed::Ended);
        }
        if now >= self.expires_at {
            return Err(Lapsed::Expired);
        }
        if !self.user_active {
            return Err(Lapsed::UserBarred);
        }
        if let Some(entry) = self.entry
            && (entry.ended || now >= entry.expires_at)
        {
            return Err(Lapsed::SessionOver);
        }
        match &self.member {
            None if self.of_org => Err(Lapsed::MemberBarred),
            None => Ok(()),
            Some(member) if !member.active => Err(Lapsed::MemberBarred),
            Some(member) if self.epoch < member.epoch => Err(Lapsed::EpochRose),
            Some(_) => Ok(()),
        }
    }

    /// Whether an access token with this version is honoured besides.
    ///
    /// # Errors
    /// Why it is not.
    pub fn judge_access_token(&self, acv: Option<i64>, now: UnixMillis) -> Result<(), Lapsed> {
        self.judge(now)?;
        match (&self.member, acv) {
            (None, _) => Ok(()),
            (Some(member), Some(acv)) if acv >= member.acv_least => Ok(()),
            (Some(_), _) => Err(Lapsed::AccessVersionTooOld),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        let member = MemberStanding {
            id: MembershipId::from_u128(1),
            active: true,
            owner: false,
            org_slug: "acme".to_owned(),
            acv: 7,
            acv_least: 5,
            epoch: 3,
        };
        let entry = EntryStanding { ended: false, expires_at: UnixMillis(100) };
        Standing {
            user_active: true,
            of_org: true,
            member: Some(member),
            entry: Some(entry),
            epoch: 3,
            ended: false,
            expires_at: UnixMillis(200),
        }
    }

    #[test]
    fn everything_that_it_hangs_on_must_stand() {
        let now = UnixMillis(50);
        assert_eq!(standing().judge(now), Ok(()));
        assert_eq!(standing().judge(UnixMillis(100)), Err(Lapsed::SessionOver));
        assert_eq!(Standing { entry: None, ..standing() }.judge(UnixMillis(199)), Ok(()));
        assert_eq!(Standing { entry: None, ..standing() }.judge(UnixMillis(200)), Err(Lapsed::Expired));
        assert_eq!(Standing { ended: true, ..standing() }.judge(now), Err(Lapsed::Ended));
        assert_eq!(Standing { user_active: false, ..standing() }.judge(now), Err(Lapsed::UserBarred));
        assert_eq!(Standing { epoch: 2, ..standing() }.judge(now), Err(Lapsed::EpochRose));
        assert_eq!(Standing { member: None, ..standing() }.judge(now), Err(Lapsed::MemberBarred));
    }

    #[test]
    fn an_access_token_is_compared_with_the_least_version() {
        let now = UnixMillis(50);
        assert_eq!(standing().judge_access_token(Some(5), now), Ok(()));
        assert_eq!(standing().judge_access_token(Some(4), now), Err(Lapsed::AccessVersionTooOld));
        assert_eq!(standing().judge_access_token(None, now), Err(Lapsed::AccessVersionTooOld));
    }
}
