//! Lineage as edges: which generation was made from which. `generations.input_artifacts` says the
//! same as JSON, for clients of the column; the edges can be walked in both directions by index.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, TABLE).await?;
        if sql::is_postgres(manager) { sql::run(manager, FILL).await } else { Ok(()) }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, "DROP TABLE generation_inputs").await
    }
}

const TABLE: &str = "
CREATE TABLE generation_inputs (
  tenant_id {uuid} NOT NULL,
  generation_id {uuid} NOT NULL,
  position integer NOT NULL,
  input_id {uuid} NOT NULL,
  role varchar(100) NOT NULL,
  PRIMARY KEY (generation_id, position),
  FOREIGN KEY (tenant_id, generation_id) REFERENCES generations (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, input_id) REFERENCES generations (tenant_id, id) ON DELETE CASCADE
)
;
CREATE INDEX generation_inputs_input ON generation_inputs (input_id, generation_id)
";

const FILL: &str = "
INSERT INTO generation_inputs (tenant_id, generation_id, position, input_id, role)
SELECT g.tenant_id, g.id, entry.position - 1, source.id, left(coalesce(entry.value ->> 'role', 'input'), 100)
  FROM generations g
 CROSS JOIN LATERAL jsonb_array_elements(g.input_artifacts) WITH ORDINALITY AS entry (value, position)
  JOIN generations source
    ON source.id::text = lower(entry.value ->> 'generation_id') AND source.tenant_id = g.tenant_id
 WHERE jsonb_typeof(g.input_artifacts) = 'array' AND g.input_artifacts <> '[]'
";
