//! Pages and orders of lists.

use super::Validator;

/// A window of a list. Made by [`Page::new`], so that it always holds allowed numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    limit: u32,
    offset: u32,
}

impl Page {
    /// The longest page that may be asked for.
    pub const MAX_LIMIT: i32 = 100;

    /// Checks `limit` (0 to 100) and `offset` (0 or more) and reports what is wrong to `validator`.
    pub fn new(limit: i32, offset: i32, validator: &mut Validator) -> Self {
        validator.check((0..=Self::MAX_LIMIT).contains(&limit), "limit", || {
            format!("limit must be between 0 and {}", Self::MAX_LIMIT)
        });
        validator.check(offset >= 0, "offset", || "offset must be 0 or more".to_owned());
        Self {
            limit: u32::try_from(limit).unwrap_or_default(),
            offset: u32::try_from(offset).unwrap_or_default(),
        }
    }

    /// Rows at most.
    #[must_use]
    pub fn limit(self) -> u64 {
        self.limit.into()
    }

    /// Rows to pass over.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset.into()
    }
}

/// The order of a list of boards; ties are broken by id in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortOrder {
    /// Oldest first.
    CreatedAsc,
    /// Newest first.
    CreatedDesc,
    /// Least recently changed first.
    UpdatedAsc,
    /// Most recently changed first.
    UpdatedDesc,
}

/// Which of the caller's boards are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BoardQueryRole {
    /// Owned or shared.
    Any,
    /// Owned by the caller.
    Owner,
    /// Shared with the caller.
    Member,
}
