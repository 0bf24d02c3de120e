//! Variables that a document names and a request does not send. An argument or input field that
//! takes such a variable counts as omitted (GraphQL, sections 3.10 and 6.4.1); the library would
//! read null there, which in a change means "remove".

use std::{collections::HashSet, convert::Infallible};

use async_graphql::{
    Name, Value, Variables,
    parser::{
        parse_query,
        types::{
            DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection,
            SelectionSet, VariableDefinition,
        },
    },
};

/// Begins a variable; no enum value of a document can begin so.
const MARK: &str = "$";

/// Takes out what a document says by variables that were not sent and have no default. A variable
/// that may not be null stays, to be missed; so does one that another operation of the document
/// defines otherwise.
pub(super) fn omit_absent(document: &mut ExecutableDocument, variables: &Variables) {
    let mut absence = Absence::of(document, variables);
    if absence.absent.is_empty() {
        return;
    }
    for operation in operations(document) {
        absence.selections(&mut operation.selection_set.node);
    }
    for fragment in document.fragments.values_mut() {
        absence.selections(&mut fragment.node.selection_set.node);
    }
    // A definition whose every use was taken out would be refused as unused.
    for operation in operations(document) {
        let definitions = &mut operation.variable_definitions;
        definitions.retain(|one| !absence.taken_out.contains(&one.node.name.node));
    }
}

fn operations(document: &mut ExecutableDocument) -> Vec<&mut OperationDefinition> {
    match &mut document.operations {
        DocumentOperations::Single(operation) => vec![&mut operation.node],
        DocumentOperations::Multiple(operations) => {
            operations.values_mut().map(|operation| &mut operation.node).collect()
        }
    }
}

struct Absence {
    absent: HashSet<Name>,
    taken_out: HashSet<Name>,
}

impl Absence {
    fn of(document: &ExecutableDocument, variables: &Variables) -> Self {
        let definitions: Vec<&VariableDefinition> = document
            .operations
            .iter()
            .flat_map(|(_, operation)| &operation.node.variable_definitions)
            .map(|definition| &definition.node)
            .collect();
        let is_absent = |definition: &&VariableDefinition| {
            definition.default_value.is_none()
                && definition.var_type.node.nullable
                && !variables.contains_key(&definition.name.node)
        };
        let names = |absent: bool| {
            let chosen = definitions.iter().copied().filter(move |one| is_absent(one) == absent);
            chosen.map(|definition| definition.name.node.clone()).collect::<HashSet<Name>>()
        };
        Self { absent: &names(true) - &names(false), taken_out: HashSet::new() }
    }

    /// The parser has bounded the nesting already.
    fn selections(&mut self, selections: &mut SelectionSet) {
        for selection in &mut selections.items {
            match &mut selection.node {
                Selection::Field(field) => {
                    self.arguments(&mut field.node);
                    self.selections(&mut field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(&mut fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    /// The library does not hand out its type of values with variables. So a value becomes one
    /// without, in which marks stand for the variables, and what is left of that is read again.
    fn arguments(&mut self, field: &mut Field) {
        field.arguments.retain_mut(|(_, value)| {
            let mut is_whole = true;
            let marked = value.node.clone().into_const_with(|name| {
                if !self.absent.contains(&name) {
                    return Ok::<_, Infallible>(Value::Enum(Name::new(format!("{MARK}{name}"))));
                }
                is_whole = false;
                self.taken_out.insert(name);
                Ok(Value::Enum(Name::new(MARK)))
            });
            let Ok(marked) = marked;
            if is_whole {
                return true;
            }
            let Some(given) = given(&marked) else { return false };
            if let Some(mut read) = first_field(&format!("{{ field(argument: {given}) }}"))
                && let Some((_, argument)) = read.arguments.pop()
            {
                value.node = argument.node;
            }
            true
        });
    }
}

/// What is left of a value without its absent parts, as a document writes it. An item of a list
/// cannot be omitted: it is null.
fn given(value: &Value) -> Option<String> {
    Some(match value {
        Value::Enum(name) if name.as_str() == MARK => return None,
        Value::Object(members) => {
            let given = |(name, member)| Some(format!("{name}: {}", given(member)?));
            format!("{{{}}}", members.iter().filter_map(given).collect::<Vec<_>>().join(", "))
        }
        Value::List(items) => {
            let item = |item| given(item).unwrap_or_else(|| Value::Null.to_string());
            format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))
        }
        // The library's own way of writing control characters cannot be read again.
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        value => value.to_string(),
    })
}

fn first_field(query: &str) -> Option<Field> {
    let document = parse_query(query).ok()?;
    let (_, operation) = document.operations.iter().next()?;
    match &operation.node.selection_set.node.items.first()?.node {
        Selection::Field(field) => Some(field.node.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The arguments of the first field and the names of the defined variables.
    fn left_of(query: &str, sent: serde_json::Value) -> (String, Vec<String>) {
        let mut document = parse_query(query).expect("a document");
        omit_absent(&mut document, &Variables::from_json(sent));
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let operation = &operation.node;
        let Selection::Field(field) = &operation.selection_set.node.items[0].node else {
            panic!("{query} begins with a field");
        };
        let arguments = field.node.arguments.iter();
        let arguments: Vec<String> =
            arguments.map(|(name, value)| format!("{}: {}", name.node, value.node)).collect();
        let definitions = operation.variable_definitions.iter();
        let names = definitions.map(|definition| definition.node.name.node.to_string());
        (arguments.join(", "), names.collect())
    }

    #[test]
    fn only_what_was_not_sent_and_has_no_default_is_omitted() {
        let query = r#"query($a: Int, $b: Int, $c: Int = 1, $d: Int!, $e: Int) {
            f(a: $a, b: $b, c: $c, d: $d, e: { x: $a, y: $b, z: [$a, { v: $a }, 1.5, E, "\"$a"] }) }"#;
        let (arguments, names) = left_of(query, json!({ "b": null }));
        let left = r#"b: $b, c: $c, d: $d, e: {y: $b, z: [null, {}, 1.5, E, "\"$a"]}"#;
        assert_eq!(arguments, left);
        assert_eq!(names, ["b", "c", "d", "e"]);
    }

    #[test]
    fn texts_beside_what_is_omitted_stay_as_they_are() {
        let query = r#"query($a: Int) { f(e: { x: $a, y: "\u001f\u007f\n\\\"äß🎉" }) }"#;
        let mut document = parse_query(query).expect("a document");
        omit_absent(&mut document, &Variables::default());
        let found = format!("{document:?}");
        assert!(found.contains(&format!("{:?}", "\u{1f}\u{7f}\n\\\"äß🎉")), "{found}");
    }

    #[test]
    fn fragments_are_looked_through() {
        let query = "query($a: Int) { ...F ... { g(a: $a) } } fragment F on T { f(a: $a) }";
        let mut document = parse_query(query).expect("a document");
        omit_absent(&mut document, &Variables::default());
        assert!(!format!("{document:?}").contains("Variable("), "{document:?}");
    }
}
