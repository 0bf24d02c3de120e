//! The shape of an answer as the specification has it (GraphQL, sections 6.3 and 6.4): fields in the
//! order in which they were asked for, null where a field failed, and null further up where a field
//! that failed may not be null.
//!
//! The library leaves a failed field out, keeps the object around it whatever its type says, and
//! orders fields by who was ready first; clients that cache by shape cannot read that.

use std::collections::HashMap;

use async_graphql::{
    Name, PathSegment, Positioned, Response, ServerError, Value, Variables,
    indexmap::IndexMap,
    parser::{
        parse_schema,
        types::{
            BaseType, Directive, DocumentOperations, ExecutableDocument, Field, FieldDefinition,
            OperationDefinition, OperationType, Selection, SelectionSet, Type, TypeKind,
            TypeSystemDefinition,
        },
    },
};

use super::access::{CLOSED, FieldAccess};

/// The types of the fields of every object type, and which of them need a signed-in caller.
#[derive(Default)]
pub(super) struct Shapes(HashMap<String, HashMap<String, Shape>>);

struct Shape {
    field_type: Type,
    access: FieldAccess,
}

impl Shapes {
    /// Reads the SDL that the schema itself printed.
    pub(super) fn of(sdl: &str) -> Self {
        let definitions =
            parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        let object = |definition: TypeSystemDefinition| {
            let TypeSystemDefinition::Type(definition) = definition else { return None };
            let TypeKind::Object(object) = definition.node.kind else { return None };
            let fields = object
                .fields
                .into_iter()
                .map(|field| (field.node.name.node.to_string(), Shape::of(field.node)))
                .collect();
            Some((definition.node.name.node.to_string(), fields))
        };
        Self(definitions.into_iter().filter_map(object).collect())
    }
}

impl Shapes {
    /// What `@access` on the field says about its caller; a field without it is for nobody but
    /// admins.
    pub(super) fn access(&self, type_name: &str, field: &str) -> &FieldAccess {
        let shape = self.0.get(type_name).and_then(|fields| fields.get(field));
        shape.map_or(&CLOSED, |shape| &shape.access)
    }

    /// The type that a field leads to, inside lists and non-null.
    pub(super) fn target(&self, type_name: &str, field: &str) -> Option<&str> {
        let mut found = &self.0.get(type_name)?.get(field)?.field_type.base;
        loop {
            match found {
                BaseType::Named(name) => return Some(name.as_str()),
                BaseType::List(inner) => found = &inner.base,
            }
        }
    }
}

impl Shape {
    fn of(field: FieldDefinition) -> Self {
        let directive = field.directives.iter().find(|found| found.node.name.node == "access");
        let access = FieldAccess::of(directive.map(|directive| &directive.node));
        Self { field_type: field.ty.node, access }
    }
}

/// A value that may not be null is missing: what is around it becomes null.
struct Missing;

/// One operation whose answers are completed.
pub(super) struct Completion<'a> {
    pub(super) shapes: &'a Shapes,
    pub(super) document: &'a ExecutableDocument,
    pub(super) variables: &'a Variables,
}

impl Completion<'_> {
    /// Brings an answer into shape.
    pub(super) fn complete(&self, operation_name: Option<&str>, response: &mut Response) {
        let Some(operation) = self.operation(operation_name) else { return };
        let executed = response.errors.is_empty()
            || response.data != Value::Null
            || response.errors.iter().any(|error| !error.path.is_empty());
        if !executed {
            return;
        }
        let root = match operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        let walk = Walk { completion: self, operation, errors: &response.errors };
        let data = std::mem::take(&mut response.data);
        let selections = [&operation.selection_set.node];
        let completed = walk.object(data, root, &selections, &mut Vec::new());
        response.data = completed.unwrap_or(Value::Null);
    }

    fn operation(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        match &self.document.operations {
            DocumentOperations::Single(operation) => Some(&operation.node),
            DocumentOperations::Multiple(operations) => match name {
                Some(name) => operations.get(name).map(|operation| &operation.node),
                None => operations.values().next().map(|operation| &operation.node),
            },
        }
    }
}

