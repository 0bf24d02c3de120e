//! A user's access tokens: making, listing and revoking them. A token that was made with another one
//! ends with it at the latest.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockType},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Scope, SessionChange, Transaction,
    entity::{
        access_tokens::{ActiveModel, Column, Entity, Model},
        users,
    },
    now,
};
use crate::{
    domain::{AccessTokenId, TokenScope, TokenScopes},
    error::{Error, Result},
};

/// Tokens of one user that are not revoked.
pub const ACCESS_TOKENS_MAX: usize = 100;

/// An access token, as its row says. The token itself is in no row.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// Its id.
    pub id: AccessTokenId,
    /// What its user calls it, 1 to 100 characters.
    pub name: String,
    /// What it was granted.
    pub scopes: TokenScopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From this moment on it is refused; `None` is never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, as far as that has been written: see [`super::System::note_token_uses`].
    pub last_used_at: Option<DateTime<Utc>>,
}

impl From<Model> for AccessToken {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            scopes: scopes(&row.scopes),
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// What cannot be read grants nothing.
pub(super) fn scopes(column: &Value) -> TokenScopes {
    let names = column.as_array().map(Vec::as_slice).unwrap_or_default();
    TokenScopes::known(names.iter().filter_map(Value::as_str))
}

/// A token that is to be made; its fields are checked.
#[derive(Clone, Debug)]
pub struct NewAccessToken {
    /// 1 to 100 characters.
    pub name: String,
    /// The SHA-256 of the token, in 64 hexadecimal digits.
    pub secret_hash: String,
    /// Within what the creator's own token was granted.
    pub scopes: TokenScopes,
    /// Not after the end of the token it is made with.
    pub expires_at: Option<DateTime<Utc>>,
    /// The access token that it is made with, if it is made with one.
    pub parent: Option<AccessTokenId>,
}

impl Scope {
    /// The viewer's tokens that are not revoked, newest first; at most [`ACCESS_TOKENS_MAX`].
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn access_tokens(&self) -> Result<Vec<AccessToken>> {
        let user = self.user()?;
        let rows = self
            .find::<Entity>()
            .filter(Column::UserId.eq(user.0))
            .filter(Column::RevokedAt.is_null())
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(ACCESS_TOKENS_MAX as u64)
            .all(self.read())
            .await?;
        Ok(rows.into_iter().map(AccessToken::from).collect())
    }

    /// Makes a token of the viewer's. When there are as many as there may be, expired ones give way.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the viewer has [`ACCESS_TOKENS_MAX`] tokens, [`Error::InvalidToken`]
    /// when the one it is made with was revoked meanwhile.
    pub async fn create_access_token(&self, new: NewAccessToken) -> Result<AccessToken> {
        let now = now();
        let transaction = self.store().begin().await?;
        let kept = self.lock_access_tokens(&transaction).await?;
        let is_kept = |id: AccessTokenId| kept.iter().any(|token| token.id == id.0);
        if new.parent.is_some_and(|parent| !is_kept(parent)) {
            return Err(Error::InvalidToken);
        }
        if kept.len() >= ACCESS_TOKENS_MAX {
            let expired = |token: &&Model| token.expires_at.is_some_and(|end| end <= now);
            let expired: Vec<Uuid> = kept.iter().filter(expired).map(|token| token.id).collect();
            if expired.is_empty() {
                let message = format!("You already have {ACCESS_TOKENS_MAX} access tokens");
                return Err(Error::Conflict(message));
            }
            self.mark_revoked(&transaction, &expired, now).await?;
        }
        let row = self.row_of(new, now)?;
        let row = Entity::insert(row).exec_with_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(row.into())
    }

    /// Revokes a token of the viewer's and all that were made with it. False when it was revoked
    /// already.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], or [`Error::NotFound`] for a token that is not the viewer's.
    pub async fn revoke_access_token(&self, id: AccessTokenId) -> Result<bool> {
        let transaction = self.store().begin().await?;
        let kept = self.lock_access_tokens(&transaction).await?;
        if !kept.iter().any(|token| token.id == id.0) {
            return self.was_revoked(&transaction, id).await;
        }
        let revoked = with_descendants(&kept, id.0);
        self.mark_revoked(&transaction, &revoked, now()).await?;
        transaction.commit().await?;
        for id in revoked {
            self.store().events().session_changed(SessionChange::AccessToken(id.into()));
        }
        Ok(true)
    }

    /// The viewer's tokens that are not revoked, behind a lock on the viewer's row: so that nobody
    /// makes a token while the one it is made with is being revoked, or one too many.
    async fn lock_access_tokens(&self, transaction: &Transaction) -> Result<Vec<Model>> {
        let user = self.user()?;
        self.find::<users::Entity>()
            .filter(users::Column::Id.eq(user.0))
            // Rows that point at the user may be written meanwhile.
            .lock(LockType::NoKeyUpdate)
            .one(transaction)
            .await?
            .ok_or(Error::InvalidToken)?;
        let kept = self
            .find::<Entity>()
            .filter(Column::UserId.eq(user.0))
            .filter(Column::RevokedAt.is_null())
            .all(transaction)
            .await?;
        Ok(kept)
    }

    async fn was_revoked(&self, transaction: &Transaction, id: AccessTokenId) -> Result<bool> {
        self.find::<Entity>()
            .filter(Column::UserId.eq(self.user()?.0))
            .filter(Column::Id.eq(id.0))
            .one(transaction)
            .await?
            .ok_or(Error::NotFound("Access token"))?;
        Ok(false)
    }

    async fn mark_revoked(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        now: DateTime<Utc>,
    ) -> Result<()> {
        Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(now))
            .filter(Column::TenantId.eq(self.tenant().0))
            .filter(Column::Id.is_in(ids.iter().copied()))
            .exec(transaction)
            .await?;
        Ok(())
    }

    fn row_of(&self, new: NewAccessToken, now: DateTime<Utc>) -> Result<ActiveModel> {
        let scopes: Vec<&str> = new.scopes.iter().map(TokenScope::as_str).collect();
        Ok(ActiveModel {
            id: Set(AccessTokenId::new().0),
            tenant_id: Set(self.tenant().0),
            user_id: Set(self.user()?.0),
            parent_id: Set(new.parent.map(Uuid::from)),
            name: Set(new.name),
            secret_hash: Set(new.secret_hash),
            scopes: Set(json!(scopes)),
            created_at: Set(now),
            expires_at: Set(new.expires_at),
            last_used_at: Set(None),
            revoked_at: Set(None),
        })
    }
}

/// The token and those made with it, with those made with them, and so on. What is revoked already
/// was revoked with its descendants.
fn with_descendants(kept: &[Model], root: Uuid) -> Vec<Uuid> {
    let mut found = vec![root];
    let mut seen = HashSet::from([root]);
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = kept.iter().filter(|token| token.parent_id == Some(parent));
        found.extend(children.map(|token| token.id).filter(|id| seen.insert(*id)));
        next += 1;
    }
    found
}
