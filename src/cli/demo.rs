//! `boards demo`: sample users, boards and generations, which the next `boards serve` runs.

mod openai;
mod stand_in;

use serde_json::{Value, json};

use super::{
    Failure,
    args::{DemoArgs, DemoKind},
    print,
};
use crate::{
    app::{StartError, open_store},
    config::Config,
    domain::{
        BoardQueryRole, JsonObject, MemberRole, Page, Permission, SortOrder, TenantId, TenantRole,
        UserId, Validator,
    },
    error::Result,
    generators::Registry,
    jobs::GenerationRequest,
    store::{
        Board, BoardParts, Generation, NewBoard, Newcomer, Profile, Scope, Store, TenantReference,
        Viewer,
    },
};

/// Who owns the boards: the local user under provider none, otherwise a subject to sign a token for.
const OWNER: (&str, &str) = ("ada", "Ada Lovelace");
const MEMBER: (&str, &str) = ("grace", "Grace Hopper");

pub(super) async fn run(config: Config, arguments: &DemoArgs) -> Result<(), Failure> {
    match arguments.what {
        None => samples(&config).await,
        Some(DemoKind::Openai) => openai::run(config, arguments.prompt.as_deref()).await,
    }
}

async fn samples(config: &Config) -> Result<(), Failure> {
    let store = open_store(config).await?;
    let Home { tenant, provider, scope } = home(config, &store).await?;
    let member_id = provision(&store, tenant, &provider, MEMBER, TenantRole::Member).await?;
    let page = Page::new(1, 0, &mut Validator::new());
    let (mine, order) = (BoardQueryRole::Owner, SortOrder::CreatedAsc);
    if !scope.my_boards(mine, order, page, BoardParts::ROW).await?.is_empty() {
        print("There are boards already; nothing was added")?;
        return Ok(store.close().await?);
    }
    let registry = Registry::builtin().map_err(StartError::Generators)?;
    let patterns = board(&scope, "Patterns", "Five styles, one prompt", true).await?;
    add_member(&scope, &patterns, member_id).await?;
    for style in ["plasma", "stripes", "circles", "voronoi", "truchet"] {
        let params = json!({ "prompt": "a calm sea", "style": style, "palette": "ocean" });
        queue(&scope, &registry, &patterns, "pattern-image", params).await?;
    }
    let private = board(&scope, "Invitation", "A code and a chime, for us alone", false).await?;
    let code = json!({ "text": "https://example.com/invitation" });
    queue(&scope, &registry, &private, "qr-code", code).await?;
    let chime = json!({ "notes": "C5 E5 G5:2", "duration": 1.5 });
    queue(&scope, &registry, &private, "tone-audio", chime).await?;
    print("Made 2 boards with 7 generations; `boards` runs them and shows them at its URL")?;
    Ok(store.close().await?)
}

/// Where the boards of demos are, and their owner.
struct Home {
    tenant: TenantId,
    /// Who the people are known by.
    provider: String,
    /// The owner's.
    scope: Scope,
}

async fn home(config: &Config, store: &Store) -> Result<Home, Failure> {
    let system = store.system();
    system.ensure_default_tenant(&config.default_tenant_slug).await?;
    let slug = TenantReference::Slug(config.default_tenant_slug.clone());
    let tenant = system.tenant(&slug).await?.ok_or_else(|| Failure::new("no default tenant"))?.id;
    let issuers = config.trusted_issuers();
    let (provider, owner, role) = match issuers.first() {
        None => ("none".to_owned(), ("local", "Local user"), TenantRole::Admin),
        Some(issuer) => (issuer.name.clone(), OWNER, TenantRole::Member),
    };
    let owner = provision(store, tenant, &provider, owner, role).await?;
    Ok(Home { tenant, provider, scope: Scope::new(store, tenant, Viewer::User(owner)) })
}

async fn provision(
    store: &Store,
    tenant: TenantId,
    provider: &str,
    (subject, name): (&str, &str),
    role: TenantRole,
) -> Result<UserId> {
    let profile =
        Profile { provider, subject, email: None, display_name: Some(name), avatar_url: None };
    let newcomer = Newcomer { profile, verified_email: None, role };
    Ok(store.system().join(tenant, newcomer).await?.user.id)
}

async fn board(scope: &Scope, title: &str, description: &str, is_public: bool) -> Result<Board> {
    let new = NewBoard {
        title: title.to_owned(),
        description: Some(description.to_owned()),
        is_public,
        settings: JsonObject::new(),
        metadata: JsonObject::new(),
    };
    scope.create_board(new).await
}

async fn add_member(scope: &Scope, board: &Board, member: UserId) -> Result<()> {
    let board = scope.authorize_board(board.id, Permission::ManageMembers).await?;
    board.add_member(member, MemberRole::Editor).await?;
    Ok(())
}

async fn queue(
    scope: &Scope,
    registry: &Registry,
    board: &Board,
    generator: &str,
    input_params: Value,
) -> Result<Generation> {
    let request = GenerationRequest {
        generator_name: generator.to_owned(),
        artifact_type: None,
        input_params,
        metadata: JsonObject::new(),
    };
    let new = request.check(registry, scope).await?;
    scope.authorize_board(board.id, Permission::Create).await?.queue_generation(new).await
}
