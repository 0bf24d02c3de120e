//! A schema as a set of lines, one for each thing that a client can rely on, so that two schemas
//! are compared by what stands in them and not by how they are written.

use std::collections::BTreeMap;

use graphql_parser::schema::{
    Definition, Document, EnumType, Field, InputValue, ObjectType, Type, TypeDefinition,
};

/// What else is known of a line.
pub(super) struct Facts {
    pub(super) described: bool,
    /// A client has to send it.
    pub(super) demanded: bool,
    /// The type or field that it is part of.
    pub(super) owner: String,
}

/// For example `Board.generations(limit: Int = 50)` or `input CreateTagInput.name: String!`.
pub(super) type Lines = BTreeMap<String, Facts>;

pub(super) fn lines(schema: &Document<'_, String>) -> Lines {
    let mut lines = Lines::new();
    for definition in &schema.definitions {
        match definition {
            Definition::TypeDefinition(definition) => add_type(&mut lines, definition),
            // The specification's own directives are described by the library.
            Definition::DirectiveDefinition(directive) if directive.name == "access" => {
                add(
                    &mut lines,
                    "schema",
                    "directive @access".to_owned(),
                    directive.description.as_ref(),
                );
            }
            _ => {}
        }
    }
    lines
}

fn add(lines: &mut Lines, owner: &str, line: String, description: Option<&String>) {
    let described = description.is_some_and(|text| !text.trim().is_empty());
    lines.insert(line, Facts { described, demanded: false, owner: owner.to_owned() });
}

fn add_type(lines: &mut Lines, definition: &TypeDefinition<'_, String>) {
    match definition {
        TypeDefinition::Scalar(found) => {
            add(lines, "schema", format!("scalar {}", found.name), found.description.as_ref());
        }
        TypeDefinition::Enum(found) => add_enum(lines, found),
        TypeDefinition::InputObject(found) => {
            let owner = format!("input {}", found.name);
            add(lines, "schema", owner.clone(), found.description.as_ref());
            for field in &found.fields {
                add_input(lines, &owner, format!("{owner}.{}", written(field)), field);
            }
        }
        TypeDefinition::Object(found) => add_object(lines, found),
        TypeDefinition::Interface(found) => panic!("interface {} is not compared", found.name),
        TypeDefinition::Union(found) => panic!("union {} is not compared", found.name),
    }
}

fn add_enum(lines: &mut Lines, found: &EnumType<'_, String>) {
    let owner = format!("enum {}", found.name);
    add(lines, "schema", owner.clone(), found.description.as_ref());
    for value in &found.values {
        add(lines, &owner, format!("{owner}.{}", value.name), value.description.as_ref());
    }
}

fn add_object(lines: &mut Lines, found: &ObjectType<'_, String>) {
    add(lines, "schema", format!("type {}", found.name), found.description.as_ref());
    for field in &found.fields {
        add_field(lines, &found.name, field);
    }
}

fn add_field(lines: &mut Lines, object: &str, field: &Field<'_, String>) {
    let owner = format!("{object}.{}", field.name);
    add(lines, object, format!("{owner}: {}", field.field_type), field.description.as_ref());
    for argument in &field.arguments {
        add_input(lines, &owner, format!("{owner}({})", written(argument)), argument);
    }
}

fn add_input(lines: &mut Lines, owner: &str, line: String, input: &InputValue<'_, String>) {
    let described = input.description.as_ref().is_some_and(|text| !text.trim().is_empty());
    let demanded =
        matches!(input.value_type, Type::NonNullType(_)) && input.default_value.is_none();
    lines.insert(line, Facts { described, demanded, owner: owner.to_owned() });
}

fn written(input: &InputValue<'_, String>) -> String {
    match &input.default_value {
        Some(default) => format!("{}: {} = {default}", input.name, input.value_type),
        None => format!("{}: {}", input.name, input.value_type),
    }
}
