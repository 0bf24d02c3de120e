//! The floor: each route runs one hand-written statement, whose JSON `PostgreSQL` builds, and
//! passes the text on. No GraphQL, no tokens, no access rules beyond those in the statements.
//!
//! `FLOOR_DATABASE_URL` names the database, `FLOOR_PORT` the port on 127.0.0.1.

mod statements;

use std::{env, error::Error, net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use deadpool_postgres::{Config, ManagerConfig, Pool, PoolConfig, RecyclingMethod, Runtime};
use tokio::net::TcpListener;
use tokio_postgres::{NoTls, types::ToSql};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as the server has unless it is told otherwise.
const CONNECTIONS: usize = 16;
const DEFAULT_PORT: u16 = 8802;
const SEARCH_PATTERN: &str = "%board 17%";
const NEW_TITLE: &str = "bench";

type SharedPool = State<Arc<Pool>>;

async fn text(
    pool: &Pool,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let client = pool.get().await?;
    let prepared = client.prepare_cached(statement).await?;
    Ok(client.query_one(&prepared, parameters).await?.try_get(0)?)
}

async fn answer(pool: &Pool, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Response {
    match text(pool, statement, parameters).await {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => {
            eprintln!("{error}");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

async fn me(pool: SharedPool, Path((tenant, subject)): Path<(String, String)>) -> Response {
    answer(&pool, statements::ME, &[&tenant, &subject]).await
}

async fn board(pool: SharedPool, Path((board, user)): Path<(Uuid, Uuid)>) -> Response {
    answer(&pool, statements::BOARD, &[&board, &user]).await
}

async fn my_boards(pool: SharedPool, Path(user): Path<Uuid>) -> Response {
    answer(&pool, statements::MY_BOARDS, &[&user]).await
}

async fn public_boards(pool: SharedPool, Path(tenant): Path<String>) -> Response {
    answer(&pool, statements::PUBLIC_BOARDS, &[&tenant]).await
}

async fn recent(pool: SharedPool, Path(user): Path<Uuid>) -> Response {
    answer(&pool, statements::RECENT, &[&user]).await
}

async fn search(pool: SharedPool, Path(user): Path<Uuid>) -> Response {
    answer(&pool, statements::SEARCH, &[&user, &SEARCH_PATTERN]).await
}

async fn create_board(pool: SharedPool, Path(user): Path<Uuid>) -> Response {
    answer(&pool, statements::CREATE_BOARD, &[&user, &NEW_TITLE]).await
}

fn pool() -> Result<Pool, Box<dyn Error>> {
    let mut config = Config::new();
    config.url = Some(
        env::var("FLOOR_DATABASE_URL").map_err(|_| "FLOOR_DATABASE_URL=postgres://… is not set")?,
    );
    config.manager = Some(ManagerConfig { recycling_method: RecyclingMethod::Fast });
    config.pool = Some(PoolConfig::new(CONNECTIONS));
    Ok(config.create_pool(Some(Runtime::Tokio1), NoTls)?)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let routes = Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/me/{tenant}/{subject}", get(me))
        .route("/board/{board}/{user}", get(board))
        .route("/my_boards/{user}", get(my_boards))
        .route("/public_boards/{tenant}", get(public_boards))
        .route("/recent/{user}", get(recent))
        .route("/search/{user}", get(search))
        .route("/create_board/{user}", get(create_board))
        .with_state(Arc::new(pool()?));
    let port = env::var("FLOOR_PORT").map_or(Ok(DEFAULT_PORT), |port| port.parse())?;
    axum::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?, routes).await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(serve())
}
