//! Objects whose fields are mostly at hand. The library makes a boxed future of every field of every
//! object, runs them side by side and keeps each value until the answer is written. Here the objects of
//! a list are written together, as the JSON text that the answer will hold: what waits for nothing is
//! written at once, and what is read for all of them is waited for once and put into its places.

use std::borrow::Cow;

use async_graphql::{
    Context, ContextSelectionSet, OutputType, Positioned, ServerError, ServerResult, Value,
    parser::types::Field,
    registry::Registry,
    resolver_utils::{ContainerType, resolve_container, resolve_list},
};
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

use super::json::{self, AnswerForm, Shown};
use crate::{
    error::{Error, Result},
    store::StoredJson,
};

const TYPE_NAME_FIELD: &str = "__typename";

/// The fields of an object type.
pub(super) trait Fields: ContainerType + Sized {
    /// Writes what the field shows, if it waits for nothing. Whatever is not at hand, and whatever the
    /// caller may not read, is left to the library. Where in the answer the object stands is not known
    /// here: `context` is that of the field in the first of the objects.
    fn at_hand(&self, context: &Context<'_>, text: &mut Vec<u8>) -> bool;

    /// What the field shows for each of the objects, if it is read for all of them together.
    fn together<'a>(_places: &'a [Place<'a, Self>]) -> Option<BoxFuture<'a, Vec<Resolved>>> {
        None
    }
}

/// What a field of an object came to.
pub(super) type Resolved = ServerResult<Option<Value>>;

/// A field of an object.
pub(super) struct Place<'a, T> {
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
        let Some(fields) = json::plain_fields(context.query_env, &context.item.node.items) else {
            return resolve_container(context, &self.0).await;
        };
        let row = [(&self.0, context.clone())];
        let objects = write(&row, &fields).await;
        Ok(in_form(context, objects.text))
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
        let Some(fields) = json::plain_fields(context.query_env, &context.item.node.items) else {
            return resolve_list(context, field, &self.0, Some(self.0.len())).await;
        };
        let rows = self.0.iter().enumerate();
        let rows: Vec<Row<'_, T>> =
            rows.map(|(index, object)| (&object.0, context.with_index(index))).collect();
        let objects = write(&rows, &fields).await;
        Ok(in_form(context, objects.list(0..rows.len())))
    }
}

/// The text as the answer takes it.
fn in_form(context: &ContextSelectionSet<'_>, text: Vec<u8>) -> Value {
    match context.data_opt::<AnswerForm>() {
        Some(AnswerForm::Text) => json::text(text),
        _ => json::parsed(&text),
    }
}

/// An object and where it stands in the answer.
type Row<'a, T> = (&'a T, ContextSelectionSet<'a>);

/// Objects that were written one behind the other.
struct Written {
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Written {
    /// The text of some of them, with commas between them.
    fn range(&self, rows: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let end = |row: usize| self.ends.get(row).copied().unwrap_or(self.text.len());
        let start = rows.start.checked_sub(1).map_or(0, |before| end(before) + 1);
        match rows.end.checked_sub(1) {
            Some(last) if !rows.is_empty() => start..end(last),
            _ => 0..0,
        }
    }

    /// Some of them as a list.
    fn list(&self, rows: std::ops::Range<usize>) -> Vec<u8> {
        let objects = self.text.get(self.range(rows)).unwrap_or_default();
        [b"[".as_slice(), objects, b"]"].concat()
    }
}

/// A value that is to be put into the text.
struct Gap {
    row: usize,
    column: usize,
    at: usize,
}

/// Writes objects of which the same is selected, with commas between them. Boxed, so that objects which
/// hold each other have a type.
fn write<'a, T: Fields>(
    rows: &'a [Row<'a, T>],
    fields: &'a [&'a Positioned<Field>],
) -> BoxFuture<'a, Written> {
    let (written, gaps) = write_at_hand(rows, fields);
    if gaps.is_empty() {
        return future::ready(written).boxed();
    }
    let environment = rows.first().map(|(_, context)| context.query_env);
    let mut columns: Vec<(Vec<Place<'a, T>>, Vec<usize>)> = Vec::new();
    columns.resize_with(fields.len(), Default::default);
    for (index, gap) in gaps.iter().enumerate() {
        let (Some((object, context)), Some(field)) = (rows.get(gap.row), fields.get(gap.column))
        else {
            continue;
        };
        let (places, indices) = &mut columns[gap.column];
        places.push(Place { object, context: context.with_field(field) });
        indices.push(index);
    }
    columns.retain(|(places, _)| !places.is_empty());
    async move {
        let reads = columns.iter().map(|(places, _)| read(places));
        let resolved = future::join_all(reads).await;
        let mut values = vec![Value::Null; gaps.len()];
        for ((places, indices), resolved) in columns.iter().zip(resolved) {
            for ((place, index), resolved) in places.iter().zip(indices).zip(resolved) {
                values[*index] = kept(&place.context, resolved);
            }
        }
        let selections =
            |column: usize| fields.get(column).map(|field| &field.node.selection_set.node);
        filled(&written, &gaps, |index, text| {
            let (gap, value) = (&gaps[index], &values[index]);
            let selected = selections(gap.column).map_or(&[][..], |set| &set.items);
            json::write_selected(value, (environment, selected), text);
        })
    }
    .boxed()
}

