//! Who may do what on a board: one pure decision that every way in asks.

pub mod policy;
