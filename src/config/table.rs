//! Every setting there is, in one table: flags, TOML keys, errors, `--help` and the README come
//! from it.

use super::setting::{Fallback, Group, Kind, Row};

use Fallback::{Derived, Unset, Value};
use Group::{Authentication, Database, Limits, Logs, Server, Storage, Tenants, Worker};
use Kind::{Choice, Number, Secret, Switch, Text};

const GIBIBYTE: u64 = 1 << 30;
const WEEK: u64 = 7 * 24 * 3600;

const fn row(
    group: Group,
    name: &'static str,
    fallback: Fallback,
    kind: Kind,
    description: &'static str,
) -> Row {
    Row { group, name, fallback, kind, description }
}

/// The names stand without their prefix `BOARDS_`.
#[rustfmt::skip] // One setting in two lines can be read down; reflowed it takes six.
pub(super) const ROWS: &[Row] = &[
    row(Server, "API_HOST", Value("127.0.0.1"), Text("an IP address or localhost"),
        "Address to listen on; 0.0.0.0 or :: for every one of this machine"),
    row(Server, "API_PORT", Value("8088"), Number(0, 65_535),
        "Port to listen on; 0 takes a free one"),
    row(Server, "PUBLIC_URL", Derived("http://host:port"), Text("an http or https URL without user, query and fragment"),
        "How clients reach this server; base of the storage links"),
    row(Server, "CORS_ORIGINS", Value("http://localhost:3033"), Text("a comma-separated list of origins such as https://app.example.com, or off"),
        "Web pages of these origins may call the API, comma-separated; off allows none"),
    row(Server, "ALLOW_INSECURE", Value("false"), Switch,
        "Lets the provider none listen beyond loopback, where everyone who reaches the port is the same user"),
    row(Server, "MIGRATE", Value("false"), Switch,
        "Migrates PostgreSQL at the start too; the embedded database always is"),
    row(Server, "SHUTDOWN_TIMEOUT_SECONDS", Value("30"), Number(0, 3600),
        "How long running requests and generations may take to end when the server stops"),
    row(Server, "INTROSPECTION", Value("true"), Switch,
        "Whether clients may ask for the schema"),
    row(Server, "PLAYGROUND", Value("true"), Switch,
        "Whether GET / and /graphql in a browser show GraphiQL"),
    row(Database, "DATABASE_URL", Derived("sqlite://{data dir}/boards.db?mode=rwc"), Secret("a URL that starts with sqlite:// and names a file, or with postgres:// or postgresql://, with special characters of user and password percent-encoded"),
        "The database: sqlite://path?mode=rwc or postgres://user:password@host/name"),
    row(Database, "DATA_DIR", Value("./data"), Text("a path"),
        "Folder of the embedded database, the artifacts and the signing key"),
    row(Database, "DATABASE_MAX_CONNECTIONS", Value("16"), Number(1, 1000),
        "Most connections to the database at once"),
    row(Authentication, "AUTH_PROVIDER", Value("none"), Choice(&["none", "jwt"]),
        "Who judges tokens: none (development: everyone is one local user) or jwt"),
    row(Authentication, "JWT_SECRET", Unset, Secret("at least 32 bytes long"),
        "Secret for HS256, HS384 and HS512, at least 32 bytes; better in the environment than as a flag, which other users of the machine can see"),
    row(Authentication, "JWT_ALGORITHM", Value("HS256"), Choice(&["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"]),
        "The one algorithm that tokens must be signed with"),
    row(Authentication, "JWT_PUBLIC_KEY", Unset, Secret("a public key in PEM, or left unset"),
        "Public key in PEM, for RS256, ES256 and EdDSA"),
    row(Authentication, "JWT_PUBLIC_KEY_FILE", Unset, Text("the path of a PEM file with a public key"),
        "File that holds the public key in PEM, instead of JWT_PUBLIC_KEY"),
    row(Authentication, "AUTH_ISSUER", Unset, Text("text"),
        "What a token's iss must be; unset: not checked"),
    row(Authentication, "AUTH_AUDIENCE", Unset, Text("text"),
        "What a token's aud must hold; unset: tokens that name an audience are refused"),
    row(Authentication, "AUTH_LEEWAY_SECONDS", Value("30"), Number(0, 600),
        "How far the clocks of issuer and server may differ"),
    row(Tenants, "MULTI_TENANT_MODE", Value("false"), Switch,
        "Whether there are tenants besides the default one"),
    row(Tenants, "DEFAULT_TENANT_SLUG", Value("default"), Text("a slug: lower-case letters a to z, digits and inner hyphens, at most 255"),
        "Slug of the tenant that is made at the first start"),
    row(Tenants, "TENANT_CLAIM", Derived("tenant, tenant_id, org_slug, org, organization: the first there is"), Text("the name of a claim other than sub, exp, iat, nbf, iss, aud, jti, email, email_verified, name and picture, at most 255 characters"),
        "The claim of the token that names the tenant"),
    row(Storage, "STORAGE_URL", Derived("file://{data dir}/storage"), Text("file:// and a path"),
        "Where artifacts are kept"),
    row(Storage, "SIGNING_SECRET", Derived("made at the first start and kept in {data dir}/signing.key"), Secret("at least 32 bytes long"),
        "Secret that signs storage links, at least 32 bytes; servers that share a database need the same"),
    row(Storage, "STORAGE_LINK_SECONDS", Value("3600"), Number(60, WEEK),
        "How long a storage link works"),
    row(Worker, "WORKER_ENABLED", Value("true"), Switch,
        "Runs generations inside the server process"),
    row(Worker, "WORKER_CONCURRENCY", Value("4"), Number(1, 256),
        "How many generations run at once"),
    row(Limits, "MAX_UPLOAD_BYTES", Value("104857600"), Number(1, 1024 * GIBIBYTE),
        "Largest upload"),
    row(Limits, "MAX_BODY_BYTES", Value("1048576"), Number(1024, GIBIBYTE),
        "Largest body of a GraphQL request"),
    row(Limits, "MAX_QUERY_DEPTH", Value("20"), Number(15, 1000),
        "Deepest nesting of a GraphQL operation"),
    row(Limits, "MAX_QUERY_COMPLEXITY", Value("50000"), Number(500, 1_000_000_000),
        "Highest cost of a GraphQL operation"),
    row(Limits, "MAX_QUERY_ALIASES", Value("50"), Number(0, 100_000),
        "Most aliases in a GraphQL operation"),
    row(Limits, "MAX_BATCH_SIZE", Value("10"), Number(1, 1000),
        "Most operations in one GraphQL request"),
    row(Limits, "REQUEST_TIMEOUT_SECONDS", Value("30"), Number(1, 3600),
        "How long a request may take; uploads, downloads and streams excepted"),
    row(Limits, "FETCH_TIMEOUT_SECONDS", Value("60"), Number(1, 3600),
        "How long uploadArtifact may fetch from a URL"),
    row(Limits, "RATE_LIMIT", Unset, Text("off or a limit"),
        "off switches rate limits off; kept for later, nothing is limited yet"),
    row(Logs, "LOG_LEVEL", Value("info"), Text("off, error, warn, info, debug or trace, or pairs target=level, comma-separated"),
        "What is logged, as tracing's EnvFilter reads it: info, or info,boards=debug"),
    row(Logs, "LOG_FORMAT", Value("text"), Choice(&["text", "json"]),
        "How log lines look: text or json"),
];
