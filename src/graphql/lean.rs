//! Objects whose fields are mostly at hand. The library makes a boxed future of every field of every
//! object and runs them side by side. Here the objects of a list are resolved together, field by
//! field: what waits for nothing is shown at once, and what is read for all of them is waited for once.

use std::borrow::Cow;

use async_graphql::{
    Context, ContextSelectionSet, Json, Name, OutputType, Positioned, ServerError, ServerResult,
    Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils::{ContainerType, resolve_container, resolve_list},
};
use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use uuid::Uuid;

use super::{
    arguments::{ArtifactType, BoardRole, GenerationStatus},
    people::TenantRole,
};
use crate::error::{Error, Result};

const TYPE_NAME_FIELD: &str = "__typename";

/// The fields of an object type.
pub(super) trait Fields: ContainerType + Sized {
    /// What the field shows, if it waits for nothing. Whatever is not at hand, and whatever the caller
    /// may not read, is left to the library.
    fn at_hand(&self, context: &Context<'_>) -> Option<Value>;

    /// What the field shows for each of the objects, if it is read for all of them together.
    fn together<'a>(_places: &'a [Place<'a, Self>]) -> Option<BoxFuture<'a, Vec<Resolved>>> {
        None
    }
}

/// What a field of an object came to.
pub(super) type Resolved = ServerResult<Option<Value>>;

/// A field of an object.
pub(super) struct Place<'a, T> {
    row: usize,
    pub(super) object: &'a T,
    pub(super) context: Context<'a>,
}

/// An object of such a type.
#[derive(Clone)]
pub(super) struct Lean<T>(pub(super) T);

/// A list of such objects.
#[derive(Clone)]
pub(super) struct LeanList<T>(Vec<Lean<T>>);

impl<T> Default for LeanList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<Lean<T>> for LeanList<T> {
    fn from_iter<I: IntoIterator<Item = Lean<T>>>(objects: I) -> Self {
        Self(objects.into_iter().collect())
    }
}

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
        let Some(fields) = plain_fields(&context.item.node.items) else {
            return resolve_container(context, &self.0).await;
        };
        let row = [(&self.0, context.clone())];
        let values = resolve(&row, &fields).await;
        Ok(values.into_iter().next().unwrap_or_default())
    }
}

impl<T: Fields> OutputType for LeanList<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<Lean<T>>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<Lean<T>>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<Lean<T>>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let Some(fields) = plain_fields(&context.item.node.items) else {
            return resolve_list(context, field, &self.0, Some(self.0.len())).await;
        };
        let rows = self.0.iter().enumerate();
        let rows: Vec<Row<'_, T>> =
            rows.map(|(index, object)| (&object.0, context.with_index(index))).collect();
        Ok(Value::List(resolve(&rows, &fields).await))
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

/// An object and where it stands in the answer.
type Row<'a, T> = (&'a T, ContextSelectionSet<'a>);

/// The values of objects of which the same is selected. Boxed, so that objects which hold each other
/// have a type.
fn resolve<'a, T: Fields>(
    rows: &'a [Row<'a, T>],
    fields: &'a [&'a Positioned<Field>],
) -> BoxFuture<'a, Vec<Value>> {
    let keys = fields.iter().map(|field| field.node.response_key().node.clone());
    let empty: IndexMap<Name, Value> = keys.map(|key| (key, Value::Null)).collect();
    let mut objects = vec![empty; rows.len()];
    let mut waiting = Vec::new();
    for (column, field) in fields.iter().enumerate() {
        let left = show_at_hand(rows, field, column, &mut objects);
        if !left.is_empty() {
            waiting.push((column, left));
        }
    }
    if waiting.is_empty() {
        return future::ready(objects.into_iter().map(Value::Object).collect()).boxed();
    }
    async move {
        let reads = waiting.iter().map(|(_, places)| read(places));
        let resolved = future::join_all(reads).await;
        for ((column, places), resolved) in waiting.iter().zip(resolved) {
            for (place, resolved) in places.iter().zip(resolved) {
                set(&mut objects, place.row, *column, kept(&place.context, resolved));
            }
        }
        objects.into_iter().map(Value::Object).collect()
    }
    .boxed()
}

/// Shows a field where it is at hand, and tells where it is not.
fn show_at_hand<'a, T: Fields>(
    rows: &'a [Row<'a, T>],
    field: &'a Positioned<Field>,
    column: usize,
    objects: &mut [IndexMap<Name, Value>],
) -> Vec<Place<'a, T>> {
    let mut left = Vec::new();
    for (row, &(object, ref context)) in rows.iter().enumerate() {
        let context = context.with_field(field);
        let value = if field.node.name.node == TYPE_NAME_FIELD {
            Some(Value::String(T::type_name().into_owned()))
        } else {
            object.at_hand(&context)
        };
        match value {
            Some(value) => set(objects, row, column, value),
            None => left.push(Place { row, object, context }),
        }
    }
    left
}

fn set(objects: &mut [IndexMap<Name, Value>], row: usize, column: usize, value: Value) {
    if let Some((_, slot)) = objects.get_mut(row).and_then(|object| object.get_index_mut(column)) {
        *slot = value;
    }
}

