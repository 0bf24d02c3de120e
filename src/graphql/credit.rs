//! What generations cost, and the credits that they are paid with.

use std::sync::Arc;

use async_graphql::{Context, Json, Object, Result, SimpleObject};
use rust_decimal::{
    Decimal,
    prelude::{FromPrimitive, ToPrimitive},
};
use uuid::Uuid;

use super::{
    access::{self as guards, Caller, SignedIn, access, granted},
    session::Session,
};
use crate::{
    domain::{Credits, JsonObject, TokenScope, Validator},
    error::Error,
    generators::Registry,
    jobs::GenerationRequest,
};

const DESCRIPTION_MAX: usize = 500;

/// What a generation is expected to cost.
#[derive(SimpleObject)]
struct CostEstimate {
    /// In US dollars; null where nothing is known.
    usd: Option<f64>,
    /// How it is charged: `free`, `per image`, …; `unknown` where nothing is known.
    kind: String,
    /// How sure that is: `stated` by the provider, `approximate`, a `placeholder`, or `unknown`.
    basis: String,
    /// Credits that createGeneration takes for it; null where generations cost none here.
    credits: Option<f64>,
}

#[derive(Default)]
pub(super) struct CreditQueries;

#[Object]
impl CreditQueries {
    /// What a generation with these parameters is expected to cost. They are checked as createGeneration
    /// checks them.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::GenerationsRead)),
        complexity = "10 + child_complexity"
    )]
    async fn estimate_cost(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Name of the generator, one of `generators`.")] generator_name: String,
        #[graphql(desc = "Parameters that satisfy the generator's inputSchema.")]
        input_params: Json<serde_json::Value>,
    ) -> Result<CostEstimate> {
        let scope = Session::scope_of(context)?;
        let request = GenerationRequest {
            generator_name,
            artifact_type: None,
            input_params: input_params.0,
            metadata: JsonObject::new(),
        };
        let cost = request.estimate(context.data::<Arc<Registry>>()?, scope).await?;
        let usd = cost.as_ref().map(|cost| cost.usd);
        let (kind, basis) = cost.map_or_else(unknown, |cost| (cost.kind, cost.basis));
        let credits = scope.store().credits().map(|rules| rules.price(usd).to_f64());
        Ok(CostEstimate { usd: usd.and_then(|usd| usd.to_f64()), kind, basis, credits })
    }
}

fn unknown() -> (String, String) {
    ("unknown".to_owned(), "unknown".to_owned())
}

#[derive(Default)]
pub(super) struct CreditMutations;

#[Object]
impl CreditMutations {
    /// Gives a user of the tenant credits, and says how many they have then.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn grant_credits(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the user.")] user_id: Uuid,
        #[graphql(desc = "Credits, above 0 and below 1,000,000, with at most four decimals.")]
        amount: f64,
        #[graphql(desc = "What for, at most 500 characters.")] description: Option<String>,
    ) -> Result<f64> {
        let people = Session::of(context)?.people()?;
        let mut validator = Validator::new();
        let credits = Decimal::from_f64(amount).and_then(Credits::exactly);
        validator.check(credits.is_some(), "amount", || {
            "amount must be above 0 and below 1000000, with at most four decimals".to_owned()
        });
        let description = description.as_deref();
        let description = description
            .and_then(|text| validator.optional_text("description", text, DESCRIPTION_MAX));
        validator.finish()?;
        let credits = credits.ok_or_else(|| Error::internal("an amount that was checked"))?;
        let balance = people.grant_credits(user_id.into(), credits, description.as_deref()).await?;
        Ok(balance.to_f64())
    }
}
