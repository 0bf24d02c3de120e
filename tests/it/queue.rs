//! The queue: turns, limits, attempts, and what is written down of a provider's jobs.

mod attempts;
mod batches;
mod stopping;
mod turns;
