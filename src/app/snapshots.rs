//! Publishes snapshots on request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::console::{Preview, Width};
use crate::director::Signal;
use crate::director_handle::DirectorHandle;

/// How long a picture may take to be drawn and encoded.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(3);

/// Publishes the picture that is shown at each request, until cancelled.
pub async fn take_snapshots(handle: DirectorHandle, preview: Preview, cancel: CancellationToken) {
    let mut signals = handle.signals();
    loop {
        let signal = tokio::select! {
            signal = signals.recv() => signal,
            () = cancel.cancelled() => return,
        };
        match signal {
            Ok(Signal::Snapshot) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        }
        // One picture answers all requests made meanwhile.
        signals = signals.resubscribe();
        let mut watch = preview.watch(Width::Large);
        let picture = cancel.run_until_cancelled(tokio::time::timeout(PICTURE_TIMEOUT, watch.next()));
        match picture.await {
            None => return,
            Some(Ok(Some(jpeg))) => handle.publish_snapshot(Arc::from(&jpeg[..])),
            Some(_) => warn!("no snapshot: nothing was shown within {} s", PICTURE_TIMEOUT.as_secs()),
        }
    }
}
