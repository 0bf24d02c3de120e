//! Answers as JSON text. A part of an answer that is written already stands in it as bytes, which no
//! field of the schema shows otherwise.

use async_graphql::{
    Positioned, QueryEnv, Response, Value,
    parser::types::{Field, Selection},
    resolver_utils::EnumType,
};
use bytes::Bytes;
use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    arguments::{ArtifactType, BoardRole, GenerationStatus},
    people::TenantRole,
};

/// Fields of one object up to which they are written here: each is compared with each.
pub(super) const FIELDS_MAX: usize = 200;

/// How the parts of an answer stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// As JSON text, where they were written already: [`body`] can read that, and nobody else.
    Text,
    /// As values.
    Values,
}

/// A part of an answer that was written.
pub(super) fn text(text: Vec<u8>) -> Value {
    Value::Binary(Bytes::from(text))
}

/// The value that a text stands for. What no reader of JSON can hold, such as a number of a thousand
/// digits, is null.
pub(super) fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_default()
}

/// Reads the parts of an answer that are written.
pub(super) fn read_written(value: &mut Value) {
    match value {
        Value::Binary(text) => *value = parsed(text),
        Value::List(values) => values.iter_mut().for_each(read_written),
        Value::Object(members) => members.values_mut().for_each(read_written),
        _ => {}
    }
}

/// Writes a part of an answer.
pub(super) fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Null => text.extend_from_slice(b"null"),
        Value::Number(number) => put(number, text),
        Value::String(string) => put(string, text),
        Value::Boolean(boolean) => put(boolean, text),
        Value::Binary(written) => text.extend_from_slice(written),
        Value::Enum(name) => put(name.as_str(), text),
        Value::List(values) => {
            text.push(b'[');
            for (index, value) in values.iter().enumerate() {
                separate(index, text);
                write(value, text);
            }
            text.push(b']');
        }
        Value::Object(members) => {
            text.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                separate(index, text);
                put(name.as_str(), text);
                text.push(b':');
                write(value, text);
            }
            text.push(b'}');
        }
    }
}

/// The selected fields, those of fragments too, if they are not too many and none of them stands for several: there are no
/// interfaces and no unions, so that every fragment applies, and `@skip` and `@include` have been applied.
pub(super) fn plain_fields<'a>(
    environment: &'a QueryEnv,
    selections: &'a [Positioned<Selection>],
) -> Option<Vec<&'a Positioned<Field>>> {
    let mut fields = Vec::with_capacity(selections.len());
    add_fields(environment, selections, &mut fields)?;
    Some(fields)
}

fn add_fields<'a>(
    environment: &'a QueryEnv,
    selections: &'a [Positioned<Selection>],
    fields: &mut Vec<&'a Positioned<Field>>,
) -> Option<()> {
    for selection in selections {
        match &selection.node {
            Selection::Field(field) => {
                let key = &field.node.response_key().node;
                let mut others =
                    fields.iter().filter(|other| other.node.response_key().node == *key);
                let is_leaf =
                    |field: &Positioned<Field>| field.node.selection_set.node.items.is_empty();
                match others.next() {
                    None if fields.len() < FIELDS_MAX => fields.push(field),
                    // What shows the same is shown once.
                    Some(other) if is_leaf(other) && is_leaf(field) => {}
                    _ => return None,
                }
            }
            Selection::InlineFragment(fragment) => {
                add_fields(environment, &fragment.node.selection_set.node.items, fields)?;
            }
            Selection::FragmentSpread(spread) => {
                let fragment = environment.fragments.get(&spread.node.fragment_name.node)?;
                add_fields(environment, &fragment.node.selection_set.node.items, fields)?;
            }
        }
    }
    Some(())
}

