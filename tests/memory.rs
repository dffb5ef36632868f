//! Memory of a dream that is changed again and again. In a process of its own, whose memory is this dream's alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reverie::compositor::DreamInput;
use reverie::dream::{Dreamer, Settings};
use reverie::frame::Frame;
use reverie::pack::Catalogue;
use reverie::params::Params;
use reverie::runtime::{Provider, Runtime, Settings as RuntimeSettings};
use reverie::size::Size;

/// Each opens up to three sessions.
const CHANGES: usize = 300;
/// By how much the median may differ without a leak. Between 230 and 240 changes the heap grows by 10 MiB, once: after 1200 it is still as large. A
/// single session kept for each change would be gigabytes.
const NOISE_KIB: u64 = 16 << 10;

#[test]
fn hundreds_of_changes_of_layer_and_size_leave_no_memory_behind() {
    let settings = RuntimeSettings { providers: vec![Provider::Cpu], ..RuntimeSettings::default() };
    let runtime = Arc::new(Runtime::load(settings).expect("deploy/fetch-onnxruntime fetches ONNX Runtime"));
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let catalogue = Arc::new(Catalogue::read(&[packs]).expect("the packs that ship"));
    let mut params = Params::new(&catalogue);
    params.crossfade = 0.0;
    // Without a rate to hold, the working size is always the largest of the screen's shape.
    let settings = Settings { size: None, max_size: Size::new(192, 128), target_fps: f64::INFINITY, seed: Some(1) };
    let mut dreamer = Dreamer::new(runtime, catalogue, settings).patient();
    let mut input = DreamInput::still(&Frame::new(192, 128));
    let mut random = fastrand::Rng::with_seed(1);
    let mut trace = Vec::new();
    for _ in 0..CHANGES {
        params.layer = ["f3", "f6", "f9", "b4"][random.usize(..4)].to_owned();
        params.octaves = random.u32(1..4);
        dreamer.set_screen_size(Size::new(16 * random.usize(6..13), 16 * random.usize(4..9)));
        (input.since_frame, input.frame_number) = (Some(input.frame_number), input.frame_number + 1);
        dreamer.dream(&input, &params, Duration::from_millis(100)).expect("it dreams").expect("its graphs are open");
        trace.push(resident_kib());
    }
    let quarter = CHANGES / 4;
    let (first, last) = (median(&trace[..quarter]), median(&trace[CHANGES - quarter..]));
    println!(
        "{first} KiB in the first quarter, {last} KiB in the last; every tenth: {:?}",
        trace.iter().step_by(10).collect::<Vec<_>>()
    );
    assert!(last <= first + NOISE_KIB, "{first} KiB in the first quarter, {last} KiB in the last");
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// Resident anonymous memory of this process: pages of files come and go as the kernel likes.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
