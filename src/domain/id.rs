//! Typed ids, so that a board's id cannot be passed where a user's is meant.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id that sorts after the ones made before it (UUID version 7, RFC 9562).
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )+};
}

typed_id! {
    /// Id of a tenant.
    TenantId;
    /// Id of a user, who belongs to exactly one tenant.
    UserId;
    /// Id of a board.
    BoardId;
    /// Id of a membership row.
    MemberId;
    /// Id of a generation.
    GenerationId;
    /// Id of a tag.
    TagId;
    /// Id of an invitation into a tenant.
    InvitationId;
    /// Id of an access token that this server issued; not the token itself.
    AccessTokenId;
}
