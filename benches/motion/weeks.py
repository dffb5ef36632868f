#!/usr/bin/env python3
"""Does anything drift in weeks? 50,000 frames at small size, of a film that runs back and forth (awake), or of a covered lens (asleep): mean,
spread, saturation, fine grain, black and white plateaus, checkerboard and frame, by windows of a hundredth of the run.

  weeks.py [--kind awake asleep] [--frames 50000] [--size 160x96] [--dream-every 1] [--reverie PROGRAM] [-- --NAME VALUE …]

The work is done by a process of its own, which goes on when this one is stopped: started again with the same options, this one takes up
watching where it was, and prints what a finished run found. A run that was killed begins anew: a dream's state lies in its process.
--again throws away what there is. In .cache/motion/weeks/ lie the figures (figures.jsonl) and the first, middle and last frame.
"""

import environment

environment.enter()

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import numpy as np
from PIL import Image

import clips
import metrics
import proof
import y4m
from environment import CACHE
from progress import Meter

FPS = 25
WINDOWS = 100
SAMPLES = 10
"""frames measured in each window"""
WARM_UP = 0.05
"""share of the run in which the dream still grows"""
WINDOW_BANDS = {"mean": 0.10, "spread": 1.5, "saturation": 1.6, "grain": 1.6}
"""how far a window may be from the run's median: the mean by so much, the others by such a factor"""
DRIFT_BANDS = {"mean": 0.03, "spread": 1.15, "saturation": 1.15, "grain": 1.15}
"""the same for the medians of the first and the last fifth: a wave is no drift, a trend is"""
TONE_AWAKE = 0.10
"""how far the mean may be from the camera's"""
TONE_ASLEEP = {"mean": (0.15, 0.85), "spread": (0.08, 0.35)}
"""a sleeper dreams, though its camera sees nothing"""
PLATEAU, CHECKERBOARD, FRAME = 0.02, 2.0, (0.5, 2.0)


def main() -> int:
    parser = proof.arguments(__doc__)
    parser.add_argument("--kind", nargs="+", choices=["awake", "asleep"], default=["awake", "asleep"])
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--size", type=proof.size, default=(160, 96))
    parser.add_argument("--dream-every", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="throw away what there is of these runs")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args, args.kind[0], Path(args.worker))
        return 0
    bounds = proof.Bounds()
    for kind in args.kind:
        folder = run_of(args, kind)
        if args.again:
            shutil.rmtree(folder, ignore_errors=True)
        watch(folder, kind, args.frames)
        judge(folder, kind, bounds)
    return bounds.end()


def run_of(args, kind: str) -> Path:
    options = repr((args.reverie, args.seed, args.dream_every, args.parameters)).encode()
    name = f"{kind}-{args.frames}-{args.size[0]}x{args.size[1]}-{hashlib.sha256(options).hexdigest()[:8]}"
    return CACHE / "weeks" / name


