//! Storing a long file part by part. Parts of what is never finished show in no listing, and a cloud
//! charges for them: whatever ends an upload early has them taken back.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::{MultipartUpload, WriteMultipart};
use tokio::runtime::Handle;

use super::StoreError;

/// The shortest part, in bytes: the least that the stores of the clouds take. A shorter file is sent
/// in one piece.
pub(super) const PART_BYTES: usize = 5 * 1024 * 1024;
/// The most parts that they take.
const MOST_PARTS: u64 = 10_000;
/// Parts that are sent at once. They are held in memory.
const PARTS_AT_ONCE: usize = 2;

/// An upload that is under way. Dropped before its end, as when a run is stopped, it is taken back in
/// the background.
struct Unfinished(Option<WriteMultipart>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some(writer), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(take_back(writer));
        }
    }
}

/// Sends `chunks`, which have `length` bytes together.
pub(super) async fn send(
    upload: Box<dyn MultipartUpload>,
    length: u64,
    chunks: impl Stream<Item = io::Result<Bytes>> + Send,
) -> Result<(), StoreError> {
    let least = usize::try_from(length.div_ceil(MOST_PARTS)).unwrap_or(usize::MAX);
    let writer = WriteMultipart::new_with_chunk_size(upload, least.max(PART_BYTES));
    let mut unfinished = Unfinished(Some(writer));
    let sent = unfinished.push_all(chunks).await;
    let Some(writer) = unfinished.0.take() else { return sent };
    if sent.is_err() {
        // The first error is the one to tell.
        take_back(writer).await;
        return sent;
    }
    // Takes its parts back by itself when it fails.
    writer.finish().await?;
    Ok(())
}

impl Unfinished {
    async fn push_all(
        &mut self,
        chunks: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<(), StoreError> {
        let mut chunks = std::pin::pin!(chunks);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if let Some(writer) = &mut self.0 {
                writer.wait_for_capacity(PARTS_AT_ONCE).await?;
                writer.put(chunk);
            }
        }
        Ok(())
    }
}

async fn take_back(writer: WriteMultipart) {
    if let Err(error) = writer.abort().await {
        tracing::warn!(error = %StoreError::from(error), "parts of an unfinished file stay behind");
    }
}