/// Writes what is at hand, and tells where something is missing.
fn write_at_hand<T: Fields>(
    rows: &[Row<'_, T>],
    fields: &[&Positioned<Field>],
) -> (Written, Vec<Gap>) {
    let mut written = Written { text: Vec::new(), ends: Vec::with_capacity(rows.len()) };
    let mut gaps = Vec::new();
    let Some((_, first)) = rows.first() else { return (written, gaps) };
    let columns: Vec<_> =
        fields.iter().map(|field| (json::key(field), first.with_field(field))).collect();
    let text = &mut written.text;
    for (row, (object, _)) in rows.iter().enumerate() {
        text.push(b'{');
        for (column, (key, context)) in columns.iter().enumerate() {
            if column > 0 {
                text.push(b',');
            }
            text.extend_from_slice(key);
            if context.item.node.name.node == TYPE_NAME_FIELD {
                T::type_name().as_ref().show(text);
            } else {
                let at = text.len();
                if !object.at_hand(context, text) {
                    text.truncate(at);
                    gaps.push(Gap { row, column, at });
                }
            }
        }
        text.push(b'}');
        written.ends.push(text.len());
        if row + 1 < rows.len() {
            text.push(b',');
        }
    }
    (written, gaps)
}

/// The text with what `fill` writes in each gap.
fn filled(written: &Written, gaps: &[Gap], fill: impl Fn(usize, &mut Vec<u8>)) -> Written {
    let mut text = Vec::with_capacity(written.text.len() * 2);
    let mut ends = Vec::with_capacity(written.ends.len());
    let mut gaps = gaps.iter().enumerate().peekable();
    let mut from = 0;
    for end in &written.ends {
        while let Some((index, gap)) = gaps.next_if(|(_, gap)| gap.at <= *end) {
            text.extend_from_slice(&written.text[from..gap.at]);
            fill(index, &mut text);
            from = gap.at;
        }
        text.extend_from_slice(&written.text[from..*end]);
        from = *end;
        ends.push(text.len());
    }
    Written { text, ends }
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
        let written = write(&rows, &fields).await;
        let ranges: Vec<_> = (0..rows.len()).map(|row| written.range(row..row + 1)).collect();
        drop(rows);
        let text = Bytes::from(written.text);
        let mut values = ranges.into_iter().map(|range| Value::Binary(text.slice(range)));
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
        let written = write(&rows, &fields).await;
        drop(rows);
        let mut next = 0;
        let value = |(place, list): (&Place<'_, P>, &Result<Vec<T>>)| match list {
            Ok(list) => {
                let rows = next..next + list.len();
                next = rows.end;
                Ok(Some(json::text(written.list(rows))))
            }
            Err(error) => Err(at(place, error.again())),
        };
        places.iter().zip(&lists).map(value).collect()
    };
    Some(shown.boxed())
}

fn fields_below<'a, P>(places: &[Place<'a, P>]) -> Option<Vec<&'a Positioned<Field>>> {
    let context = &places.first()?.context;
    json::plain_fields(context.query_env, &context.item.node.selection_set.node.items)
}

fn below<'a, P>(place: &'a Place<'a, P>) -> ContextSelectionSet<'a> {
    place.context.with_selection_set(&place.context.item.node.selection_set)
}

fn at<P>(place: &Place<'_, P>, error: Error) -> ServerError {
    let error: async_graphql::Error = error.into();
    place.context.set_error_path(error.into_server_error(place.context.item.pos))
}

/// Writes a JSON value of a row as it stands there.
pub(super) fn stored(json: &StoredJson, text: &mut Vec<u8>) -> bool {
    text.extend_from_slice(json.text().as_bytes());
    true
}

/// Writes what a resolver shows that waits for nothing; false if it failed.
pub(super) fn shown<T: Shown>(
    resolved: impl Future<Output = async_graphql::Result<T>>,
    text: &mut Vec<u8>,
) -> bool {
    match resolved.now_or_never() {
        Some(Ok(value)) => {
            value.show(text);
            true
        }
        _ => false,
    }
}
