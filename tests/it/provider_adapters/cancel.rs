//! Cancelling at the provider.

use super::*;
use crate::support::{End, Fault, Kind, Script};

#[tokio::test]
async fn cancelling_reaches_the_provider() {
    let bench = Bench::start().await;
    for name in ["fal", "replicate"] {
        let job = bench.job(name).await;
        assert_eq!(bench.cancel(name, &job).await, Ok(()), "{name}");
        assert_eq!(bench.stand_in.cancels().last(), Some(&job), "{name}");
        assert_eq!(bench.state(name, &job).await, Ok(JobState::Cancelled), "{name}");
    }
}

#[tokio::test]
async fn what_has_ended_is_cancelled_well() {
    let bench = Bench::start().await;
    bench.stand_in.script(Script::at_once(End::Done));
    for name in ["fal", "replicate"] {
        let job = bench.job(name).await;
        bench.state(name, &job).await.expect("it ends");
        assert_eq!(bench.cancel(name, &job).await, Ok(()), "{name}");
        let state = bench.state(name, &job).await;
        assert!(matches!(state, Ok(JobState::Succeeded(_))), "{name}: {state:?}");
        assert_eq!(bench.cancel(name, "unknown").await, Err(ProviderError::NoSuchJob), "{name}");
    }
}

#[tokio::test]
async fn kie_cannot_cancel() {
    let bench = Bench::start().await;
    let job = bench.job("kie").await;
    assert_eq!(bench.cancel("kie", &job).await, Ok(()));
    assert_eq!(bench.stand_in.requests(Kind::Cancel), 0);
}

#[tokio::test]
async fn cancelling_is_tried_again() {
    for name in ["fal", "replicate"] {
        let bench = Bench::start().await;
        let job = bench.job(name).await;
        bench.stand_in.fault(Kind::Cancel, &Fault::CutAfter, 2);
        assert_eq!(bench.cancel(name, &job).await, Ok(()), "{name}");
        assert_eq!(bench.stand_in.requests(Kind::Cancel), 3, "{name}");
        bench.stand_in.fault(Kind::Cancel, &Fault::Status(500, json!({})), 3);
        let error = bench.cancel(name, &job).await.expect_err("in vain");
        assert!(!may_have_acted(&error), "{name}");
    }
}
