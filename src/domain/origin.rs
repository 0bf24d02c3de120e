//! Where a request came from.

use std::net::IpAddr;

/// Where a request came from, for rate limits and the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The caller's address, as far as it can be believed; `None` for work without a request.
    pub address: Option<IpAddr>,
    /// The id of the request, which stands in the log and in `X-Request-Id`.
    pub request_id: String,
}
