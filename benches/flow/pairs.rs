//! Answers `benches/flow/run`: pairs of pictures in, flow and times out, on standard input and output.
//!
//! A question is width, height and repetitions (u32 each), then the pixels of `now` and of `before`. The answer is the
//! shortest time for one pyramid and for one flow, in seconds (f64), then the displacements x and y (f32). All little-endian.

use std::io::{self, Read, Write};
use std::time::Instant;

use reverie::flow::{FlowField, InverseSearch, Luma, Pyramid};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let (mut now, mut before) = (Pyramid::default(), Pyramid::default());
    let (mut search, mut field) = (InverseSearch::default(), FlowField::default());
    let mut head = [0; 12];
    while input.read_exact(&mut head).is_ok() {
        let number = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]) as usize;
        let (width, height, repetitions) = (number(0), number(4), number(8));
        let mut read = || {
            let mut luma = Luma::new(width, height);
            input.read_exact(&mut luma.pixels).map(|()| luma)
        };
        let (now_luma, before_luma) = (read()?, read()?);
        before.build(&before_luma);
        let (mut pyramid_time, mut flow_time) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..repetitions.max(1) {
            let start = Instant::now();
            now.build(&now_luma);
            pyramid_time = pyramid_time.min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            search.flow(&now, &before, &mut field);
            flow_time = flow_time.min(start.elapsed().as_secs_f64());
        }
        output.write_all(&pyramid_time.to_le_bytes())?;
        output.write_all(&flow_time.to_le_bytes())?;
        for value in field.x.iter().chain(&field.y) {
            output.write_all(&value.to_le_bytes())?;
        }
        output.flush()?;
    }
    Ok(())
}
