//! Running one SQL text on both databases.

use sea_orm_migration::{
    prelude::{DbErr, SchemaManager},
    sea_orm::{ConnectionTrait, DbBackend},
};

/// What a placeholder stands for: on SQLite, and on PostgreSQL.
const TYPES: [(&str, &str, &str); 6] = [
    ("{id}", "blob NOT NULL PRIMARY KEY", "uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid()"),
    ("{uuid}", "blob", "uuid"),
    ("{json}", "text", "jsonb"),
    ("{now}", "text NOT NULL", "timestamptz NOT NULL DEFAULT now()"),
    ("{time}", "text", "timestamptz"),
    ("{decimal}", "real", "numeric"),
];

/// Runs the statements of `text`, which are separated by lines that hold only `;`.
pub(crate) async fn run(manager: &SchemaManager<'_>, text: &str) -> Result<(), DbErr> {
    let postgres = is_postgres(manager);
    for statement in text.split("\n;\n").map(str::trim).filter(|s| !s.is_empty()) {
        let mut statement = statement.to_owned();
        for (placeholder, sqlite_type, postgres_type) in TYPES {
            let name = if postgres { postgres_type } else { sqlite_type };
            statement = statement.replace(placeholder, name);
        }
        manager.get_connection().execute_unprepared(&statement).await?;
    }
    Ok(())
}

/// Whether the database is PostgreSQL; otherwise it is SQLite.
pub(crate) fn is_postgres(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::Postgres
}
