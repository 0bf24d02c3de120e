//! The one door to a tenant's rows: every query made through it names the tenant and the viewer.

use sea_orm::{ColumnTrait, QueryFilter, Select, Statement, sea_query::SelectStatement};
use uuid::Uuid;

use super::{
    Event, Store, Subject,
    entity::TenantScoped,
    pool::Lane,
    template::{Form, Parameter, Parameters},
};
use crate::{
    domain::{BoardId, GenerationId, TenantId, UserId},
    error::{Error, Result},
};

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A caller without a token.
    Anonymous,
    /// A user of the scope's tenant.
    User(UserId),
}

/// A tenant and a viewer. Made by `auth` for a verified caller and by the worker for a job's row.
#[derive(Clone)]
pub struct Scope {
    store: Store,
    tenant: TenantId,
    viewer: Viewer,
}

impl Scope {
    pub(crate) fn new(store: &Store, tenant: TenantId, viewer: Viewer) -> Self {
        Self { store: store.on_behalf_of(tenant), tenant, viewer }
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who looks.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        self.viewer
    }

    /// The signed-in user.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub fn user(&self) -> Result<UserId> {
        match self.viewer {
            Viewer::User(user) => Ok(user),
            Viewer::Anonymous => Err(Error::NotAuthenticated),
        }
    }

    /// The same for work that begins now.
    pub(super) fn anew(&self) -> Self {
        Self::new(&self.store, self.tenant, self.viewer)
    }

    /// The store that the scope looks into.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The viewer's id for comparisons. The nil UUID is nobody's, so an anonymous viewer equals no
    /// owner and no member.
    pub(super) fn viewer_uuid(&self) -> Uuid {
        match self.viewer {
            Viewer::User(user) => user.0,
            Viewer::Anonymous => Uuid::nil(),
        }
    }

    /// The statement that `build` makes with this tenant and viewer and `parameters`. Its text is
    /// kept, so it may depend on `form` alone.
    pub(super) fn statement<const N: usize>(
        &self,
        form: Form,
        parameters: [Parameter; N],
        build: impl Fn(&Self, &Parameters) -> SelectStatement,
    ) -> Statement {
        let own = [self.tenant.0.into(), self.viewer_uuid().into()];
        let parameters: Vec<_> = parameters.into_iter().chain(own).collect();
        let parameters = Parameters::new(parameters);
        self.store.templates().statement(form, &parameters, |parameters| {
            let (tenant, viewer) = (parameters.id(N), parameters.id(N + 1));
            let scope = Self::new(&self.store, TenantId(tenant), Viewer::User(UserId(viewer)));
            build(&scope, parameters)
        })
    }

    /// Rows of the scope's tenant.
    pub(super) fn find<E: TenantScoped>(&self) -> Select<E> {
        E::find().filter(E::TENANT.eq(self.tenant.0))
    }

    pub(super) fn read(&self) -> &Lane {
        self.store.read()
    }

    pub(super) fn publish_board(&self, board: BoardId) {
        self.publish(board, Subject::Board);
    }

    pub(super) fn publish_generation(&self, board: BoardId, generation: GenerationId) {
        self.publish(board, Subject::Generation(generation));
    }

    fn publish(&self, board: BoardId, subject: Subject) {
        self.store.events().publish(Event { tenant: self.tenant, board, subject });
    }
}
