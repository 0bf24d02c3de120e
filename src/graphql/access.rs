//! Who may call a field, declared on the field: a guard that asks, and a directive that shows the
//! same in the SDL. A test fails for a root field without one.

use async_graphql::{Context, Enum, Guard, Result, TypeDirective};

use super::session::Session;

/// Who may call a field at all.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Everyone in the tenant, signed in or not; what is shown depends on the caller.
    Anyone,
    /// A signed-in user of the tenant.
    User,
}

/// What the caller must be allowed to do on the board in question.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BoardPermission {
    /// See the board, its members and its generations.
    View,
    /// Create, regenerate and upload generations.
    Create,
    /// Put tags on generations and take them off.
    Tag,
    /// Cancel or delete a generation: one's own as an editor, anybody's as an admin.
    ManageGeneration,
    /// Add and remove members and change roles; every member may remove themselves.
    ManageMembers,
    /// Change title, description, settings and visibility.
    Update,
    /// Delete the board.
    Delete,
}

/// Who may use the field: which callers, and with which permission on the board.
#[TypeDirective(name = "access", location = "FieldDefinition")]
pub(super) fn access(caller: Caller, permission: Option<BoardPermission>) {}

/// Lets everyone pass whose token and tenant are good or who sent no token.
pub(super) struct Anyone;

/// Lets signed-in users pass.
pub(super) struct SignedIn;

impl Guard for Anyone {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        Session::of(context)?;
        Ok(())
    }
}

impl Guard for SignedIn {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        Session::of(context)?.scope().user()?;
        Ok(())
    }
}
