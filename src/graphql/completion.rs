//! The shape of an answer as the specification has it (GraphQL, sections 6.3 and 6.4): fields in the
//! order in which they were asked for, null where a field failed, and null further up where a field
//! that failed may not be null.
//!
//! The library leaves a failed field out, keeps the object around it whatever its type says, and
//! orders fields by who was ready first; clients that cache by shape cannot read that.

use async_graphql::{
    Name, PathSegment, Positioned, Response, ServerError, Value, Variables,
    indexmap::IndexMap,
    parser::types::{
        BaseType, Directive, ExecutableDocument, Field, OperationDefinition, OperationType,
        Selection, SelectionSet, Type,
    },
};

use super::{
    json::{self, AnswerForm},
    shapes::Shapes,
};

/// The fields of an object in an answer, in their order.
pub(super) struct Plan {
    fields: Vec<PlannedField>,
    /// Whether the answer is put together from values, here or further down: where an object is asked for
    /// more than once, what is found for one is joined to what is found for the other; and the library
    /// shows objects of which all was skipped, or very many fields are asked for.
    of_values: bool,
}

struct PlannedField {
    key: Name,
    expected: Expected,
}

/// What may stand in a place of an answer.
struct Expected {
    nullable: bool,
    kind: Kind,
}

enum Kind {
    /// A scalar or an enum value; or introspection, the library's own, which does not fail by parts.
    Leaf,
    Object(Plan),
    List(Box<Expected>),
}

impl Plan {
    /// The plan of an operation. There are no interfaces and no unions, so that every fragment that
    /// passed validation applies.
    pub(super) fn of(
        shapes: &Shapes,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Self {
        let root = match operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        Planner { shapes, document, operation, variables }
            .object(root, &[&operation.selection_set.node])
    }

    /// How many fields it has, inner ones too.
    pub(super) fn size(&self) -> usize {
        self.fields.iter().map(|field| 1 + field.expected.size()).sum()
    }

    /// In which form the parts of its answer may stand: what is joined is joined as values.
    pub(super) fn form(&self, wanted: AnswerForm) -> AnswerForm {
        if self.of_values { AnswerForm::Values } else { wanted }
    }

    /// Brings an answer into shape.
    pub(super) fn complete(&self, response: &mut Response) {
        let executed = response.errors.is_empty()
            || response.data != Value::Null
            || response.errors.iter().any(|error| !error.path.is_empty());
        if !executed || (response.errors.is_empty() && self.holds(&response.data)) {
            return;
        }
        let mut data = std::mem::take(&mut response.data);
        if self.fields.is_empty() && response.errors.is_empty() {
            // All of it was skipped, which the library shows as null.
            response.data = Value::Object(IndexMap::new());
            return;
        }
        json::read_written(&mut data);
        let completion = Completion { errors: &response.errors };
        let completed = completion.object(data, self, &mut Vec::new());
        response.data = completed.unwrap_or(Value::Null);
    }
}

impl Plan {
    /// Whether a value has this form already.
    fn holds(&self, value: &Value) -> bool {
        let Value::Object(present) = value else { return false };
        present.len() == self.fields.len()
            && self
                .fields
                .iter()
                .zip(present)
                .all(|(field, (key, value))| field.key == *key && field.expected.holds(value))
    }
}

impl Expected {
    fn holds(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (_, Value::Null) => self.nullable,
            (Kind::Leaf, _) => true,
            // Whoever writes a part goes by what was asked for, and leaves nothing out without an error.
            (_, Value::Binary(text)) => {
                debug_assert!(self.holds(&json::parsed(text)), "{}", text.escape_ascii());
                true
            }
            (Kind::Object(plan), value) => plan.holds(value),
            (Kind::List(item), Value::List(values)) => values.iter().all(|value| item.holds(value)),
            (Kind::List(_), _) => false,
        }
    }

    /// Whether it is an object of which nothing is asked for.
    fn is_empty(&self) -> bool {
        matches!(&self.kind, Kind::Object(plan) if plan.fields.is_empty())
    }

