//! Typed ids: a prefix that says what the thing is, and a `UUIDv7` in lower-case base32.
//!
//! # Why
//! An id of one kind can't be passed where another is meant, a person reading a log sees what it names,
//! and v7 keeps neighbours in time together in the index. Ids are names, not secrets (UUIDs don't qualify).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 26 characters of Crockford's base32 for 128 bits.
fn base32(value: u128) -> String {
    (0..26).rev().map(|place| ALPHABET[((value >> (place * 5)) & 31) as usize] as char).collect()
}

/// The 128 bits of 26 characters of base32; `None` for what [`base32`] never writes.
fn number(text: &str) -> Option<u128> {
    let mut digits = text.bytes().map(|byte| ALPHABET.iter().position(|letter| *letter == byte));
    let value =
        digits.try_fold(0_u128, |value, digit| value.checked_mul(32)?.checked_add(u128::try_from(digit?).ok()?));
    value.filter(|_| text.len() == 26)
}

/// That this is no id of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id of this kind")
    }
}
impl std::error::Error for InvalidId {}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The id for 128 bits, taken from a `UUIDv7` by the caller.
            #[must_use]
            pub fn from_u128(value: u128) -> Self { Self(format!("{}{}", $prefix, base32(value))) }

            /// A fresh id (a version 7 UUID: time and 74 random bits).
            #[must_use]
            pub fn fresh() -> Self { Self::from_u128(uuid::Uuid::now_v7().as_u128()) }

            /// An id read back from our own database or a token that we signed.
            #[must_use]
            pub fn trusted(text: String) -> Self { Self(text) }

            /// The 128 bits that the id was made of; `None` where the text is no id of this kind.
            #[must_use]
            pub fn number(&self) -> Option<u128> { number(self.0.strip_prefix($prefix)?) }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }

            /// The id's text, given away.
            #[must_use]
            pub fn into_string(self) -> String { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text.strip_prefix($prefix) {
                    Some(rest) if rest.len() == 26 && rest.bytes().all(|b| ALPHABET.contains(&b)) => Ok(Self(text.to_owned())),
                    _ => Err(InvalidId),
                }
            }
        }
    )*};
}

ids! {
    /// An organisation.
    OrgId = "org_";
    /// A project of an organisation.
    ProjectId = "prj_";
    /// A person's account; its text is the `sub` claim and is never reused.
    UserId = "usr_";
    /// A user in an organisation.
    MembershipId = "mem_";
    /// A group of an organisation.
    GroupId = "grp_";
    /// An organisation's own role.
    RoleId = "rol_";
    /// A binding of a role to a member or a group.
    BindingId = "bnd_";
    /// An application (an OIDC client); its `client_id` is another text, chosen by its maker.
    ApplicationId = "app_";
    /// A browser session, as people and administrators see it; never the cookie.
    SessionId = "ses_";
    /// One organisation's entry in a browser session: the `sid` claim.
    EntryId = "sid_";
    /// A family of tokens that came from one authorization code.
    FamilyId = "fam_";
    /// An accepted change that could alter access.
    ChangeId = "chg_";
    /// A row of the outbox.
    OutboxId = "out_";
    /// A row of the audit record.
    AuditId = "aud_";
    /// A signing key: the `kid` of its JWK.
    KeyId = "key_";
    /// An access key of a person or a service account: a `client_id` at the token endpoint.
    AccessKeyId = "ack_";
    /// A rule that says whom to tell of which events.
    AlertId = "alr_";
    /// A bundle of roles under one name.
    BundleId = "bun_";
    /// An invitation into an organisation.
    InvitationId = "inv_";
    /// A connection: an organisation's own identity provider.
    ConnectionId = "con_";
    /// A token or an OAuth client of a connection's SCIM client.
    ScimCredentialId = "scr_";
    /// A request that a connection's client sent.
    ScimRequestId = "srq_";
    /// A request that waits for an administrator, because it would take access from very many.
    HeldId = "hld_";
    /// An account that stands in the way of one that a connection pushes.
    AdoptionId = "ado_";
    /// An e-mail domain of an organisation.
    DomainId = "dom_";
    /// Who somebody is at a connection's provider: issuer and subject, linked to an account.
    IdentityId = "idn_";
    /// A sign-in through a connection that is under way.
    UpstreamFlowId = "ufl_";
    /// A line of the log of sign-ins through connections.
    SignInLogId = "sil_";
    /// A stream of security events to an application.
    StreamId = "ssf_";
    /// A second factor of an account that is no passkey.
    FactorId = "fac_";
    /// A passkey of an account.
    PasskeyId = "pky_";
    /// A challenge that a passkey is to answer.
    ChallengeId = "wch_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_one_kind_is_no_id_of_another() {
        let org = OrgId::fresh();
        assert_eq!(org.as_str().parse::<OrgId>(), Ok(org.clone()));
        assert_eq!(org.as_str().parse::<UserId>(), Err(InvalidId));
        assert_eq!("org_".parse::<OrgId>(), Err(InvalidId));
        assert_eq!(OrgId::from_u128(0).as_str(), "org_00000000000000000000000000");
        assert_eq!(OrgId::from_u128(u128::MAX).as_str(), "org_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        for number in [0, 1, 31, 32, u128::MAX] {
            assert_eq!(OrgId::from_u128(number).number(), Some(number));
        }
        for text in ["org_", "usr_00000000000000000000000000", "org_zzzzzzzzzzzzzzzzzzzzzzzzzz", "org_1"] {
            assert_eq!(OrgId::trusted(text.to_owned()).number(), None, "{text}");
        }
    }
}
