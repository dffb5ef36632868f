"""Pairs of pictures of which the flow is known: two views of a photo that ships, worked out from the photo itself.

Both are sampled from the photo (640x427 or 600x400) with nine samples a pixel, so that neither is made from the other by
the interpolation that is being judged. `now` at x shows what `before` shows at x + flow(x).
"""

from pathlib import Path

import cv2
import numpy as np

PHOTOS = Path(__file__).resolve().parent.parent.parent / "deploy" / "photos"
WIDTH, HEIGHT = 320, 180
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)

# What moves, and how: pixels from one picture to the next.
KINDS = {
    "still": "nothing moves",
    "moved": "the picture moves by 0.2 to 3 pixels",
    "moved far": "by 8 to 20",
    "turned": "it turns by 2 to 6 degrees",
    "scaled": "it grows or shrinks by 3 to 9 %",
    "occluded": "a cut-out of the other photo moves by 3 to 14 before one that moves by up to 1.5",
    "crossing": "a cut-out moves by 2 to 10 before one that stands still",
}


def photo(name):
    return cv2.imread(str(PHOTOS / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE).astype(np.float32)


def motion(dx=0.0, dy=0.0, angle=0.0, zoom=1.0):
    """A matrix from places in `now` to places in `before`."""
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    mx, my = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    return np.array([[cos, -sin, mx - cos * mx + sin * my + dx], [sin, cos, my - sin * mx - cos * my + dy], [0, 0, 1]])


def view(scale, x, y):
    """A matrix from places in a picture to places in a photo: `scale` of its pixels a pixel, (x, y) in the middle."""
    return np.array([[scale, 0, x - scale * (WIDTH - 1) / 2], [0, scale, y - scale * (HEIGHT - 1) / 2], [0, 0, 1]])


def places(matrix, x=X, y=Y):
    return matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2], matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]


def flow_of(matrix):
    x, y = places(matrix)
    return np.stack([x - X, y - Y], -1)


def sample(picture, matrix):
    total = 0
    for oy in (-1 / 3, 0, 1 / 3):
        for ox in (-1 / 3, 0, 1 / 3):
            x, y = places(matrix, X + ox, Y + oy)
            total = total + cv2.remap(
                picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
            )
    return total / 9


def inside(x, y):
    return (x >= 0) & (x <= WIDTH - 1) & (y >= 0) & (y <= HEIGHT - 1)


def direction(rng, least, most):
    length, angle = rng.uniform(least, most), rng.uniform(0, 2 * np.pi)
    return length * np.cos(angle), length * np.sin(angle)


def outline(rng):
    """Whether a place, relative to the middle of a cut-out, lies in it: a rounded shape, 60 to 110 pixels large."""
    k = np.arange(1, 6)
    a, b = rng.normal(0, 0.12 / k**0.7, 5), rng.normal(0, 0.12 / k**0.7, 5)
    radius = rng.uniform(28, 45)

    def contains(x, y):
        angle = np.arctan2(y, x)
        edge = radius * (1 + sum(a[i] * np.cos(k[i] * angle) + b[i] * np.sin(k[i] * angle) for i in range(5)))
        return np.hypot(x, y / 1.25) < edge

    return contains


def whole_motion(kind, rng):
    if kind == "moved":
        return motion(*direction(rng, 0.2, 3))
    if kind == "moved far":
        return motion(*direction(rng, 8, 20))
    if kind == "turned":
        return motion(*direction(rng, 0, 2), angle=np.deg2rad(rng.uniform(2, 6) * rng.choice([-1, 1])))
    if kind == "scaled":
        return motion(*direction(rng, 0, 2), zoom=rng.uniform(1.03, 1.09) ** rng.choice([-1, 1]))
    if kind == "occluded":
        return motion(*direction(rng, 0, 1.5))
    return motion()


def make(kind, seed, noise=0.0, light=1.0):
    """Two pictures (bytes), the flow from the second to the first, and where it is defined: `before`, `now`, `flow`, `known`."""
    rng = np.random.default_rng([list(KINDS).index(kind), seed])
    names = ["coffee", "rocket"] if seed % 2 == 0 else ["rocket", "coffee"]
    ground = photo(names[0])
    middle = ground.shape[1] / 2 + rng.uniform(-20, 20), ground.shape[0] / 2 + rng.uniform(-20, 20)
    look = view(rng.uniform(1.35, 1.5), *middle)
    matrix = whole_motion(kind, rng)
    before, now, flow = sample(ground, look), sample(ground, look @ matrix), flow_of(matrix)
    known = inside(*places(matrix))
    if kind in ("occluded", "crossing"):
        before, now, flow, known = cut_out(kind, rng, photo(names[1]), matrix, before, now, flow, known)
    # Darker, so that little is clipped when the light changes in `now`.
    grain = np.random.default_rng([99, seed])

    def to_bytes(picture):
        return np.clip(np.rint(picture + grain.normal(0, noise or 1e-9, picture.shape)), 0, 255).astype(np.uint8)

    return to_bytes(0.75 * before), to_bytes(0.75 * light * now), flow.astype(np.float32), known


def cut_out(kind, rng, other, ground_matrix, before, now, flow, known):
    middle = other.shape[1] / 2 + rng.uniform(-40, 40), other.shape[0] / 2 + rng.uniform(-40, 40)
    look = view(rng.uniform(1.0, 1.4), *middle)
    matrix = motion(*direction(rng, 2, 10))
    if kind == "occluded":
        matrix = motion(*direction(rng, 3, 14), angle=np.deg2rad(rng.uniform(-2, 2)))
    contains = outline(rng)
    cx, cy = WIDTH / 2 + rng.uniform(-60, 60), HEIGHT / 2 + rng.uniform(-15, 15)

    def cover(matrix):
        """The share of each pixel that the cut-out covers."""
        steps = (-0.375, -0.125, 0.125, 0.375)
        spots = [places(matrix, X + ox, Y + oy) for oy in steps for ox in steps]
        return sum(contains(x - cx, y - cy) for x, y in spots) / 16.0

    cover_before, cover_now = cover(np.eye(3)), cover(matrix)
    before = before * (1 - cover_before) + sample(other, look) * cover_before
    now = now * (1 - cover_now) + sample(other, look @ matrix) * cover_now
    is_figure = cover_now >= 0.5
    # The ground that the cut-out hid before has no place there.
    x, y = places(ground_matrix)
    hidden = cv2.remap(cover_before.astype(np.float32), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    known = np.where(is_figure, inside(*places(matrix)), known & (hidden <= 0.02))
    flow = np.where(is_figure[..., None], flow_of(matrix), flow)
    return before, now, flow, known
