//! Lineage: what a generation was made from and what was made from it, as trees.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{Context, Object, Result};
use uuid::Uuid;

use super::{
    access::{Anyone, Caller, access, granted},
    arguments::{ArtifactType, cost},
    generation::GenerationObject,
    loader::{GenerationById, load},
};
use crate::{
    domain::GenerationId,
    domain::TokenScope,
    error::Error,
    store::{Generation, LineageEntry, LineageGraph},
};

/// Nodes that one tree may show: an artifact used twice stands in it twice, so that a small graph
/// can make a huge tree.
const MAX_NODES: usize = 1_000;
const MAX_DEPTH: i32 = 50;
const DEFAULT_DEPTH: i32 = 25;

/// Steps that a walk may take.
pub(super) fn depth(max_depth: Option<i32>) -> Result<i32, Error> {
    let depth = max_depth.unwrap_or(DEFAULT_DEPTH);
    if (1..=MAX_DEPTH).contains(&depth) {
        Ok(depth)
    } else {
        Err(Error::bad_input("maxDepth", format!("maxDepth must be between 1 and {MAX_DEPTH}")))
    }
}

/// An artifact that a generation was made from.
pub(super) struct ArtifactLineage(LineageEntry);

impl From<LineageEntry> for ArtifactLineage {
    fn from(entry: LineageEntry) -> Self {
        Self(entry)
    }
}

/// An artifact that a generation was made from.
#[Object(name = "ArtifactLineage")]
impl ArtifactLineage {
    /// Id of the generation that the artifact is of.
    async fn generation_id(&self) -> Uuid {
        self.0.generation.into()
    }

    /// Parameter that named the artifact.
    async fn role(&self) -> &str {
        &self.0.role
    }

    /// Kind of the artifact.
    async fn artifact_type(&self) -> ArtifactType {
        self.0.artifact_type.into()
    }

    /// The generation; null when it was deleted or the caller may not see it.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead))
    )]
    async fn generation(&self, context: &Context<'_>) -> Result<Option<GenerationObject>> {
        let generation = load(context, GenerationById(self.0.generation)).await?;
        Ok(generation.map(GenerationObject::from))
    }
}

/// What the nodes of one tree share.
struct Tree {
    graph: Arc<LineageGraph>,
    max_depth: i32,
    nodes: AtomicUsize,
}

/// One place in a tree.
struct Node {
    tree: Arc<Tree>,
    generation: Arc<Generation>,
    depth: i32,
    role: Option<String>,
    /// The generations on the way from the root to here, this one included.
    path: Vec<GenerationId>,
}

impl Node {
    fn root(graph: Arc<LineageGraph>, generation: Arc<Generation>, max_depth: i32) -> Self {
        let tree = Tree { graph, max_depth, nodes: AtomicUsize::new(1) };
        let path = vec![generation.id];
        Self { tree: Arc::new(tree), generation, depth: 0, role: None, path }
    }

    async fn next(&self, context: &Context<'_>) -> Result<Vec<Self>> {
        if self.depth >= self.tree.max_depth {
            return Ok(Vec::new());
        }
        let steps = self.tree.graph.steps(self.generation.id);
        let before = self.tree.nodes.fetch_add(steps.len(), Ordering::Relaxed);
        if before + steps.len() > MAX_NODES {
            let message = format!("The lineage has more than {MAX_NODES} nodes");
            return Err(Error::bad_input("maxDepth", message).into());
        }
        let ahead = steps.iter().filter(|step| !self.path.contains(&step.to));
        let loads = ahead.map(|step| async {
            let generation = load(context, GenerationById(step.to)).await?;
            Ok::<_, Error>(generation.map(|generation| self.step(generation, step.role.clone())))
        });
        let found = futures_util::future::try_join_all(loads).await?;
        Ok(found.into_iter().flatten().collect())
    }

    fn step(&self, generation: Arc<Generation>, role: String) -> Self {
        let mut path = self.path.clone();
        path.push(generation.id);
        Self {
            tree: Arc::clone(&self.tree),
            generation,
            depth: self.depth + 1,
            role: Some(role),
            path,
        }
    }
}

/// A generation in the tree of what another was made from.
pub(super) struct AncestryNode(Node);

impl AncestryNode {
    pub(super) fn root(
        graph: Arc<LineageGraph>,
        generation: Arc<Generation>,
        max_depth: i32,
    ) -> Self {
        Self(Node::root(graph, generation, max_depth))
    }
}

/// A generation in the tree of what another was made from.
#[Object(name = "AncestryNode")]
impl AncestryNode {
    /// The generation.
    async fn generation(&self) -> GenerationObject {
        self.0.generation.clone().into()
    }

    /// Steps from the root, which has 0.
    async fn depth(&self) -> i32 {
        self.0.depth
    }

    /// Parameter that named this artifact in the generation one step nearer to the root.
    async fn role(&self) -> Option<&str> {
        self.0.role.as_deref()
    }

    /// What this generation was made from, as far as the caller may see it.
    #[graphql(complexity = "cost(3, child_complexity)")]
    async fn parents(&self, context: &Context<'_>) -> Result<Vec<AncestryNode>> {
        Ok(self.0.next(context).await?.into_iter().map(Self).collect())
    }
}

/// A generation in the tree of what was made from another.
pub(super) struct DescendantNode(Node);

impl DescendantNode {
    pub(super) fn root(
        graph: Arc<LineageGraph>,
        generation: Arc<Generation>,
        max_depth: i32,
    ) -> Self {
        Self(Node::root(graph, generation, max_depth))
    }
}

/// A generation in the tree of what was made from another.
#[Object(name = "DescendantNode")]
impl DescendantNode {
    /// The generation.
    async fn generation(&self) -> GenerationObject {
        self.0.generation.clone().into()
    }

    /// Steps from the root, which has 0.
    async fn depth(&self) -> i32 {
        self.0.depth
    }

    /// Parameter of this generation that named the artifact one step nearer to the root.
    async fn role(&self) -> Option<&str> {
        self.0.role.as_deref()
    }

    /// What was made from this generation, as far as the caller may see it.
    #[graphql(complexity = "cost(3, child_complexity)")]
    async fn children(&self, context: &Context<'_>) -> Result<Vec<DescendantNode>> {
        Ok(self.0.next(context).await?.into_iter().map(Self).collect())
    }
}
