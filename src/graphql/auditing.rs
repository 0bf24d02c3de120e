//! What GraphQL puts into the audit log: each root field of a mutation, however it ends, and every
//! refusal of anything else.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_graphql::{
    Context, Name, PathSegment, QueryPathSegment, Response, ServerResult, Value, Variables,
    parser::types::Field,
};
use uuid::Uuid;

use super::{document::Document, error::code_of, session::Session};
use crate::{
    audit::{Act, Actor, AuditEvent, AuditLog, decision},
    domain::{Decision, RequestOrigin},
};

/// Arguments that name what a field is about, the first there is; also within `input`.
const TARGETS: [&str; 5] = ["id", "boardId", "generationId", "userId", "tagId"];
const INPUT: &str = "input";
/// The action of what is refused as a whole, before any field.
pub(crate) const WHOLE_OPERATION: &str = "graphql";

/// A kind of thing, and which one.
type Target = (String, Uuid);

/// The root fields of one mutation, by response key: what they are called, and what they are about.
/// Those that make something add it with [`Trail::made`].
#[derive(Clone, Default)]
pub(super) struct Trail(Arc<Mutex<HashMap<String, Root>>>);

#[derive(Clone)]
struct Root {
    field: String,
    target: Option<Target>,
}

impl Trail {
    /// What a mutation has made, or made anew, is what it was about.
    pub(super) fn made(context: &Context<'_>, kind: &str, id: impl Into<Uuid>) {
        let key = context.path_node.and_then(|node| match node.segment {
            QueryPathSegment::Name(key) => Some(key),
            QueryPathSegment::Index(_) => None,
        });
        if let (Some(key), Some(trail)) = (key, context.data_opt::<Self>())
            && let Some(root) = trail.roots().get_mut(key)
        {
            root.target = Some((kind.to_owned(), id.into()));
        }
    }

    fn roots(&self) -> MutexGuard<'_, HashMap<String, Root>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records what happens in one operation.
pub(super) struct Auditor {
    log: AuditLog,
    session: Session,
    origin: Arc<RequestOrigin>,
    document: Arc<Document>,
    operation_name: Option<String>,
    /// As a list: a subscription keeps them as long as it lives, and a map takes a kilobyte for one.
    variables: Box<[(Name, Value)]>,
    trail: Trail,
}

impl Auditor {
    /// For an operation of `session`, which came from `origin`.
    pub(super) fn new(
        log: AuditLog,
        session: Session,
        origin: Arc<RequestOrigin>,
        document: Arc<Document>,
        operation_name: Option<String>,
        variables: &Variables,
    ) -> Self {
        let trail = Trail::default();
        let variables = listed(variables);
        Self { log, session, origin, document, operation_name, variables, trail }
    }

    /// Where resolvers say what they make.
    pub(super) fn trail(&self) -> Trail {
        self.trail.clone()
    }

    /// A root field of a mutation begins: the act that is to be ended with [`Auditor::end`].
    pub(super) fn begin(&self, field: &Field) -> Act {
        let root = self.root(field);
        let act = self.log.begin(root.event(&self.actor()));
        self.trail.roots().insert(field.response_key().node.to_string(), root);
        act
    }

    /// The root field of a mutation ends. What failed below it is told by [`Auditor::refusals`].
    pub(super) fn end<T>(&self, mut act: Act, field: &Field, outcome: &ServerResult<T>) {
        let root = self.trail.roots().get(field.response_key().node.as_str()).cloned();
        if let Some((kind, id)) = root.and_then(|root| root.target) {
            act.on(kind, id);
        }
        match outcome {
            Ok(_) => act.done(),
            Err(error) => {
                let code = code_of(error);
                act.ended(decision(&code, true), code);
            }
        }
    }

    /// Records each refusal in an answer that is not on record yet: those of credentials are where
    /// they were judged, those of a mutation's root fields where they ended.
    pub(super) fn refusals(&self, response: &Response) {
        if response.errors.is_empty() || self.session.caller().is_err() {
            return;
        }
        let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
        let changes = self.trail.roots();
        for error in &response.errors {
            let code = code_of(error);
            if decision(&code, false) != Decision::Denied {
                continue;
            }
            let key = match error.path.first() {
                Some(PathSegment::Field(key)) => key.as_str(),
                _ => "",
            };
            let is_recorded = error.path.len() == 1 && changes.contains_key(key);
            if !is_recorded {
                *counts.entry((key, code.into_owned())).or_default() += 1;
            }
        }
        if counts.is_empty() {
            return;
        }
        let actor = self.actor();
        for ((key, code), count) in counts {
            let asked = || self.document.root(self.operation_name.as_deref(), key);
            let root = changes.get(key).cloned();
            let event = match root.or_else(|| Some(self.root(asked()?))) {
                Some(root) => root.event(&actor),
                None => AuditEvent::new(WHOLE_OPERATION).by(&actor),
            };
            self.log.record(event.ended(Decision::Denied, code).counted(count));
        }
    }

