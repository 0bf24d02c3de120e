//! A document as it was sent, read once and shared by all operations that send the same text.

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use async_graphql::{
    Name, Positioned, ServerResult, Variables,
    parser::types::{
        BaseType, DocumentOperations, ExecutableDocument, Field, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};
use moka::sync::Cache;

use super::{Limits, admission, completion::Plan, shapes::Shapes};

/// Bytes of text of all documents that are kept. In memory a document takes some ten times as many.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Bytes of the longest text that is kept.
const CACHED_TEXT_MAX: usize = 16 * 1024;
/// What a document costs beside its text, so that many small ones are bounded too.
const ENTRY_BYTES: usize = 256;
/// Fields of an answer up to which its plan is kept: fragments make large plans of short texts.
const CACHED_PLAN_MAX: usize = 200;
/// Characters of the name in the log line.
const LABEL_MAX: usize = 100;

const UUID: &str = "UUID";

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// A document that was admitted. It may still be invalid.
pub(super) struct Document {
    /// Told from every other document of this process by this.
    pub(super) number: u64,
    pub(super) parsed: ExecutableDocument,
    /// The names of its operations, or the kind of one without a name.
    pub(super) label: Arc<str>,
    /// Whether anything in it depends on `@skip` or `@include`.
    pub(super) is_conditional: bool,
    /// Variables that hold ids, whichever operation defines them.
    id_variables: HashSet<Name>,
    /// The plan of the operation that was asked for first, if every request can use it.
    plan: OnceLock<(Option<String>, Arc<Plan>)>,
}

impl Document {
    fn read(text: &str, limits: &Limits) -> ServerResult<Self> {
        let parsed = admission::read(text, limits)?;
        Ok(Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            label: label(&parsed),
            is_conditional: is_conditional(&parsed),
            id_variables: id_variables(&parsed),
            plan: OnceLock::new(),
            parsed,
        })
    }

    /// The operation that a request means; none when it does not say which.
    pub(super) fn operation(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        let found = match (&self.parsed.operations, name) {
            (DocumentOperations::Single(operation), _) => Some(operation),
            (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
            (DocumentOperations::Multiple(operations), None) => {
                let mut operations = operations.values();
                operations.next().filter(|_| operations.next().is_none())
            }
        };
        found.map(|operation| &operation.node)
    }

    /// The kind of the operation that a request means.
    pub(super) fn kind(&self, name: Option<&str>) -> Option<OperationType> {
        self.operation(name).map(|operation| operation.ty)
    }

    /// Gives variables that were not sent the values that the operation names for them.
    pub(super) fn add_defaults(&self, operation_name: Option<&str>, variables: &mut Variables) {
        let Some(operation) = self.operation(operation_name) else { return };
        for definition in &operation.variable_definitions {
            if let Some(default) = &definition.node.default_value {
                let name = definition.node.name.node.clone();
                variables.entry(name).or_insert_with(|| default.node.clone());
            }
        }
    }

    /// Whether the variable is an id by its type, so that one id is as valid as any other.
    pub(super) fn holds_id(&self, variable: &Name) -> bool {
        self.id_variables.contains(variable)
    }

    /// What the answer to the operation must look like; none when no operation is meant.
    pub(super) fn plan(
        &self,
        shapes: &Shapes,
        operation_name: Option<&str>,
        variables: &Variables,
    ) -> Option<Arc<Plan>> {
        let operation = self.operation(operation_name)?;
        if let Some((_, plan)) =
            self.plan.get().filter(|(name, _)| name.as_deref() == operation_name)
        {
            return Some(Arc::clone(plan));
        }
        let plan = Arc::new(Plan::of(shapes, &self.parsed, operation, variables));
        if !self.is_conditional && plan.size() <= CACHED_PLAN_MAX {
            let _ = self.plan.set((operation_name.map(str::to_owned), Arc::clone(&plan)));
        }
        Some(plan)
    }

    /// The root field that stands in the answer under `key`.
    pub(super) fn root(&self, operation_name: Option<&str>, key: &str) -> Option<&Field> {
        let operation = self.operation(operation_name)?;
        let is_meant = |field: &Field| field.response_key().node == key;
        self.find(&operation.selection_set.node, &is_meant).map(|field| &field.node)
    }

    /// The first root field.
    pub(super) fn first_root(&self, operation_name: Option<&str>) -> Option<&Positioned<Field>> {
        let operation = self.operation(operation_name)?;
        self.find(&operation.selection_set.node, &|_| true)
    }

    fn find<'a>(
        &'a self,
        set: &'a SelectionSet,
        is_meant: &impl Fn(&Field) -> bool,
    ) -> Option<&'a Positioned<Field>> {
        set.items.iter().find_map(|selection| match &selection.node {
            Selection::Field(field) => Some(field).filter(|field| is_meant(&field.node)),
            Selection::InlineFragment(fragment) => {
                self.find(&fragment.node.selection_set.node, is_meant)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = self.parsed.fragments.get(&spread.node.fragment_name.node)?;
                self.find(&fragment.node.selection_set.node, is_meant)
            }
        })
    }
}

