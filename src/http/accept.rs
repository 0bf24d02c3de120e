//! Which media type an answer of the GraphQL endpoint has, by the Accept header (GraphQL over HTTP,
//! section "Media Types"; RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// The media types of GraphQL answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerType {
    /// `application/graphql-response+json`: the status tells whether the request was one.
    GraphqlResponse,
    /// `application/json`: the status is 200 for every well-formed request.
    Json,
}

impl AnswerType {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// What the client would take of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The better of the two, if either will do.
    pub(super) answer: Option<AnswerType>,
    /// Whether it takes parts, for subscriptions.
    pub(super) multipart: bool,
    /// Whether it is a browser that wants a page.
    pub(super) html: bool,
}

/// Reads the Accept header. Without one, and for `*/*`, the answer is `application/json`, which
/// every client can read.
pub(super) fn accepted(headers: &HeaderMap) -> Accepted {
    let ranges: Vec<(String, f32)> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(media_range)
        .collect();
    if ranges.is_empty() {
        return Accepted { answer: Some(AnswerType::Json), multipart: false, html: false };
    }
    let quality = |name: &str, wildcards: &[&str]| {
        let of = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, q)| *q);
        of(name).or_else(|| wildcards.iter().find_map(|wildcard| of(wildcard))).unwrap_or(0.0)
    };
    let any = ["application/*", "*/*"];
    let graphql = quality("application/graphql-response+json", &any);
    let json = quality("application/json", &any);
    let named = ranges.iter().any(|(range, _)| range == "application/graphql-response+json");
    let answer = if graphql > 0.0 && (graphql > json || (graphql >= json && named)) {
        Some(AnswerType::GraphqlResponse)
    } else if json > 0.0 {
        Some(AnswerType::Json)
    } else {
        None
    };
    Accepted {
        answer,
        multipart: quality("multipart/mixed", &[]) > 0.0,
        html: quality("text/html", &[]) > 0.0,
    }
}

fn media_range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts
        .find_map(|parameter| parameter.strip_prefix("q="))
        .map_or(Ok(1.0), str::parse)
        .unwrap_or(0.0);
    (range, quality)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn answer(accept: &'static str) -> Option<AnswerType> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        accepted(&headers).answer
    }

    #[test]
    fn the_better_type_is_chosen() {
        use AnswerType::{GraphqlResponse, Json};
        assert_eq!(accepted(&HeaderMap::new()).answer, Some(Json));
        assert_eq!(answer("*/*"), Some(Json));
        assert_eq!(answer("application/json"), Some(Json));
        assert_eq!(answer("application/graphql-response+json"), Some(GraphqlResponse));
        assert_eq!(
            answer("application/graphql-response+json, application/json;q=0.9"),
            Some(GraphqlResponse)
        );
        assert_eq!(answer("application/graphql-response+json;q=0.1, application/json"), Some(Json));
        assert_eq!(answer("application/graphql-response+json, */*"), Some(GraphqlResponse));
        assert_eq!(answer("text/html"), None);
        assert_eq!(answer("application/json;q=0"), None);
    }
}
