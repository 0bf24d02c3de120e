//! How long the parts of a request take, each by itself. `load/` says how fast the whole server is.
//!
//! `cargo bench --bench speed` measures; `cargo test --bench speed` runs each once, as CI does.

mod documents;
mod operations;
mod policy;
mod tokens;

/// As in the server: the allocator is a part of what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}
