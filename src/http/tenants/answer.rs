//! Tenants and the deployment as JSON. Names are in `snake_case`, times in UTC (RFC 3339).

use axum::Json;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::{
    platform::{PlatformStatus, TenantPage},
    store::TenantRecord,
};

pub(super) fn tenant(record: &TenantRecord) -> Json<Value> {
    Json(tenant_value(record))
}

pub(super) fn page(page: &TenantPage) -> Json<Value> {
    let tenants: Vec<Value> = page.tenants.iter().map(tenant_value).collect();
    Json(json!({ "tenants": tenants, "next_cursor": page.next }))
}

pub(super) fn status(status: &PlatformStatus) -> Json<Value> {
    let settings = &status.settings;
    let tenants = status.tenants.map(|counts| {
        json!({
            "active": counts.active,
            "pending": counts.pending,
            "deleting": counts.deleting,
        })
    });
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "multi_tenant": settings.multi_tenant,
        "default_tenant": settings.default_slug,
        "registration": settings.registration.mode.as_str(),
        "auth_providers": settings.auth_providers,
        "database": {
            "kind": status.database,
            "migrated": status.missing_migrations.is_empty(),
            "missing_migrations": status.missing_migrations,
        },
        "tenants": tenants,
    }))
}

fn tenant_value(record: &TenantRecord) -> Value {
    let tenant = &record.tenant;
    let registered_by = record
        .registered_by
        .as_ref()
        .map(|(provider, subject)| json!({ "provider": provider, "subject": subject }));
    json!({
        "id": tenant.id,
        "slug": tenant.slug,
        "name": tenant.name,
        "status": tenant.status.as_str(),
        "join_policy": tenant.join_policy.as_str(),
        "join_domains": tenant.join_domains,
        "registered_by": registered_by,
        "created_at": time(record.created_at),
        "updated_at": time(record.updated_at),
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
