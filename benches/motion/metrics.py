"""What a mirror's clip is judged by.

A clip is an array of RGB, float32, 0..1 [frames, height, width, 3], at the camera's rate. `camera` is what went in, `shown` what came out,
frame for frame; their difference is the dream. The flow that judges is OpenCV's Dual TV-L1, since a referee must not be a method that is
judged: inverse search and Farneback flatter those who carry by them.

follow    how much of the camera's change over 5 frames (blurred luma, where it moves) is in the picture: 1 is a mirror, 0 a still picture
e_warp    mean absolute difference (of 255) of each frame and its predecessor moved along the camera's optical flow, where nothing is hidden
fdb       mean absolute difference (of 255) of the picture's and the camera's change from frame to frame: asks no flow
flicker   the same as e_warp where the camera stands still
detail    mean absolute difference (of 255) of picture and camera: how much dream there is. The others mean nothing without it
unrest    (e_warp of the picture - e_warp of the camera) / detail: how much of the dream flickers or swims, whatever its strength

These six are the formulas and constants by which the bounds were set, and stay as they are. The others say beside their functions what
they mean.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, NamedTuple

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def gray(picture: np.ndarray) -> np.ndarray:
    return (picture @ LUMA * 255).clip(0, 255).astype(np.uint8)


def warp(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """`flow` [h, w, 2]: for each pixel of the new picture, where it lies in the old one, relative."""
    h, w = flow.shape[:2]
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    return cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


class Referee:
    """The camera's optical flow, and with it where each frame's predecessor can be seen in it. Slow (a quarter of a second a frame at
    320x192), so it is kept in the folder `cache` for the next run of the same clip."""

    def __init__(self, camera: np.ndarray, cache: Path | None = None, on_frame: Callable[[int, int], None] | None = None):
        self.camera = camera
        name = hashlib.sha256(np.ascontiguousarray(camera).tobytes()).hexdigest()[:16]
        kept = cache / f"{name}.npz" if cache else None
        if kept and kept.exists():
            arrays = np.load(kept)
            self.back, self.seen = arrays["back"], arrays["seen"]
            return
        tvl1 = cv2.optflow.DualTVL1OpticalFlow_create(nscales=4, warps=3, epsilon=0.03, innnerIterations=10, outerIterations=4)
        backs, seens = [], []
        for index, (a, b) in enumerate(zip(camera[:-1], camera[1:])):
            if on_frame:
                on_frame(index + 1, len(camera) - 1)
            ga, gb = gray(a), gray(b)
            back, forth = tvl1.calc(gb, ga, None), tvl1.calc(ga, gb, None)
            backs.append(back)
            seens.append(((back + warp(forth, back)) ** 2).sum(2) < 0.01 * (back**2).sum(2) + 0.5)
        self.back, self.seen = np.array(backs), np.array(seens)
        if kept:
            cache.mkdir(parents=True, exist_ok=True)
            np.savez(kept, back=self.back, seen=self.seen)


class Figures(NamedTuple):
    follow: float
    e_warp: float
    fdb: float
    flicker: float
    detail: float
    unrest: float


def measure(referee: Referee, shown: np.ndarray) -> Figures:
    """The six figures of the module's head. Where nothing moves, or nothing stands still, `follow` or `flicker` is nan."""
    camera = referee.camera
    if camera.shape != shown.shape:
        raise ValueError(f"the camera's clip is {camera.shape}, the shown one {shown.shape}: frame must answer to frame")
    e_warp, flicker = _along_the_flow(referee, shown)
    own_e_warp, _ = _along_the_flow(referee, camera)
    start = len(shown) // 4
    detail = float(np.abs(shown[start:] - camera[start:]).mean() * 255)
    unrest = (e_warp - own_e_warp) / max(detail, 0.01)
    return Figures(_follow(camera, shown), e_warp, fdb(camera, shown), flicker, detail, unrest)


def _along_the_flow(referee: Referee, shown: np.ndarray) -> tuple[float, float]:
    e_warp, flicker = [], []
    for back, seen, p, q in zip(referee.back, referee.seen, shown[:-1], shown[1:]):
        off = np.abs(warp(p, back) - q).mean(2)
        e_warp.append(off[seen].mean() * 255)
        still = seen & ((back**2).sum(2) < 0.04)
        if still.sum() > 500:
            flicker.append(np.abs(p - q).mean(2)[still].mean() * 255)
    return _mean(e_warp), _mean(flicker)


def _follow(camera: np.ndarray, shown: np.ndarray) -> float:
    follow = []
    for k in range(5, len(camera)):
        moved, shows = (
            cv2.GaussianBlur(gray(clip[k]).astype(np.float32) - gray(clip[k - 5]), (0, 0), 3) for clip in (camera, shown)
        )
        where = np.abs(moved) > 12
        if where.sum() > 200:
            follow.append((moved * shows)[where].sum() / (moved**2)[where].sum())
    return _mean(follow)


