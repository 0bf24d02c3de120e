//! How much callers may ask for: points a minute for each user, token and address, and failed
//! authentications a minute for each address. Each process counts for itself, in bounded memory.

mod attempts;
mod buckets;
mod clock;
mod key;
mod limits;
mod meter;
mod points;
mod states;

pub use clock::LimitClock;
pub use key::Token;
pub use limits::{Allowance, Allowances, Attempt, RateLimits};
pub use meter::{Meter, Payer};
pub use points::Points;
