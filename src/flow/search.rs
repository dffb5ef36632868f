use super::densify;
use super::plane::{MARGIN, PATCH, Plane, Row};
use super::pyramid::{Level, Pyramid};

/// For each pixel of one picture, where it lies in another.
#[derive(Debug, Clone, Default)]
pub struct Field {
    pub width: usize,
    pub height: usize,
    pub x: Vec<f32>,
    pub y: Vec<f32>,
}

impl Field {
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        self.x.resize(width * height, 0.0);
        self.y.resize(width * height, 0.0);
    }
}

#[derive(Debug, Default)]
pub struct Search {
    pub(super) grid: Vec<Found>,
    coarse: Flow,
    fine: Flow,
    weight: Vec<f32>,
}

/// What was found for a patch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub x: f32,
    pub y: f32,
    pub mean: f32,
    pub gain: f32,
    pub error: f32,
}

/// A dense flow of a level, of its coded size.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub width: usize,
    pub height: usize,
    pub x: Vec<f32>,
    pub y: Vec<f32>,
}

impl Flow {
    pub fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.x.resize(width * height, 0.0);
        self.y.resize(width * height, 0.0);
    }
}

const STEP: usize = 4;

impl Search {
    pub fn flow(&mut self, now: &Pyramid, before: &Pyramid, out: &mut Field) {
        let (width, height) = (now.luma().width, now.luma().height);
        assert_eq!((width, height), (before.luma().width, before.luma().height));
        let count = now.levels.len();
        let finest = (1.0f32 as usize).min(count - 1);
        let mut whole = [[0.0; 2]; 3];
        for l in (finest..count).rev() {
            let (now, before) = (&now.levels[l], &before.levels[l]);
            let start = (l + 1 < count).then_some(&self.coarse);
            search(now, before, start, &mut self.grid, l, &mut whole);
            densify::densify(now, before, &self.grid, &mut self.weight, &mut self.fine);
            std::mem::swap(&mut self.coarse, &mut self.fine);
        }
        out.resize(width, height);
        densify::enlarge(&self.coarse, 1 << finest, out);
    }
}

pub(super) fn grid(level: &Level) -> (usize, usize) {
    (level.luma.width / STEP - 1, level.luma.height / STEP - 1)
}

#[inline(always)]
fn sum(rows: [f32; PATCH]) -> f32 {
    let a = [rows[0] + rows[4], rows[1] + rows[5], rows[2] + rows[6], rows[3] + rows[7]];
    (a[0] + a[2]) + (a[1] + a[3])
}

pub(super) struct Template {
    t: [Row; PATCH],
    gx: [Row; PATCH],
    gy: [Row; PATCH],
    variance: f32,
    tx: f32,
    ty: f32,
    hxx: f32,
    hxy: f32,
    hyy: f32,
}

impl Template {
    #[inline(always)]
    fn new(level: &Level, at: usize, project: bool) -> Template {
        let (mut t, mut gx, mut gy) = (level.luma.patch(at), level.gx.patch(at), level.gy.patch(at));
        let mut s = [[0.0; PATCH]; 3];
        for y in 0..PATCH {
            for x in 0..PATCH {
                s[0][x] += t[y][x];
                s[1][x] += gx[y][x];
                s[2][x] += gy[y][x];
            }
        }
        let n = (PATCH * PATCH) as f32;
        let (mt, mx, my) = (sum(s[0]) / n, sum(s[1]) / n, sum(s[2]) / n);
        let mut q = [[0.0; PATCH]; 6];
        for y in 0..PATCH {
            for x in 0..PATCH {
                t[y][x] -= mt;
                gx[y][x] -= mx;
                gy[y][x] -= my;
                q[0][x] += t[y][x] * t[y][x];
                q[1][x] += t[y][x] * gx[y][x];
                q[2][x] += t[y][x] * gy[y][x];
                q[3][x] += gx[y][x] * gx[y][x];
                q[4][x] += gx[y][x] * gy[y][x];
                q[5][x] += gy[y][x] * gy[y][x];
            }
        }
        let [variance, mut tx, mut ty, mut hxx, mut hxy, mut hyy] = q.map(sum);
        if project {
            let c = 1.0 / (variance + 64.0f32);
            for y in 0..PATCH {
                for x in 0..PATCH {
                    gx[y][x] -= c * tx * t[y][x];
                    gy[y][x] -= c * ty * t[y][x];
                }
            }
            hxx -= c * tx * tx;
            hxy -= c * tx * ty;
            hyy -= c * ty * ty;
            tx -= c * tx * variance;
            ty -= c * ty * variance;
        }
        Template { t, gx, gy, variance, tx, ty, hxx, hxy, hyy }
    }
}