fn label(document: &ExecutableDocument) -> Arc<str> {
    let label = match &document.operations {
        DocumentOperations::Single(operation) => format!("({})", operation.node.ty),
        DocumentOperations::Multiple(operations) => {
            let mut names: Vec<&str> = operations.keys().map(Name::as_str).collect();
            names.sort_unstable();
            names.join(",")
        }
    };
    label.chars().take(LABEL_MAX).collect::<String>().into()
}

fn is_conditional(document: &ExecutableDocument) -> bool {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set);
    operations.chain(fragments).any(|set| has_conditions(&set.node))
}

fn has_conditions(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| {
        let inner = match &selection.node {
            Selection::Field(field) => Some(&field.node.selection_set.node),
            Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => None,
        };
        !selection.node.directives().is_empty() || inner.is_some_and(has_conditions)
    })
}

fn id_variables(document: &ExecutableDocument) -> HashSet<Name> {
    let (mut ids, mut others) = (HashSet::new(), HashSet::new());
    for (_, operation) in document.operations.iter() {
        for variable in &operation.node.variable_definitions {
            let is_id = match &variable.node.var_type.node.base {
                BaseType::Named(name) => name == UUID,
                BaseType::List(_) => false,
            };
            let names = if is_id { &mut ids } else { &mut others };
            names.insert(variable.node.name.node.clone());
        }
    }
    &ids - &others
}

/// Documents that were read, by their text: the same for everyone, and nothing of who sent them.
pub(super) struct Documents {
    limits: Limits,
    by_text: Cache<String, Arc<Document>>,
}

impl Documents {
    pub(super) fn new(limits: Limits) -> Self {
        let weigh = |text: &String, _: &Arc<Document>| {
            u32::try_from(text.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        let by_text = Cache::builder().weigher(weigh).max_capacity(CACHE_BYTES).build();
        Self { limits, by_text }
    }

    /// The document of a text.
    ///
    /// # Errors
    /// When it cannot be parsed or would cost too much to look at.
    pub(super) fn read(&self, text: &str) -> ServerResult<Arc<Document>> {
        if let Some(known) = self.by_text.get(text) {
            return Ok(known);
        }
        let document = Arc::new(Document::read(text, &self.limits)?);
        if text.len() <= CACHED_TEXT_MAX {
            self.by_text.insert(text.to_owned(), Arc::clone(&document));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { depth: 20, complexity: 50_000, aliases: 5 };

    fn document(text: &str) -> Document {
        Document::read(text, &LIMITS).expect("a document")
    }

    #[test]
    fn a_text_is_read_once_and_long_ones_are_not_kept() {
        let documents = Documents::new(LIMITS);
        let read = |text: &str| documents.read(text).expect("a document").number;
        assert_eq!(read("{ a }"), read("{ a }"));
        assert_ne!(read("{ a }"), read("{ b }"));
        let long = format!("{{ a }} #{}", " ".repeat(CACHED_TEXT_MAX));
        assert_ne!(read(&long), read(&long));
        assert!(documents.read("{ a").is_err());
        assert!(documents.read("{ a").is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let documents = Documents::new(LIMITS);
        for number in 0..20_000 {
            documents.read(&format!("{{ a{number} }}")).expect("a document");
        }
        documents.by_text.run_pending_tasks();
        assert!(documents.by_text.weighted_size() <= CACHE_BYTES);
    }

    #[test]
    fn operations_are_found_as_a_request_means_them() {
        let kind = |text: &str, name| document(text).kind(name);
        assert_eq!(kind("{ a }", None), Some(OperationType::Query));
        assert_eq!(kind("mutation M { a }", None), Some(OperationType::Mutation));
        let two = "query Q { a } subscription S { b }";
        assert_eq!(kind(two, Some("S")), Some(OperationType::Subscription));
        assert_eq!(kind(two, Some("T")), None);
        assert_eq!(kind(two, None), None);
        assert_eq!(&*document(two).label, "Q,S");
        assert_eq!(&*document("{ a }").label, "(query)");
    }

    #[test]
    fn root_fields_are_found_through_fragments() {
        let document = document("{ ...f x: b } fragment f on Query { ... { a } }");
        let name = |key| document.root(None, key).map(|field| field.name.node.to_string());
        assert_eq!(name("a").as_deref(), Some("a"));
        assert_eq!(name("x").as_deref(), Some("b"));
        assert_eq!(name("b"), None);
        assert_eq!(document.first_root(None).expect("one").node.name.node, "a");
    }

    #[test]
    fn ids_and_conditions_are_noted() {
        let found = document(
            "query A($a: UUID, $b: UUID!, $c: [UUID], $d: Int, $e: UUID) { a(i: 1) @include(if: $d) }
             query B($e: String) { b }",
        );
        let holds = |name: &str| found.holds_id(&Name::new(name));
        assert!(holds("a") && holds("b") && !holds("c") && !holds("d") && !holds("e"));
        assert!(found.is_conditional && !document("{ a { b } }").is_conditional);
    }
}
