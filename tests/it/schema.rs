//! The served schema: the file that is kept, the contract, descriptions, and who may call a root
//! field.

mod lines;

use std::collections::BTreeSet;

use graphql_parser::schema::{
    Definition, Document, Field, InputValue, Type, TypeDefinition, Value as Literal, parse_schema,
};
use serde_json::json;

use self::lines::{Lines, lines};
use crate::support::{Client, Socket, TestApp};

const CONTRACT: &str = include_str!("fixtures/boards.graphql");
const KEPT: &str = include_str!("../../schema.graphql");

type Schema = Document<'static, String>;

/// A field of Query, Mutation or Subscription, as the SDL declares it.
pub(crate) struct RootField {
    pub(crate) name: String,
    /// `query`, `mutation` or `subscription`.
    pub(crate) operation: &'static str,
    declaration: Field<'static, String>,
}

impl RootField {
    /// The argument of `@access`, where the field has the directive.
    pub(crate) fn access(&self, argument: &str) -> Option<String> {
        argument_of_access(&self.declaration, argument)
    }
}

fn served() -> Schema {
    parse_schema(&boards::graphql::sdl()).expect("the served SDL parses").into_static()
}

/// Every root field of the served schema.
pub(crate) fn root_fields() -> Vec<RootField> {
    let roots = [("Query", "query"), ("Mutation", "mutation"), ("Subscription", "subscription")];
    let mut found = Vec::new();
    for definition in served().definitions {
        let Definition::TypeDefinition(TypeDefinition::Object(object)) = definition else {
            continue;
        };
        if let Some((_, operation)) = roots.iter().find(|(name, _)| *name == object.name) {
            found.extend(object.fields.into_iter().map(|declaration| RootField {
                name: declaration.name.clone(),
                operation,
                declaration,
            }));
        }
    }
    found
}

/// A field of an object type that is no root.
pub(crate) struct Edge {
    pub(crate) owner: String,
    pub(crate) field: String,
    /// The type inside lists and non-null.
    pub(crate) target: String,
    /// What `@access` on it says of scopes.
    pub(crate) scopes: Option<String>,
}

/// Every field of every object type but the roots.
pub(crate) fn edges() -> Vec<Edge> {
    let mut found = Vec::new();
    for definition in served().definitions {
        let Definition::TypeDefinition(TypeDefinition::Object(object)) = definition else {
            continue;
        };
        if matches!(object.name.as_str(), "Query" | "Mutation" | "Subscription") {
            continue;
        }
        found.extend(object.fields.into_iter().map(|field| Edge {
            owner: object.name.clone(),
            field: field.name.clone(),
            target: named(&field.field_type).to_owned(),
            scopes: argument_of_access(&field, "scopes"),
        }));
    }
    found
}

fn argument_of_access(field: &Field<'static, String>, argument: &str) -> Option<String> {
    let directive = field.directives.iter().find(|found| found.name == "access")?;
    let (_, value) = directive.arguments.iter().find(|(name, _)| name == argument)?;
    Some(value.to_string())
}

#[test]
fn the_kept_schema_is_the_served_one() {
    let (kept, served) = (KEPT.trim_end(), boards::graphql::sdl());
    assert!(kept == served.trim_end(), "run `cargo run -- schema > schema.graphql`");
}

#[test]
fn the_served_schema_keeps_the_contract() {
    let contract = lines(&parse_schema(CONTRACT).expect("the contract parses"));
    assert!(contract.len() > 150, "the whole contract was read");
    assert_eq!(missing(&contract, &lines(&served())), BTreeSet::new());
    assert_eq!(demands(&contract, &lines(&served())), BTreeSet::new());
}

/// What the contract has and the served schema has not, or has otherwise.
fn missing(contract: &Lines, served: &Lines) -> BTreeSet<String> {
    contract.keys().filter(|line| !served.contains_key(*line)).cloned().collect()
}

/// What the served schema demands beyond the contract: a client of the contract would not send it.
fn demands(contract: &Lines, served: &Lines) -> BTreeSet<String> {
    served
        .iter()
        .filter(|(line, facts)| facts.demanded && !contract.contains_key(*line))
        .filter(|(_, facts)| contract.values().any(|known| known.owner == facts.owner))
        .map(|(line, _)| line.clone())
        .collect()
}

/// The test of the contract would notice each kind of loss.
#[test]
fn what_breaks_a_contract() {
    let contract = "scalar S enum E { A B } input I { f: Int! g: Int = 1 }
        type T { f(a: Int = 1, b: S!): Int! g: [T!]! }";
    let breaches = [
        ("scalar S", "", "scalar S"),
        ("A B", "A", "enum E.B"),
        ("f: Int! g: Int = 1", "g: Int = 1", "input I.f: Int!"),
        ("g: Int = 1", "g: Int = 2", "input I.g: Int = 1"),
        ("g: Int = 1", "g: Int", "input I.g: Int = 1"),
        ("a: Int = 1, ", "", "T.f(a: Int = 1)"),
        ("a: Int = 1", "a: Int", "T.f(a: Int = 1)"),
        ("b: S!", "b: S", "T.f(b: S!)"),
        ("): Int!", "): Int", "T.f: Int!"),
        ("[T!]!", "[T!]", "T.g: [T!]!"),
        ("[T!]!", "[T]!", "T.g: [T!]!"),
    ];
    let read = |text: &str| lines(&parse_schema::<String>(text).expect("a schema").into_static());
    assert_eq!(missing(&read(contract), &read(contract)), BTreeSet::new());
    for (from, to, line) in breaches {
        let served = contract.replacen(from, to, 1);
        assert_ne!(served, contract, "{from}");
        let missing = missing(&read(contract), &read(&served));
        assert!(missing.contains(line), "{from} → {to}: {missing:?}");
    }
    let more = contract.replace("b: S!", "b: S!, c: S!").replace("f: Int! g", "f: Int! h: S! g");
    let demanded = demands(&read(contract), &read(&more));
    assert_eq!(demanded, ["T.f(c: S!)", "input I.h: S!"].map(str::to_owned).into());
}

