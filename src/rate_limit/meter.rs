//! Who pays for a request, and the means to charge them.

use std::net::IpAddr;

use super::{key::Token, limits::RateLimits, points::Points};
use crate::{domain::UserId, error::Result};

/// Who pays.
#[derive(Clone, Copy)]
pub enum Payer {
    /// The address of one who is not signed in, or whose token was refused.
    Address(Option<IpAddr>),
    /// Whom an identity provider names, of no tenant.
    Subject(Token),
    /// A signed-in user.
    User {
        /// The user, of one tenant.
        user: UserId,
        /// The token, where the provider needs one.
        token: Option<Token>,
    },
}

/// Charges one caller. Goes with each GraphQL operation.
#[derive(Clone)]
pub struct Meter {
    limits: RateLimits,
    payer: Payer,
}

impl Meter {
    /// Charges `payer`.
    #[must_use]
    pub fn new(limits: RateLimits, payer: Payer) -> Self {
        Self { limits, payer }
    }

    /// Whether there is a point left. Takes nothing.
    ///
    /// # Errors
    /// [`Error::RateLimited`](crate::error::Error::RateLimited) when there is none.
    pub fn may_ask(&self) -> Result<()> {
        self.limits.may_ask(&self.payer)
    }

    /// Takes points.
    ///
    /// # Errors
    /// [`Error::RateLimited`](crate::error::Error::RateLimited) when there are not as many left.
    pub fn charge(&self, points: Points) -> Result<()> {
        self.limits.charge(&self.payer, points)
    }
}
