//! Messages to people: which there are, and what each of them is filled with. How they look is `outside::mail`'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::language::Language;
use crate::kernel::id::OrgId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// An e-mail address.
    Email(String),
    /// A phone number, in E.164.
    Phone(String),
}

impl Address {
    /// The address's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(text) | Self::Phone(text) => text,
        }
    }
}

macro_rules! templates {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// Which message; each has a template in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Template { $($(#[$doc])* $variant,)* }

        impl Template {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of its file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

templates! {
    /// Somebody is invited into an organisation.
    Invitation = "invitation",
    /// The same with a new link; the one before is dead.
    InvitationAgain = "invitation_again",
    /// The invitation ends in two days.
    InvitationReminder = "invitation_reminder",
    /// An account was registered; its first password is to be set.
    SetPassword = "set_password",
    /// The same with a new link.
    SetPasswordAgain = "set_password_again",
    /// The link for the first password ends in two days.
    SetPasswordReminder = "set_password_reminder",
    /// A new password was asked for.
    ResetPassword = "reset_password",
    /// An administrator asks for a new password to be set.
    ResetByAdmin = "reset_by_admin",
    /// A new own account is to be confirmed.
    ConfirmAccount = "confirm_account",
    /// Somebody tried to register an address that has an account.
    AccountExists = "account_exists",
    /// A new e-mail address is to be confirmed.
    ConfirmEmail = "confirm_email",
    /// The password was changed.
    PasswordChanged = "password_changed",
    /// Somebody signed in with a browser that was not seen before.
    NewSignIn = "new_sign_in",
    /// The e-mail address was changed: to the old one.
    EmailChangedOld = "email_changed_old",
    /// The e-mail address was changed: to the new one.
    EmailChangedNew = "email_changed_new",
    /// The phone number was changed: to the e-mail address.
    PhoneChanged = "phone_changed",
    /// Sign-in is paused after too many failures.
    Locked = "locked",
    /// An access key was made.
    KeyCreated = "key_created",
    /// An access key ends soon.
    KeyExpiring = "key_expiring",
    /// A token of a connection's SCIM client ends soon.
    ScimTokenExpiring = "scim_token_expiring",
    /// A connection's identity provider keeps failing.
    ConnectionFailing = "connection_failing",
    /// The person was removed from an organisation.
    Removed = "removed",
    /// The account or the membership was suspended.
    Suspended = "suspended",
    /// The ownership of an organisation went to the reader.
    OwnershipReceived = "ownership_received",
    /// The ownership of an organisation went away from the reader.
    OwnershipGiven = "ownership_given",
    /// A second factor was added.
    FactorAdded = "factor_added",
    /// A second factor was taken away.
    FactorRemoved = "factor_removed",
    /// An administrator took every second factor away.
    FactorsReset = "factors_reset",
    /// New recovery codes were made.
    RecoveryCodesMade = "recovery_codes_made",
    /// A recovery code was used.
    RecoveryCodeUsed = "recovery_code_used",
    /// A code as second factor.
    FactorCode = "factor_code",
    /// A passkey's counter went back.
    PasskeyCloned = "passkey_cloned",
    /// A rule of alerts fits an event.
    Alert = "alert",
}

/// One message, as the outbox keeps it. It holds no secret in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Which.
    pub template: Template,
    /// To whom.
    pub to: Address,
    /// In which language.
    pub language: Language,
    /// The organisation that it is about: its name, colour and contact are read when it is sent.
    pub org: Option<OrgId>,
    /// What the template is filled with, by name. Values are text that people typed: never trusted, never a secret.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The secret link's path and secret, or a code, sealed with the instance key and bound to the address.
    #[serde(default)]
    pub sealed: Option<String>,
}

/// What a one-time link is for. A link of one purpose is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The first password of a registered account.
    SetPassword,
    /// A new password.
    ResetPassword,
    /// An invitation.
    Invitation,
    /// A new own account.
    ConfirmAccount,
    /// A new e-mail address of an account.
    ConfirmEmail,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SetPassword, Self::ResetPassword, Self::Invitation, Self::ConfirmAccount, Self::ConfirmEmail];

    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetPassword => "set_password",
            Self::ResetPassword => "reset_password",
            Self::Invitation => "invitation",
            Self::ConfirmAccount => "confirm_account",
            Self::ConfirmEmail => "confirm_email",
        }
    }

    /// Where the link leads, in front of the secret.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::SetPassword => "/welcome/",
            Self::ResetPassword => "/reset/",
            Self::Invitation => "/invite/",
            Self::ConfirmAccount => "/register/",
            Self::ConfirmEmail => "/email/",
        }
    }
}

/// A new one-time link and the message that carries it: 256 bits, of which the database keeps the digest.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The secret's digest.
    pub digest: Digest,
    /// What it is for.
    pub purpose: Purpose,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// The message; its `sealed` holds the secret.
    pub mail: Mail,
}
