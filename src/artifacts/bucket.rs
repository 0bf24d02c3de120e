//! Opening a bucket of a cloud, with the credentials that the cloud's usual variables hold.

use std::{sync::Arc, time::Duration};

use object_store::{
    ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path,
    prefix::PrefixStore,
};

use super::{StoreError, presigner::Presigner};
use crate::config::{BucketUrl, Cloud, CloudVariables};

/// How long a cloud may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a cloud may be silent. Nothing bounds the whole of a request: a long file takes long.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// How often what may pass is tried again, and how long all of that may take.
const RETRIES: usize = 4;
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// How buckets are reached.
#[derive(Clone, Debug, Default)]
pub struct CloudAccess {
    /// The usual variables of the clouds.
    pub variables: CloudVariables,
    /// The server of all `s3://` stores, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// Whether addresses are signed for browsers, where that needs nobody's help.
    pub presign: bool,
    /// Whether nothing is tried again, so that what is wrong shows at once.
    pub at_once: bool,
}

/// A bucket that is ready to be used.
pub(super) struct OpenBucket {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// What stands before each key; `objects` adds it, a signer does not.
    pub(super) prefix: Path,
    pub(super) presigner: Option<Presigner>,
}

impl CloudAccess {
    fn retry(&self) -> RetryConfig {
        let max_retries = if self.at_once { 0 } else { RETRIES };
        RetryConfig { max_retries, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
    }

    /// Makes the client of a bucket. Nobody is asked anything yet.
    pub(super) fn open(&self, bucket: &BucketUrl) -> Result<OpenBucket, StoreError> {
        let prefix = Path::from_url_path(bucket.prefix())
            .map_err(|error| StoreError::Location(format!("{bucket} has a bad prefix: {error}")))?;
        let opened = match bucket.cloud() {
            Cloud::S3 => self.s3(bucket),
            Cloud::Google => self.google(bucket),
            Cloud::Azure => self.azure(bucket),
        };
        let (objects, presigner) = opened.map_err(|error| unusable(bucket, &error))?;
        let objects: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
            objects
        } else {
            Arc::new(PrefixStore::new(objects, prefix.clone()))
        };
        Ok(OpenBucket { objects, prefix, presigner: presigner.filter(|_| self.presign) })
    }

