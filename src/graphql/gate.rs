//! The gate before every root field. The library reads a field's arguments before it asks the
//! field's guard; here the caller is judged first, by the same directive that the SDL shows, and what
//! a mutation does is put on record.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{
    Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value,
    parser::types::Field,
    registry::Registry,
    resolver_utils::{ContainerType, resolve_container},
};

use super::{
    auditing::Auditor, document::Document, selection::scopes_below, session::Session,
    shapes::Shapes,
};
use crate::error::{Error, Result};

const MUTATION: &str = "Mutation";

/// A root object whose fields are behind the gate.
#[derive(Default)]
pub(super) struct Gated<T>(pub(super) T);

/// What the gate knows of the operation that wants to pass.
pub(super) struct Passage {
    pub(super) shapes: Arc<Shapes>,
    pub(super) document: Arc<Document>,
    pub(super) session: Session,
    pub(super) auditor: Arc<Auditor>,
}

impl Passage {
    /// Whether the caller may use the field at all.
    pub(super) fn admits(&self, parent: &str, field: &Field) -> Result<()> {
        let name = field.name.node.as_str();
        self.session.admits(self.shapes.access(parent, name))?;
        if parent == MUTATION { self.admits_answer(name, field) } else { Ok(()) }
    }

    /// A mutation whose answer the caller may not read is not carried out: who is refused takes it
    /// for not done, and does it again.
    fn admits_answer(&self, name: &str, field: &Field) -> Result<()> {
        let Some(target) = self.shapes.target(MUTATION, name) else { return Ok(()) };
        let selections = &field.selection_set.node;
        let scopes = scopes_below(&self.shapes, &self.document.parsed, target, selections);
        self.session.admits_scopes(scopes)
    }
}

impl<T: ObjectType> OutputType for Gated<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        _field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(context, self).await
    }
}

impl<T: ObjectType> ContainerType for Gated<T> {
    async fn resolve_field(&self, context: &Context<'_>) -> ServerResult<Option<Value>> {
        let field = &context.item.node;
        let parent = T::type_name();
        let passage = context.data::<Passage>();
        let passage = passage.map_err(|_| {
            let error: async_graphql::Error =
                Error::internal("an operation that did not come through the engine").into();
            context.set_error_path(error.into_server_error(context.item.pos))
        })?;
        let act = (parent == MUTATION).then(|| passage.auditor.begin(field));
        let outcome = match passage.admits(&parent, field) {
            Ok(()) => self.0.resolve_field(context).await,
            Err(error) => {
                let error: async_graphql::Error = error.into();
                Err(context.set_error_path(error.into_server_error(context.item.pos)))
            }
        };
        if let Some(act) = act {
            passage.auditor.end(act, field, &outcome);
        }
        outcome
    }
}

impl<T: ObjectType> ObjectType for Gated<T> {}
