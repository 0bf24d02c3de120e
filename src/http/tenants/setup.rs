//! What operators of the platform do. Each act needs a token that was granted `platform:admin`.

use axum::{
    Json,
    extract::{Extension, Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{answer, body};
use crate::{
    domain::{TenantId, TokenScope, Validator},
    error::{Error, Result},
    http::{HttpState, error::RestError, request_log::RequestFacts},
    platform::{ChangeRequest, PAGE_MAX, TenantRequest},
    store::{TenantFilter, TenantReference, TenantStatus},
};

/// Tenants on a page where the caller does not say.
const PAGE: u32 = 20;
/// Longest slug.
const SLUG_MAX: usize = 255;

const OPERATOR: TokenScope = TokenScope::PlatformAdmin;

/// GET /api/setup/status: how the deployment stands, without secrets.
pub(super) async fn status(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    headers: HeaderMap,
) -> Result<Json<Value>, RestError> {
    state.authenticate_platform(&headers, &facts, OPERATOR).await?;
    Ok(answer::status(&state.platform.status().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: String,
    slug: String,
    #[serde(default, deserialize_with = "body::present")]
    join_policy: Option<String>,
    #[serde(default)]
    join_domains: Vec<String>,
    #[serde(default, deserialize_with = "body::present")]
    admin_email: Option<String>,
}

/// POST /api/setup/tenants: a tenant in use.
pub(super) async fn create(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, RestError> {
    let caller = state.authenticate_platform(&headers, &facts, OPERATOR).await?;
    let body: CreateBody = body::read(request).await?;
    let request = TenantRequest {
        name: body.name,
        slug: body.slug,
        join_policy: body.join_policy,
        join_domains: body.join_domains,
        admin_email: body.admin_email,
    };
    let outcome = state.platform.create(request).await;
    state.note_act("platform.tenant.create", &caller, &facts, &outcome);
    let record = outcome?;
    let location = format!("/api/setup/tenants/{}", record.tenant.id);
    let answer = (StatusCode::CREATED, [(header::LOCATION, location)], answer::tenant(&record));
    Ok(answer.into_response())
}

/// How a list is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParameters {
    limit: Option<u32>,
    cursor: Option<String>,
    status: Option<String>,
    slug_prefix: Option<String>,
}

/// GET /api/setup/tenants: a page of tenants, oldest first.
pub(super) async fn list(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    headers: HeaderMap,
    parameters: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Json<Value>, RestError> {
    state.authenticate_platform(&headers, &facts, OPERATOR).await?;
    let Query(parameters) = parameters.map_err(|_| {
        Error::bad_input("query", "Known are limit, cursor, status and slug_prefix, each once")
    })?;
    let (filter, after, limit) = parameters.check()?;
    Ok(answer::page(&state.platform.list(&filter, after, limit).await?))
}

impl ListParameters {
    fn check(self) -> Result<(TenantFilter, Option<TenantId>, u32)> {
        let mut validator = Validator::new();
        let limit = self.limit.unwrap_or(PAGE);
        validator.check((1..=PAGE_MAX).contains(&limit), "limit", || {
            format!("limit must be between 1 and {PAGE_MAX}")
        });
        let after = self.cursor.map(|cursor| Uuid::try_parse(&cursor).map(TenantId));
        validator.check(!matches!(after, Some(Err(_))), "cursor", || {
            "cursor must be the next_cursor of another page".to_owned()
        });
        let status = self.status.map(|status| status.parse::<TenantStatus>());
        validator.check(!matches!(status, Some(Err(()))), "status", || {
            "status must be active, pending or deleting".to_owned()
        });
        let slug_prefix = self.slug_prefix.filter(|prefix| !prefix.is_empty());
        let of_slug = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let fits = slug_prefix
            .as_ref()
            .is_none_or(|prefix| prefix.len() <= SLUG_MAX && prefix.bytes().all(of_slug));
        validator.check(fits, "slug_prefix", || {
            "slug_prefix must hold a to z, 0 to 9 and hyphens".to_owned()
        });
        validator.finish()?;
        let filter = TenantFilter { status: status.and_then(Result::ok), slug_prefix };
        Ok((filter, after.and_then(Result::ok), limit))
    }
}

/// GET /api/setup/tenants/{tenant}: by slug or id.
pub(super) async fn tenant(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, RestError> {
    state.authenticate_platform(&headers, &facts, OPERATOR).await?;
    let record = state.platform.tenant(&TenantReference::parse(&tenant)?).await?;
    Ok(answer::tenant(&record))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    #[serde(default, deserialize_with = "body::present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    join_policy: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    join_domains: Option<Vec<String>>,
    #[serde(default, deserialize_with = "body::present")]
    status: Option<String>,
}

/// PATCH /api/setup/tenants/{tenant}: changes what is named; status `active` approves.
pub(super) async fn update(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<Value>, RestError> {
    let caller = state.authenticate_platform(&headers, &facts, OPERATOR).await?;
    let reference = TenantReference::parse(&tenant)?;
    let body: ChangeBody = body::read(request).await?;
    let request = ChangeRequest {
        name: body.name,
        slug: body.slug,
        join_policy: body.join_policy,
        join_domains: body.join_domains,
        status: body.status,
    };
    let outcome = state.platform.update(&reference, request).await;
    state.note_act("platform.tenant.update", &caller, &facts, &outcome);
    Ok(answer::tenant(&outcome?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteBody {
    confirm: String,
}

/// DELETE /api/setup/tenants/{tenant}: closes it at once; the rest goes on in the background.
pub(super) async fn delete(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, RestError> {
    let caller = state.authenticate_platform(&headers, &facts, OPERATOR).await?;
    let reference = TenantReference::parse(&tenant)?;
    let body: DeleteBody = body::read(request).await?;
    let outcome = state.platform.delete(&reference, &body.confirm).await;
    state.note_act("platform.tenant.delete", &caller, &facts, &outcome);
    let record = outcome?;
    Ok((StatusCode::ACCEPTED, answer::tenant(&record)).into_response())
}
