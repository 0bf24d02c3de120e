//! Who stands how to a board, and what can be asked for.

use std::{fmt, str::FromStr};

/// The role that a membership row gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MemberRole {
    /// May look.
    Viewer,
    /// May add to the board.
    Editor,
    /// May run the board.
    Admin,
}

impl MemberRole {
    /// The lower-case name that the database holds.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for MemberRole {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Viewer, Self::Editor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or(())
    }
}

/// The role of a user in their tenant. It gives no rights on boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TenantRole {
    /// Uses the tenant.
    Member,
    /// Runs the tenant: its people, invitations and audit log.
    Admin,
}

impl TenantRole {
    /// The lower-case name that the database holds.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for TenantRole {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Member, Self::Admin].into_iter().find(|role| role.as_str() == name).ok_or(())
    }
}

/// How a caller stands to a board of their own tenant, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// The board is private and the caller has no part in it.
    Outsider,
    /// The board is public; the caller, signed in or not, has no role on it.
    Reader,
    /// Member with the role viewer.
    Viewer,
    /// Member with the role editor.
    Editor,
    /// Member with the role admin.
    Admin,
    /// The owner.
    Owner,
}

impl From<MemberRole> for Relation {
    fn from(role: MemberRole) -> Self {
        match role {
            MemberRole::Viewer => Self::Viewer,
            MemberRole::Editor => Self::Editor,
            MemberRole::Admin => Self::Admin,
        }
    }
}

/// Something that one may or may not do on a board: the rows of the table in access.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See the board, its members and its generations.
    View,
    /// Create, regenerate and upload generations.
    Create,
    /// Put tags on a generation and take them off.
    Tag,
    /// Cancel or delete a generation that one made oneself.
    ManageOwnGeneration,
    /// Cancel or delete anybody's generation.
    ManageAnyGeneration,
    /// Add and remove members and change their roles.
    ManageMembers,
    /// Change title, description, settings and visibility.
    Update,
    /// Delete the board.
    Delete,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::Create,
        Self::Tag,
        Self::ManageOwnGeneration,
        Self::ManageAnyGeneration,
        Self::ManageMembers,
        Self::Update,
        Self::Delete,
    ];
}
