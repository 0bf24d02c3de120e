//! Walking from a generation to what it was made from, or to what was made from it.

use std::collections::{HashMap, HashSet};

use sea_orm::{FromQueryResult, Statement};
use uuid::Uuid;

use super::Scope;
use crate::{
    domain::GenerationId,
    error::{Error, Result},
};

/// Edges that one walk may touch.
const MAX_EDGES: usize = 2_000;

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what it was made from.
    Ancestry,
    /// To what was made from it.
    Descendants,
}

/// One step of a walk: where it leads, and the role of the source in what was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageEdge {
    /// The generation at the far end.
    pub to: GenerationId,
    /// The parameter that named the source.
    pub role: String,
}

/// Everything that a walk found, by the generation at the near end. A generation that the viewer
/// may not see is not in it, nor what lies behind it.
#[derive(Clone, Debug, Default)]
pub struct LineageGraph(HashMap<GenerationId, Vec<LineageEdge>>);

impl LineageGraph {
    /// The steps from one generation, in the order in which the parameters name the sources, or in
    /// the order of creation.
    #[must_use]
    pub fn steps(&self, from: GenerationId) -> &[LineageEdge] {
        self.0.get(&from).map_or(&[], Vec::as_slice)
    }
}

#[derive(FromQueryResult)]
struct EdgeRow {
    near_id: Uuid,
    far_id: Uuid,
    role: String,
}

impl Scope {
    /// Walks at most `max_depth` steps from a generation that the viewer has been found to see.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] when the walk would touch more than 2,000 edges.
    pub async fn lineage(
        &self,
        start: GenerationId,
        direction: Direction,
        max_depth: i32,
    ) -> Result<LineageGraph> {
        let statement = Statement::from_sql_and_values(
            self.store().backend(),
            walk(direction),
            [
                self.tenant().0.into(),
                start.0.into(),
                max_depth.into(),
                self.viewer_uuid().into(),
                i64::try_from(MAX_EDGES + 1).unwrap_or(i64::MAX).into(),
            ],
        );
        let rows = EdgeRow::find_by_statement(statement).all(self.read()).await?;
        if rows.len() > MAX_EDGES {
            return Err(Error::bad_input(
                "maxDepth",
                "The lineage of this generation is too large; ask for a smaller maxDepth",
            ));
        }
        let mut graph = LineageGraph::default();
        let mut seen = HashSet::new();
        for EdgeRow { near_id, far_id, role } in rows {
            if seen.insert((near_id, far_id, role.clone())) {
                let edge = LineageEdge { to: far_id.into(), role };
                graph.0.entry(near_id.into()).or_default().push(edge);
            }
        }
        Ok(graph)
    }
}

/// The recursive statement. The depth bounds cycles; UNION drops what was found twice at one depth.
fn walk(direction: Direction) -> String {
    let (near, far, order) = match direction {
        Direction::Ancestry => ("generation_id", "input_id", "position, far_id"),
        Direction::Descendants => ("input_id", "generation_id", "far_id, position"),
    };
    let visible = format!(
        "EXISTS (SELECT 1 FROM generations g JOIN boards b ON b.tenant_id = g.tenant_id AND b.id = g.board_id \
          WHERE g.tenant_id = $1 AND g.id = e.{far} AND (b.is_public OR b.owner_id = $4 OR EXISTS \
            (SELECT 1 FROM board_members m WHERE m.board_id = b.id AND m.user_id = $4 AND m.tenant_id = $1)))"
    );
    format!(
        "WITH RECURSIVE walk (near_id, far_id, role, position, depth) AS (\
           SELECT e.{near}, e.{far}, e.role, e.position, 1 FROM generation_inputs e \
            WHERE e.tenant_id = $1 AND e.{near} = $2 AND $3 >= 1 AND {visible} \
           UNION \
           SELECT e.{near}, e.{far}, e.role, e.position, w.depth + 1 \
             FROM walk w JOIN generation_inputs e ON e.{near} = w.far_id \
            WHERE e.tenant_id = $1 AND w.depth < $3 AND {visible}) \
         SELECT DISTINCT near_id, far_id, role, position FROM walk ORDER BY near_id, {order} LIMIT $5"
    )
}
