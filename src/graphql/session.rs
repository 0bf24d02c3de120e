//! The caller of an operation, or why there is none.

use std::sync::Arc;

use async_graphql::Context;

use super::access::{Caller, FieldAccess};
use super::batching::Batches;
use super::loader::{Budget, Loading};
use crate::{
    auth::AuthContext,
    domain::TokenScopes,
    error::{Error, Result},
    store::Scope,
};

/// What authentication came to, once for a request or connection. A token or tenant that was judged
/// bad fails every field, public ones too.
#[derive(Clone)]
pub struct Session(Result<Arc<AuthContext>, Arc<Error>>);

impl Session {
    /// A session of whatever authentication came to.
    #[must_use]
    pub fn new(outcome: Result<AuthContext>) -> Self {
        Self(outcome.map(Arc::new).map_err(Arc::new))
    }

    /// The caller.
    ///
    /// # Errors
    /// What authentication failed with.
    pub fn caller(&self) -> Result<&AuthContext> {
        self.0.as_deref().map_err(|error| error.again())
    }

    /// Why nothing can be done at all at the moment, whoever asks: the caller was not judged, because
    /// the database is busy or slow.
    #[must_use]
    pub fn unavailable(&self) -> Option<Error> {
        let error = self.0.as_ref().err()?;
        matches!(**error, Error::Overloaded | Error::Timeout).then(|| error.again())
    }

    /// The data that an operation of this session runs with. Loaders are new for each operation, so
    /// that nothing of an earlier one is remembered.
    pub(super) fn attach(
        &self,
        request: async_graphql::Request,
        batches: &Batches,
    ) -> async_graphql::Request {
        let request = request.data(self.clone());
        match &self.0 {
            Ok(caller) => {
                request.data(Loading::new(caller.scope().clone(), batches)).data(Budget::default())
            }
            Err(_) => request,
        }
    }

    /// Whether the session lets a root field be called at all.
    pub(super) fn admits(&self, access: &FieldAccess) -> Result<()> {
        let caller = self.caller()?;
        match access.caller {
            Caller::Anyone => {}
            Caller::User => drop(caller.scope().user()?),
            Caller::TenantAdmin => caller.require_tenant_admin()?,
        }
        access.scopes.iter().try_for_each(|scope| caller.require_scope(*scope))
    }

    /// Whether the session's token was granted all of these.
    pub(super) fn admits_scopes(&self, scopes: TokenScopes) -> Result<()> {
        let caller = self.caller()?;
        scopes.iter().try_for_each(|scope| caller.require_scope(scope))
    }

    pub(super) fn of<'a>(context: &Context<'a>) -> Result<&'a AuthContext> {
        context
            .data::<Self>()
            .map_err(|_| Error::internal("an operation without a session"))?
            .caller()
    }

    pub(super) fn scope_of<'a>(context: &Context<'a>) -> Result<&'a Scope> {
        Ok(Self::of(context)?.scope())
    }
}
