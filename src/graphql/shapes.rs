//! What the schema says of its fields, read off its own SDL: their types, and who may use them.

use std::collections::HashMap;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
};

use super::access::{CLOSED, FieldAccess};

/// The types of the fields of every object type, and which of them need a signed-in caller.
#[derive(Default)]
pub(super) struct Shapes(HashMap<String, HashMap<String, Shape>>);

/// One field.
pub(super) struct Shape {
    pub(super) field_type: Type,
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

    /// The fields of an object type; none for any other type.
    pub(super) fn fields(&self, type_name: &str) -> Option<&HashMap<String, Shape>> {
        self.0.get(type_name)
    }

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