/// Writes what the library made of a selection. It orders fields by who was ready first and leaves out
/// those that failed; in a text they stand as they were selected, with null where one is missing.
pub(super) fn write_selected(
    value: &Value,
    selected: (Option<&QueryEnv>, &[Positioned<Selection>]),
    text: &mut Vec<u8>,
) {
    let (environment, selections) = selected;
    match value {
        Value::Object(members) if !selections.is_empty() => {
            let fields = environment.and_then(|all| plain_fields(all, selections));
            let Some(fields) = fields else { return write(value, text) };
            text.push(b'{');
            for (index, field) in fields.into_iter().enumerate() {
                separate(index, text);
                text.extend_from_slice(&key(field));
                let member = members.get(&field.node.response_key().node).unwrap_or(&Value::Null);
                let below = &field.node.selection_set.node.items;
                write_selected(member, (environment, below), text);
            }
            text.push(b'}');
        }
        Value::List(values) => {
            text.push(b'[');
            for (index, value) in values.iter().enumerate() {
                separate(index, text);
                write_selected(value, selected, text);
            }
            text.push(b']');
        }
        value => write(value, text),
    }
}

/// Writes an answer as the body of a response (GraphQL, section 7.1). `has_data` says whether anything
/// was executed: otherwise an answer has errors alone.
pub fn body(response: &Response, has_data: bool, text: &mut Vec<u8>) {
    text.push(b'{');
    if has_data {
        text.extend_from_slice(b"\"data\":");
        write(&response.data, text);
    }
    if !response.errors.is_empty() {
        separate(usize::from(has_data), text);
        text.extend_from_slice(b"\"errors\":");
        put(&response.errors, text);
    }
    text.push(b'}');
}

/// The name under which a field stands in an object, with its colon.
pub(super) fn key(field: &Positioned<Field>) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    put(field.node.response_key().node.as_str(), &mut key);
    key.push(b':');
    key
}

fn separate(index: usize, text: &mut Vec<u8>) {
    if index > 0 {
        text.push(b',');
    }
}

/// Writes something that always has a JSON form.
fn put<T: Serialize + ?Sized>(value: &T, text: &mut Vec<u8>) {
    let start = text.len();
    if serde_json::to_writer(&mut *text, value).is_err() {
        text.truncate(start);
        text.extend_from_slice(b"null");
    }
}

/// A value of a field that is written as it is, just as its [`OutputType`](async_graphql::OutputType)
/// would come out.
pub(super) trait Shown {
    fn show(self, text: &mut Vec<u8>);
}

impl Shown for Uuid {
    fn show(self, text: &mut Vec<u8>) {
        let mut digits = Uuid::encode_buffer();
        text.push(b'"');
        text.extend_from_slice(self.hyphenated().encode_lower(&mut digits).as_bytes());
        text.push(b'"');
    }
}

impl Shown for &str {
    fn show(self, text: &mut Vec<u8>) {
        put(self, text);
    }
}

impl Shown for String {
    fn show(self, text: &mut Vec<u8>) {
        put(&self, text);
    }
}

impl Shown for bool {
    fn show(self, text: &mut Vec<u8>) {
        text.extend_from_slice(if self { b"true" } else { b"false" });
    }
}

impl Shown for i64 {
    fn show(self, text: &mut Vec<u8>) {
        put(&self, text);
    }
}

impl Shown for f64 {
    fn show(self, text: &mut Vec<u8>) {
        put(&self, text);
    }
}

/// As `to_rfc3339` says it (RFC 3339, section 5.6), without its detours.
impl Shown for DateTime<Utc> {
    fn show(self, text: &mut Vec<u8>) {
        let (year, nanoseconds) = (self.year(), self.nanosecond());
        let (0..=9999, 0..=999_999_999) = (year, nanoseconds) else {
            return put(&self.to_rfc3339(), text);
        };
        text.push(b'"');
        digits(year.unsigned_abs(), 4, text);
        for (before, number) in [(b'-', self.month()), (b'-', self.day()), (b'T', self.hour())] {
            text.push(before);
            digits(number, 2, text);
        }
        for number in [self.minute(), self.second()] {
            text.push(b':');
            digits(number, 2, text);
        }
        if nanoseconds > 0 {
            text.push(b'.');
            match nanoseconds {
                n if n % 1_000_000 == 0 => digits(n / 1_000_000, 3, text),
                n if n % 1_000 == 0 => digits(n / 1_000, 6, text),
                n => digits(n, 9, text),
            }
        }
        text.extend_from_slice(b"+00:00\"");
    }
}

/// Writes the last digits of a number.
fn digits(number: u32, count: u32, text: &mut Vec<u8>) {
    for place in (0..count).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.push(b'0' + u8::try_from(digit).unwrap_or_default());
    }
}

