//! Plain types and rules of the product: ids, roles, statuses, input rules. No framework, no I/O.

mod artifact;
mod id;
mod input;
mod json;
mod page;
mod role;
mod status;
mod text;

pub use artifact::ArtifactType;
pub use id::{BoardId, GenerationId, MemberId, TagId, TenantId, UserId};
pub use input::{Edit, Validator, Violation};
pub use json::{JSON_OBJECT_MAX_BYTES, JsonObject, json_object, merge_patch};
pub use page::{BoardQueryRole, Page, SortOrder};
pub use role::{MemberRole, Permission, Relation};
pub use status::GenerationStatus;
pub use text::{fold, like_pattern, slug_from, tenant_slug_is_valid};
