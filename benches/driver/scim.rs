//! What is measured of SCIM: the deeds of a directory's client, by name.

use crate::world;

/// How many users one bulk request makes.
pub const IN_BULK: usize = 100;

/// Where a page of users begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first one.
    First,
    /// In the middle: as far from either end as an index can say.
    Middle,
    /// Where the last page ended, by its cursor.
    Cursor,
}

/// How large a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Ten members.
    Small,
    /// A thousand.
    Middling,
    /// A hundred thousand.
    Large,
}

impl Size {
    /// How many are in it.
    pub const fn members(self) -> u64 {
        match self {
            Self::Small => world::GROUPS[0],
            Self::Middling => world::GROUPS[1],
            Self::Large => world::GROUPS[2],
        }
    }
}

/// An operation of a directory's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Looking a user up by `userName eq`, each time another one.
    Filter,
    /// Reading a user by its id.
    Get,
    /// Reading a page of a hundred users.
    Page(Start),
    /// Making a user.
    Create,
    /// Deactivating a user and activating it again, by turns.
    Active,
    /// Adding a member to a group and removing it again, by turns.
    Member(Size),
    /// Making a hundred users by one request.
    Bulk,
}

/// All of them.
pub const ALL: [Deed; 11] = [
    Deed::Filter,
    Deed::Get,
    Deed::Page(Start::First),
    Deed::Page(Start::Middle),
    Deed::Page(Start::Cursor),
    Deed::Create,
    Deed::Active,
    Deed::Member(Size::Small),
    Deed::Member(Size::Middling),
    Deed::Member(Size::Large),
    Deed::Bulk,
];

impl Deed {
    /// Its name on the command line and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filter => "scim.filter",
            Self::Get => "scim.get",
            Self::Page(Start::First) => "scim.page",
            Self::Page(Start::Middle) => "scim.page.middle",
            Self::Page(Start::Cursor) => "scim.page.cursor",
            Self::Create => "scim.create",
            Self::Active => "scim.active",
            Self::Member(Size::Small) => "scim.member.10",
            Self::Member(Size::Middling) => "scim.member.1000",
            Self::Member(Size::Large) => "scim.member.100000",
            Self::Bulk => "scim.bulk",
        }
    }

    /// Whether each operation waits for the disk.
    pub const fn is_durable(self) -> bool {
        matches!(self, Self::Create | Self::Active | Self::Member(_) | Self::Bulk)
    }

    /// Whether the database grows by it, so that what is measured afterwards stands on another one.
    pub const fn grows(self) -> bool {
        matches!(self, Self::Create | Self::Bulk)
    }

    /// Whether its latency is measured at an easy pace, too: there is a goal for it.
    pub const fn is_paced(self) -> bool {
        matches!(self, Self::Filter | Self::Page(Start::Middle | Start::Cursor) | Self::Member(_))
    }

    /// Whether a database with so many people has what it needs.
    pub const fn fits(self, users: u64) -> bool {
        match self {
            Self::Member(size) => size.members() <= users,
            Self::Filter | Self::Get | Self::Page(_) | Self::Create | Self::Active | Self::Bulk => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_group_needs_a_large_database() {
        let fitting = |users| ALL.iter().filter(|deed| deed.fits(users)).count();
        assert_eq!([fitting(9), fitting(1_000), fitting(100_000)], [8, 10, 11]);
    }
}
