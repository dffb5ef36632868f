//! Takes snapshots when they are asked for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::console::Preview;
use crate::director::Signal;
use crate::director_handle::DirectorHandle;

/// For a picture to be drawn and encoded.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(3);

/// Hands out the picture that is shown, each time it is asked for, until cancelled.
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
        // Of many asked for at once one picture is enough.
        signals = signals.resubscribe();
        match tokio::time::timeout(PICTURE_TIMEOUT, preview.watch().next()).await {
            Ok(Some(jpeg)) => handle.publish_snapshot(Arc::from(&jpeg[..])),
            _ => warn!("no snapshot: nothing was shown within {} s", PICTURE_TIMEOUT.as_secs()),
        }
    }
}