    fn of_values(&self) -> bool {
        match &self.kind {
            Kind::Leaf => false,
            Kind::Object(plan) => plan.of_values,
            Kind::List(item) => item.of_values(),
        }
    }

    fn size(&self) -> usize {
        match &self.kind {
            Kind::Leaf => 0,
            Kind::Object(plan) => plan.size(),
            Kind::List(item) => item.size(),
        }
    }
}

struct Planner<'a> {
    shapes: &'a Shapes,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

impl<'a> Planner<'a> {
    fn object(&self, type_name: &str, selections: &[&'a SelectionSet]) -> Plan {
        let shape = self.shapes.fields(type_name);
        let collected = self.collect(selections);
        let is_object = |field: &&Field| !field.selection_set.node.items.is_empty();
        let of_values =
            collected.values().any(|fields| fields.len() > 1 && fields.iter().any(is_object));
        let of_values = of_values || collected.is_empty() || collected.len() > json::FIELDS_MAX;
        let planned = collected.into_iter().map(|(key, fields)| {
            let name = fields[0].name.node.as_str();
            let inner: Vec<_> = fields.iter().map(|field| &field.selection_set.node).collect();
            let expected = match shape.and_then(|fields| fields.get(name)) {
                Some(found) => self.expected(&found.field_type, &inner),
                None => Expected { nullable: true, kind: Kind::Leaf },
            };
            PlannedField { key, expected }
        });
        let fields: Vec<PlannedField> = planned.collect();
        let of_values = of_values || fields.iter().any(|field| field.expected.of_values());
        Plan { fields, of_values }
    }

    fn expected(&self, field_type: &Type, selections: &[&'a SelectionSet]) -> Expected {
        let kind = match &field_type.base {
            BaseType::List(item) => Kind::List(Box::new(self.expected(item, selections))),
            BaseType::Named(name) if self.shapes.fields(name).is_some() => {
                Kind::Object(self.object(name, selections))
            }
            BaseType::Named(_) => Kind::Leaf,
        };
        Expected { nullable: field_type.nullable, kind }
    }

    /// The fields asked for, by response key, in order (section 6.3.2).
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
                    if let Some(fragment) = self.document.fragments.get(name) {
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
        self.variables.get(name).cloned().or_else(default)
    }
}

/// A value that may not be null is missing: what is around it becomes null.
struct Missing;

/// A step of a path, borrowed from the plan.
#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a Name),
    Index(usize),
}

impl PartialEq<PathSegment> for Step<'_> {
    fn eq(&self, segment: &PathSegment) -> bool {
        match (self, segment) {
            (Self::Field(name), PathSegment::Field(field)) => name.as_str() == field,
            (Self::Index(index), PathSegment::Index(at)) => index == at,
            _ => false,
        }
    }
}

/// One answer that is completed.
struct Completion<'a> {
    errors: &'a [ServerError],
}

