//! What a person's own log says, in words: for what they did, and for what was done to their account.

/// Who did something, as the person whom it concerned is told: no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// They themselves.
    You,
    /// Somebody who may: an administrator, the operator, or a tool of theirs.
    Administrator,
    /// The identity provider of an organisation.
    Provider,
    /// Muster itself.
    Muster,
}

impl By {
    /// The word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::You => "you",
            Self::Administrator => "administrator",
            Self::Provider => "provider",
            Self::Muster => "muster",
        }
    }

    /// Who an actor's label names, for the person with this id.
    #[must_use]
    pub fn of(label: &str, user: &str) -> Self {
        let (kind, id) = label.split_once(':').unwrap_or((label, ""));
        match kind {
            "user" | "operator" if id == user => Self::You,
            // Whoever holds a mailed link is the person whom it was mailed to.
            "link" => Self::You,
            "connection" => Self::Provider,
            "system" => Self::Muster,
            _ => Self::Administrator,
        }
    }
}

/// The sentences for the kinds of acts and events that people see most.
const SAID: &[(&str, &str)] = &[
    ("sign_in.accepted", "Signed in"),
    ("sign_in.refused", "A sign-in failed"),
    ("sign_in.half_way", "The password was right, and a second step was asked for"),
    ("factor.accepted", "Second step of a sign-in"),
    ("factor.refused", "A second step failed"),
    ("password.refused", "A wrong password was typed"),
    ("password.forgotten", "A new password was asked for"),
    ("token.issued", "An application was signed in"),
    ("token.refreshed", "An application went on"),
    ("code.reused", "A used sign-in code was tried again"),
    ("refresh_token.reused", "A used token was tried again"),
    ("device.allowed", "A sign-in on another device was allowed"),
    ("consent.withdrawn", "Took back what an application was allowed"),
    ("user.create", "The account was made"),
    ("user.set_profile", "The profile was changed"),
    ("user.set_state", "The account's state was changed"),
    ("user.set_access_type", "How the account is used was changed"),
    ("user.reset_password", "The password was reset"),
    ("user.send_link", "A link was sent"),
    ("user.set_password", "A password was set by a mailed link"),
    ("user.change_password", "The password was changed"),
    ("user.confirm_email", "The e-mail address was changed"),
    ("user.register", "The account was made"),
    ("user.unlock", "Sign-in was opened again"),
    ("user.provision", "The account was made by the provider"),
    ("user.set_provisioned", "The provider changed the account"),
    ("user.come_through", "Came in through the provider"),
    ("user.adopt", "The account was handed to a provider"),
    ("factor.add", "A way to confirm sign-ins was added"),
    ("factor.replace", "The authenticator app was set up anew"),
    ("factor.remove", "A way to confirm sign-ins was removed"),
    ("factor.reset", "Every way to confirm sign-ins was removed"),
    ("factor.codes", "Recovery codes were made"),
    ("passkey.rename", "A passkey was renamed"),
    ("identity.link", "A company sign-in was linked"),
    ("identity.unlink", "A company sign-in was unlinked"),
    ("member.add", "Became a member"),
    ("member.set_state", "The membership's state was changed"),
    ("member.restrict", "Applications were restricted"),
    ("member.set_groups", "Groups were changed"),
    ("member.remove", "The membership ended"),
    ("group.add_members", "Joined a group"),
    ("group.remove_members", "Left a group"),
    ("binding.create", "A role was given"),
    ("binding.remove", "A role was taken"),
    ("binding.expire", "A role ran out"),
    ("session.end", "Sessions were ended"),
    ("access_key.create", "An access key was made"),
    ("access_key.change", "An access key was changed"),
    ("access_key.remove", "An access key was removed"),
    ("invitation.accept", "An invitation was accepted"),
    ("org.transfer", "The ownership was transferred"),
];

/// What one change did, in words. Of a change of many things that is what people have of their own; what else it did to
/// their organisation is told only where it is all.
#[must_use]
pub fn said_of<'k>(kinds: impl Iterator<Item = &'k str> + Clone) -> String {
    let own: Vec<&str> = kinds.clone().filter_map(known).collect();
    if own.is_empty() { kinds.map(said).collect::<Vec<_>>().join("; ") } else { own.join("; ") }
}

fn known(kind: &str) -> Option<&'static str> {
    SAID.iter().find(|(word, _)| *word == kind).map(|(_, text)| *text)
}

/// A kind in words.
fn said(kind: &str) -> String {
    if let Some(text) = known(kind) {
        return text.to_owned();
    }
    let plain = kind.replace(['.', '_'], " ");
    let mut letters = plain.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_whether_it_was_they_and_no_name_of_anybody_else() {
        for (label, by) in [
            ("user:usr_1", By::You),
            ("operator:usr_1", By::You),
            ("link:reset", By::You),
            ("user:usr_2", By::Administrator),
            ("key:ack_1:usr_1", By::Administrator),
            ("command_line", By::Administrator),
            ("connection:con_1", By::Provider),
            ("system:window_over", By::Muster),
        ] {
            assert_eq!(By::of(label, "usr_1"), by, "{label}");
        }
    }

    #[test]
    fn every_kind_is_said_in_words() {
        assert_eq!(said("sign_in.accepted"), "Signed in");
        assert_eq!(said("bundle.put"), "Bundle put");
        assert_eq!(said(""), "");
        let of = |kinds: &[&str]| said_of(kinds.iter().copied());
        assert_eq!(
            of(&["org.create", "member.add", "role.create", "binding.create"]),
            "Became a member; A role was given"
        );
        assert_eq!(of(&["bundle.put", "alert.put"]), "Bundle put; Alert put");
    }
}
