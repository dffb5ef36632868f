"""Clips made from the two photos that ship with Reverie: each shows one thing that a mirror must stand, and is the same on every machine.

Every function yields RGB pictures, float32, 0..1; `crossing` and `cutout` yield pairs of picture and mask.
"""

from typing import Iterator

import cv2
import numpy as np
from PIL import Image

from environment import REPOSITORY

PHOTOS = REPOSITORY / "deploy" / "photos"

Size = tuple[int, int]
"""width, height"""


def photo(name: str) -> np.ndarray:
    return np.asarray(Image.open(PHOTOS / f"{name}.jpg").convert("RGB"), np.float32) / 255


def cover(picture: np.ndarray, size: Size, margin: int = 0) -> np.ndarray:
    """`picture` scaled and cut to `size`, and `margin` more on every side."""
    w, h = size[0] + 2 * margin, size[1] + 2 * margin
    scale = max(w / picture.shape[1], h / picture.shape[0])
    scaled = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    picture = cv2.resize(picture, scaled, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC).clip(0, 1)
    x, y = (scaled[0] - w) // 2, (scaled[1] - h) // 2
    return np.ascontiguousarray(picture[y : y + h, x : x + w])


def noisy(picture: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    return (picture + rng.normal(0, sigma / 255, picture.shape).astype(np.float32)).clip(0, 1)


def still(size: Size, frames: int, name: str = "coffee", sigma: float = 2) -> Iterator[np.ndarray]:
    """A camera before which nothing moves: a photo, and fresh noise in every frame."""
    rng, picture = np.random.default_rng(1), cover(photo(name), size)
    for _ in range(frames):
        yield noisy(picture, rng, sigma)


def dark(size: Size, frames: int) -> Iterator[np.ndarray]:
    """A covered lens: nothing but noise."""
    rng, picture = np.random.default_rng(2), np.zeros((size[1], size[0], 3), np.float32)
    for _ in range(frames):
        yield noisy(picture, rng, 1)


def pan(size: Size, frames: int, speed: int, name: str = "coffee") -> Iterator[np.ndarray]:
    """A photo that slides left by `speed` pixels a frame, mirrored at its edges so that it never ends."""
    rng, picture = np.random.default_rng(3), photo(name)
    height = round(size[1] * 1.25)
    picture = cv2.resize(picture, (round(picture.shape[1] * height / picture.shape[0]), height), interpolation=cv2.INTER_AREA)
    picture = picture[(height - size[1]) // 2 :][: size[1]]
    tile = np.concatenate([picture, picture[:, ::-1]], axis=1)
    columns = np.arange(size[0])
    for k in range(frames):
        yield noisy(tile[:, (columns + speed * k) % tile.shape[1]], rng, 2)


def exposure(size: Size, frames: int, event: int, factor: float = 1.3, name: str = "coffee") -> Iterator[np.ndarray]:
    """A still photo that is lit up by `factor` from one frame to the next. It begins at three quarters of its light, so that hardly anything
    burns out: what is white cannot show a dream."""
    rng, picture = np.random.default_rng(4), cover(photo(name), size) * np.float32(0.75)
    for k in range(frames):
        yield noisy(picture * np.float32(factor if k >= event else 1), rng, 2)


def cut(size: Size, frames: int, event: int, names: tuple[str, str] = ("coffee", "rocket")) -> Iterator[np.ndarray]:
    """One photo, then quite another."""
    rng, pictures = np.random.default_rng(5), [cover(photo(name), size) for name in names]
    for k in range(frames):
        yield noisy(pictures[k >= event], rng, 2)


def flicker(size: Size, frames: int, beat: float, fps: float = 25, depth: float = 0.08, name: str = "coffee") -> Iterator[np.ndarray]:
    """A still photo under a lamp on the mains. 100 Hz light sampled 25 times a second shows nothing; a lamp or a clock a little off beats: at
    100.3 Hz it swells and fades in three seconds (`beat` 0.3), at 108 Hz it flickers (8). `beat` 0 is the same clip under daylight.
    Three quarters of the photo's light leave room for a dream, as above."""
    rng, picture = np.random.default_rng(6), cover(photo(name), size) * np.float32(0.75)
    for k in range(frames):
        light = 1 + depth * np.sin(2 * np.pi * beat * k / fps)
        yield noisy(picture * np.float32(light), rng, 2)


def trembling(t: float) -> tuple[float, float]:
    """How far a hand has moved the picture at `t` seconds, pixels."""
    return 1.3 * np.sin(2 * np.pi * 1.9 * t) + 0.8 * np.sin(2 * np.pi * 4.3 * t + 1), 1.1 * np.sin(2 * np.pi * 2.6 * t + 2)


def moved(picture: np.ndarray, by: tuple[float, float], size: Size) -> np.ndarray:
    """`picture` at `by` (its upper left corner's place) in a picture of `size`."""
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC).clip(0, 1)


def crossing(size: Size, frames: int, sigma: float = 3) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A person-like figure walks once through the picture, left to right, over a photo that trembles as in a hand. The mask is true on the figure."""
    rng, margin = np.random.default_rng(7), 8
    room, figure = cover(photo("coffee"), size, margin), Figure(size[1] * 0.86)
    for k in range(frames):
        shake = trembling(k / 25)
        picture = moved(room, (shake[0] - margin, shake[1] - margin), size)
        x = -0.12 * size[0] + 1.24 * size[0] * k / max(frames - 1, 1)
        picture, mask = figure.draw(picture, x + shake[0], size[1] * 0.97 + shake[1], k / 25)
        yield noisy(picture, rng, sigma), mask


def cutout(size: Size, frames: int, sigma: float = 3) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same, but a stiff portrait goes through the picture, an oval cut out of cardboard, bobbing as if it walked: as large as somebody
    who stands before a mirror, and nothing in it moves by itself. The bounds of the walking figure were set on such a clip."""
    rng, margin = np.random.default_rng(8), 8
    room = cover(photo("coffee"), size, margin)
    w, h = round(size[1] * 0.62), round(size[1] * 0.86)
    card = cover(photo("rocket"), (w, h)) * np.float32(0.6) + np.float32(0.3)
    card, _ = Figure(h * 2.1).draw(card, w * 0.47, h * 2.12, 0.24)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    oval = (((x + 0.5) / w * 2 - 1) ** 2 + ((y + 0.5) / h * 2 - 1) ** 2 < 1).astype(np.float32)
    card = np.concatenate([card, oval[..., None]], axis=2)
    for k in range(frames):
        shake = trembling(k / 25)
        picture = moved(room, (shake[0] - margin, shake[1] - margin), size)
        bob = 2 * np.sin(2 * np.pi * k / 13)
        left = -0.75 * w + (size[0] + 0.5 * w) * k / max(frames - 1, 1)
        placed = moved(card, (left + shake[0], size[1] - h * 0.98 + shake[1] + bob), size)
        opacity = placed[..., 3:]
        yield noisy(picture * (1 - opacity) + placed[..., :3] * opacity, rng, sigma), opacity[..., 0] > 0.5


class Figure:
    """A paper doll that walks: head, body, arms and legs cut from the photos' wood and steel, dyed, each with its cloth fixed to it, so that the
    cloth goes along."""

    STRIDE = 1.05
    """seconds for two steps"""
    FINE = 2
    """drawn so many times larger, then reduced: edges without stairs"""

    def __init__(self, height: float):
        self.unit = height / 100 * self.FINE
        wood, steel = photo("coffee")[250:400, 0:150], photo("rocket")[0:420, 20:90]
        jacket, trousers, skin = (0.16, 0.42, 0.52), (0.25, 0.23, 0.30), (0.80, 0.58, 0.46)
        self.body = self.part((26, 38), wood, jacket, 9, 1.1)
        self.upper_arm, self.forearm = self.part((8, 20), wood, jacket, 4, 1.1), self.part((7, 19), wood, (0.20, 0.50, 0.58), 3.5, 1.1)
        self.thigh, self.shin = self.part((10.5, 26), steel, trousers, 5.2, 1.6), self.part((9, 25), steel, trousers, 4.5, 1.6)
        self.shoe, self.hand = self.part((15, 6), wood, (0.16, 0.10, 0.08), 3, 0.8), self.part((7, 8), wood, skin, 3.5, 0.15)
        self.head = self.face(skin)

    def part(self, size: tuple[float, float], cloth: np.ndarray, dye: tuple, corner: float, contrast: float) -> np.ndarray:
        """A piece of cloth with round corners, red, green, blue and opacity; darker towards its sides, as round things are."""
        w, h = (max(round(side * self.unit), 2) for side in size)
        cloth = cv2.resize(cloth, (w, h), interpolation=cv2.INTER_AREA)
        weave = cloth.mean(2)
        weave = 1 + contrast * (weave - cv2.GaussianBlur(weave, (0, 0), max(w, h) / 3)) / max(weave.mean(), 0.05)
        roundness = 0.72 + 0.34 * np.sin(np.linspace(0.2, np.pi - 0.2, w, dtype=np.float32))[None, :, None]
        piece = np.zeros((h, w, 4), np.float32)
        piece[..., :3] = (np.array(dye, np.float32) * weave[..., None] * roundness).clip(0, 1)
        radius = min(round(corner * self.unit), w // 2, h // 2)
        opacity = np.zeros((h, w), np.uint8)
        cv2.rectangle(opacity, (radius, 0), (w - 1 - radius, h - 1), 255, -1)
        cv2.rectangle(opacity, (0, radius), (w - 1, h - 1 - radius), 255, -1)
        for x in (radius, w - 1 - radius):
            for y in (radius, h - 1 - radius):
                cv2.circle(opacity, (x, y), radius, 255, -1)
        piece[..., 3] = opacity / np.float32(255)
        return piece

    def face(self, skin: tuple) -> np.ndarray:
        """A head in half profile, looking right."""
        w, h = round(15 * self.unit), round(20 * self.unit)
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        x, y = (x + 0.5) / w * 2 - 1, (y + 0.5) / h * 2 - 1
        head = np.zeros((h, w, 4), np.float32)
        head[..., :3] = np.array(skin, np.float32) * (1.05 - 0.25 * np.abs(x - 0.25) - 0.1 * y)[..., None]
        within = lambda cx, cy, rx, ry: ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
        strands = 0.10 + 0.07 * np.sin(x * 23 + 5 * y)
        hair = within(-0.15, -0.62, 0.95, 0.48) | within(-0.75, -0.15, 0.42, 0.62)
        head[hair, :3] = (np.stack([strands * 1.5, strands, strands * 0.6], axis=2))[hair]
        for cx in (0.15, 0.68):
            head[within(cx, -0.08, 0.17, 0.09), :3] = 0.93
            head[within(cx + 0.05, -0.08, 0.08, 0.09), :3] = (0.12, 0.18, 0.10)
            head[within(cx, -0.26, 0.2, 0.04), :3] = 0.13
        head[within(0.55, 0.16, 0.1, 0.2), :3] *= 0.82
        head[within(0.42, 0.52, 0.3, 0.08), :3] = (0.58, 0.22, 0.22)
        head[..., 3] = within(0, 0, 0.97, 0.99)
        return head

    def draw(self, picture: np.ndarray, x: float, ground: float, t: float) -> tuple[np.ndarray, np.ndarray]:
        """`picture` with the figure's feet at (x, ground), and where it is."""
        h, w = picture.shape[:2]
        size = w * self.FINE, h * self.FINE
        layer = np.zeros((size[1], size[0], 4), np.float32)
        phase, unit = 2 * np.pi * t / self.STRIDE, self.unit
        hip = np.array([x * self.FINE, ground * self.FINE - (51.5 - 1.2 * np.cos(2 * phase)) * unit])
        shoulder = hip + np.array([2, -33]) * unit

        def leg(phase: float) -> None:
            swing = 0.42 * np.sin(phase)
            bend = 0.10 + 0.55 * max(0.0, np.cos(phase)) ** 2
            knee = self.limb(layer, self.thigh, hip, swing)
            ankle = self.limb(layer, self.shin, knee, swing - bend)
            self.limb(layer, self.shoe, ankle + np.array([4, -2.5]) * unit, 0.35 * (swing - bend))

        def arm(phase: float) -> None:
            swing = -0.5 * np.sin(phase)
            elbow = self.limb(layer, self.upper_arm, shoulder + np.array([0, 3]) * unit, swing)
            wrist = self.limb(layer, self.forearm, elbow, swing + 0.35)
            self.limb(layer, self.hand, wrist, swing + 0.35)

        arm(phase + np.pi)
        leg(phase + np.pi)
        leg(phase)
        self.limb(layer, self.body, hip + np.array([1, -36]) * unit, 0.03)
        self.limb(layer, self.head, hip + np.array([4, -53.5]) * unit, 0.04 * np.sin(2 * phase))
        arm(phase)
        layer = cv2.resize(layer, (w, h), interpolation=cv2.INTER_AREA)
        opacity = layer[..., 3:]
        return picture * (1 - opacity) + layer[..., :3], opacity[..., 0] > 0.5

    def limb(self, layer: np.ndarray, part: np.ndarray, top: np.ndarray, angle: float) -> np.ndarray:
        """Lays `part` over `layer`, hung by the middle of its upper edge at `top`, turned by `angle` (forward is right). Returns where its lower
        end is, a little inside."""
        h, w = part.shape[:2]
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = np.array([[cos, sin, top[0] - cos * w / 2], [-sin, cos, top[1] + sin * w / 2]], np.float32)
        coloured = part.copy()
        coloured[..., :3] *= part[..., 3:]
        placed = cv2.warpAffine(coloured, matrix, (layer.shape[1], layer.shape[0]), flags=cv2.INTER_LINEAR)
        layer *= 1 - placed[..., 3:]
        layer += placed
        return top + np.array([sin, cos]) * (h - 2.5 * self.unit)