/// What the field came to in each of the places.
fn read<'a, T: Fields>(places: &'a [Place<'a, T>]) -> BoxFuture<'a, Vec<Resolved>> {
    T::together(places).unwrap_or_else(|| {
        let each = places.iter().map(|place| place.object.resolve_field(&place.context));
        future::join_all(each).boxed()
    })
}

/// The value, or null for an error that is noted.
fn kept(context: &Context<'_>, resolved: Resolved) -> Value {
    match resolved {
        Ok(value) => value.unwrap_or_default(),
        Err(error) => {
            context.add_error(error);
            Value::Null
        }
    }
}

/// Shows in each place the object that `read` has for it. The library does where more is asked of the
/// objects than fields.
pub(super) fn one_each<'a, P: Sync, T: Fields>(
    places: &'a [Place<'a, P>],
    read: impl Future<Output = Vec<Result<T>>> + Send + 'a,
) -> Option<BoxFuture<'a, Vec<Resolved>>> {
    let fields = fields_below(places)?;
    let shown = async move {
        let objects = read.await;
        let found = places.iter().zip(&objects);
        let rows: Vec<Row<'_, T>> = found
            .filter_map(|(place, object)| Some((object.as_ref().ok()?, below(place))))
            .collect();
        let mut values = resolve(&rows, &fields).await.into_iter();
        drop(rows);
        let value = |(place, object): (&Place<'_, P>, Result<T>)| match object {
            Ok(_) => Ok(values.next()),
            Err(error) => Err(at(place, error)),
        };
        places.iter().zip(objects).map(value).collect()
    };
    Some(shown.boxed())
}

/// Shows in each place the list that `read` has for it.
pub(super) fn list_each<'a, P: Sync, T: Fields>(
    places: &'a [Place<'a, P>],
    read: impl Future<Output = Vec<Result<Vec<T>>>> + Send + 'a,
) -> Option<BoxFuture<'a, Vec<Resolved>>> {
    let fields = fields_below(places)?;
    let shown = async move {
        let lists = read.await;
        let contexts: Vec<_> = places.iter().map(below).collect();
        let mut rows: Vec<Row<'_, T>> = Vec::new();
        for (context, list) in contexts.iter().zip(&lists) {
            let list = list.iter().flatten().enumerate();
            rows.extend(list.map(|(index, object)| (object, context.with_index(index))));
        }
        let mut values = resolve(&rows, &fields).await.into_iter();
        drop(rows);
        let value = |(place, list): (&Place<'_, P>, &Result<Vec<T>>)| match list {
            Ok(list) => Ok(Some(Value::List(values.by_ref().take(list.len()).collect()))),
            Err(error) => Err(at(place, error.again())),
        };
        places.iter().zip(&lists).map(value).collect()
    };
    Some(shown.boxed())
}

fn fields_below<'a, P>(places: &[Place<'a, P>]) -> Option<Vec<&'a Positioned<Field>>> {
    plain_fields(&places.first()?.context.item.node.selection_set.node.items)
}

fn below<'a, P>(place: &'a Place<'a, P>) -> ContextSelectionSet<'a> {
    place.context.with_selection_set(&place.context.item.node.selection_set)
}

fn at<P>(place: &Place<'_, P>, error: Error) -> ServerError {
    let error: async_graphql::Error = error.into();
    place.context.set_error_path(error.into_server_error(place.context.item.pos))
}

/// What a resolver shows that waits for nothing; none if it failed.
pub(super) fn shown<T: Shown>(
    resolved: impl Future<Output = async_graphql::Result<T>>,
) -> Option<Value> {
    resolved.now_or_never()?.ok().map(Shown::shown)
}

/// A value that is shown as it is, just as [`OutputType::resolve`] would.
pub(super) trait Shown {
    fn shown(self) -> Value;
}

impl Shown for Uuid {
    fn shown(self) -> Value {
        Value::String(self.to_string())
    }
}

impl Shown for &str {
    fn shown(self) -> Value {
        Value::String(self.to_owned())
    }
}

impl Shown for String {
    fn shown(self) -> Value {
        Value::String(self)
    }
}

impl Shown for bool {
    fn shown(self) -> Value {
        Value::Boolean(self)
    }
}

impl Shown for i64 {
    fn shown(self) -> Value {
        Value::from(self)
    }
}

impl Shown for f64 {
    fn shown(self) -> Value {
        Value::from(self)
    }
}

impl Shown for DateTime<Utc> {
    fn shown(self) -> Value {
        Value::String(self.to_rfc3339())
    }
}

impl Shown for Json<&serde_json::Value> {
    fn shown(self) -> Value {
        json(self.0)
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(self) -> Value {
        self.map_or(Value::Null, Shown::shown)
    }
}

fn json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(value) => Value::Number(value.clone()),
        serde_json::Value::String(value) => Value::String(value.clone()),
        serde_json::Value::Array(values) => Value::List(values.iter().map(json).collect()),
        serde_json::Value::Object(members) => {
            let member = |(name, value): (&String, _)| (Name::new(name), json(value));
            Value::Object(members.iter().map(member).collect())
        }
    }
}

/// Types of GraphQL's enums are shown by their names.
macro_rules! shown_by_name {
    ($($type:ty),*) => {
        $(impl Shown for $type {
            fn shown(self) -> Value {
                async_graphql::resolver_utils::enum_value(self)
            }
        })*
    };
}

shown_by_name!(ArtifactType, BoardRole, GenerationStatus, TenantRole);