/// Where in a plane a displaced patch begins, and its four weights.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub at: usize,
    pub fx: f32,
    pub fy: f32,
}

#[inline(always)]
pub(super) fn place(plane: &Plane, x: f32, y: f32) -> Place {
    // Within the margin, whatever comes (NaN too).
    let x = x.max(-12.0).min(plane.width as f32 + 3.0) + MARGIN as f32;
    let y = y.max(-12.0).min(plane.height as f32 + 3.0) + MARGIN as f32;
    let (ix, iy) = (x as u32, y as u32);
    Place { at: iy as usize * plane.stride + ix as usize, fx: x - ix as f32, fy: y - iy as f32 }
}

#[inline(always)]
pub(super) fn across(plane: &Plane, at: usize, fx: f32) -> Row {
    let source: &[f32; PATCH + 1] = plane.data[at..at + PATCH + 1].try_into().expect("nine values");
    let mut row = [0.0; PATCH];
    for x in 0..PATCH {
        row[x] = source[x] + (source[x + 1] - source[x]) * fx;
    }
    row
}

/// Sums over a displaced patch: w, w², w·t, w·gx, w·gy
#[inline(always)]
fn compare(plane: &Plane, place: Place, t: &Template) -> [f32; 5] {
    let mut acc = [[0.0f32; PATCH]; 5];
    let mut above = across(plane, place.at, place.fx);
    for y in 0..PATCH {
        let below = across(plane, place.at + (y + 1) * plane.stride, place.fx);
        for x in 0..PATCH {
            let w = above[x] + (below[x] - above[x]) * place.fy;
            acc[0][x] += w;
            acc[1][x] += w * w;
            acc[2][x] += w * t.t[y][x];
            acc[3][x] += w * t.gx[y][x];
            acc[4][x] += w * t.gy[y][x];
        }
        above = below;
    }
    acc.map(sum)
}

/// Numbers on the grid of patches, with a border of one.
#[derive(Debug, Default)]
struct Sheet {
    stride: usize,
    u: [Vec<f32>; 2],
    first: [Vec<f32>; 2],
    /// c·H: xx, xy, yy; c·(H·u − b): x, y
    data: [Vec<f32>; 5],
    /// inverse of the whole matrix
    inverse: [Vec<f32>; 3],
    right: Vec<f32>,
    down: Vec<f32>,
}

impl Sheet {
    fn new(columns: usize, rows: usize) -> Sheet {
        let stride = (columns + 2).next_multiple_of(8);
        let n = stride * (rows + 2) + 8;
        let v = || vec![0.0f32; n];
        Sheet {
            stride,
            u: [v(), v()],
            first: [v(), v()],
            data: [v(), v(), v(), v(), v()],
            inverse: [v(), v(), v()],
            right: v(),
            down: v(),
        }
    }

    #[inline(never)]
    fn weigh(&mut self, columns: usize, rows: usize, lambda: f32, edge: f32, own: f32, slope: &[[f32; 2]; 2]) {
        let st = self.stride;
        let e = 1.0 / (edge * edge);
        let kind = 0.0f32;
        for j in 1..=rows {
            let at = j * st + 1;
            for (to, step, n, s) in [
                (&mut self.right, 1, columns - 1, slope[0]),
                (&mut self.down, st, if j < rows { columns } else { 0 }, slope[1]),
            ] {
                for k in at..at + n {
                    let (dx, dy) =
                        (self.u[0][k + step] - self.u[0][k] - s[0], self.u[1][k + step] - self.u[1][k] - s[1]);
                    let d = 1.0 + (dx * dx + dy * dy) * e;
                    to[k] = lambda / if kind == 1.0 { d } else { d.sqrt() };
                }
            }
            for k in at..at + columns {
                let w = self.right[k] + self.right[k - 1] + self.down[k] + self.down[k - st] + own;
                let (a, b, c) = (self.data[0][k] + w, self.data[1][k], self.data[2][k] + w);
                let det = 1.0 / (a * c - b * b);
                self.inverse[0][k] = c * det;
                self.inverse[1][k] = -b * det;
                self.inverse[2][k] = a * det;
            }
        }
    }

