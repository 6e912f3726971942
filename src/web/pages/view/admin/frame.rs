//! The frame around every page of administrators: where it stands, who is signed in, and what they may open.

/// Where in the console a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// The people of the organisation.
    People,
    /// Registering one person.
    Register,
    /// Registering many.
    Bulk,
    /// Inviting.
    Invite,
    /// The invitations.
    Invitations,
    /// The groups, and each of them.
    Groups,
    /// The access keys.
    AccessKeys,
    /// The identity providers, and each of them.
    IdentityProviders,
}

/// An entry of the navigation.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// What it is called.
    pub text: &'static str,
    /// The page under the console's path.
    pub page: &'static str,
    /// Whether it is the page that is shown.
    pub here: bool,
}

/// What stands around every page.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The organisation's name.
    pub org: String,
    /// The path of the console.
    pub base: String,
    /// Who is signed in.
    pub person: String,
    /// The token against cross-site posts.
    pub csrf: String,
    /// Which page it is.
    pub here: Here,
    /// Whether people may be seen.
    pub may_see: bool,
    /// Whether groups may be seen.
    pub may_see_groups: bool,
    /// Whether every access key may be seen.
    pub may_see_keys: bool,
    /// Whether identity providers may be seen.
    pub may_see_providers: bool,
    /// Whether people may be registered and invited.
    pub may_invite: bool,
    /// The pages that lead here, text and path.
    pub trail: Vec<(String, String)>,
}

impl Shell {
    /// The navigation: what the person may open.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let all = [
            (Here::People, "People", "people", self.may_see),
            (Here::Invitations, "Invitations", "invitations", self.may_see),
            (Here::Groups, "Groups", "groups", self.may_see_groups),
            (Here::AccessKeys, "Access keys", "access-keys", self.may_see_keys),
            (Here::IdentityProviders, "Identity providers", "identity-providers", self.may_see_providers),
            (Here::Register, "Register a person", "people/register", self.may_invite),
            (Here::Bulk, "Register many", "people/bulk", self.may_invite),
            (Here::Invite, "Invite people", "people/invite", self.may_invite),
        ];
        let item = |(here, text, page, _)| Item { text, page, here: here == self.here };
        all.into_iter().filter(|(.., allowed)| *allowed).map(item).collect()
    }
}
