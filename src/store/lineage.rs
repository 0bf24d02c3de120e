//! Walking from a generation to what it was made from, or to what was made from it.

use std::collections::{HashMap, HashSet};

use sea_orm::{FromQueryResult, Statement};
use uuid::Uuid;

use super::Scope;
use crate::{
    domain::GenerationId,
    error::{Error, Result},
};

/// Edges that the walks of one statement may touch.
const MAX_EDGES: usize = 5_000;

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    root_id: Uuid,
    near_id: Uuid,
    far_id: Uuid,
    role: String,
    position: i32,
}

impl Scope {
    /// Walks at most `max_depth` steps from each of several generations that the viewer has been
    /// found to see, in one statement.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] when the walks would touch more than 5,000 edges.
    pub async fn lineage(
        &self,
        starts: &[GenerationId],
        direction: Direction,
        max_depth: i32,
    ) -> Result<HashMap<GenerationId, LineageGraph>> {
        let backend = self.store().backend();
        let limit = i64::try_from(MAX_EDGES + 1).unwrap_or(i64::MAX);
        let mut values: Vec<sea_orm::Value> =
            vec![self.tenant().0.into(), max_depth.into(), self.viewer_uuid().into(), limit.into()];
        values.extend(starts.iter().map(|start| start.0.into()));
        let sql = walk(direction, starts.len(), self.store().is_postgres());
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let mut rows = EdgeRow::find_by_statement(statement).all(self.read()).await?;
        if rows.len() > MAX_EDGES {
            return Err(Error::bad_input(
                "maxDepth",
                "The lineage is too large to be walked whole; ask for a smaller maxDepth",
            ));
        }
        match direction {
            Direction::Ancestry => rows.sort_by_key(|row| (row.position, row.far_id)),
            Direction::Descendants => rows.sort_by_key(|row| (row.far_id, row.position)),
        }
        let mut graphs: HashMap<GenerationId, LineageGraph> = HashMap::new();
        let mut seen = HashSet::new();
        for EdgeRow { root_id, near_id, far_id, role, .. } in rows {
            if seen.insert((root_id, near_id, far_id, role.clone())) {
                let graph = graphs.entry(root_id.into()).or_default();
                let edge = LineageEdge { to: far_id.into(), role };
                graph.0.entry(near_id.into()).or_default().push(edge);
            }
        }
        Ok(graphs)
    }
}

/// The recursive statement. The depth bounds cycles; UNION drops what was found twice at one depth.
/// The limit must stop the walk itself and not only its answer: SQLite takes it inside; PostgreSQL
/// stops walking when nothing outside sorts.
fn walk(direction: Direction, starts: usize, postgres: bool) -> String {
    let (near, far) = match direction {
        Direction::Ancestry => ("generation_id", "input_id"),
        Direction::Descendants => ("input_id", "generation_id"),
    };
    let starts: Vec<String> = (0..starts).map(|index| format!("${}", index + 5)).collect();
    let starts = starts.join(", ");
    let inner_limit = if postgres { "" } else { "LIMIT $4" };
    let visible = format!(
        "EXISTS (SELECT 1 FROM generations g JOIN boards b ON b.tenant_id = g.tenant_id AND b.id = g.board_id \
          WHERE g.tenant_id = $1 AND g.id = e.{far} AND (b.is_public OR b.owner_id = $3 OR EXISTS \
            (SELECT 1 FROM board_members m WHERE m.board_id = b.id AND m.user_id = $3 AND m.tenant_id = $1)))"
    );
    format!(
        "WITH RECURSIVE walk (root_id, near_id, far_id, role, position, depth) AS (\
           SELECT e.{near}, e.{near}, e.{far}, e.role, e.position, 1 FROM generation_inputs e \
            WHERE e.tenant_id = $1 AND e.{near} IN ({starts}) AND $2 >= 1 AND {visible} \
           UNION \
           SELECT w.root_id, e.{near}, e.{far}, e.role, e.position, w.depth + 1 \
             FROM walk w JOIN generation_inputs e ON e.{near} = w.far_id \
            WHERE e.tenant_id = $1 AND w.depth < $2 AND {visible} {inner_limit}) \
         SELECT root_id, near_id, far_id, role, position FROM walk LIMIT $4"
    )
}
