//! What an answer says is wrong with the arguments.

use super::{Answer, Client};
use serde_json::Value;

impl Answer {
    /// The paths of the violations of the first error.
    pub(crate) fn violation_paths(&self) -> Vec<&str> {
        let violations = self.body.pointer("/errors/0/extensions/violations");
        let violations = violations.and_then(Value::as_array).map(Vec::as_slice);
        violations.unwrap_or_default().iter().filter_map(|one| one["path"].as_str()).collect()
    }
}

impl Client {
    /// Runs an operation that must fail with `BAD_USER_INPUT` for exactly these arguments.
    pub(crate) async fn refused_input(&self, query: &str, variables: Value, paths: &[&str]) {
        let told = variables.to_string().chars().take(200).collect::<String>();
        let answer = self.graphql(query, variables).await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{query} {told}: {}", answer.body);
        assert_eq!(answer.violation_paths(), paths, "{query} {told}: {}", answer.body);
    }
}
