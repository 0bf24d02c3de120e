//! Batched reads without a clock: what the fields of an operation ask for is read together as soon as
//! none of them can go on without it. So the statements of an operation depend on its shape alone, and
//! nobody waits for keys that will not come.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, HashSet},
    hash::Hash,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
    task::AtomicWaker,
};

use crate::error::{Error, Result};

/// Keys of one read: SQLite takes at most 500 branches of a UNION.
const KEYS_MAX: usize = 400;
/// Turns that an operation may take without waiting for anything, before others get theirs.
const TURNS_MAX: usize = 64;

/// Reads the values of many keys at once. What is not in the answer does not exist.
pub(super) trait BatchRead<K>: Send + Sync + 'static {
    /// What belongs to a key.
    type Value: Clone + Send + Sync + 'static;

    /// Reads them.
    fn read(&self, keys: Vec<K>) -> impl Future<Output = Result<HashMap<K, Self::Value>>> + Send;
}

/// What the fields of one operation wait for. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Batches(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// The batch that is gathering keys, by the type of the keys.
    gathering: HashMap<TypeId, Box<dyn Any + Send>>,
    /// Reads that have not begun.
    reads: Vec<BoxFuture<'static, ()>>,
}

type Outcome<K, V> = Result<HashMap<K, V>, Arc<Error>>;

/// Keys that are read together.
struct Batch<K, V> {
    keys: Mutex<Vec<K>>,
    outcome: OnceLock<Outcome<K, V>>,
    waiting: Mutex<Vec<Waker>>,
}

impl<K, V> Batch<K, V> {
    fn end(&self, outcome: Outcome<K, V>) {
        let _ = self.outcome.set(outcome);
        locked(&self.waiting).drain(..).for_each(Waker::wake);
    }
}

impl Batches {
    /// The value of a key, read by `reader` together with what sibling fields ask for.
    ///
    /// # Errors
    /// When the batch could not be read.
    pub(super) async fn load<K, R>(&self, reader: &Arc<R>, key: K) -> Result<Option<R::Value>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        R: BatchRead<K>,
    {
        let batch = self.join(reader, std::slice::from_ref(&key));
        match std::future::poll_fn(|context| batch.poll(context)).await {
            Ok(values) => Ok(values.get(&key).cloned()),
            Err(error) => Err(error.again()),
        }
    }

    /// The value of each of the keys, read likewise.
    pub(super) async fn load_each<K, R>(
        &self,
        reader: &Arc<R>,
        keys: Vec<K>,
    ) -> Vec<Result<Option<R::Value>>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        R: BatchRead<K>,
    {
        let batch = self.join(reader, &keys);
        match std::future::poll_fn(|context| batch.poll(context)).await {
            Ok(values) => keys.iter().map(|key| Ok(values.get(key).cloned())).collect(),
            Err(error) => keys.iter().map(|_| Err(error.again())).collect(),
        }
    }

    /// Puts keys into the batch that is gathering.
    fn join<K, R>(&self, reader: &Arc<R>, keys: &[K]) -> Arc<Batch<K, R::Value>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        R: BatchRead<K>,
    {
        let mut waiting = locked(&self.0);
        let known = waiting.gathering.get(&TypeId::of::<K>());
        if let Some(batch) = known.and_then(|batch| batch.downcast_ref::<Arc<Batch<K, R::Value>>>())
        {
            locked(&batch.keys).extend_from_slice(keys);
            return Arc::clone(batch);
        }
        let batch = Arc::new(Batch {
            keys: Mutex::new(keys.to_vec()),
            outcome: OnceLock::new(),
            waiting: Mutex::default(),
        });
        waiting.gathering.insert(TypeId::of::<K>(), Box::new(Arc::clone(&batch)));
        let (reader, reading) = (Arc::clone(reader), Arc::clone(&batch));
        waiting.reads.push(
            async move {
                let keys = std::mem::take(&mut *locked(&reading.keys));
                reading.end(read_all(&*reader, distinct(keys)).await.map_err(Arc::new));
            }
            .boxed(),
        );
        batch
    }

    /// The reads that are due; from now on others gather.
    fn due(&self) -> Vec<BoxFuture<'static, ()>> {
        let mut waiting = locked(&self.0);
        waiting.gathering.clear();
        std::mem::take(&mut waiting.reads)
    }

    /// Runs an operation, and its reads each time it can do nothing else.
    pub(super) async fn drive<F: Future>(&self, operation: F) -> F::Output {
        let mut operation = pin!(operation);
        let mut driver = Driver::new(self.clone());
        std::future::poll_fn(|context| driver.poll(context, |inner| operation.as_mut().poll(inner)))
            .await
    }

    /// The same for an operation with many answers.
    pub(super) fn drive_stream<S>(&self, answers: S) -> impl Stream<Item = S::Item> + Send + use<S>
    where
        S: Stream + Send + Unpin,
    {
        let mut driver = Driver::new(self.clone());
        let mut answers = answers;
        stream::poll_fn(move |context| driver.poll(context, |inner| answers.poll_next_unpin(inner)))
    }
}

impl<K, V> Batch<K, V> {
    fn poll(&self, context: &Context<'_>) -> Poll<&Outcome<K, V>> {
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome);
        }
        locked(&self.waiting).push(context.waker().clone());
        // It may have ended in between.
        self.outcome.get().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Notes whether an operation was woken while it was polled: then it can go on without a read.
#[derive(Default)]
struct Flag {
    is_raised: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_raised.store(true, Ordering::Release);
        self.outer.wake();
    }
}

struct Driver {
    batches: Batches,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
    flag: Arc<Flag>,
    waker: Waker,
}

impl Driver {
    fn new(batches: Batches) -> Self {
        let flag = Arc::<Flag>::default();
        let waker = Waker::from(Arc::clone(&flag));
        Self { batches, running: FuturesUnordered::new(), flag, waker }
    }

    fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut operation: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.flag.outer.register(context.waker());
        for _ in 0..TURNS_MAX {
            self.flag.is_raised.store(false, Ordering::Release);
            if let Poll::Ready(done) = operation(&mut Context::from_waker(&self.waker)) {
                return Poll::Ready(done);
            }
            if self.flag.is_raised.load(Ordering::Acquire) {
                continue;
            }
            // One level after the other, so that what belongs together is read together however
            // long each read takes.
            if self.running.is_empty() {
                self.running.extend(self.batches.due());
            }
            let mut reads = Pin::new(&mut self.running);
            let Poll::Ready(Some(())) = reads.poll_next_unpin(context) else {
                return Poll::Pending;
            };
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn read_all<K, R>(reader: &R, keys: Vec<K>) -> Result<HashMap<K, R::Value>>
where
    K: Clone + Eq + Hash + Send + Sync,
    R: BatchRead<K>,
{
    let mut values = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        values.extend(reader.read(keys.to_vec()).await?);
    }
    Ok(values)
}

fn distinct<K: Eq + Hash + Clone>(keys: Vec<K>) -> Vec<K> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.into_iter().filter(|key| seen.insert(key.clone())).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