def watch(folder: Path, kind: str, frames: int) -> None:
    """Starts the run's process, unless it works or is done, and returns when it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    done, log = folder / "done", folder / "log"
    if done.exists():
        return
    worker = None
    if not is_alive(folder):
        if (folder / "figures.jsonl").exists():
            proof.note(f"{kind}: an unfinished run is gone; it begins anew")
        with open(log, "wb") as file:
            options = [*sys.argv[1:]]
            at = options.index("--") if "--" in options else len(options)
            options[at:at] = ["--kind", kind, "--worker", str(folder)]
            command = [sys.executable, __file__, *options]
            worker = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True)
        (folder / "pid").write_text(str(worker.pid))
    meter = Meter(f"{kind}, {frames} frames", frames)
    while worker.poll() is None if worker else is_alive(folder):
        meter(len(read(folder)) * frames // (WINDOWS * SAMPLES))
        time.sleep(1)
    meter.done()
    if not done.exists():
        sys.exit(f"{kind}: the run ended early\n{log.read_text(errors='replace')[-2000:]}")


def is_alive(folder: Path) -> bool:
    """Whether the run's process, started by another call of this script, still works."""
    try:
        pid = int((folder / "pid").read_text())
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def work(args, kind: str, folder: Path) -> None:
    every = max(args.frames // (WINDOWS * SAMPLES), 1)
    looked_at = {max(args.frames // 20, 1): "first", args.frames // 2: "middle", args.frames: "last"}
    stream = proof.reverie(args).stream(camera_of(kind, args.size, args.frames), FPS, args.size, args.dream_every)
    with open(folder / "figures.jsonl", "w", buffering=1) as file:
        for number, (camera, shown) in enumerate(stream, start=1):
            if number % every == 0:
                figures = {"frame": number, "shown": metrics.tone(shown, camera), "camera": metrics.tone(camera)}
                print(json.dumps({key: getattr(value, "_asdict", lambda: value)() for key, value in figures.items()}), file=file)
            if number in looked_at:
                pair = np.concatenate([camera, shown], axis=1)
                Image.fromarray(np.rint(pair * 255).astype(np.uint8)).save(folder / f"{looked_at[number]}.png")
    if number != args.frames:
        sys.exit(f"{number} frames came of {args.frames}")
    (folder / "done").touch()


def camera_of(kind: str, size: tuple[int, int], frames: int) -> Iterator[np.ndarray]:
    film = y4m.read((clips.CROSSING if kind == "awake" else clips.DARK).path(size))
    turn = 2 * len(film) - 2
    for k in range(frames):
        yield film[min(k % turn, turn - k % turn)]


def read(folder: Path) -> list[dict]:
    try:
        return [json.loads(line) for line in (folder / "figures.jsonl").read_text().splitlines()]
    except (FileNotFoundError, json.JSONDecodeError):  # not begun, or a line half written
        return []


def judge(folder: Path, kind: str, bounds: proof.Bounds) -> None:
    lines = read(folder)
    names = metrics.Tone._fields
    shown = {name: np.array([line["shown"][name] for line in lines]) for name in names}
    camera = {name: np.array([line["camera"][name] for line in lines]) for name in names}
    proof.row([kind, *names], [14, *[max(len(name), 7) for name in names]])
    for part in np.array_split(np.arange(len(lines)), min(10, len(lines))):
        label = f"to {lines[part[-1]]['frame']}"
        proof.row([label, *(float(shown[name][part].mean()) for name in names)], [14, *[max(len(name), 7) for name in names]])

    grown = np.arange(len(lines))[int(len(lines) * WARM_UP) :]
    windows = np.array_split(grown, min(WINDOWS, len(grown)))
    first, last = grown[: len(grown) // 5 + 1], grown[-(len(grown) // 5 + 1) :]
    for name in WINDOW_BANDS:
        values, middle = [shown[name][window].mean() for window in windows], np.median(shown[name][grown])
        off = max(distance(name, value, middle) for value in values)
        bounds.at_most(f"{kind}: {name} ({middle:.3f}), a window from the median", off, WINDOW_BANDS[name])
        trend = distance(name, np.median(shown[name][last]), np.median(shown[name][first]))
        bounds.at_most(f"{kind}: {name}, the last fifth from the first", trend, DRIFT_BANDS[name])
    if kind == "awake":
        off = np.abs(shown["mean"] - camera["mean"])[grown].mean()
        bounds.at_most(f"{kind}: mean, from the camera's", float(off), TONE_AWAKE)
    else:
        for name, band in TONE_ASLEEP.items():
            bounds.within(f"{kind}: {name}", float(np.median(shown[name][grown])), *band)
    plateau = (shown["plateau"] - (camera["plateau"] if kind == "awake" else 0))[grown]
    bounds.at_most(f"{kind}: share at black or white beyond the camera's", float(plateau.mean()), PLATEAU)
    bounds.at_most(f"{kind}: checkerboard", float(shown["checkerboard"][last].mean()), CHECKERBOARD)
    if kind == "awake":
        bounds.within(f"{kind}: dream at the edge, of that within", float(shown["frame"][last].mean()), *FRAME)
    print(f"{kind}: first, middle and last frame (camera left) and figures: {folder}")


def distance(name: str, a: float, b: float) -> float:
    """By how much two means differ; by which factor two of the others do."""
    return float(abs(a - b)) if name == "mean" else float(max(a, b) / max(min(a, b), 1e-6))


if __name__ == "__main__":
    sys.exit(main())
