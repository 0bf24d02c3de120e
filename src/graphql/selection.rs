//! What everything that is selected below a field needs, found out before the field is run: a
//! mutation is not carried out for a caller who may not read what they ask for in answer.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

use super::shapes::Shapes;
use crate::domain::{TokenScope, TokenScopes};

/// The scopes of every field below a field of `type_name`, whatever becomes of `@skip` and
/// `@include`.
pub(super) fn scopes_below(
    shapes: &Shapes,
    document: &ExecutableDocument,
    type_name: &str,
    selections: &SelectionSet,
) -> TokenScopes {
    let mut walk = Walk { shapes, fragments: &document.fragments, found: Vec::new() };
    walk.selections(type_name, selections);
    walk.found.into_iter().collect()
}

struct Walk<'a> {
    shapes: &'a Shapes,
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    found: Vec<TokenScope>,
}

impl Walk<'_> {
    /// The document has been validated: fragments end, and selections were counted.
    fn selections(&mut self, type_name: &str, selections: &SelectionSet) {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => {
                    let name = field.node.name.node.as_str();
                    let Some(target) = self.shapes.target(type_name, name) else { continue };
                    self.found.extend(&self.shapes.access(type_name, name).scopes);
                    self.selections(target, &field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(type_name, &fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.fragments.get(&spread.node.fragment_name.node);
                    if let Some(fragment) = fragment {
                        self.selections(type_name, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}