def fdb(camera: np.ndarray, shown: np.ndarray) -> float:
    return float(np.abs(np.diff(shown, axis=0) - np.diff(camera, axis=0)).mean() * 255)


def at_detail(camera: np.ndarray, shown: np.ndarray, detail: float) -> np.ndarray:
    """`shown` with its dream weakened or strengthened until its `detail` is this one, so that `fdb` can be compared."""
    start = len(shown) // 4
    own = float(np.abs(shown[start:] - camera[start:]).mean() * 255)
    return camera + (shown - camera) * np.float32(detail / max(own, 0.01))


def _mean(values: list) -> float:
    return float(np.mean(values)) if values else float("nan")


def projection(now: np.ndarray, old: np.ndarray) -> float:
    """How much of `old` is left in `now`: <now, old> / <old, old>. 1: all of it, 0: none."""
    now, old = now.ravel().astype(np.float64), old.ravel().astype(np.float64)
    return float(now @ old / max(old @ old, 1e-12))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's coefficient over all pixels and colours, each colour's mean taken out."""
    a, b = (x.astype(np.float64) - x.mean((0, 1), keepdims=True, dtype=np.float64) for x in (a, b))
    return float((a * b).sum() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-12))


class Survival(NamedTuple):
    """What is left of the dream after something happened to the camera in one frame."""

    at_once: float
    """projection of that frame's dream on the one before"""
    later: float
    """projection of the dream six frames later on the one before: 1 is all of it"""
    likeness: float
    """correlation of the same two, which does not care how strong either is"""


def survival(camera: np.ndarray, shown: np.ndarray, event: int, frames: int = 6) -> Survival:
    """`event`: the first frame of the new light or the new scene. With D = shown - camera: <D[event + 6], D[event - 1]> / <D[event - 1],
    D[event - 1]>, over all pixels and colours. The scene stands still before and after a step of light, so nothing has to be moved, and
    the dream is not expected to be lit up with the room, so nothing is scaled."""
    before, at_once, later = (shown[k] - camera[k] for k in (event - 1, event, event + frames))
    return Survival(projection(at_once, before), projection(later, before), correlation(later, before))


class Ghost(NamedTuple):
    """Of a dream's fine structure a second ago: how much went along with the photo, and how much stayed behind on the screen."""

    carried: float
    left_behind: float


