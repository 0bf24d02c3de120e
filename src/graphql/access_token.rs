//! The caller's access tokens: the types, the query and the mutations.

use async_graphql::{Context, Object, Result};
use chrono::{DateTime, Days, SubsecRound, Utc};
use uuid::Uuid;

use super::{
    access::{Caller, SignedIn, access, granted},
    arguments::cost,
    auditing::Trail,
    session::Session,
};
use crate::{
    auth::{AuthContext, Credential, OwnToken},
    domain::{TokenScope, TokenScopes, Validator},
    error::Error,
    store::{ACCESS_TOKENS_MAX, AccessToken, NewAccessToken},
};

const NAME_MAX: usize = 100;
/// Ten years. A token without an end is allowed; a date beyond is a mistake, and one far beyond
/// cannot be stored.
const LIFETIME_MAX: Days = Days::new(3_653);

/// An access token of the caller's.
pub(super) struct AccessTokenObject(AccessToken);

impl From<AccessToken> for AccessTokenObject {
    fn from(token: AccessToken) -> Self {
        Self(token)
    }
}

/// A token that this server issued to a script or an agent, which acts with it as its user and within
/// its scopes.
#[Object(name = "AccessToken")]
impl AccessTokenObject {
    /// Id of the token, which is not the token.
    async fn id(&self) -> Uuid {
        self.0.id.into()
    }

    /// What its user calls it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it was granted.
    async fn scopes(&self) -> Vec<&'static str> {
        self.0.scopes.iter().map(TokenScope::as_str).collect()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// From this moment on it is refused; null when it does not end.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// When it was last used, right to the minute; null when it was not, or less than a minute ago for
    /// the first time.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }
}

/// A token that was just made.
pub(super) struct NewAccessTokenObject {
    token: OwnToken,
    row: AccessToken,
}

/// A token that was just made, with the token itself.
#[Object(name = "NewAccessToken")]
impl NewAccessTokenObject {
    /// The token, to be sent as `Authorization: Bearer`. It is shown here once and kept nowhere.
    async fn token(&self) -> &str {
        self.token.expose()
    }

    /// What is known of it from now on.
    async fn access_token(&self) -> AccessTokenObject {
        self.row.clone().into()
    }
}

#[derive(Default)]
pub(super) struct AccessTokenQueries;

#[Object]
impl AccessTokenQueries {
    /// The caller's access tokens in this tenant that are not revoked, newest first; at most 100.
    #[graphql(
        guard = "SignedIn(TokenScope::TokensWrite)",
        directive = access::apply(Caller::User, None, granted(TokenScope::TokensWrite)),
        complexity = "cost(ACCESS_TOKENS_MAX, child_complexity)"
    )]
    async fn access_tokens(&self, context: &Context<'_>) -> Result<Vec<AccessTokenObject>> {
        let tokens = Session::scope_of(context)?.access_tokens().await?;
        Ok(tokens.into_iter().map(AccessTokenObject::from).collect())
    }
}

#[derive(Default)]
pub(super) struct AccessTokenMutations;

#[Object]
impl AccessTokenMutations {
    /// Makes an access token that acts as the caller in this tenant. It is never wider than the token
    /// it is made with, and one that is made with an access token ends with that one at the latest.
    #[graphql(
        guard = "SignedIn(TokenScope::TokensWrite)",
        directive = access::apply(Caller::User, None, granted(TokenScope::TokensWrite))
    )]
    async fn create_access_token(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to call it, 1 to 100 characters.")] name: String,
        #[graphql(desc = "What it may be used for, as `boards:read`; at least one scope.")]
        scopes: Vec<String>,
        #[graphql(
            desc = "When it ends, within ten years. Omitted: with the access token it is made \
                          with, otherwise never."
        )]
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<NewAccessTokenObject> {
        let caller = Session::of(context)?;
        let token = OwnToken::generate()?;
        let new = check(caller, &token, &name, &scopes, expires_at)?;
        let row = caller.scope().create_access_token(new).await?;
        Trail::made(context, "accessToken", row.id);
        Ok(NewAccessTokenObject { token, row })
    }

    /// Revokes an access token of the caller's and all that were made with it: they are refused from
    /// the next request on. False when it was revoked already.
    #[graphql(
        guard = "SignedIn(TokenScope::TokensWrite)",
        directive = access::apply(Caller::User, None, granted(TokenScope::TokensWrite))
    )]
    async fn revoke_access_token(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the access token.")] id: Uuid,
    ) -> Result<bool> {
        Ok(Session::scope_of(context)?.revoke_access_token(id.into()).await?)
    }
}

/// What the caller may not give comes before what is wrong with the input.
fn check(
    caller: &AuthContext,
    token: &OwnToken,
    name: &str,
    names: &[String],
    expires_at: Option<DateTime<Utc>>,
) -> Result<NewAccessToken, Error> {
    let scopes = TokenScopes::known(names.iter().map(String::as_str));
    let grantable = scopes.without(TokenScope::PlatformAdmin);
    grantable.iter().try_for_each(|scope| caller.require_scope(scope))?;
    let mut validator = Validator::new();
    let name = validator.text("name", name, NAME_MAX);
    // It stands in lists, where a second line would pass for another token.
    validator.check(!name.contains(['\n', '\r']), "name", || "name must be one line".to_owned());
    check_scopes(names, &mut validator);
    let (parent, limit) = match caller.credential() {
        Credential::AccessToken(id) => (Some(*id), caller.expires_at()),
        Credential::Provider(_) | Credential::None => (None, None),
    };
    let expires_at = end(expires_at, limit, &mut validator);
    validator.finish()?;
    Ok(NewAccessToken { name, secret_hash: token.hash(), scopes: grantable, expires_at, parent })
}

fn check_scopes(names: &[String], validator: &mut Validator) {
    let full = TokenScopes::full_rights();
    let is_grantable = |name: &String| name.parse().is_ok_and(|scope| full.allows(scope));
    validator.check(!names.is_empty(), "scopes", || "scopes must not be empty".to_owned());
    validator.check(names.iter().all(is_grantable), "scopes", || {
        let known: Vec<&str> = full.iter().map(TokenScope::as_str).collect();
        format!("scopes must be among {}", known.join(", "))
    });
}

/// When the token ends. `limit` is the end of the access token it is made with.
fn end(
    asked: Option<DateTime<Utc>>,
    limit: Option<DateTime<Utc>>,
    validator: &mut Validator,
) -> Option<DateTime<Utc>> {
    let Some(asked) = asked else { return limit };
    let now = Utc::now();
    validator.check(asked > now, "expiresAt", || "expiresAt must be in the future".to_owned());
    validator.check(asked <= now + LIFETIME_MAX, "expiresAt", || {
        "expiresAt must be within ten years".to_owned()
    });
    validator.check(limit.is_none_or(|limit| asked <= limit), "expiresAt", || {
        "expiresAt must not be after the end of the access token that this one is made with"
            .to_owned()
    });
    Some(asked.trunc_subsecs(6))
}
