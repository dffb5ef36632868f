//! What the recognition stage does: looks at the camera's picture and at what is shown, now and then, and reports what it takes them for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Stage;
use super::reloadable::Reloadable;
use super::stage::lower_priority;
use super::stages::{MAX_WAIT, WARM_UP, Wiring};
use crate::pack::Catalogue;
use crate::recognition::{Recogniser, RecognitionError, Settings};
use crate::runtime::Runtime;

/// Between two looks, at least.
const INTERVAL: Duration = Duration::from_millis(500);
/// For each moment of looking so many of rest: it takes a tenth of one core at most, and that at a low priority.
const REST: u32 = 9;
/// After a failure it tries again so much later.
const RETRY: Duration = Duration::from_secs(60);

/// Recognises until cancelled. What fails here leaves the mirror as it is: it is logged, and tried again.
pub fn run(
    stage: &Stage,
    settings: &mut Reloadable<Settings>,
    runtime: &Arc<Runtime>,
    catalogue: &Catalogue,
    wiring: &Wiring,
) -> anyhow::Result<()> {
    lower_priority();
    let mut recogniser = None;
    let (mut last, mut last_failure) = (None::<Instant>, String::new());
    while stage.heartbeat() {
        settings.refresh();
        if !settings.get().on {
            wiring.handle.report(|telemetry| telemetry.recognition = None);
            recogniser = None;
            while stage.sleep(MAX_WAIT) && !settings.refresh() {}
            continue;
        }
        wiring.wants_glance.store(true, Ordering::Relaxed);
        let Some(glance) = wiring.glances.take(MAX_WAIT) else { continue };
        let begun = Instant::now();
        let elapsed = last.replace(begun).map_or(Duration::ZERO, |last| begun - last);
        let mut look = || {
            if recogniser.is_none() {
                recogniser = Recogniser::new(Arc::clone(runtime), catalogue)?;
            }
            recogniser.as_mut().map(|recogniser| recogniser.look(&glance, elapsed)).transpose()
        };
        // The first look opens the network: on a slow board that is slow, not stuck.
        let outcome: Result<_, RecognitionError> = stage.during(WARM_UP, &mut look);
        wiring.glances.give_back(glance);
        match outcome {
            Ok(None) => {
                info!("recognition: none, no pack that is installed has a classifier with class names");
                // Packs do not change while it runs.
                while stage.sleep(MAX_WAIT) {}
            }
            Ok(sight) => {
                wiring.handle.report(|telemetry| telemetry.recognition = sight);
                last_failure.clear();
                let busy = begun.elapsed();
                stage.sleep((busy * REST).max(INTERVAL.saturating_sub(busy)));
            }
            Err(failure) => {
                let failure = failure.to_string();
                if failure != last_failure {
                    warn!("nothing is recognised: {failure}");
                    last_failure = failure;
                }
                recogniser = None;
                wiring.handle.report(|telemetry| telemetry.recognition = None);
                stage.sleep(RETRY);
            }
        }
    }
    Ok(())
}
