//! `boards storage`.

use std::io::{BufWriter, ErrorKind, Write};

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{Failure, args::StorageGcArgs};
use crate::{
    app::{lock_out_servers, open_files, open_store},
    config::Config,
    error::Error,
    platform::{FileCheck, Finding, Tally},
};

/// Prints what does not fit together, and at the end how much of it there is. Fails when something
/// is left to do, as `boards schema --check` does.
pub(super) async fn gc(config: Config, arguments: &StorageGcArgs) -> Result<(), Failure> {
    // With SQLite, database and files are one process's alone.
    let _lock = if arguments.delete { lock_out_servers(&config)? } else { None };
    let store = open_store(&config).await?;
    let files = open_files(&config)?;
    let check = FileCheck::new(store.clone(), files, arguments.older_than, arguments.delete);
    let mut output = BufWriter::new(std::io::stdout());
    let mut print = |line: String| match writeln!(output, "{line}") {
        // A reader who has gone away is no reason to stop half way.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::internal(error)),
        _ => Ok(()),
    };
    let tally = check
        .run(|finding| {
            print(if arguments.json { as_json(finding).to_string() } else { as_text(finding) })
        })
        .await?;
    print(if arguments.json { summary(&tally).to_string() } else { sentence(&tally) })?;
    match output.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    store.close().await?;
    what_is_left(&tally)
}

fn as_text(finding: &Finding) -> String {
    match finding {
        Finding::FileWithoutRow { store, file, deleted } => {
            let act = if *deleted { "deleted" } else { "file without row" };
            let stored = file.last_modified.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!("{act}  {store}  {}  {} bytes  {stored}", file.name, file.length)
        }
        Finding::RowWithoutFile { tenant, generation, stored } => {
            format!("row without file  {tenant}  {generation}  {stored}")
        }
    }
}

fn as_json(finding: &Finding) -> Value {
    match finding {
        Finding::FileWithoutRow { store, file, deleted } => json!({
            "finding": "file_without_row",
            "store": store.as_str(),
            "name": file.name,
            "bytes": file.length,
            "storedAt": file.last_modified.to_rfc3339_opts(SecondsFormat::Micros, true),
            "deleted": deleted,
        }),
        Finding::RowWithoutFile { tenant, generation, stored } => json!({
            "finding": "row_without_file",
            "tenantId": tenant,
            "generationId": generation,
            "stored": stored,
        }),
    }
}

fn sentence(tally: &Tally) -> String {
    format!(
        "{} files, of which {} without a row ({} bytes), {} deleted, {} too young to tell; \
         {} named by rows, of which {} are not there; {} foreign objects left alone",
        tally.files,
        tally.files_without_rows,
        tally.bytes_without_rows,
        tally.deleted,
        tally.too_young,
        tally.named,
        tally.rows_without_files,
        tally.foreign,
    )
}

fn summary(tally: &Tally) -> Value {
    json!({ "summary": {
        "files": tally.files,
        "filesWithoutRows": tally.files_without_rows,
        "bytesWithoutRows": tally.bytes_without_rows,
        "deleted": tally.deleted,
        "tooYoung": tally.too_young,
        "foreign": tally.foreign,
        "named": tally.named,
        "rowsWithoutFiles": tally.rows_without_files,
    } })
}

fn what_is_left(tally: &Tally) -> Result<(), Failure> {
    let files = tally.files_without_rows - tally.deleted;
    match (files, tally.rows_without_files) {
        (0, 0) => Ok(()),
        (0, rows) => Err(Failure::new(format!("{rows} rows name files that are not there"))),
        (files, 0) => {
            Err(Failure::new(format!("{files} files have no row; --delete deletes them")))
        }
        (files, rows) => Err(Failure::new(format!(
            "{files} files have no row (--delete deletes them), and {rows} rows name files that are \
             not there"
        ))),
    }
}
