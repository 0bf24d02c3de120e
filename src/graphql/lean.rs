//! Objects whose fields are mostly at hand. The library makes a boxed future of every field of every
//! object and runs them side by side; here a field that waits for nothing is resolved at once, and only
//! the others run side by side.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils::{ContainerType, resolve_container},
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};

const TYPE_NAME_FIELD: &str = "__typename";

/// The fields of an object type.
pub(super) trait Fields: ContainerType {
    /// Whether the field is at hand: it waits for nothing that other fields wait for too.
    fn is_at_hand(field: &Field) -> bool;
}

/// Whether all that is selected in a field of type `T` is at hand.
pub(super) fn all_at_hand<T: Fields>(field: &Field) -> bool {
    field.selection_set.node.items.iter().all(|selection| match &selection.node {
        Selection::Field(inner) => {
            inner.node.name.node == TYPE_NAME_FIELD || T::is_at_hand(&inner.node)
        }
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => false,
    })
}

/// An object of such a type.
#[derive(Clone)]
pub(super) struct Lean<T>(pub(super) T);

impl<T> std::ops::Deref for Lean<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Fields> OutputType for Lean<T> {
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
        match plain_fields(&context.item.node.items) {
            Some(fields) => Ok(resolve(&self.0, context, fields).await),
            None => resolve_container(context, &self.0).await,
        }
    }
}

/// The selected fields, if nothing else is selected and none twice; `@skip` and `@include` have been
/// applied.
fn plain_fields(selections: &[Positioned<Selection>]) -> Option<Vec<&Positioned<Field>>> {
    let mut fields: Vec<&Positioned<Field>> = Vec::with_capacity(selections.len());
    for selection in selections {
        let Selection::Field(field) = &selection.node else { return None };
        let key = &field.node.response_key().node;
        let is_repeated = fields.iter().any(|other| other.node.response_key().node == *key);
        if is_repeated || !field.node.directives.is_empty() {
            return None;
        }
        fields.push(field);
    }
    Some(fields)
}

/// Boxed, so that objects which hold each other have a type.
fn resolve<'a, T: Fields>(
    object: &'a T,
    context: &'a ContextSelectionSet<'a>,
    fields: Vec<&'a Positioned<Field>>,
) -> BoxFuture<'a, Value> {
    Box::pin(async move {
        let mut values: IndexMap<Name, Value> = IndexMap::with_capacity(fields.len());
        let mut others: FuturesUnordered<BoxFuture<'a, (usize, ServerResult<Option<Value>>)>> =
            FuturesUnordered::new();
        for (place, field) in fields.into_iter().enumerate() {
            let value = if field.node.name.node == TYPE_NAME_FIELD {
                Value::String(T::type_name().into_owned())
            } else if T::is_at_hand(&field.node) {
                kept(context, object.resolve_field(&context.with_field(field)).await)
            } else {
                others.push(Box::pin(async move {
                    let context = context.with_field(field);
                    (place, object.resolve_field(&context).await)
                }));
                Value::Null
            };
            values.insert(field.node.response_key().node.clone(), value);
        }
        while let Some((place, resolved)) = others.next().await {
            if let Some((_, value)) = values.get_index_mut(place) {
                *value = kept(context, resolved);
            }
        }
        Value::Object(values)
    })
}

/// The value, or null for an error that is noted.
fn kept(context: &ContextSelectionSet<'_>, resolved: ServerResult<Option<Value>>) -> Value {
    match resolved {
        Ok(value) => value.unwrap_or_default(),
        Err(error) => {
            context.add_error(error);
            Value::Null
        }
    }
}
