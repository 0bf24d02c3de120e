//! What requests cost.

use std::num::NonZeroU32;

/// What a request costs, one point at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Points(NonZeroU32);

/// Complexity that is worth one point.
const COMPLEXITY_OF_A_POINT: usize = 100;

impl Points {
    /// One failed authentication.
    pub const FAILURE: Self = Self::some(1);
    /// A GraphQL operation that is refused before its complexity is known.
    pub const REFUSED_OPERATION: Self = Self::some(1);
    /// Reading a file with a token.
    pub const FILE: Self = Self::some(1);
    /// Following the progress of a generation.
    pub const PROGRESS: Self = Self::some(5);
    /// An operator's request, or the registration of a tenant.
    pub const PLATFORM: Self = Self::some(5);
    /// Uploading a file.
    pub const UPLOAD: Self = Self::some(50);

    /// That many, or one for none.
    #[must_use]
    pub const fn some(points: u32) -> Self {
        match NonZeroU32::new(points) {
            Some(points) => Self(points),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// What a GraphQL operation costs: a point, and one more for each whole hundred of complexity.
    #[must_use]
    pub fn of_operation(complexity: usize) -> Self {
        let more = u32::try_from(complexity / COMPLEXITY_OF_A_POINT).unwrap_or(u32::MAX);
        Self(NonZeroU32::MIN.saturating_add(more))
    }

    pub(super) fn get(self) -> NonZeroU32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 1)]
    #[case(99, 1)]
    #[case(100, 2)]
    #[case(50_000, 501)]
    #[case(usize::MAX, u32::MAX)]
    fn complexity_weighs(#[case] complexity: usize, #[case] points: u32) {
        assert_eq!(Points::of_operation(complexity), Points::some(points));
    }
}
