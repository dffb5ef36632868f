"""The mirrors that are compared. Each takes the camera's frames and gives as many pictures, and tells what they cost.

Reverie   the program, driven as a user would: `reverie dream CLIP.y4m OUT.y4m`
Plain     feedback of the picture, as Reverie had it: next = lerp(camera, dream, 0.9), eight dreams a second; between them the last one stands
Ofx       ofxDeepDream's formula (nya0429/ofxDeepDream, src/ofxDeepDreamThread.h), where D(x) is the dream on x:
          out = warp(prev_out - prev_cam) + cam + 0.9 * warp(D(prev_out) - prev_out), one dream a frame, the gradient as it comes.
          Its flow is SpyNet's, which is in no package; here it is Farneback's, at full size where the original has a quarter.
          Its network is Inception v3, one octave of one ascent a frame; here all dream with f12, 2 octaves of 2 ascents, which is kinder to it
"""

import hashlib
import queue
import shlex
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Iterable, Iterator

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
        settings = ["--size", f"{size[0]}x{size[1]}", "--dream-every", dream_every, "--seed", self.seed]
        return [*self.command, "dream", clip, out, *settings, *self.parameters]

    def show(self, clip: Clip, size: tuple[int, int] = SIZE, frames: int | None = None) -> Shown:
        with tempfile.TemporaryDirectory(prefix="reverie-motion-") as scratch:
            out = Path(scratch) / "shown.y4m"
            run(self.arguments(clip.path(size, frames), out, size, clip.dream_every))
            return Shown(y4m.read(out), self._recipe().cost() / clip.dream_every)

    def _recipe(self) -> network.Recipe:
        """What one dream costs, where the parameters say other octaves and steps than the defaults."""
        given = dict(zip(self.parameters, self.parameters[1:]))
        octaves, steps = given.get("--octaves", network.LIVE.octaves), given.get("--steps", network.LIVE.steps)
        return network.Recipe(octaves=int(octaves), steps=int(steps))

    def stream(self, pictures: Iterable[np.ndarray], fps: float, size: tuple[int, int], dream_every: int) -> "Stream":
        return Stream(self.arguments("-", "-", size, dream_every), pictures, fps)


class Stream:
    """Reverie between two pipes, for clips that are too long to keep: iterate over pairs of what the camera saw and what is shown."""

    def __init__(self, command: list, pictures: Iterable[np.ndarray], fps: float):
        self.command, self.pictures, self.fps = list(map(str, command)), pictures, fps
        self.fed: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()

    def _feed(self, pipe: BinaryIO) -> None:
        try:
            for index, picture in enumerate(self.pictures):
                if index == 0:
                    pipe.write(y4m.header((picture.shape[1], picture.shape[0]), self.fps))
                frame = y4m.frame(picture)
                self.fed.put(y4m.picture(frame, picture.shape))
                pipe.write(frame)
            pipe.close()
        except BrokenPipeError:  # the program ended; its exit status tells why
            pass

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self._feed, args=[process.stdin], daemon=True).start()
        try:
            for shown in y4m.Reader(process.stdout):
                yield self.fed.get(), shown
            if process.wait() != 0:
                sys.exit(f"{shlex.join(self.command)} ended with {process.returncode}")
        finally:
            process.kill()


def run(command: list) -> None:
    command = list(map(str, command))
    with tempfile.TemporaryFile() as complaints:
        if subprocess.run(command, stderr=complaints, stdout=subprocess.DEVNULL).returncode != 0:
            complaints.seek(0)
            sys.exit(f"{shlex.join(command)}\n{complaints.read().decode(errors='replace')}")


def kept(mirror: "Plain | Ofx", clip: Clip, size: tuple[int, int] = SIZE, frames: int | None = None) -> Shown:
    """What a peer shows of a clip, which is the same each time: kept in .cache/motion until this file or the clip changes."""
    sources = [Path(module.__file__).read_bytes() for module in (sys.modules[__name__], network)]
    settings = repr([(name, value) for name, value in vars(mirror).items() if name != "net"]).encode()
    recipe = hashlib.sha256(b"".join([*sources, settings, clip.path(size, frames).read_bytes()])).hexdigest()[:8]
    out = CACHE / "peers" / f"{clip.name}-{type(mirror).__name__}-{recipe}.y4m"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        y4m.write(out, mirror.show(clip, size, frames).frames, clip.fps)
    return Shown(y4m.read(out), mirror.cost(clip))


class Plain:
    """Feedback of the picture."""

    DREAMS_A_SECOND = 8
    PERSISTENCE = np.float32(0.9)

    def __init__(self, net: network.Network, seed: int = 1):
        self.net, self.seed = net, seed

    def cost(self, clip: Clip) -> float:
        return network.LIVE.cost() * self.DREAMS_A_SECOND / clip.fps

    def show(self, clip: Clip, size: tuple[int, int] = SIZE, frames: int | None = None) -> Shown:
        rng, dream, out, dreams = np.random.default_rng(self.seed), None, [], 0
        camera = y4m.read(clip.path(size, frames))
        for k, now in enumerate(Progress(camera, f"plain feedback on {clip.name}")):
            while dreams <= k * self.DREAMS_A_SECOND / clip.fps:
                dream = self.net.dream(now if dream is None else now + (dream - now) * self.PERSISTENCE, rng)
                dreams += 1
            out.append(dream.clip(0, 1))
        return Shown(np.array(out), self.cost(clip))


class Ofx:
    """The difference carried by flow, each new detail added to it, nothing ever taken away."""

    BLEND_WEIGHT = 0.1
    """its default: how much of the picture before the dream is mixed into the dream"""

    def __init__(self, net: network.Network, seed: int = 1, recipe: network.Recipe = network.RAW, dream_every: int = 1):
        self.net, self.seed, self.recipe, self.dream_every = net, seed, recipe, dream_every

    def cost(self, clip: Clip) -> float:
        return self.recipe.cost() / self.dream_every

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
        return Shown(np.array(out), self.cost(clip))

    @staticmethod
    def carry(layer: np.ndarray, flow: np.ndarray) -> np.ndarray:
        """`layer` moved; `flow` tells for each pixel of now where it lay."""
        h, w = flow.shape[:2]
        x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        return cv2.remap(layer, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
