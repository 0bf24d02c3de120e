//! The question to an introspection endpoint, and how this server says who it is (RFC 7662, section
//! 2.1; RFC 6749, section 2.3.1).

use std::fmt;

use axum::http::HeaderValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::super::client::{Answer, Outage, ProviderClient};
use crate::config::{ClientMethod, ProviderUrl};

/// Asks one introspection endpoint.
pub(in super::super) struct IntrospectionClient {
    pub(in super::super) client: ProviderClient,
    pub(in super::super) url: ProviderUrl,
    pub(in super::super) id: String,
    pub(in super::super) secret: SecretString,
    pub(in super::super) method: ClientMethod,
}

impl fmt::Debug for IntrospectionClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IntrospectionClient")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl IntrospectionClient {
    pub(super) async fn ask(&self, token: &str) -> Result<Answer, Outage> {
        let authorization = (self.method == ClientMethod::Basic).then(|| self.basic());
        self.client.post(&self.url, self.form(token), authorization).await
    }

    fn form(&self, token: &str) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token).append_pair("token_type_hint", "access_token");
        if self.method == ClientMethod::Post {
            form.append_pair("client_id", &self.id);
            form.append_pair("client_secret", self.secret.expose_secret());
        }
        form.finish()
    }

    /// Both parts are form-encoded before they are joined, unlike in other uses of Basic.
    fn basic(&self) -> HeaderValue {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(&self.id), encoded(self.secret.expose_secret()));
        let text = format!("Basic {}", STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(text)
            .unwrap_or_else(|_| unreachable!("base64 is what headers can hold"));
        value.set_sensitive(true);
        value
    }
}
