//! What is asked and written about access tokens when they are used: the few queries about them that
//! know neither tenant nor viewer yet.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{CaseStatement, Expr},
};

use super::{
    System, Tenant, User,
    access_tokens::scopes,
    corrupt,
    entity::{
        access_tokens::{Column, Entity},
        tenants, users,
    },
};
use crate::{
    domain::{AccessTokenId, TokenScopes},
    error::Result,
};

/// Rows written by one statement.
const BATCH: usize = 500;

/// A token that was found by its hash, with its user and tenant.
#[derive(Clone, Debug)]
pub struct PresentedToken {
    /// Its id.
    pub id: AccessTokenId,
    /// What it was granted.
    pub scopes: TokenScopes,
    /// From this moment on it is refused; `None` is never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// The user it acts for.
    pub user: User,
    /// The tenant it acts in.
    pub tenant: Tenant,
}

impl System<'_> {
    /// The token with that hash, its user and its tenant, in one indexed read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn presented_token(&self, secret_hash: &str) -> Result<Option<PresentedToken>> {
        let row = Entity::find()
            .filter(Column::SecretHash.eq(secret_hash))
            .find_also_related(users::Entity)
            .find_also_related(tenants::Entity)
            .one(self.store().read())
            .await?;
        let Some((token, user, tenant)) = row else { return Ok(None) };
        Ok(Some(PresentedToken {
            id: token.id.into(),
            scopes: scopes(&token.scopes),
            expires_at: token.expires_at,
            is_revoked: token.revoked_at.is_some(),
            user: user.ok_or_else(|| corrupt("access_tokens", "user_id"))?.into(),
            tenant: tenant.ok_or_else(|| corrupt("access_tokens", "tenant_id"))?.try_into()?,
        }))
    }

    /// Writes when tokens were last used, many to a statement, behind the requests. Of several
    /// servers the last to write wins; what it overwrites is at most one interval away.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_token_uses(
        &self,
        uses: &HashMap<AccessTokenId, DateTime<Utc>>,
    ) -> Result<()> {
        let uses: Vec<_> = uses.iter().collect();
        for batch in uses.chunks(BATCH) {
            let mut time_of = CaseStatement::new();
            for (id, time) in batch {
                time_of = time_of.case(Column::Id.eq(id.0), Expr::value(**time));
            }
            Entity::update_many()
                .col_expr(Column::LastUsedAt, time_of.into())
                .filter(Column::Id.is_in(batch.iter().map(|(id, _)| id.0)))
                .exec(self.store().behind())
                .await?;
        }
        Ok(())
    }
}
