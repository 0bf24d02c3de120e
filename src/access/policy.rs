//! The table of access.md as a function. No I/O: the caller says how the viewer stands to the
//! board, freshly read, and asks for one thing.

use crate::{
    domain::{MemberRole, Permission, Relation},
    error::Error,
};

/// How a viewer stands to a board: the strongest of owner, member and reader.
#[must_use]
pub fn relation(is_owner: bool, role: Option<MemberRole>, is_public: bool) -> Relation {
    match (is_owner, role) {
        (true, _) => Relation::Owner,
        (false, Some(role)) => role.into(),
        (false, None) if is_public => Relation::Reader,
        (false, None) => Relation::Outsider,
    }
}

/// Whether someone who stands so to a board may do that.
#[must_use]
pub fn allows(relation: Relation, permission: Permission) -> bool {
    relation >= required(permission)
}

/// The weakest relation that suffices.
#[must_use]
pub fn required(permission: Permission) -> Relation {
    match permission {
        Permission::View => Relation::Reader,
        Permission::Create | Permission::Tag | Permission::ManageOwnGeneration => Relation::Editor,
        Permission::ManageAnyGeneration | Permission::ManageMembers | Permission::Update => {
            Relation::Admin
        }
        Permission::Delete => Relation::Owner,
    }
}

/// What has to be asked before a generation is cancelled or deleted. One's own needs the role too.
#[must_use]
pub fn manage_generation(is_own: bool) -> Permission {
    if is_own { Permission::ManageOwnGeneration } else { Permission::ManageAnyGeneration }
}

/// The refusal of a permission, as a client reads it.
#[must_use]
pub fn refusal(permission: Permission) -> Error {
    Error::forbidden(match permission {
        Permission::View => "view this board",
        Permission::Create => "create generations on this board",
        Permission::Tag => "tag generations on this board",
        Permission::ManageOwnGeneration | Permission::ManageAnyGeneration => {
            "cancel or delete this generation"
        }
        Permission::ManageMembers => "manage the members of this board",
        Permission::Update => "update this board",
        Permission::Delete => "delete this board",
    })
}

#[cfg(test)]
mod tests {
    use Permission::{
        Create, Delete, ManageAnyGeneration, ManageMembers, ManageOwnGeneration, Tag, Update, View,
    };
    use Relation::{Admin, Editor, Outsider, Owner, Reader, Viewer};

    use super::*;

    /// The whole matrix of access.md, written out: who may do what, and nobody else.
    #[test]
    fn matrix() {
        let table = [
            (View, vec![Reader, Viewer, Editor, Admin, Owner]),
            (Create, vec![Editor, Admin, Owner]),
            (Tag, vec![Editor, Admin, Owner]),
            (ManageOwnGeneration, vec![Editor, Admin, Owner]),
            (ManageAnyGeneration, vec![Admin, Owner]),
            (ManageMembers, vec![Admin, Owner]),
            (Update, vec![Admin, Owner]),
            (Delete, vec![Owner]),
        ];
        assert_eq!(table.len(), Permission::ALL.len());
        for (permission, may) in table {
            for relation in [Outsider, Reader, Viewer, Editor, Admin, Owner] {
                assert_eq!(
                    allows(relation, permission),
                    may.contains(&relation),
                    "{relation:?} {permission:?}"
                );
            }
        }
    }

    #[test]
    fn the_strongest_relation_counts() {
        assert_eq!(relation(true, Some(MemberRole::Viewer), true), Owner);
        assert_eq!(relation(false, Some(MemberRole::Viewer), true), Viewer);
        assert_eq!(relation(false, None, true), Reader);
        assert_eq!(relation(false, None, false), Outsider);
    }
}
