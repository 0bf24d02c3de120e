//! What the stories are told with: an app of one's own, users who act, and small helpers.

mod app;
mod client;
mod command;
mod database;
mod generators;
mod socket;
mod wait;

pub(crate) use app::{SECRET, SIGNING_SECRET, TestApp, TestAppBuilder};
pub(crate) use client::{Answer, Client, png, text, token};
pub(crate) use command::{Serving, boards, run};
pub(crate) use database::{TestDatabase, on_postgres};
pub(crate) use generators::{FAILING, PANICKING, SLOW, test_generators};
pub(crate) use socket::Socket;
pub(crate) use wait::eventually;