impl<T: Shown> Shown for Option<T> {
    fn show(self, text: &mut Vec<u8>) {
        match self {
            Some(value) => value.show(text),
            None => text.extend_from_slice(b"null"),
        }
    }
}

/// GraphQL's enums are shown by their names.
fn name<T: EnumType>(value: T, text: &mut Vec<u8>) {
    let named = T::items().iter().find(|item| item.value == value);
    text.push(b'"');
    text.extend_from_slice(named.map_or("", |item| item.name).as_bytes());
    text.push(b'"');
}

macro_rules! shown_by_name {
    ($($type:ty),*) => {
        $(impl Shown for $type {
            fn show(self, text: &mut Vec<u8>) {
                name(self, text);
            }
        })*
    };
}

shown_by_name!(ArtifactType, BoardRole, GenerationStatus, TenantRole);

#[cfg(test)]
mod tests {
    use async_graphql::{Name, OutputType, indexmap::IndexMap};
    use chrono::TimeDelta;

    use super::*;

    fn shown(value: impl Shown) -> String {
        let mut text = Vec::new();
        value.show(&mut text);
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn times_are_what_chrono_says() {
        let start = DateTime::UNIX_EPOCH;
        let steps = [0, 1, 999, 1_000, 120_000, 1_000_000, 250_000_000, 999_999_999];
        for days in [-800_000, -365, 0, 59, 20_779, 2_932_896, 3_000_000] {
            for nanoseconds in steps {
                let time = start + TimeDelta::days(days) + TimeDelta::nanoseconds(nanoseconds);
                assert_eq!(shown(time), format!("\"{}\"", time.to_rfc3339()));
            }
        }
        let leap = "2016-12-31T23:59:60.5Z".parse::<DateTime<Utc>>().expect("a time");
        assert_eq!(shown(leap), format!("\"{}\"", leap.to_rfc3339()));
    }

    #[test]
    fn values_are_what_serde_says() {
        let mut members = IndexMap::new();
        let string = Value::from("a \"quoted\" \u{1} \u{1f600} text");
        members.insert(Name::new("a"), Value::List(vec![Value::from(1.5), Value::Null, string]));
        members.insert(Name::new("b"), Value::Enum(Name::new("OWNER")));
        members.insert(Name::new("c"), Value::List(Vec::new()));
        members.insert(Name::new("d"), Value::from(true));
        let value = Value::Object(members);
        let mut text = Vec::new();
        write(&value, &mut text);
        assert_eq!(text, serde_json::to_vec(&value).expect("JSON"));
        assert_eq!(parsed(&text).into_json().expect("JSON"), value.into_json().expect("JSON"));
    }

    #[test]
    fn what_is_written_is_taken_over() {
        let mut value = Value::List(vec![text(br#"{"a":[1,"b"]}"#.to_vec())]);
        let mut written = Vec::new();
        write(&value, &mut written);
        assert_eq!(written, br#"[{"a":[1,"b"]}]"#);
        read_written(&mut value);
        assert_eq!(value.into_json().expect("JSON"), serde_json::json!([{ "a": [1, "b"] }]));
    }

    #[test]
    fn numbers_and_enums_are_what_the_library_says() {
        assert_eq!(shown(0.5), "0.5");
        assert_eq!(shown(1.0), "1.0");
        assert_eq!(shown(f64::NAN), "null");
        assert_eq!(shown(i64::MIN), i64::MIN.to_string());
        assert_eq!(shown(Some(ArtifactType::Image)), "\"IMAGE\"");
        assert_eq!(shown(None::<bool>), "null");
        assert!(<DateTime<Utc> as OutputType>::type_name() == "DateTime");
    }

    #[test]
    fn a_refused_request_has_errors_alone() {
        let error = async_graphql::ServerError::new("no", None);
        let response = Response::from_errors(vec![error]);
        let json = |has_data| {
            let mut text = Vec::new();
            body(&response, has_data, &mut text);
            serde_json::from_slice::<serde_json::Value>(&text).expect("JSON")
        };
        assert_eq!(json(false), serde_json::json!({ "errors": [{ "message": "no" }] }));
        assert_eq!(json(true)["data"], serde_json::Value::Null);
    }
}
