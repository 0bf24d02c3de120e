//! Bounds on what one operation may ask for.

use std::collections::HashSet;

use async_graphql::{
    Positioned, ServerError, ServerResult,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

use super::error::refusal;

/// Bounds on one operation; each is a setting.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of nesting.
    pub depth: usize,
    /// Points: a field costs one, a list its length times what is selected in it.
    pub complexity: usize,
    /// Aliases in the document.
    pub aliases: usize,
}

impl Limits {
    /// Refuses a document with too many aliases, by which one field could be asked for again and
    /// again.
    pub(super) fn check_aliases(&self, document: &ExecutableDocument) -> ServerResult<()> {
        let operations =
            document.operations.iter().map(|(_, operation)| &operation.node.selection_set);
        let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set);
        let count: usize = operations.chain(fragments).map(count_aliases).sum();
        if count > self.aliases {
            return Err(self.too_many_aliases());
        }
        Ok(())
    }

    fn too_many_aliases(&self) -> ServerError {
        refusal(
            format!("The query has more than {} aliases", self.aliases),
            "QUERY_TOO_MANY_ALIASES",
        )
    }
}

/// Aliases, and fields that stand under the same name again. The nesting has been bounded already.
fn count_aliases(selections: &Positioned<SelectionSet>) -> usize {
    let mut keys = HashSet::new();
    let mut count = 0;
    for selection in &selections.node.items {
        count += match &selection.node {
            Selection::Field(field) => {
                let repeated = !keys.insert(&field.node.response_key().node);
                usize::from(repeated || field.node.alias.is_some())
                    + count_aliases(&field.node.selection_set)
            }
            Selection::InlineFragment(fragment) => count_aliases(&fragment.node.selection_set),
            Selection::FragmentSpread(_) => 0,
        };
    }
    count
}