    #[inline(never)]
    fn sweep(&mut self, columns: usize, rows: usize, upwards: bool, own: f32, slope: &[[f32; 2]; 2], omega: f32) {
        let st = self.stride;
        for j in 1..=rows {
            let j = if upwards { rows + 1 - j } else { j };
            let at = j * st + 1;
            let mut next = [[0.0f32; 128]; 2];
            for i in 0..columns {
                let k = at + i;
                let (wl, wr, wu, wd) = (self.right[k - 1], self.right[k], self.down[k - st], self.down[k]);
                let m = |c: usize| {
                    let u = &self.u[c];
                    self.data[3 + c][k]
                        + wl * (u[k - 1] + slope[0][c])
                        + wr * (u[k + 1] - slope[0][c])
                        + wu * (u[k - st] + slope[1][c])
                        + wd * (u[k + st] - slope[1][c])
                        + own * self.first[c][k]
                };
                let (x, y) = (m(0), m(1));
                next[0][i] = self.inverse[0][k] * x + self.inverse[1][k] * y;
                next[1][i] = self.inverse[1][k] * x + self.inverse[2][k] * y;
            }
            for c in 0..2 {
                for i in 0..columns {
                    let v = &mut self.u[c][at + i];
                    *v += omega * (next[c][i] - *v);
                }
            }
        }
    }

    /// Fits value and slope (a patch) of all flow.
    fn fit(&self, columns: usize, rows: usize, a: &mut [[f32; 2]; 3], robust: f32) {
        let (cx, cy) = ((columns as f32 - 1.0) / 2.0, (rows as f32 - 1.0) / 2.0);
        for _ in 0..3.0f32 as usize {
            let mut m = [0.0f32; 6];
            let mut r = [[0.0f32; 3]; 2];
            for j in 0..rows {
                for i in 0..columns {
                    let k = (j + 1) * self.stride + 1 + i;
                    let (x, y) = (i as f32 - cx, j as f32 - cy);
                    let (hxx, hxy, hyy) = (self.data[0][k], self.data[1][k], self.data[2][k]);
                    let least = (hxx * hyy - hxy * hxy).max(0.0) / (hxx + hyy + 1e-3);
                    let e = [0, 1].map(|c| self.u[c][k] - a[0][c] - a[1][c] * x - a[2][c] * y);
                    let q = 1.0 + (e[0] * e[0] + e[1] * e[1]) / (robust * robust);
                    let w = least / (least + 50.0f32) / (q * q);
                    m[0] += w;
                    m[1] += w * x;
                    m[2] += w * y;
                    m[3] += w * x * x;
                    m[4] += w * x * y;
                    m[5] += w * y * y;
                    for c in 0..2 {
                        let w = w * self.u[c][k];
                        r[c][0] += w;
                        r[c][1] += w * x;
                        r[c][2] += w * y;
                    }
                }
            }
            m[0] += 1e-3;
            let ridge = 1.0f32 * m[0];
            m[3] += ridge;
            m[5] += ridge;
            let (c00, c01, c02) = (m[3] * m[5] - m[4] * m[4], m[4] * m[2] - m[1] * m[5], m[1] * m[4] - m[3] * m[2]);
            let (c11, c12, c22) = (m[0] * m[5] - m[2] * m[2], m[1] * m[2] - m[0] * m[4], m[0] * m[3] - m[1] * m[1]);
            let det = 1.0 / (m[0] * c00 + m[1] * c01 + m[2] * c02);
            for c in 0..2 {
                a[0][c] = (c00 * r[c][0] + c01 * r[c][1] + c02 * r[c][2]) * det;
                a[1][c] = (c01 * r[c][0] + c11 * r[c][1] + c12 * r[c][2]) * det;
                a[2][c] = (c02 * r[c][0] + c12 * r[c][1] + c22 * r[c][2]) * det;
            }
        }
    }
}

