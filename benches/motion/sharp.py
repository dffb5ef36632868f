#!/usr/bin/env python3
"""Is the dream as sharp as the screen? A still photo without noise, dreamed for ten seconds at the screen's size; the share of the picture's
energy above a quarter of its sampling rate, beside the way before (dreamed 320 wide, enlarged) and a still dreamed at full size, and
whether a window's border can be measured.

  sharp.py [--seconds 10] [--size 960x544] [--photo coffee] [--reverie PROGRAM] [-- --NAME VALUE …]

All three, and a part of each pixel for pixel, are left in .cache/motion/sharp/ to be looked at.
"""

import environment

environment.enter()

import sys

import cv2
import numpy as np
from PIL import Image

import made_up
import metrics
import mirrors
import network
import proof
from environment import CACHE
from progress import Progress

FPS = 30
DREAM_EVERY = 4
SEAM = 1.25
"""how much straighter than a still's the straightest edge may be"""
PART = 320, 300


def main() -> int:
    parser = proof.arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--size", type=proof.size, default=(960, 544))
    parser.add_argument("--photo", default="coffee", choices=["coffee", "rocket"])
    args = parser.parse_args()
    folder = CACHE / "sharp"
    folder.mkdir(parents=True, exist_ok=True)
    camera = made_up.cover(made_up.photo(args.photo), args.size)
    pictures = {"camera": camera, "way before": way_before(camera, args.seconds)}
    frames = round(args.seconds * FPS)
    stream = proof.reverie(args).stream(made_up.still(args.size, frames, args.photo, sigma=0), FPS, args.size, DREAM_EVERY)
    for _, shown in Progress(stream, f"Reverie at {args.size[0]}x{args.size[1]}", frames):
        pictures["Reverie"] = shown
    pictures["still"] = still(args, folder)

    widths = [12, 21, 14, 8, 8]
    proof.row(["picture", "share above a quarter", "of its dream", "seam", "detail"], widths)
    shares, seams = {}, {}
    for name, picture in pictures.items():
        shares[name] = metrics.sharpness(picture)
        if name == "camera":
            proof.row([name, shares[name]], widths)
            continue
        dream = picture - camera
        seams[name] = metrics.seam(dream)
        proof.row([name, shares[name], metrics.sharpness(dream), seams[name], float(np.abs(dream).mean() * 255)], widths)
    save(pictures, folder)
    bounds = proof.Bounds()
    bounds.at_least("sharpness, of a still's at full size", shares["Reverie"] / shares["still"], 0.5)
    bounds.at_most("straightest edge, of a still's", seams["Reverie"] / seams["still"], SEAM)
    return bounds.end()


def way_before(camera: np.ndarray, seconds: float) -> np.ndarray:
    """Plain feedback at eight dreams a second, 320 wide, enlarged."""
    rng, net, dream = np.random.default_rng(1), network.Network(), None
    height, width = camera.shape[:2]
    small = cv2.resize(camera, (320, round(height * 320 / width)), interpolation=cv2.INTER_AREA)
    for _ in Progress(range(max(round(seconds * mirrors.Plain.DREAMS_A_SECOND), 1)), "the way before"):
        dream = net.dream(small if dream is None else small + (dream - small) * mirrors.Plain.PERSISTENCE, rng)
    return cv2.resize(dream, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def still(args, folder) -> np.ndarray:
    """The photo as `reverie dream` dreams a single picture, at this size."""
    out = folder / "still.png"
    photo = made_up.PHOTOS / f"{args.photo}.jpg"
    command = [*mirrors.program(args.reverie), "dream", photo, out, "--size", f"{args.size[0]}x{args.size[1]}", "--seed", args.seed]
    mirrors.run(command)
    return np.asarray(Image.open(out).convert("RGB"), np.float32) / 255


def save(pictures: dict, folder) -> None:
    x, y = ((side - part) // 2 for side, part in zip(next(iter(pictures.values())).shape[1::-1], PART))
    for name, picture in pictures.items():
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(folder / f"{name.replace(' ', '-')}.png")
    parts = np.concatenate([picture[y : y + PART[1], x : x + PART[0]] for picture in pictures.values()], axis=1)
    Image.fromarray(np.rint(parts * 255).astype(np.uint8)).save(folder / "side-by-side.png")
    print(f"{folder}: {', '.join(pictures)} from left to right in side-by-side.png")


if __name__ == "__main__":
    sys.exit(main())