#[test]
fn everything_has_a_description() {
    let undescribed: Vec<String> = lines(&served())
        .into_iter()
        .filter(|(_, facts)| !facts.described)
        .map(|(line, _)| line)
        .collect();
    assert_eq!(undescribed, Vec::<String>::new());
}

#[test]
fn every_root_field_says_who_may_call_it() {
    for field in root_fields() {
        let caller = field.access("caller");
        assert!(
            matches!(caller.as_deref(), Some("ANYONE" | "USER" | "TENANT_ADMIN")),
            "{}: {caller:?}",
            field.name
        );
    }
}

/// The directive tells the truth: without a token a field for users answers UNAUTHENTICATED, and
/// one for anyone answers.
#[tokio::test]
async fn fields_do_what_their_directive_says() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Open to all", true).await;
    let generation = ada.upload_png(&board).await;
    let anonymous = app.anonymous();
    let schema = served();
    for field in root_fields() {
        let id = match named(&field.declaration.field_type) {
            "Board" => &board,
            "Generation" => &generation,
            _ => "00000000-0000-4000-8000-000000000000",
        };
        let text = call(&field, &schema, id);
        let answer = answer(&anonymous, field.operation, &text).await;
        let code = answer.pointer("/errors/0/extensions/code").and_then(|code| code.as_str());
        match field.access("caller").as_deref() {
            Some("USER" | "TENANT_ADMIN") => {
                assert_eq!(code, Some("UNAUTHENTICATED"), "{text}: {answer}");
            }
            _ => assert_eq!(code, None, "{text}: {answer}"),
        }
    }
}

/// The answer to an operation on whatever transport its kind needs.
pub(crate) async fn answer(client: &Client, operation: &str, text: &str) -> serde_json::Value {
    if operation != "subscription" {
        return client.graphql(text, json!({})).await.body;
    }
    let mut socket = Socket::open(client).await;
    socket.start("1", text, json!({})).await;
    let message = socket.next().await.expect("an answer");
    match message["type"].as_str() {
        Some("next") => message["payload"].clone(),
        _ => json!({ "errors": message["payload"] }),
    }
}

/// An operation of one root field, with the least of arguments; `id` stands for every id.
pub(crate) fn least_call(field: &RootField, id: &str) -> String {
    call(field, &served(), id)
}

/// An operation of one field, with the least of arguments.
fn call(field: &RootField, schema: &Schema, id: &str) -> String {
    let arguments = assignments(&field.declaration.arguments, schema, id);
    let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
    let is_object = objects(schema).contains(named(&field.declaration.field_type));
    let selection = if is_object { " { __typename }" } else { "" };
    format!("{} {{ {}{arguments}{selection} }}", field.operation, field.name)
}

fn assignments(inputs: &[InputValue<'static, String>], schema: &Schema, id: &str) -> String {
    let required = |input: &&InputValue<'static, String>| {
        matches!(input.value_type, Type::NonNullType(_)) && input.default_value.is_none()
    };
    let assignment = |input: &InputValue<'static, String>| {
        format!("{}: {}", input.name, literal(named(&input.value_type), schema, id))
    };
    inputs.iter().filter(required).map(assignment).collect::<Vec<_>>().join(", ")
}

/// Some value of an input type.
fn literal(name: &str, schema: &Schema, id: &str) -> String {
    for definition in &schema.definitions {
        match definition {
            Definition::TypeDefinition(TypeDefinition::Enum(found)) if found.name == name => {
                return found.values[0].name.clone();
            }
            Definition::TypeDefinition(TypeDefinition::InputObject(found))
                if found.name == name =>
            {
                return format!("{{ {} }}", assignments(&found.fields, schema, id));
            }
            _ => {}
        }
    }
    match name {
        "UUID" => Literal::<String>::String(id.to_owned()).to_string(),
        "Boolean" => "true".to_owned(),
        "Int" | "Float" => "1".to_owned(),
        "JSON" => "{}".to_owned(),
        _ => "\"text\"".to_owned(),
    }
}

/// The types from which fields are selected.
fn objects(schema: &Schema) -> BTreeSet<&str> {
    schema.definitions.iter().filter_map(object_name).collect()
}

fn object_name<'a>(definition: &'a Definition<'static, String>) -> Option<&'a str> {
    match definition {
        Definition::TypeDefinition(TypeDefinition::Object(object)) => Some(&object.name),
        _ => None,
    }
}

/// The type inside lists and non-null.
fn named<'a>(of: &'a Type<'static, String>) -> &'a str {
    match of {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => named(inner),
    }
}