pub(super) fn search(
    now: &Level,
    before: &Level,
    start: Option<&Flow>,
    found: &mut Vec<Found>,
    level: usize,
    whole: &mut [[f32; 2]; 3],
) {
    let (columns, rows) = grid(now);
    let count = columns * rows;
    found.clear();
    found.resize(count, Found::default());
    let n = (PATCH * PATCH) as f32;
    let steps = if level > 1 { 6.0f32 } else { 3.0f32 } as usize;
    let sweeps = if level > 1 { 8.0f32 } else { 8.0f32 } as usize;
    let noise = 64.0f32;
    let lambda = 40.0f32;
    let edge = 0.7f32;
    let sigma = 1.0f32;
    let own = 0.0f32;
    let omega = 1.0f32;
    // Where the patch at (i, j) is first looked for.
    let begin = |i: usize, j: usize| match start {
        None => (0.0, 0.0),
        Some(flow) => {
            let (cx, cy) = ((STEP * i + PATCH / 2) / 2, (STEP * j + PATCH / 2) / 2);
            let at = cy.min(flow.height - 1) * flow.width + cx.min(flow.width - 1);
            let at2 = (cy.max(1) - 1).min(flow.height - 1) * flow.width + (cx.max(1) - 1).min(flow.width - 1);
            (flow.x[at] + flow.x[at2], flow.y[at] + flow.y[at2])
        }
    };
    let at = |k: usize| ((k % columns) * STEP, (k / columns) * STEP);
    let templates: Vec<Template> =
        (0..count).map(|k| Template::new(now, now.luma.at(at(k).0, at(k).1), true)).collect();
    let look = |k: usize, x: f32, y: f32| {
        let (px, py) = at(k);
        compare(&before.luma, place(&before.luma, px as f32 + x, py as f32 + y), &templates[k])
    };
    let judge = |s: &[f32; 5], t: &Template| {
        let mean = s[0] / n;
        let v = (s[1] - s[0] * mean).max(0.0);
        let gain = ((v + noise) / (t.variance + noise)).sqrt().clamp(0.5, 2.0);
        let error = (v / (gain * gain) + t.variance - 2.0 * s[2] / gain).max(0.0);
        (mean, gain, error)
    };
    let mut sheet = Sheet::new(columns, rows);
    let st = sheet.stride;
    for j in 0..rows {
        for i in 0..columns {
            let (x, y) = begin(i, j);
            let k = (j + 1) * st + 1 + i;
            (sheet.u[0][k], sheet.u[1][k]) = (x, y);
        }
    }
    sheet.first = sheet.u.clone();
    whole[0] = [2.0 * whole[0][0], 2.0 * whole[0][1]];
    let noslope = [[0.0; 2]; 2];
    for step in 0..steps {
        for k in 0..count {
            let k = if step % 2 == 1 { count - 1 - k } else { k };
            let (i, j) = (k % columns, k / columns);
            let at = (j + 1) * st + i + 1;
            let t = &templates[k];
            let (mut x, mut y) = (sheet.u[0][at], sheet.u[1][at]);
            let mut s = look(k, x, y);
            let mut j0 = judge(&s, t);
            if step < 2.0f32 as usize {
                let near = if step % 2 == 0 {
                    [(i > 0).then(|| at - 1), (j > 0).then(|| at - st)]
                } else {
                    [(i + 1 < columns).then(|| at + 1), (j + 1 < rows).then(|| at + st)]
                };
                for other in near.into_iter().flatten() {
                    let (ox, oy) = (sheet.u[0][other], sheet.u[1][other]);
                    if (ox - x).abs() + (oy - y).abs() > 0.25 {
                        let os = look(k, ox, oy);
                        let jo = judge(&os, t);
                        if jo.2 + noise < j0.2 * 0.9f32 {
                            (x, y, s, j0) = (ox, oy, os, jo);
                        }
                    }
                }
            }
            let (bx, by) = (s[3] / j0.1 - t.tx, s[4] / j0.1 - t.ty);
            let c = 1.0 / (sigma + j0.2 / n);
            (sheet.u[0][at], sheet.u[1][at]) = (x, y);
            let d =
                [c * t.hxx, c * t.hxy, c * t.hyy, c * (t.hxx * x + t.hxy * y - bx), c * (t.hxy * x + t.hyy * y - by)];
            for m in 0..5 {
                sheet.data[m][at] = d[m];
            }
        }
        let slope = if 3.0f32 > 0.0 { [whole[1], whole[2]] } else { noslope };
        sheet.weigh(columns, rows, lambda, edge, own, &slope);
        for sweep in 0..sweeps {
            sheet.sweep(columns, rows, sweep % 2 == 1, own, &slope, omega);
        }
        sheet.fit(columns, rows, whole, 1.0f32);
    }
    for k in 0..count {
        let (i, j) = (k % columns, k / columns);
        let at = (j + 1) * st + i + 1;
        let (x, y) = (sheet.u[0][at], sheet.u[1][at]);
        let j0 = judge(&look(k, x, y), &templates[k]);
        found[k] = Found { x, y, mean: j0.0, gain: j0.1, error: j0.2 };
    }
}
