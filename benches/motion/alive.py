#!/usr/bin/env python3
"""Does the dream keep changing when nothing moves? Two minutes of a still, noisy camera: how much each second of the second minute is like
the one 30 seconds before, how steady the dream's strength is, and the largest step from a frame to the next; then, with another
seed, whether other creatures grow.

  alive.py [--seconds 120] [--size 320x192] [--seeds 1 2] [--reverie PROGRAM] [-- --NAME VALUE …]

In .cache/motion/alive/ are left a contact sheet (a frame every 8 seconds) and a film. Shorter than two minutes, the latter half is judged,
by the second a quarter of the time before; it begins to tire of a place after twelve seconds, in full after twenty-four: less than 48 prove nothing.
"""

import environment

environment.enter()

import subprocess
import sys
from pathlib import Path

import numpy as np

import made_up
import metrics
import proof
import y4m
from environment import CACHE
from pictures import sheet
from progress import Progress

FPS = 30
DREAM_EVERY = 4
MINUTES = 120


def main() -> int:
    parser = proof.arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=MINUTES)
    parser.add_argument("--size", type=proof.size, default=(320, 192))
    parser.add_argument("--photo", default="coffee", choices=["coffee", "rocket"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    since, lag = args.seconds // 2, args.seconds // 4
    bounds, lives = proof.Bounds(), {}
    for seed in args.seeds:
        life = lives[seed] = live(args, seed)
        likeness = life.likeness(since, lag)
        low, mean, high = life.detail_range(since)
        print(f"seed {seed}: second and its likeness to {lag} s before:")
        print("  " + "  ".join(f"{since + k} {value:.2f}" for k, value in enumerate(likeness) if k % max(len(likeness) // 12, 1) == 0))
        bounds.at_most(f"seed {seed}: largest likeness to {lag} s before, from second {since} on", max(likeness), 0.5)
        bounds.at_least(f"seed {seed}: smallest detail of a second", low, 12)
        bounds.within(f"seed {seed}: smallest detail, of the mean ({mean:.1f})", low / mean, 0.8, 1.2)
        bounds.within(f"seed {seed}: largest detail, of the mean", high / mean, 0.8, 1.2)
        bounds.at_most(f"seed {seed}: largest step to the next frame beyond the camera's", life.largest_step, 2)
    if len(lives) > 1:
        first, second = (life.seconds[since:] for life in list(lives.values())[:2])
        alike = [metrics.correlation(a, b) for a, b in zip(first, second)]
        bounds.at_most(f"seeds {args.seeds[0]} and {args.seeds[1]}: largest likeness at the same second", max(alike), 0.5)
    return bounds.end()


def live(args, seed: int) -> metrics.Alive:
    folder = CACHE / "alive"
    folder.mkdir(parents=True, exist_ok=True)
    frames, life, looked_at = args.seconds * FPS, metrics.Alive(FPS), []
    stream = proof.reverie(args, seed).stream(made_up.still(args.size, frames, args.photo), FPS, args.size, DREAM_EVERY)
    with Film(folder / f"seed-{seed}.mp4", args.size, FPS) as film:
        for camera, shown in Progress(stream, f"a still camera, seed {seed}", frames):
            life.add(camera, shown)
            film.add(shown)
            if life.count % max(frames // 16, 1) == 0:
                looked_at.append(shown)
    sheet([looked_at[k : k + 4] for k in range(0, len(looked_at), 4)], folder / f"seed-{seed}.jpg")
    np.savez_compressed(folder / f"seed-{seed}.npz", seconds=np.array(life.seconds, np.float16), details=life.details)
    print(f"{folder}/seed-{seed}.jpg, .mp4")
    return life


class Film:
    """Frames, as an MP4."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float):
        command = ["ffmpeg", "-v", "error", "-y", "-f", "yuv4mpegpipe", "-i", "-", "-pix_fmt", "yuv420p", "-crf", "20", path]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self.process.stdin.write(y4m.header(size, fps))

    def __enter__(self):
        return self

    def add(self, picture: np.ndarray) -> None:
        self.process.stdin.write(y4m.frame(picture))

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


if __name__ == "__main__":
    sys.exit(main())
