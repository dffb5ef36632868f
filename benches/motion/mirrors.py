"""The mirrors that are compared. Each takes the camera's frames and gives as many pictures, and tells what they cost.

Reverie   the program, driven as a user would: `reverie dream CLIP.y4m OUT.y4m`
Plain     feedback of the picture, as Reverie had it: next = lerp(camera, dream, 0.9), eight dreams a second; between them the last one stands
Ofx       ofxDeepDream's formula (nya0429/ofxDeepDream, src/ofxDeepDreamThread.h), where D(x) is the dream on x:
          out = warp(prev_out - prev_cam) + cam + 0.9 * warp(D(prev_out) - prev_out), one dream a frame, the gradient as it comes.
          Its flow is SpyNet's, which is in no package; here it is Farneback's, at full size where the original has a quarter.
          Its network is Inception v3, one octave of one ascent a frame; here all dream with f12, 2 octaves of 2 ascents, which is kinder to it
"""

import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np

import network
import y4m
from clips import SIZE, Clip
from environment import CACHE, REPOSITORY
from metrics import gray
from progress import Progress


@dataclass
class Shown:
    frames: np.ndarray
    cost: float
    """ascents of the whole picture a frame"""


def program(given: str | None = None) -> list[str]:
    """Reverie as a command: `given`, or what was built here."""
    command = shlex.split(given) if given else [str(REPOSITORY / "target" / "release" / "reverie")]
    if not given and not Path(command[0]).exists():
        sys.exit("target/release/reverie is missing: make build, or say which with --reverie PROGRAM")
    return command


class Reverie:
    """`reverie dream` with these parameters on top of its live defaults."""

    def __init__(self, command: list[str], seed: int = 1, parameters: list[str] = ()):
        self.command, self.seed, self.parameters = command, seed, list(parameters)

    def arguments(self, clip: Path | str, out: Path | str, size: tuple[int, int], dream_every: int) -> list:
        size = f"{size[0]}x{size[1]}"
        return [
            *self.command, "dream", clip, out, "--size", size, "--dream-every", str(dream_every), "--seed", str(self.seed), *self.parameters,
        ]  # fmt: skip

    def file(self, clip: Path, dream_every: int, size: tuple[int, int] = SIZE) -> Path:
        """The dreamed clip as a file, kept until the next one of the same clip and settings."""
        CACHE.joinpath("shown").mkdir(parents=True, exist_ok=True)
        name = "-".join([clip.stem, str(dream_every), f"seed{self.seed}", *(p.strip("-") for p in self.parameters)])
        out = CACHE / "shown" / f"{name}-{size[0]}x{size[1]}.y4m".replace("/", "_")
        run(self.arguments(clip, out, size, dream_every))
        return out

    def show(self, clip: Clip, size: tuple[int, int] = SIZE, frames: int | None = None) -> Shown:
        out = self.file(clip.path(size, frames), clip.dream_every, size)
        shown = Shown(y4m.read(out), self._recipe().cost() / clip.dream_every)
        out.unlink()
        return shown

    def _recipe(self) -> network.Recipe:
        """What one dream costs, where the parameters say other octaves and steps than the defaults."""
        given = dict(zip(self.parameters, self.parameters[1:]))
        octaves, steps = given.get("--octaves", network.LIVE.octaves), given.get("--steps", network.LIVE.steps)
        return network.Recipe(octaves=int(octaves), steps=int(steps))

    def stream(self, pictures: Iterator[np.ndarray], fps: float, size: tuple[int, int], dream_every: int) -> "Stream":
        return Stream(self.arguments("-", "-", size, dream_every), pictures, fps)


class Stream:
    """Reverie between two pipes, for clips that are too long to keep: iterate over what it shows."""

    def __init__(self, command: list, pictures: Iterator[np.ndarray], fps: float):
        import threading

        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pictures, self.fps = pictures, fps
        self.feeder = threading.Thread(target=self._feed, daemon=True)
        self.feeder.start()

    def _feed(self) -> None:
        try:
            for index, picture in enumerate(self.pictures):
                if index == 0:
                    self.process.stdin.write(y4m.header((picture.shape[1], picture.shape[0]), self.fps))
                self.process.stdin.write(y4m.frame(picture))
            self.process.stdin.close()
        except BrokenPipeError:  # it ended; its exit status tells why
            pass

    def __iter__(self) -> Iterator[np.ndarray]:
        try:
            yield from y4m.Reader(self.process.stdout)
            if self.process.wait() != 0:
                sys.exit(f"reverie ended with {self.process.returncode}")
        finally:
            self.process.kill()


def run(command: list) -> None:
    command = list(map(str, command))
    with tempfile.TemporaryFile() as complaints:
        if subprocess.run(command, stderr=complaints, stdout=subprocess.DEVNULL).returncode != 0:
            complaints.seek(0)
            sys.exit(f"{shlex.join(command)}\n{complaints.read().decode(errors='replace')}")


class Plain:
    """Feedback of the picture."""

    DREAMS_A_SECOND = 8
    PERSISTENCE = np.float32(0.9)

    def __init__(self, net: network.Network, seed: int = 1):
        self.net, self.seed = net, seed

    def show(self, clip: Clip, size: tuple[int, int] = SIZE, frames: int | None = None) -> Shown:
        rng, dream, out, dreams = np.random.default_rng(self.seed), None, [], 0
        camera = y4m.read(clip.path(size, frames))
        for k, now in enumerate(Progress(camera, f"plain feedback on {clip.name}")):
            while dreams <= k * self.DREAMS_A_SECOND / clip.fps:
                dream = self.net.dream(now if dream is None else now + (dream - now) * self.PERSISTENCE, rng)
                dreams += 1
            out.append(dream.clip(0, 1))
        return Shown(np.array(out), network.LIVE.cost() * dreams / len(camera))


class Ofx:
    """The difference carried by flow, each new detail added to it, nothing ever taken away."""

    BLEND_WEIGHT = 0.1
    """its default: how much of the picture before the dream is mixed into the dream"""

    def __init__(self, net: network.Network, seed: int = 1, recipe: network.Recipe = network.RAW, dream_every: int = 1):
        self.net, self.seed, self.recipe, self.dream_every = net, seed, recipe, dream_every

    def show(self, clip: Clip, size: tuple[int, int] = SIZE, frames: int | None = None) -> Shown:
        rng, out = np.random.default_rng(self.seed), []
        camera = y4m.read(clip.path(size, frames))
        previous = before = camera[0]
        for k, now in enumerate(Progress(camera, f"ofxDeepDream's formula on {clip.name}")):
            flow = cv2.calcOpticalFlowFarneback(gray(now), gray(before), None, 0.5, 3, 15, 3, 5, 1.2, 0)
            picture = self.carry(previous - before, flow) + now
            if k % self.dream_every == 0:
                detail = (self.net.dream(previous, rng, self.recipe) - previous) * np.float32(1 - self.BLEND_WEIGHT)
                picture = picture + self.carry(detail, flow)
            previous, before = picture, now
            out.append(picture.clip(0, 1))
        return Shown(np.array(out), self.recipe.cost() / self.dream_every)

    @staticmethod
    def carry(layer: np.ndarray, flow: np.ndarray) -> np.ndarray:
        """`layer` moved; `flow` tells for each pixel of now where it lay."""
        h, w = flow.shape[:2]
        x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        return cv2.remap(layer, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