struct Walk<'a> {
    completion: &'a Completion<'a>,
    operation: &'a OperationDefinition,
    errors: &'a [ServerError],
}

impl<'a> Walk<'a> {
    fn object(
        &self,
        value: Value,
        type_name: &str,
        selections: &[&'a SelectionSet],
        path: &mut Vec<PathSegment>,
    ) -> Result<Value, Missing> {
        let mut present = match value {
            Value::Object(present) => present,
            // An object all of whose fields failed arrives as null.
            Value::Null if self.failed_below(path) => IndexMap::new(),
            other => return Ok(other),
        };
        let shape = self.completion.shapes.0.get(type_name);
        let mut complete = IndexMap::new();
        for (key, fields) in self.collect(selections) {
            let value = present.swap_remove(&key);
            let name = fields[0].name.node.as_str();
            let value = match (value, shape.and_then(|shape| shape.get(name))) {
                (value, Some(Shape { field_type, .. })) => {
                    let inner: Vec<_> =
                        fields.iter().map(|field| &field.selection_set.node).collect();
                    path.push(PathSegment::Field(key.to_string()));
                    let value = self.value(value.unwrap_or_default(), field_type, &inner, path);
                    path.pop();
                    value?
                }
                // Introspection: the library's own, which does not fail by parts.
                (value, None) => value.unwrap_or_default(),
            };
            complete.insert(key, value);
        }
        Ok(Value::Object(complete))
    }

    fn value(
        &self,
        value: Value,
        expected: &Type,
        selections: &[&'a SelectionSet],
        path: &mut Vec<PathSegment>,
    ) -> Result<Value, Missing> {
        let completed = match (&expected.base, value) {
            (BaseType::List(item), Value::List(values)) => {
                self.list(values, item, selections, path)
            }
            (BaseType::Named(name), value)
                if self.completion.shapes.0.contains_key(name.as_str()) =>
            {
                self.object(value, name, selections, path)
            }
            (_, value) => Ok(value),
        };
        match completed {
            Ok(Value::Null) | Err(Missing) if expected.nullable => Ok(Value::Null),
            Ok(Value::Null) | Err(Missing) => Err(Missing),
            Ok(value) => Ok(value),
        }
    }

    fn list(
        &self,
        values: Vec<Value>,
        item: &Type,
        selections: &[&'a SelectionSet],
        path: &mut Vec<PathSegment>,
    ) -> Result<Value, Missing> {
        let mut completed = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            path.push(PathSegment::Index(index));
            let value = self.value(value, item, selections, path);
            path.pop();
            completed.push(value?);
        }
        Ok(Value::List(completed))
    }

    fn failed_below(&self, path: &[PathSegment]) -> bool {
        self.errors
            .iter()
            .any(|error| error.path.len() > path.len() && error.path.starts_with(path))
    }

    /// The fields asked for, by response key, in order (section 6.3.2). There are no interfaces and
    /// no unions, so that every fragment that passed validation applies.
    fn collect(&self, selections: &[&'a SelectionSet]) -> IndexMap<Name, Vec<&'a Field>> {
        let mut fields = IndexMap::new();
        for selection_set in selections {
            self.collect_into(selection_set, &mut fields);
        }
        fields
    }

    fn collect_into(&self, set: &'a SelectionSet, fields: &mut IndexMap<Name, Vec<&'a Field>>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) if self.is_included(&field.node.directives) => {
                    let key = field.node.response_key().node.clone();
                    fields.entry(key).or_default().push(&field.node);
                }
                Selection::InlineFragment(fragment)
                    if self.is_included(&fragment.node.directives) =>
                {
                    self.collect_into(&fragment.node.selection_set.node, fields);
                }
                Selection::FragmentSpread(spread) if self.is_included(&spread.node.directives) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.completion.document.fragments.get(name) {
                        self.collect_into(&fragment.node.selection_set.node, fields);
                    }
                }
                _ => {}
            }
        }
    }

    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| match directive.node.name.node.as_str() {
            "skip" => !self.condition(&directive.node),
            "include" => self.condition(&directive.node),
            _ => true,
        })
    }

    /// The argument `if` of a directive, which may be a variable.
    fn condition(&self, directive: &Directive) -> bool {
        let argument = directive.get_argument("if").map(|argument| argument.node.clone());
        let value = argument.and_then(|argument| {
            argument.into_const_with(|name| self.variable(&name).ok_or(())).ok()
        });
        value == Some(Value::Boolean(true))
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        let default = || {
            let definitions = &self.operation.variable_definitions;
            let found = definitions.iter().find(|variable| variable.node.name.node == *name)?;
            found.node.default_value().cloned()
        };
        self.completion.variables.get(name).cloned().or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Pos, parser::parse_query};
    use serde_json::{Value as Json, json};

    use super::*;

    const SDL: &str = "
        type Query { me: User, boards: [Board!]!, maybe: [Board] }
        type User { id: ID!, name: String, best: Board }
        type Board { id: ID!, title: String, owner: User! }";

    /// What becomes of `data`, as the library would give it, with errors at these paths.
    fn completed(query: &str, variables: Json, data: Json, errors: &[&[&str]]) -> Json {
        let mut response = Response::new(Value::from_json(data).expect("a value"));
        response.errors = errors
            .iter()
            .map(|path| {
                let segment = |part: &&str| match part.parse() {
                    Ok(index) => PathSegment::Index(index),
                    Err(_) => PathSegment::Field((*part).to_owned()),
                };
                let mut error = ServerError::new("no", Some(Pos::default()));
                error.path = path.iter().map(segment).collect();
                error
            })
            .collect();
        let completion = Completion {
            shapes: &Shapes::of(SDL),
            document: &parse_query(query).expect("a document"),
            variables: &Variables::from_json(variables),
        };
        completion.complete(None, &mut response);
        response.data.into_json().expect("JSON")
    }

    #[test]
    fn fields_come_in_the_order_of_the_query() {
        let query =
            "{ a: maybe { title id } ...F me { name id } } fragment F on Query { boards { id } }";
        let data = json!({
            "me": { "id": 1, "name": "n" }, "boards": [], "a": [{ "id": 2, "title": "t" }, null]
        });
        let text = completed(query, json!({}), data, &[]).to_string();
        assert_eq!(
            text,
            r#"{"a":[{"title":"t","id":2},null],"boards":[],"me":{"name":"n","id":1}}"#
        );
    }

    #[test]
    fn a_nullable_field_that_failed_is_null() {
        let data = json!({ "boards": [] });
        let answer = completed("{ me { id } boards { id } }", json!({}), data, &[&["me"]]);
        assert_eq!(answer, json!({ "me": null, "boards": [] }));
        assert_eq!(
            completed("{ me { id } }", json!({}), Json::Null, &[&["me"]]),
            json!({ "me": null })
        );
    }

    #[test]
    fn null_rises_to_the_nearest_field_that_may_be_null() {
        let query = "{ me { name best { title owner { id } } } }";
        let data = json!({ "me": { "name": "n", "best": { "title": "t" } } });
        let answer = completed(query, json!({}), data, &[&["me", "best", "owner"]]);
        assert_eq!(answer, json!({ "me": { "name": "n", "best": null } }));
        let data = json!({ "maybe": [{ "id": 1, "owner": { "id": 1 } }, { "id": 2 }] });
        let answer = completed(
            "{ maybe { id owner { id } } }",
            json!({}),
            data,
            &[&["maybe", "1", "owner"]],
        );
        assert_eq!(answer, json!({ "maybe": [{ "id": 1, "owner": { "id": 1 } }, null] }));
        let answer = completed(
            "{ me { id } boards { id } }",
            json!({}),
            json!({ "me": null }),
            &[&["boards"]],
        );
        assert_eq!(answer, Json::Null);
    }

    #[test]
    fn what_was_skipped_is_not_null_but_absent() {
        let query = "query($no: Boolean = false, $yes: Boolean!) {
            me @include(if: $no) { id } boards @skip(if: $yes) { id } maybe { id title @skip(if: $no) } }";
        let answer =
            completed(query, json!({ "yes": true }), json!({ "maybe": [{ "id": 1 }] }), &[]);
        assert_eq!(answer, json!({ "maybe": [{ "id": 1, "title": null }] }));
    }
}