impl Completion<'_> {
    fn object<'p>(
        &self,
        value: Value,
        plan: &'p Plan,
        path: &mut Vec<Step<'p>>,
    ) -> Result<Value, Missing> {
        let mut present = match value {
            Value::Object(present) => present,
            // An object all of whose fields failed arrives as null.
            Value::Null if self.failed_below(path) => IndexMap::new(),
            other => return Ok(other),
        };
        let keys = plan.fields.iter().map(|field| &field.key);
        if present.len() == plan.fields.len() && present.keys().eq(keys) {
            for (field, value) in plan.fields.iter().zip(present.values_mut()) {
                *value = self.field(std::mem::take(value), field, path)?;
            }
            return Ok(Value::Object(present));
        }
        let mut complete = IndexMap::with_capacity(plan.fields.len());
        for field in &plan.fields {
            let value = present.swap_remove(&field.key).unwrap_or_default();
            complete.insert(field.key.clone(), self.field(value, field, path)?);
        }
        Ok(Value::Object(complete))
    }

    fn field<'p>(
        &self,
        value: Value,
        field: &'p PlannedField,
        path: &mut Vec<Step<'p>>,
    ) -> Result<Value, Missing> {
        path.push(Step::Field(&field.key));
        let value = self.value(value, &field.expected, path);
        path.pop();
        value
    }

    fn value<'p>(
        &self,
        value: Value,
        expected: &'p Expected,
        path: &mut Vec<Step<'p>>,
    ) -> Result<Value, Missing> {
        let completed = match (&expected.kind, value) {
            (Kind::List(item), Value::List(values)) => self.list(values, item, path),
            (Kind::Object(plan), value) => self.object(value, plan, path),
            (_, value) => Ok(value),
        };
        match completed {
            // An object of which everything was skipped arrives as null too.
            Ok(Value::Null)
                if !expected.nullable && expected.is_empty() && !self.failed_below(path) =>
            {
                Ok(Value::Object(IndexMap::new()))
            }
            Ok(Value::Null) | Err(Missing) if expected.nullable => Ok(Value::Null),
            Ok(Value::Null) | Err(Missing) => Err(Missing),
            Ok(value) => Ok(value),
        }
    }

    fn list<'p>(
        &self,
        mut values: Vec<Value>,
        item: &'p Expected,
        path: &mut Vec<Step<'p>>,
    ) -> Result<Value, Missing> {
        for (index, value) in values.iter_mut().enumerate() {
            path.push(Step::Index(index));
            let completed = self.value(std::mem::take(value), item, path);
            path.pop();
            *value = completed?;
        }
        Ok(Value::List(values))
    }

    fn failed_below(&self, path: &[Step<'_>]) -> bool {
        self.errors.iter().any(|error| {
            error.path.len() > path.len() && path.iter().zip(&error.path).all(|(a, b)| a == b)
        })
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Pos, parser::parse_query};
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::graphql::json::text;

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
        let document = parse_query(query).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(variables);
        Plan::of(&Shapes::of(SDL), &document, &operation.node, &variables).complete(&mut response);
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
    fn what_is_written_is_read_where_something_failed() {
        let query = "{ boards { id } me { name best { title } } }";
        let document = parse_query(query).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::default();
        let plan = Plan::of(&Shapes::of(SDL), &document, &operation.node, &variables);
        let data = |me: &str| {
            let members = [("boards", r#"[{"id":1}]"#), ("me", me)];
            let written = |(name, json): (&str, &str)| (Name::new(name), text(json.into()));
            Value::Object(members.into_iter().map(written).collect())
        };
        let mut response = Response::new(data(r#"{"name":"n","best":{"title":null}}"#));
        plan.complete(&mut response);
        assert_eq!(response.data, data(r#"{"name":"n","best":{"title":null}}"#));

        let mut error = ServerError::new("no", None);
        error.path = ["me", "name"].map(|name| PathSegment::Field(name.to_owned())).to_vec();
        response.errors = vec![error];
        plan.complete(&mut response);
        let expected = json!({
            "boards": [{ "id": 1 }], "me": { "name": "n", "best": { "title": null } }
        });
        assert_eq!(response.data.into_json().expect("JSON"), expected);
    }

    #[test]
    fn what_is_asked_for_twice_is_joined_as_values() {
        let form = |query: &str| {
            let document = parse_query(query).expect("a document");
            let (_, operation) = document.operations.iter().next().expect("an operation");
            let variables = Variables::default();
            let plan = Plan::of(&Shapes::of(SDL), &document, &operation.node, &variables);
            plan.form(AnswerForm::Text)
        };
        assert_eq!(form("{ me { id } mine: me { id } }"), AnswerForm::Text);
        assert_eq!(form("{ me { id name ...F } } fragment F on User { id }"), AnswerForm::Text);
        assert_eq!(form("{ me { id } me { name } }"), AnswerForm::Values);
        assert_eq!(
            form("{ me { best { id } ...F } } fragment F on User { best { title } }"),
            AnswerForm::Values
        );
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