def ghost(camera: np.ndarray, shown: np.ndarray, speed: int, lag: int) -> Ghost:
    """The photo slides left by `speed` pixels a frame, so what was at x lies at x - speed * lag after `lag` frames. Fitted by least squares,
    where all three exist, is D[k] = carried * (D[k - lag] slid along) + left_behind * D[k - lag], D being shown - camera less its blur of
    sigma 8 (a tint is no ghost); the mean over the second half of the clip. Fitted together, neither counts the other's part: a mirror
    has left_behind 0, a dream that sits on the screen has carried 0."""
    slid = speed * lag
    if slid > camera.shape[2] - 32:
        raise ValueError(f"after {lag} frames at {speed} a frame nothing is left in the picture")

    def dream(k: int) -> np.ndarray:
        difference = shown[k] - camera[k]
        return difference - cv2.GaussianBlur(difference, (0, 0), 8)

    shares = []
    for k in range(max(lag, len(camera) // 2), len(camera)):
        now, old = dream(k), dream(k - lag)
        width = now.shape[1] - slid
        both = np.stack([old[:, slid:].ravel(), old[:, :width].ravel()], axis=1).astype(np.float64)
        wanted = now[:, :width].ravel().astype(np.float64)
        shares.append(np.linalg.lstsq(both, wanted, rcond=None)[0])
    return Ghost(*(float(share) for share in np.mean(shares, axis=0)))


class Parts(NamedTuple):
    figure: float
    room: float


def detail_by_parts(camera: np.ndarray, shown: np.ndarray, masks: np.ndarray) -> Parts:
    """`detail` of the figure (`masks` [frames, h, w], true on it) and of the room, each the mean of its pixels, over the last three quarters
    of the clip, in frames in which the figure covers a twentieth of the picture or more."""
    figure, room = [], []
    for k in range(len(shown) // 4, len(shown)):
        off = np.abs(shown[k] - camera[k]).mean(2) * 255
        if masks[k].mean() >= 0.05:
            figure.append(off[masks[k]].mean())
            room.append(off[~masks[k]].mean())
    return Parts(_mean(figure), _mean(room))


def sharpness(picture: np.ndarray, above: float = 0.25) -> float:
    """Share of the luma's energy (without its mean) at frequencies above a quarter of the sampling rate, in any direction: 2-D FFT under a
    Hann window."""
    luma = (picture @ LUMA).astype(np.float64)
    h, w = luma.shape
    window = np.outer(np.hanning(h), np.hanning(w))
    luma = (luma - (luma * window).sum() / window.sum()) * window
    energy = np.abs(np.fft.fft2(luma)) ** 2
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :])
    return float(energy[radius > above].sum() / energy.sum())


def seam(difference: np.ndarray, length: int = 64) -> float:
    """How straight the straightest edge of a dream is. At each row and column: by how much the step to the next one exceeds the mean of the steps
    before and after it, averaged over `length` pixels along it; the largest, in units of their spread. Windows with borders that show
    have long straight steps; creatures have none. To be compared with that of a picture dreamed at once, which can have no seam."""
    luma = (difference @ LUMA).astype(np.float32)
    largest = 0.0
    for steps in (np.diff(luma, axis=1), np.diff(luma, axis=0).T):
        edges = steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2
        along = cv2.blur(edges, (1, length))[length // 2 : -(length // 2)]
        largest = max(largest, float(np.abs(along).max() / along.std()))
    return largest


class Tone(NamedTuple):
    """What must not drift over weeks."""

    mean: float
    spread: float
    """standard deviation of luma"""
    saturation: float
    """mean of largest less smallest of red, green and blue"""
    grain: float
    """mean absolute luma less its blur of sigma 1: the energy of the finest structure"""
    plateau: float
    """share of pixels at black or white in all three colours"""
    checkerboard: float
    """luma's energy in the highest sixteenth of the horizontal or vertical frequencies, as a share of what a smooth spectrum has there (that
    of the sixteenth below it): 1 is none"""
    frame: float
    """mean absolute dream of the outermost 8 pixels, of that of the rest: 1 is no frame; nan without a camera to compare with"""


def tone(picture: np.ndarray, camera: np.ndarray | None = None) -> Tone:
    luma = picture @ LUMA
    grain = np.abs(luma - cv2.GaussianBlur(luma, (0, 0), 1)).mean()
    ends = (picture <= 0.004).all(2) | (picture >= 0.996).all(2)
    around = float("nan")
    if camera is not None:
        off = np.abs(picture - camera).mean(2)
        inner = off[8:-8, 8:-8]
        around = float((off.sum() - inner.sum()) / (off.size - inner.size) / max(inner.mean(), 1e-6))
    saturation = (picture.max(2) - picture.min(2)).mean()
    return Tone(float(luma.mean()), float(luma.std()), float(saturation), float(grain), float(ends.mean()), _checkerboard(luma), around)


def _checkerboard(luma: np.ndarray) -> float:
    h, w = luma.shape
    energy = np.abs(np.fft.fft2((luma - luma.mean()) * np.outer(np.hanning(h), np.hanning(w)))) ** 2
    across, down = np.abs(np.fft.fftfreq(w)) * 2, np.abs(np.fft.fftfreq(h)) * 2
    top = energy[:, across > 15 / 16].mean() + energy[down > 15 / 16].mean()
    below = energy[:, (across > 14 / 16) & (across <= 15 / 16)].mean() + energy[(down > 14 / 16) & (down <= 15 / 16)].mean()
    return float(top / max(below, 1e-12))


@dataclass
class Alive:
    """Whether a dream over a still camera keeps changing. Takes frames one by one, since two minutes of them fill a memory; keeps the dream's mean
    of each second."""

    fps: float
    camera_before: np.ndarray | None = None
    shown_before: np.ndarray | None = None
    largest_step: float = -np.inf
    """the largest mean absolute change from a frame to the next (of 255) beyond the camera's own"""
    count: int = 0

    def __post_init__(self):
        self.seconds: list[np.ndarray] = []
        self.details: list[float] = []
        self._sum, self._detail, self._number = 0, 0.0, 0

    def add(self, camera: np.ndarray, shown: np.ndarray) -> None:
        if self.shown_before is not None:
            step = np.abs(shown - self.shown_before).mean() - np.abs(camera - self.camera_before).mean()
            self.largest_step = max(self.largest_step, float(step) * 255)
        self.camera_before, self.shown_before = camera, shown
        self._sum = self._sum + (shown - camera)
        self._detail += float(np.abs(shown - camera).mean() * 255)
        self._number += 1
        self.count += 1
        if self.count >= round((len(self.seconds) + 1) * self.fps):
            self.seconds.append(self._sum / self._number)
            self.details.append(self._detail / self._number)
            self._sum, self._detail, self._number = 0, 0.0, 0

    def likeness(self, since: int, lag: int) -> list[float]:
        """Correlation of each second from `since` on with that of `lag` seconds before."""
        return [correlation(self.seconds[t], self.seconds[t - lag]) for t in range(max(since, lag), len(self.seconds))]

    def detail_range(self, since: int) -> tuple[float, float, float]:
        """Smallest, mean and largest `detail` of the seconds from `since` on."""
        details = self.details[since:]
        return min(details), float(np.mean(details)), max(details)


def objective(pictures: Iterable[np.ndarray], measure_objective: Callable[[np.ndarray], float], every: int = 5) -> float:
    """Mean of the network's objective over the last three quarters of a clip, every fifth frame."""
    pictures = list(pictures)
    return _mean([measure_objective(picture) for picture in pictures[len(pictures) // 4 :: every]])
