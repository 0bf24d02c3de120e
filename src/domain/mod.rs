//! Plain types and rules of the product: ids, roles, statuses, input rules. No framework, no I/O.

mod artifact;
mod credits;
mod cursor;
mod decision;
mod email;
mod id;
mod input;
mod json;
mod origin;
mod page;
mod prompt;
mod provider_key;
mod role;
mod status;
mod submission;
mod tenant;
mod text;
mod token_scope;

pub use artifact::ArtifactType;
pub use credits::{CreditRules, Credits};
pub use cursor::{CursorKey, CursorList, Cursors, ListPosition, ListWindow, PageRequest};
pub use decision::Decision;
pub use email::EmailAddress;
pub use id::{
    AccessTokenId, BoardId, GenerationId, InvitationId, MemberId, TagId, TenantId, UserId,
};
pub use input::{Edit, Validator, Violation};
pub use json::{JSON_OBJECT_MAX_BYTES, JsonObject, json_object, merge_patch};
pub use origin::RequestOrigin;
pub use page::{BoardQueryRole, Page, SortOrder};
pub use prompt::folded_prompts;
pub use provider_key::{KEYED_PROVIDERS, keyed_provider, provider_key};
pub use role::{MemberRole, Permission, Relation, TenantRole};
pub use status::GenerationStatus;
pub use submission::Submission;
pub use tenant::{email_domain, email_is_in, reads_as_id};
pub use text::{fold, like_pattern, slug_from, tenant_slug_is_valid};
pub use token_scope::{TokenScope, TokenScopes};