    fn s3(&self, bucket: &BucketUrl) -> object_store::Result<Opened> {
        let mut builder =
            AmazonS3Builder::new().with_client_options(client()).with_retry(self.retry());
        for (name, value) in self.variables.starting_with("AWS_") {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        if let Some(endpoint) = &self.endpoint {
            // The other one would win.
            builder = builder
                .with_config(AmazonS3ConfigKey::S3Endpoint, endpoint)
                .with_endpoint(endpoint);
        }
        let endpoint = builder
            .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
            .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
        // Whoever names an endpoint without TLS wants it so.
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        let signs = builder
            .get_config_value(&AmazonS3ConfigKey::SkipSignature)
            .is_none_or(|skips| skips == "false");
        let store = Arc::new(builder.with_url(bucket.as_str()).build()?);
        let presigner = signs.then(|| Presigner::new(store.clone(), true));
        Ok((store, presigner))
    }

    fn google(&self, bucket: &BucketUrl) -> object_store::Result<Opened> {
        let mut builder =
            GoogleCloudStorageBuilder::new().with_client_options(client()).with_retry(self.retry());
        let alone = self.variables.starting_with("SERVICE_ACCOUNT");
        let named = alone.map(|(_, path)| ("google_service_account", path));
        for (name, value) in named.chain(self.variables.starting_with("GOOGLE_")) {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let holds_key = has_google_key(&builder);
        let store = Arc::new(builder.with_url(bucket.as_str()).build()?);
        let presigner = holds_key.then(|| Presigner::new(store.clone(), true));
        Ok((store, presigner))
    }

    fn azure(&self, bucket: &BucketUrl) -> object_store::Result<Opened> {
        let mut builder =
            MicrosoftAzureBuilder::new().with_client_options(client()).with_retry(self.retry());
        for (name, value) in self.variables.starting_with("AZURE_") {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        for (_, endpoint) in self.variables.starting_with("IDENTITY_ENDPOINT") {
            builder = builder.with_msi_endpoint(endpoint);
        }
        let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        // Without the account's key a signature needs one that Azure hands out each time.
        let holds_key = builder.get_config_value(&AzureConfigKey::AccessKey).is_some();
        let store = Arc::new(builder.with_url(bucket.as_str()).build()?);
        let presigner = holds_key.then(|| Presigner::new(store.clone(), false));
        Ok((store, presigner))
    }
}

fn client() -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
}

type Opened = (Arc<dyn ObjectStore>, Option<Presigner>);

/// Whether there is a service account's private key. Any other identity of Google's has each
/// signature made by a request.
fn has_google_key(builder: &GoogleCloudStorageBuilder) -> bool {
    let set = |key| builder.get_config_value(&key);
    if set(GoogleConfigKey::ServiceAccount)
        .or_else(|| set(GoogleConfigKey::ServiceAccountKey))
        .is_some()
    {
        return true;
    }
    let file = set(GoogleConfigKey::ApplicationCredentials);
    let text = file.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    value["type"] == "service_account"
}

/// What is wrong, and where to put it right.
pub(super) fn unusable(bucket: &BucketUrl, error: &object_store::Error) -> StoreError {
    let variables = match bucket.cloud() {
        Cloud::S3 => {
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and BOARDS_STORAGE_ENDPOINT"
        }
        Cloud::Google => "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
        Cloud::Azure => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    };
    let problem = problem(error);
    StoreError::Location(format!("{bucket}: {problem}; check the address and {variables}"))
}

fn problem(error: &object_store::Error) -> String {
    const REFUSED: &str = "the credentials are missing or wrong, or may not list and write there";
    const UNKNOWN: &str = "there is no such bucket";
    match error {
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => REFUSED.to_owned(),
        object_store::Error::NotFound { .. } => UNKNOWN.to_owned(),
        other => {
            // A failed listing has no kind of its own in the crate.
            let text = without_secrets(&other.to_string());
            match text.split_once("status code: ").map(|(_, status)| status.get(..3)) {
                Some(Some("401" | "403")) => REFUSED.to_owned(),
                Some(Some("404")) => UNKNOWN.to_owned(),
                _ => text,
            }
        }
    }
}

/// The beginning of a message, without the documents that clouds answer with and without the queries
/// of addresses, which may hold signatures.
pub(super) fn without_secrets(message: &str) -> String {
    const MOST_CHARACTERS: usize = 300;
    let head = message.split(['<', '\n']).next().unwrap_or_default();
    let words = head.split_whitespace().map(|word| match word.split_once('?') {
        Some((address, _)) if word.contains("://") => address,
        _ => word,
    });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().take(MOST_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::{KeyPair, KeySize},
    };
    use base64::{Engine, prelude::BASE64_STANDARD};
    use chrono::Utc;
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::{
        artifacts::{ArtifactStore, HandOut, StorageKey},
        config::StorageUrl,
        domain::{BoardId, GenerationId, TenantId},
    };

    fn access(variables: &[(&str, &str)]) -> CloudAccess {
        let variables = variables.iter().copied().collect();
        CloudAccess { variables, presign: true, ..CloudAccess::default() }
    }

    fn open(url: &str, access: &CloudAccess) -> Result<ArtifactStore, StoreError> {
        let url: StorageUrl = url.parse().expect("an address");
        ArtifactStore::open(&url, access)
    }

    fn key(name: &str) -> StorageKey {
        StorageKey::new(TenantId::new(), BoardId::new(), GenerationId::new(), name).expect("a key")
    }

    fn hand_out(content_type: &'static str, disposition_matters: bool) -> HandOut {
        let disposition = "attachment; filename=\"my film.mp4\"".to_owned();
        HandOut { content_type, disposition, disposition_matters }
    }

    async fn signed(store: &ArtifactStore, key: &StorageKey, hand_out: &HandOut) -> Option<Url> {
        let lifetime = Duration::from_secs(1234);
        store.presigned(key, lifetime, hand_out).await.expect("signed here")
    }

    fn parameter(url: &Url, wanted: &str) -> Option<String> {
        let mut pairs = url.query_pairs();
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    }

    const AWS: [(&str, &str); 3] = [
        ("AWS_ACCESS_KEY_ID", "AKIAMADEUP"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t-s3cr3t"),
        ("AWS_REGION", "eu-central-1"),
    ];

    #[tokio::test]
    async fn s3_signs_the_address_with_its_headers() {
        let (key, film) = (key("artifact.mp4"), hand_out("video/mp4", true));
        let store = open("s3://boards/files", &access(&AWS)).expect("a store");
        let url = signed(&store, &key, &film).await.expect("an address");
        assert_eq!(url.host_str(), Some("s3.eu-central-1.amazonaws.com"));
        assert_eq!(url.path(), format!("/boards/files/{key}"));
        for (name, value) in [
            ("X-Amz-Expires", "1234"),
            ("response-content-type", "video/mp4"),
            ("response-content-disposition", film.disposition.as_str()),
        ] {
            assert_eq!(parameter(&url, name).as_deref(), Some(value), "{name}");
        }
        assert!(parameter(&url, "X-Amz-Signature").is_some());
        assert!(!url.as_str().contains("s3cr3t"));
    }

    #[tokio::test]
    async fn an_endpoint_of_ones_own_wins_and_may_lack_tls() {
        let key = key("artifact.png");
        let picture = hand_out("image/png", false);
        let variables = [&AWS[..], &[("AWS_ENDPOINT_URL_S3", "https://other.example")]].concat();
        let endpoint = Some("http://127.0.0.1:9000".to_owned());
        for (access, host) in [
            (access(&variables), "https://other.example/"),
            (CloudAccess { endpoint, ..access(&variables) }, "http://127.0.0.1:9000/"),
        ] {
            let store = open("s3://boards", &access).expect("a store");
            let url = signed(&store, &key, &picture).await.expect("an address");
            assert!(url.as_str().starts_with(&format!("{host}boards/{key}?")), "{url}");
        }
    }

    /// A service account whose key was made a moment ago.
    fn google_key() -> String {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("PKCS #8");
        let body = BASE64_STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        json!({
            "type": "service_account",
            "private_key": pem,
            "private_key_id": "1",
            "client_email": "boards@example.iam.gserviceaccount.com",
        })
        .to_string()
    }

    #[tokio::test]
    async fn google_signs_with_the_key_of_a_service_account() {
        let (account, key) = (google_key(), key("artifact.mp4"));
        let folder = tempfile::TempDir::new().expect("a folder");
        let file = folder.path().join("key.json");
        std::fs::write(&file, &account).expect("written");
        let file = file.to_str().expect("UTF-8");
        for variable in [
            ("GOOGLE_SERVICE_ACCOUNT_KEY", account.as_str()),
            ("GOOGLE_APPLICATION_CREDENTIALS", file),
            ("SERVICE_ACCOUNT", file),
        ] {
            let store = open("gs://boards/files", &access(&[variable])).expect("a store");
            let video = hand_out("video/mp4", true);
            let url = signed(&store, &key, &video).await.expect("an address");
            assert_eq!(url.host_str(), Some("storage.googleapis.com"));
            assert_eq!(url.path(), format!("/boards/files/{key}"));
            assert_eq!(parameter(&url, "X-Goog-Expires").as_deref(), Some("1234"));
            assert_eq!(parameter(&url, "response-content-type").as_deref(), Some("video/mp4"));
            assert!(parameter(&url, "X-Goog-Signature").is_some());
        }
    }

    #[tokio::test]
    async fn azure_signs_with_the_accounts_key_what_needs_no_headers() {
        let account = ("AZURE_STORAGE_ACCOUNT_NAME", "account");
        let secret = BASE64_STANDARD.encode("s3cr3t");
        let with_key = access(&[account, ("AZURE_STORAGE_ACCOUNT_KEY", &secret)]);
        let key = key("artifact.mp4");
        let (shown, saved) = (hand_out("video/mp4", false), hand_out("video/mp4", true));
        for address in ["az://boards/files", "abfss://boards@account.dfs.core.windows.net/files"] {
            let store = open(address, &with_key).expect("a store");
            let url = signed(&store, &key, &shown).await.expect("an address");
            assert_eq!(url.host_str(), Some("account.blob.core.windows.net"));
            assert_eq!(url.path(), format!("/boards/files/{key}"));
            assert_eq!(parameter(&url, "sp").as_deref(), Some("r"), "it may be read alone");
            let end = parameter(&url, "se").expect("an end");
            let end = chrono::DateTime::parse_from_rfc3339(&end).expect("a time");
            assert!((end.to_utc() - Utc::now()).num_seconds() <= 1234);
            assert!(signed(&store, &key, &saved).await.is_none(), "nobody would send its name");
        }
        // Another kind of credentials would have Azure asked for each signature.
        let token = access(&[account, ("AZURE_STORAGE_TOKEN", "a-token")]);
        let store = open("az://boards", &token).expect("a store");
        assert!(signed(&store, &key, &shown).await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_signed_that_could_run_or_that_nobody_wants_signed() {
        let store = open("s3://boards", &access(&AWS)).expect("a store");
        for name in ["artifact.svg", "artifact.txt"] {
            let key = key(name);
            let content_type = super::super::MediaType::content_type_of(key.extension());
            assert!(signed(&store, &key, &hand_out(content_type, true)).await.is_none(), "{name}");
        }
        let off = CloudAccess { presign: false, ..access(&AWS) };
        let store = open("s3://boards", &off).expect("a store");
        let picture = hand_out("image/png", false);
        assert!(signed(&store, &key("artifact.png"), &picture).await.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_variables_that_put_it_right() {
        let google = ("GOOGLE_SERVICE_ACCOUNT", "/does/not/exist.json");
        for (url, access, variable) in [
            ("gs://boards", access(&[google]), "GOOGLE_SERVICE_ACCOUNT"),
            ("az://boards", access(&[]), "AZURE_STORAGE_ACCOUNT_NAME"),
        ] {
            let error = open(url, &access).expect_err("refused").to_string();
            assert!(error.starts_with(url) && error.contains(variable), "{error}");
        }
    }

    #[test]
    fn messages_hold_no_signatures_and_no_documents() {
        let message = "Error performing PUT https://a.example/b/c?sig=s3cr3t&se=1 in 3ms - status \
                       409: <Error><Key>s3cr3t</Key></Error>";
        let shown = without_secrets(message);
        assert_eq!(shown, "Error performing PUT https://a.example/b/c in 3ms - status 409:");
    }
}
