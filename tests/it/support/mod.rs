//! What the stories are told with: an app of one's own, users who act, and small helpers.

mod app;
mod child;
mod client;
mod cluster;
mod command;
mod database;
mod file_server;
mod generators;
mod identity_provider;
mod issuer;
mod object_store;
mod postgres;
mod slow;
mod socket;
pub(crate) mod sql;
mod stand_in;
mod uploads;
mod violations;
mod wait;

pub(crate) use app::{SECRET, SIGNING_SECRET, TestApp, TestAppBuilder, files_below};
pub(crate) use child::{ChildServer, ChildWorker, Home};
pub(crate) use client::{Answer, Client, graphql_path, png, text};
pub(crate) use cluster::{Cluster, PROVIDED};
pub(crate) use command::{Ended, Serving, boards, run};
pub(crate) use database::{TestDatabase, on_postgres};
pub(crate) use file_server::FileServer;
pub(crate) use generators::{
    BATCH, FAILING, PANICKING, PASSING, RECORDED, REMOTE, SLOW, runs_of, stopped_jobs,
};
pub(crate) use identity_provider::IdentityProvider;
pub(crate) use issuer::{Issuer, unsigned};
pub(crate) use object_store::{BUCKET, ObjectServer};
pub(crate) use postgres::OwnPostgres;
pub(crate) use slow::{SlowTable, is_quiet, slow_title};
pub(crate) use socket::Socket;
pub(crate) use stand_in::{End, Fault, Kind, Script, StandIn, Submission};
pub(crate) use uploads::upload_form;
pub(crate) use wait::{eventually, eventually_within};
