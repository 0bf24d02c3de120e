//! What is judged of a document before anything else looks at it. The library walks documents
//! recursively and follows every fragment again each time; what it is given must be small once
//! expanded.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, ServerError, ServerResult,
    parser::{
        parse_query,
        types::{
            ExecutableDocument, Field, FragmentDefinition, OperationType, Selection, SelectionSet,
        },
    },
};

use super::{Limits, error::refusal};

/// Brackets that may be open at once in the text, in selections, lists and objects together.
const MAX_OPEN_BRACKETS: usize = 64;
/// Selections that a document may have once all its fragments are put in.
const MAX_SELECTIONS: usize = 10_000;

/// Levels of fields and fragments in each other, with all fragments put in.
const MAX_LEVELS: usize = 200;

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Reads a document, unless it would cost too much to look at.
///
/// # Errors
/// An error of the request, with a code of its own.
pub(super) fn read(text: &str, limits: &Limits) -> ServerResult<ExecutableDocument> {
    check_brackets(text)?;
    let document = parse_query(text)?;
    check_size(&document)?;
    limits.check_aliases(&document)?;
    check_roots(&document)?;
    Ok(document)
}

/// The parser is recursive: a text with thousands of open brackets would end the process.
fn check_brackets(text: &str) -> ServerResult<()> {
    let mut open = 0_usize;
    let mut rest = text;
    while let Some(at) = rest.find(['"', '#', '[', '{', '(', ']', '}', ')']) {
        let (found, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = match found {
            b'#' => after.split_once(['\n', '\r']).map_or("", |(_, next)| next),
            b'"' => after_string(after),
            b'[' | b'{' | b'(' => {
                open += 1;
                after
            }
            _ => {
                open = open.saturating_sub(1);
                after
            }
        };
        if open > MAX_OPEN_BRACKETS {
            let message = format!("The query has more than {MAX_OPEN_BRACKETS} open brackets");
            return Err(refusal(message, "QUERY_TOO_DEEP"));
        }
    }
    Ok(())
}

/// The text behind a string whose opening quote has been read.
fn after_string(text: &str) -> &str {
    if let Some(block) = text.strip_prefix("\"\"") {
        let mut rest = block;
        while let Some(at) = rest.find("\"\"\"") {
            let escaped = rest[..at].ends_with('\\');
            rest = &rest[at + 3..];
            if !escaped {
                return rest;
            }
        }
        return "";
    }
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' if !escaped => return &text[at + 1..],
            '\n' | '\r' => return &text[at..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

fn check_size(document: &ExecutableDocument) -> ServerResult<()> {
    let mut measure = Measure { fragments: &document.fragments, known: HashMap::new() };
    let mut total = 0_usize;
    for (_, operation) in document.operations.iter() {
        let extent = measure.of(&operation.node.selection_set.node, 0)?;
        total = total.saturating_add(extent.selections);
    }
    for fragment in document.fragments.values() {
        let extent = measure.of(&fragment.node.selection_set.node, 0)?;
        total = total.max(extent.selections);
    }
    if total > MAX_SELECTIONS {
        let message = format!("The query has more than {MAX_SELECTIONS} selections");
        return Err(refusal(message, "QUERY_TOO_COMPLEX"));
    }
    Ok(())
}

/// How much a selection set is, with its fragments put in.
#[derive(Clone, Copy, Default)]
struct Extent {
    selections: usize,
    levels: usize,
}

/// Measures selection sets; each fragment is measured once.
struct Measure<'a> {
    fragments: &'a Fragments,
    /// None while a fragment is being measured: whoever meets it then is part of a cycle.
    known: HashMap<Name, Option<Extent>>,
}

impl Measure<'_> {
    /// `level` is how deep this is already: neither this walk nor any after it may go on for ever.
    fn of(&mut self, set: &SelectionSet, level: usize) -> ServerResult<Extent> {
        let mut extent = Extent::default();
        for selection in &set.items {
            let inner = match &selection.node {
                Selection::Field(field) => self.of(&field.node.selection_set.node, level + 1)?,
                Selection::InlineFragment(fragment) => {
                    self.of(&fragment.node.selection_set.node, level + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.of_fragment(&spread.node.fragment_name.node, level + 1)?
                }
            };
            extent.selections =
                extent.selections.saturating_add(inner.selections).saturating_add(1);
            extent.levels = extent.levels.max(inner.levels + 1);
        }
        if level + extent.levels > MAX_LEVELS {
            return Err(too_many_levels());
        }
        Ok(extent)
    }

    fn of_fragment(&mut self, name: &Name, level: usize) -> ServerResult<Extent> {
        if level > MAX_LEVELS {
            return Err(too_many_levels());
        }
        match self.known.get(name) {
            Some(Some(extent)) if level + extent.levels > MAX_LEVELS => {
                return Err(too_many_levels());
            }
            Some(Some(extent)) => return Ok(*extent),
            Some(None) => return Err(cycle(name)),
            None => {}
        }
        let Some(fragment) = self.fragments.get(name) else { return Ok(Extent::default()) };
        self.known.insert(name.clone(), None);
        let extent = self.of(&fragment.node.selection_set.node, level)?;
        self.known.insert(name.clone(), Some(extent));
        Ok(extent)
    }
}

fn too_many_levels() -> ServerError {
    let message = format!("The query has more than {MAX_LEVELS} levels of fields and fragments");
    refusal(message, "QUERY_TOO_DEEP")
}

fn cycle(name: &Name) -> ServerError {
    let name: String = name.chars().take(100).collect();
    refusal(format!("The fragment \"{name}\" contains itself"), "GRAPHQL_VALIDATION_FAILED")
}

/// The specification merges a field that stands twice under one name; the library would carry a
/// mutation out twice. Nobody means that, so it is refused. A subscription has one root field
/// (section 5.2.4).
fn check_roots(document: &ExecutableDocument) -> ServerResult<()> {
    for (_, operation) in document.operations.iter() {
        let kind = operation.node.ty;
        let mut seen = HashSet::new();
        if kind == OperationType::Query {
            continue;
        }
        let set = &operation.node.selection_set.node;
        each_field(set, &document.fragments, &mut |field| {
            let key = &field.response_key().node;
            if kind == OperationType::Subscription && !seen.is_empty() {
                let message = "A subscription has one root field".to_owned();
                return Err(refusal(message, "GRAPHQL_VALIDATION_FAILED"));
            }
            if seen.insert(key.clone()) {
                return Ok(());
            }
            let key: String = key.chars().take(100).collect();
            let message = format!("The mutation \"{key}\" stands twice; give one an alias");
            Err(refusal(message, "GRAPHQL_VALIDATION_FAILED"))
        })?;
    }
    Ok(())
}

/// Visits the fields of a selection set, through fragments; cycles have been refused already.
fn each_field(
    set: &SelectionSet,
    fragments: &Fragments,
    visit: &mut impl FnMut(&Field) -> ServerResult<()>,
) -> ServerResult<()> {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => visit(&field.node)?,
            Selection::InlineFragment(fragment) => {
                each_field(&fragment.node.selection_set.node, fragments, visit)?;
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    each_field(&fragment.node.selection_set.node, fragments, visit)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { depth: 20, complexity: 50_000, aliases: 5 };

    fn code(query: &str) -> Option<String> {
        let error = read(query, &LIMITS).err()?;
        let code = error.extensions?.get("code")?.clone();
        Some(code.to_string().trim_matches('"').to_owned())
    }

    #[test]
    fn brackets_are_counted_outside_strings_and_comments() {
        let deep = format!("{{ board(id: {}) {{ id }} }}", "[".repeat(500));
        assert_eq!(code(&deep).as_deref(), Some("QUERY_TOO_DEEP"));
        let brackets = "[".repeat(100);
        for harmless in [
            format!("{{ a(b: \"{brackets}\") }}"),
            format!("{{ a(b: \"\\\"{brackets}\") }}"),
            format!("{{ a(b: \"\"\"{brackets} \\\"\"\" {brackets}\"\"\") }}"),
            format!("{{ a # {brackets}\n }}"),
        ] {
            assert_eq!(code(&harmless), None, "{harmless}");
        }
        assert_eq!(code(&format!("{{ a(b: \"\") {brackets}")).as_deref(), Some("QUERY_TOO_DEEP"));
    }

    #[test]
    fn fragments_are_counted_as_often_as_they_are_used() {
        let doubles = (0..30).map(|level| {
            let next = level + 1;
            format!("fragment f{level} on Query {{ ...f{next} ...f{next} }} ")
        });
        let bomb =
            format!("{{ ...f0 }} fragment f30 on Query {{ id }} {}", doubles.collect::<String>());
        assert_eq!(code(&bomb).as_deref(), Some("QUERY_TOO_COMPLEX"));
        let cycle = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert_eq!(code(cycle).as_deref(), Some("GRAPHQL_VALIDATION_FAILED"));
        assert_eq!(code("{ ...a ...a } fragment a on Query { id }"), None);
    }

    #[test]
    fn a_chain_of_fragments_is_deep() {
        for length in [300, 100_000] {
            let chain = (0..length)
                .map(|level| format!("fragment f{level} on Query {{ ...f{} }} ", level + 1));
            let query = format!(
                "{{ ...f0 }} fragment f{length} on Query {{ id }} {}",
                chain.collect::<String>()
            );
            assert_eq!(code(&query).as_deref(), Some("QUERY_TOO_DEEP"));
        }
    }

    #[test]
    fn a_subscription_has_one_root_field() {
        let two = "subscription { a: generationUpdated(id: 1) { id } b: generationUpdated(id: 1) { id } }";
        assert_eq!(code(two).as_deref(), Some("GRAPHQL_VALIDATION_FAILED"));
        assert_eq!(code("subscription { generationUpdated(id: 1) { id } }"), None);
    }

    #[test]
    fn a_mutation_stands_once() {
        for twice in [
            "mutation { a { id } a { id } }",
            "mutation { a ...f } fragment f on Mutation { a }",
            "mutation { a ... on Mutation { a } }",
        ] {
            assert_eq!(code(twice).as_deref(), Some("GRAPHQL_VALIDATION_FAILED"), "{twice}");
        }
        assert_eq!(code("mutation { a b: a }"), None);
        assert_eq!(code("{ a a }"), None);
    }

    #[test]
    fn repeated_fields_count_as_aliases() {
        assert_eq!(code("{ a a a a a a }"), None);
        assert_eq!(code("{ a a a a a a a }").as_deref(), Some("QUERY_TOO_MANY_ALIASES"));
        assert_eq!(
            code("{ b: a c: a d: a e: a f: a g: a }").as_deref(),
            Some("QUERY_TOO_MANY_ALIASES")
        );
    }
}
