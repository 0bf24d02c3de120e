//! `boards audit`.

use std::io::{BufWriter, ErrorKind, Write};

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    Failure,
    args::{AuditExportArgs, AuditFormat},
};
use crate::{
    app::open_store,
    config::Config,
    domain::TenantId,
    store::{AuditFilter, AuditRecord, Store, TenantReference},
};

/// Events in memory at once.
const BATCH: u64 = 1_000;

/// Prints events batch by batch. A reader who has gone away is no failure.
pub(super) async fn export(config: Config, arguments: &AuditExportArgs) -> Result<(), Failure> {
    let store = open_store(&config).await?;
    let AuditFormat::Jsonl = arguments.format;
    let tenant = match &arguments.tenant {
        Some(reference) => Some(tenant(&store, reference).await?),
        None => None,
    };
    // An end, so that a busy server is not followed for ever.
    let to = arguments.to.unwrap_or_else(Utc::now);
    let filter = AuditFilter { from: arguments.from, to: Some(to), ..AuditFilter::default() };
    let mut after = None;
    let mut output = BufWriter::new(std::io::stdout());
    loop {
        let records = store.audit().export(tenant, &filter, after, BATCH).await?;
        for record in &records {
            match writeln!(output, "{}", line(record)) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
        after = records.last().map(AuditRecord::position);
        if after.is_none() {
            break;
        }
    }
    match output.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(store.close().await?)
}

/// The tenant; by its id also one that is gone.
async fn tenant(store: &Store, reference: &TenantReference) -> Result<TenantId, Failure> {
    if let TenantReference::Id(id) = reference {
        return Ok(*id);
    }
    let tenant = store.system().tenant(reference).await?;
    Ok(tenant.ok_or_else(|| Failure::new("there is no tenant of that slug"))?.id)
}

fn line(record: &AuditRecord) -> Value {
    json!({
        "id": record.id,
        "occurredAt": record.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "tenantId": record.tenant,
        "actorId": record.actor,
        "accessTokenId": record.access_token,
        "provider": record.provider,
        "subject": record.subject,
        "address": record.address,
        "action": record.action,
        "objectType": record.object_type,
        "objectId": record.object_id,
        "decision": record.decision.as_str(),
        "reason": record.reason,
        "count": record.count,
        "requestId": record.request_id,
    })
}