    fn actor(&self) -> Actor {
        let origin = RequestOrigin::clone(&self.origin);
        match self.session.caller() {
            Ok(caller) => caller.actor(&origin),
            Err(_) => Actor::unknown(origin),
        }
    }

    fn root(&self, field: &Field) -> Root {
        let name = field.name.node.to_string();
        let target = target(&name, field, &self.variables);
        Root { field: name, target }
    }
}

impl Root {
    fn event(&self, actor: &Actor) -> AuditEvent {
        let event = AuditEvent::new(self.field.clone()).by(actor);
        match &self.target {
            Some((kind, id)) => event.on(kind.clone(), id),
            None => event,
        }
    }
}

fn listed(variables: &Variables) -> Box<[(Name, Value)]> {
    variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What a field is about. Only ids are taken from the arguments, never a text.
fn target(name: &str, field: &Field, variables: &[(Name, Value)]) -> Option<Target> {
    let given = |wanted: Name| {
        let value = variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
        Ok::<_, Infallible>(value.cloned().unwrap_or_default())
    };
    let argument = |wanted: &str| {
        let (_, value) = field.arguments.iter().find(|(name, _)| name.node == wanted)?;
        value.node.clone().into_const_with(given).ok()
    };
    let input = argument(INPUT);
    let member = |wanted: &str| match &input {
        Some(Value::Object(members)) => members.get(wanted).cloned(),
        _ => None,
    };
    TARGETS.iter().find_map(|wanted| {
        let Some(Value::String(text)) = argument(wanted).or_else(|| member(wanted)) else {
            return None;
        };
        let kind = match wanted.strip_suffix("Id") {
            Some(kind) => kind.to_owned(),
            None => noun(name),
        };
        Some((kind, Uuid::try_parse(&text).ok()?))
    })
}

/// What a field's own `id` names: `updateBoard` a board, `revokeAccessToken` an access token.
fn noun(field: &str) -> String {
    let Some(start) = field.find(|letter: char| letter.is_ascii_uppercase()) else {
        return if field == "regenerate" { "generation" } else { field }.to_owned();
    };
    let (first, rest) = field[start..].split_at(1);
    first.to_ascii_lowercase() + rest
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::graphql::{Limits, document::Documents};

    const LIMITS: Limits = Limits { depth: 20, complexity: 50_000, aliases: 5 };
    const ID: &str = "5fdb43f4-e1e1-467b-be7d-f3f20b4d52f4";

    fn found(query: &str, variables: serde_json::Value) -> Option<Target> {
        let document = Documents::new(LIMITS).read(query).expect("a document");
        let mut variables = Variables::from_json(variables);
        document.add_defaults(None, &mut variables);
        let field = document.first_root(None).expect("a field");
        target(&field.node.name.node, &field.node, &listed(&variables))
    }

    #[rstest]
    #[case("{ board(id: \"#\") { id } }", "board")]
    #[case("mutation { deleteBoard(id: \"#\") }", "board")]
    #[case("mutation { alias: updateBoard(input: { id: \"#\", title: \"t\" }) { id } }", "board")]
    #[case("mutation($v: UUID!) { regenerate(id: $v) { id } }", "generation")]
    #[case("mutation($d: UUID = \"#\") { revokeAccessToken(id: $d) }", "accessToken")]
    #[case("mutation($v: UUID!) { createGeneration(input: { boardId: $v }) { id } }", "board")]
    #[case("mutation($i: I!) { updateTag(input: $i) { id } }", "tag")]
    #[case(
        "mutation { addTagToGeneration(tagId: \"x\", generationId: \"#\") { id } }",
        "generation"
    )]
    #[case("mutation { suspendUser(userId: \"#\") { id } }", "user")]
    fn targets(#[case] query: &str, #[case] kind: &str) {
        let variables = json!({ "v": ID, "i": { "name": "n", "id": ID } });
        let id = Uuid::try_parse(ID).expect("an id");
        assert_eq!(found(&query.replace('#', ID), variables), Some((kind.to_owned(), id)));
    }

    #[rstest]
    #[case("mutation { createTag(input: { name: \"secret plans\" }) { id } }")]
    #[case("mutation { inviteUser(email: \"ada@example.com\") { id } }")]
    #[case("{ tagBySlug(slug: \"secret-plans\") { id } }")]
    #[case("{ board(id: \"ada@example.com\") { id } }")]
    #[case("query($v: UUID) { board(id: $v) { id } }")]
    fn texts_are_no_targets(#[case] query: &str) {
        assert_eq!(found(query, json!({ "v": "secret plans" })), None);
    }
}
