use super::plane::{PATCH, Plane};

/// A grey picture, 8 bits.
#[derive(Debug, Clone, Default)]
pub struct Luma {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl Luma {
    pub fn new(width: usize, height: usize) -> Luma {
        Luma { width, height, pixels: vec![0; width * height] }
    }
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        self.pixels.resize(width * height, 0);
    }
}

/// What is worked out once for a picture and used in both directions.
#[derive(Debug, Clone, Default)]
pub struct Pyramid {
    luma: Luma,
    pub(super) levels: Vec<Level>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub width: usize,
    pub height: usize,
    pub luma: Plane,
    pub gx: Plane,
    pub gy: Plane,
}

/// Smallest side of the coarsest level.
const COARSEST: usize = 8;

impl Pyramid {
    pub fn build(&mut self, luma: &Luma) {
        assert_eq!(luma.pixels.len(), luma.width * luma.height);
        self.luma.resize(luma.width, luma.height);
        self.luma.pixels.copy_from_slice(&luma.pixels);
        let mut count = 1;
        let (mut w, mut h) = (luma.width, luma.height);
        let least = 12.0f32 as usize;
        while w.div_ceil(2).min(h.div_ceil(2)) >= least.max(COARSEST) && count < 8 {
            (w, h) = (w.div_ceil(2), h.div_ceil(2));
            count += 1;
        }
        self.levels.resize_with(count, Level::default);
        let (mut w, mut h) = (luma.width, luma.height);
        for i in 0..count {
            let (finer, rest) = self.levels.split_at_mut(i);
            let level = &mut rest[0];
            level.width = w;
            level.height = h;
            let (cw, ch) = (w.next_multiple_of(4).max(PATCH), h.next_multiple_of(4).max(PATCH));
            level.luma.resize(cw, ch);
            level.gx.resize(cw, ch);
            level.gy.resize(cw, ch);
            match finer.last() {
                None => first(luma, &mut level.luma),
                Some(finer) => halve(&finer.luma, &mut level.luma, w, h),
            }
            level.luma.extend_from(w, h);
            gradients(&level.luma, &mut level.gx, &mut level.gy);
            (w, h) = (w.div_ceil(2), h.div_ceil(2));
        }
    }

    pub fn luma(&self) -> &Luma {
        &self.luma
    }
}

#[inline(always)]
fn first(luma: &Luma, to: &mut Plane) {
    for (y, row) in luma.pixels.chunks_exact(luma.width).enumerate() {
        for (to, from) in to.row_mut(y).iter_mut().zip(row) {
            *to = f32::from(*from);
        }
    }
}

#[inline(always)]
fn halve(from: &Plane, to: &mut Plane, w: usize, h: usize) {
    for y in 0..h {
        let at = from.at(0, 2 * y);
        let (a, b) = (&from.data[at..at + 2 * w], &from.data[at + from.stride..at + from.stride + 2 * w]);
        let to = &mut to.row_mut(y)[..w];
        for ((to, a), b) in to.iter_mut().zip(a.as_chunks::<2>().0).zip(b.as_chunks::<2>().0) {
            *to = 0.25 * (a[0] + a[1] + b[0] + b[1]);
        }
    }
}

#[inline(always)]
fn gradients(luma: &Plane, gx: &mut Plane, gy: &mut Plane) {
    let w = luma.width;
    for y in 0..luma.height {
        let at = luma.at(0, y);
        let l = &luma.data[at - 2..at + w + 2];
        let (a, b) =
            (&luma.data[at - luma.stride..at - luma.stride + w], &luma.data[at + luma.stride..at + luma.stride + w]);
        let gx = &mut gx.row_mut(y)[..w];
        let gy = &mut gy.row_mut(y)[..w];
        for x in 0..w {
            gx[x] = 0.5 * (l[x + 3] - l[x + 1]);
        }
        for x in 0..w {
            gy[x] = 0.5 * (b[x] - a[x]);
        }
    }
}
