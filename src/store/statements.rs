//! Counting what is sent to the database, and showing it to whoever measures.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use sea_orm::Statement;

type Observer = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
pub(super) struct Statements {
    count: AtomicU64,
    observer: OnceLock<Observer>,
}

impl Statements {
    pub(super) fn note(&self, statement: &Statement) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(observer) = self.observer.get() {
            observer(&statement.to_string());
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }
}
