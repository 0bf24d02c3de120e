//! Charges callers for how much an operation asks for, once that is known and before it runs.

use std::sync::Arc;

use async_graphql::{
    ServerError, ServerResult, ValidationResult, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextValidation},
    parser::types::ExecutableDocument,
};

use super::error::request_error;
use crate::{
    error::{Error, Result},
    rate_limit::{Meter, Points},
};

/// Charges for each operation once, by its complexity, or a little for one that is not valid.
pub(super) struct Charging;

impl ExtensionFactory for Charging {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

impl Charging {
    fn charge(context: &ExtensionContext<'_>, points: Points) -> Result<()> {
        let meter = context.data_opt::<Meter>();
        meter.ok_or_else(|| Error::internal("an operation without a meter"))?.charge(points)
    }

    /// What is refused in any case is paid for as far as there are points.
    fn refused<E>(context: &ExtensionContext<'_>, error: E) -> E {
        let _ = Self::charge(context, Points::REFUSED_OPERATION);
        error
    }
}

#[async_trait::async_trait]
impl Extension for Charging {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let parsed = next.run(context, query, variables).await;
        parsed.map_err(|error| Self::refused(context, error))
    }

    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let validated = next.run(context).await;
        let result = validated.map_err(|errors| Self::refused(context, errors))?;
        Self::charge(context, Points::of_operation(result.complexity))
            .map_err(|error| vec![request_error(&error)])?;
        Ok(result)
    }
}
