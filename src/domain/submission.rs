//! How far a generation has come on its way to the provider that runs it.

/// What is known of a generation's submission to its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// Nothing was sent.
    NotBegun,
    /// An earlier attempt was about to send it and never learned what came of it: the provider may have
    /// begun the job.
    Unknown,
    /// The provider has begun it under this id, at most 255 bytes.
    Job(String),
}
