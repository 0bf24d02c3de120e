//! The integration tests: over HTTP, against the real server on a database of each test's own.
//!
//! SQLite is always tested; with `BOARDS_TEST_DATABASE_URL` set to a PostgreSQL server, every test
//! runs there instead (run the suite twice for both).

mod support;

mod cli;
mod migrations;
mod readme;
mod start;
mod takeover;
