use super::plane::PATCH;
use super::pyramid::Level;
use super::search::{Field, Flow, Found, across, grid, place};

pub(super) fn densify(now: &Level, before: &Level, found: &[Found], weight: &mut Vec<f32>, out: &mut Flow) {
    let (w, h) = (now.luma.width, now.luma.height);
    out.resize(w, h);
    out.x.fill(0.0);
    out.y.fill(0.0);
    weight.clear();
    weight.resize(w * h, 0.0);
    let (columns, _) = grid(now);
    let n = (PATCH * PATCH) as f32;
    let soft = 4.0f32;
    for (k, f) in found.iter().enumerate() {
        let (px, py) = (4 * (k % columns), 4 * (k / columns));
        let p = place(&before.luma, px as f32 + f.x, py as f32 + f.y);
        let at = now.luma.at(px, py);
        let mut mt = 0.0;
        let t = now.luma.patch(at);
        for row in &t {
            mt += row.iter().sum::<f32>();
        }
        let scale = 1.0 / f.gain;
        let shift = mt / n - f.mean * scale;
        let whole = 1.0 / (1.0 + f.error * 0.0005f32);
        let mut above = across(&before.luma, p.at, p.fx);
        for y in 0..PATCH {
            let below = across(&before.luma, p.at + (y + 1) * before.luma.stride, p.fx);
            let start = (py + y) * w + px;
            let to_w: &mut [f32; 8] = (&mut weight[start..start + 8]).try_into().unwrap();
            let to_x: &mut [f32; 8] = (&mut out.x[start..start + 8]).try_into().unwrap();
            let to_y: &mut [f32; 8] = (&mut out.y[start..start + 8]).try_into().unwrap();
            for x in 0..PATCH {
                let v = above[x] + (below[x] - above[x]) * p.fy;
                let r = v * scale + shift - t[y][x];
                let g = whole / (r * r + soft);
                to_w[x] += g;
                to_x[x] += g * f.x;
                to_y[x] += g * f.y;
            }
            above = below;
        }
    }
    for ((x, y), w) in out.x.iter_mut().zip(&mut out.y).zip(weight.iter()) {
        let r = 1.0 / w;
        *x *= r;
        *y *= r;
    }
}

/// Bilinear enlargement by `factor`.
pub(super) fn enlarge(from: &Flow, factor: usize, out: &mut Field) {
    let f = factor as f32;
    for y in 0..out.height {
        let sy = ((y as f32 + 0.5) / f - 0.5).max(0.0);
        let (iy, fy) = (sy as usize, sy.fract());
        let iy1 = (iy + 1).min(from.height - 1);
        for x in 0..out.width {
            let sx = ((x as f32 + 0.5) / f - 0.5).max(0.0);
            let (ix, fx) = (sx as usize, sx.fract());
            let ix1 = (ix + 1).min(from.width - 1);
            let get = |d: &[f32]| {
                let a = d[iy * from.width + ix] * (1.0 - fx) + d[iy * from.width + ix1] * fx;
                let b = d[iy1 * from.width + ix] * (1.0 - fx) + d[iy1 * from.width + ix1] * fx;
                (a * (1.0 - fy) + b * fy) * f
            };
            out.x[y * out.width + x] = get(&from.x);
            out.y[y * out.width + x] = get(&from.y);
        }
    }
}
