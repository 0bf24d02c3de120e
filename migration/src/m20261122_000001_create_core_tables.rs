//! The tables that every Boards deployment has: tenants, users, boards, members, generations, tags.
//!
//! Foreign keys between rows of a tenant carry `tenant_id`, so that a row cannot point into another
//! tenant even by a mistake in code. Tables that exist already are left as they are.

use sea_orm_migration::{prelude::*, sea_orm::ConnectionTrait};

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if sql::is_postgres(manager) && manager.has_table("boards").await? {
            sql::run(manager, &format!("COMMENT ON TABLE boards IS '{ADOPTED}'")).await?;
        }
        sql::run(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if is_adopted(manager).await? {
            return Err(DbErr::Custom(
                "this database was taken over from another Boards server: its tables are not dropped"
                    .to_owned(),
            ));
        }
        sql::run(manager, DROP_TABLES).await
    }
}

/// The comment that marks a database whose tables were there before Boards came.
const ADOPTED: &str = "adopted from an existing Boards deployment";

async fn is_adopted(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    if !sql::is_postgres(manager) {
        return Ok(false);
    }
    let statement = sea_orm_migration::sea_orm::Statement::from_string(
        manager.get_database_backend(),
        "SELECT coalesce(obj_description('boards'::regclass, 'pg_class'), '') AS comment",
    );
    let row = manager.get_connection().query_one_raw(statement).await?;
    let comment: Option<String> = row.map(|row| row.try_get("", "comment")).transpose()?;
    Ok(comment.as_deref() == Some(ADOPTED))
}

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS tenants (
  id {id},
  name varchar(255) NOT NULL,
  slug varchar(255) NOT NULL UNIQUE,
  settings {json} NOT NULL DEFAULT '{}',
  join_policy varchar(10) NOT NULL DEFAULT 'invite' CHECK (join_policy IN ('open', 'domain', 'invite')),
  join_domains {json} NOT NULL DEFAULT '[]',
  created_at {now},
  updated_at {now}
)
;
CREATE TABLE IF NOT EXISTS users (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  auth_provider varchar(50) NOT NULL,
  auth_subject varchar(255) NOT NULL,
  email varchar(255),
  display_name varchar(255),
  avatar_url text,
  metadata {json} NOT NULL DEFAULT '{}',
  created_at {now},
  updated_at {now},
  UNIQUE (tenant_id, auth_provider, auth_subject),
  UNIQUE (tenant_id, id)
)
;
CREATE TABLE IF NOT EXISTS boards (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  owner_id {uuid} NOT NULL,
  title varchar(255) NOT NULL,
  description text,
  is_public boolean NOT NULL DEFAULT false,
  settings {json} NOT NULL DEFAULT '{}',
  metadata {json} NOT NULL DEFAULT '{}',
  created_at {now},
  updated_at {now},
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS board_members (
  id {id},
  tenant_id {uuid} NOT NULL,
  board_id {uuid} NOT NULL,
  user_id {uuid} NOT NULL,
  role varchar(20) NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
  invited_by {uuid},
  joined_at {now},
  UNIQUE (board_id, user_id),
  FOREIGN KEY (tenant_id, board_id) REFERENCES boards (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id)
)
;
CREATE TABLE IF NOT EXISTS generations (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  board_id {uuid} NOT NULL,
  user_id {uuid} NOT NULL,
  generator_name varchar(100) NOT NULL,
  artifact_type varchar(50) NOT NULL
    CHECK (artifact_type IN ('image', 'video', 'audio', 'text', 'lora', 'model')),
  input_params {json} NOT NULL,
  status varchar(50) NOT NULL DEFAULT 'pending',
  storage_url text,
  thumbnail_url text,
  additional_files {json} NOT NULL DEFAULT '[]',
  output_metadata {json} NOT NULL DEFAULT '{}',
  input_artifacts {json} NOT NULL DEFAULT '[]',
  external_job_id varchar(255),
  progress {decimal}(5, 2) NOT NULL DEFAULT 0,
  error_message text,
  started_at {time},
  completed_at {time},
  created_at {now},
  updated_at {now},
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, board_id) REFERENCES boards (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS tags (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  name varchar(100) NOT NULL,
  slug varchar(100) NOT NULL,
  description text,
  metadata {json} NOT NULL DEFAULT '{}',
  created_at {now},
  updated_at {now},
  UNIQUE (tenant_id, slug),
  UNIQUE (tenant_id, id)
)
;
CREATE TABLE IF NOT EXISTS generation_tags (
  id {id},
  tenant_id {uuid} NOT NULL,
  generation_id {uuid} NOT NULL,
  tag_id {uuid} NOT NULL,
  created_at {now},
  UNIQUE (generation_id, tag_id),
  FOREIGN KEY (tenant_id, generation_id) REFERENCES generations (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, tag_id) REFERENCES tags (tenant_id, id) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS credit_transactions (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id {uuid} NOT NULL,
  transaction_type varchar(20) NOT NULL
    CHECK (transaction_type IN ('reserve', 'finalize', 'refund', 'purchase', 'grant')),
  amount {decimal}(10, 4) NOT NULL,
  balance_after {decimal}(10, 4) NOT NULL,
  generation_id {uuid} REFERENCES generations (id) ON DELETE SET NULL,
  description text,
  metadata {json} NOT NULL DEFAULT '{}',
  created_at {now},
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS lora_models (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id {uuid} NOT NULL,
  name varchar(255) NOT NULL,
  base_model varchar(100) NOT NULL,
  storage_url text NOT NULL,
  config {json} NOT NULL,
  trigger_word varchar(100),
  metadata {json} NOT NULL DEFAULT '{}',
  is_public boolean NOT NULL DEFAULT false,
  created_at {now},
  updated_at {now},
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
";

const DROP_TABLES: &str = "
DROP TABLE IF EXISTS lora_models
;
DROP TABLE IF EXISTS credit_transactions
;
DROP TABLE IF EXISTS generation_tags
;
DROP TABLE IF EXISTS tags
;
DROP TABLE IF EXISTS generations
;
DROP TABLE IF EXISTS board_members
;
DROP TABLE IF EXISTS boards
;
DROP TABLE IF EXISTS users
;
DROP TABLE IF EXISTS tenants
";
