//! Who may call a field, declared on the field: a guard that asks, and a directive that shows the
//! same in the SDL. A test fails for a root field without one.

use async_graphql::{
    Context, Enum, Guard, Result, TypeDirective, Value, parser::types::ConstDirective,
};

use super::session::Session;
use crate::domain::TokenScope;

/// Who may call a field at all.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Everyone in the tenant, signed in or not; what is shown depends on the caller.
    Anyone,
    /// A signed-in user of the tenant.
    User,
    /// An admin of the tenant.
    TenantAdmin,
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

/// Who may use the field: which callers, with which permission on the board, and, where the caller
/// sent a token, with which scopes granted to it.
#[TypeDirective(name = "access", location = "FieldDefinition")]
pub(super) fn access(caller: Caller, permission: Option<BoardPermission>, scopes: Vec<String>) {}

/// The scope as the directive shows it.
pub(super) fn granted(scope: TokenScope) -> Vec<String> {
    vec![scope.as_str().to_owned()]
}

/// What `@access` on a field says about its caller.
pub(super) struct FieldAccess {
    pub(super) caller: Caller,
    /// What a token must have been granted, all of it.
    pub(super) scopes: Vec<TokenScope>,
}

/// For a field that says nothing.
pub(super) static CLOSED: FieldAccess =
    FieldAccess { caller: Caller::TenantAdmin, scopes: Vec::new() };

impl FieldAccess {
    /// Reads the directive off the SDL.
    pub(super) fn of(directive: Option<&ConstDirective>) -> Self {
        let argument = |name| Some(&directive?.get_argument(name)?.node);
        let caller = match argument("caller") {
            Some(Value::Enum(name)) if name == "ANYONE" => Caller::Anyone,
            Some(Value::Enum(name)) if name == "USER" => Caller::User,
            _ => Caller::TenantAdmin,
        };
        let scopes = match argument("scopes") {
            Some(Value::List(names)) => names.iter().filter_map(scope).collect(),
            _ => Vec::new(),
        };
        Self { caller, scopes }
    }
}

fn scope(name: &Value) -> Option<TokenScope> {
    let Value::String(name) = name else { return None };
    name.parse().ok()
}

/// Whether [`Anyone`] would let the caller pass.
pub(super) fn may(context: &Context<'_>, scope: TokenScope) -> bool {
    Session::of(context).is_ok_and(|caller| caller.require_scope(scope).is_ok())
}

/// Lets everyone pass whose token and tenant are good and whose token was granted the scope, and
/// who sent no token.
pub(super) struct Anyone(pub(super) TokenScope);

/// Lets signed-in users pass whose token was granted the scope.
pub(super) struct SignedIn(pub(super) TokenScope);

/// Lets signed-in users pass, whatever their token was granted.
pub(super) struct AnySignedIn;

/// Lets admins of the tenant pass whose token was granted `tenant:admin`.
pub(super) struct TenantAdmin;

impl Guard for Anyone {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        Ok(Session::of(context)?.require_scope(self.0)?)
    }
}

impl Guard for SignedIn {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        let caller = Session::of(context)?;
        caller.scope().user()?;
        Ok(caller.require_scope(self.0)?)
    }
}

impl Guard for AnySignedIn {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        Session::of(context)?.scope().user()?;
        Ok(())
    }
}

impl Guard for TenantAdmin {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        Ok(Session::of(context)?.require_tenant_admin()?)
    }
}
