"""YUV4MPEG2 in and out, so that no program but Reverie stands between a clip and its dream.

Pictures are RGB, float32, 0..1, [height, width, 3]. Colours are BT.601 in the narrow range (luma 16 to 235), as the format has it where
its header says nothing else. Written is 4:4:4, so that colour is lost to rounding alone (0.3 of 255 on average); 4:2:0 is read too.
"""

from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Iterable, Iterator

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])
FORWARD = np.array(
    [
        219 * LUMA,
        224 * (np.array([0, 0, 1]) - LUMA) / (2 * (1 - LUMA[2])),
        224 * (np.array([1, 0, 0]) - LUMA) / (2 * (1 - LUMA[0])),
    ]
)
BACKWARD = np.linalg.inv(FORWARD).astype(np.float32)
FORWARD = FORWARD.astype(np.float32)
OFFSET = np.array([16, 128, 128], np.float32)


def header(size: tuple[int, int], fps: float) -> bytes:
    rate = Fraction(fps).limit_denominator(1001)
    return f"YUV4MPEG2 W{size[0]} H{size[1]} F{rate.numerator}:{rate.denominator} Ip A1:1 C444\n".encode()


def frame(picture: np.ndarray) -> bytes:
    """`picture` as a frame of 4:4:4, its mark included."""
    planes = np.rint(picture @ FORWARD.T + OFFSET).clip(0, 255).astype(np.uint8)
    return b"FRAME\n" + np.ascontiguousarray(planes.transpose(2, 0, 1)).tobytes()


def picture(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """What `frame` made, as a picture again: what the camera of a clip is known to have seen."""
    planes = np.frombuffer(data, np.uint8, offset=len("FRAME\n")).reshape(3, *shape[:2]).transpose(1, 2, 0)
    return _colours(planes)


def _colours(planes: np.ndarray) -> np.ndarray:
    return ((planes.astype(np.float32) - OFFSET) @ BACKWARD.T).clip(0, 1)


def write(path: Path, pictures: Iterable[np.ndarray], fps: float) -> None:
    """Writes a clip; a file half written never bears the name."""
    partial = path.with_suffix(".part")
    with open(partial, "wb") as file:
        for index, picture in enumerate(pictures):
            if index == 0:
                file.write(header((picture.shape[1], picture.shape[0]), fps))
            file.write(frame(picture))
    partial.rename(path)


class Reader:
    """The frames of a YUV4MPEG2 stream, one by one; `fps` and `size` (width, height) are known from the start."""

    def __init__(self, file: BinaryIO):
        self.file = file
        fields = file.readline().decode("ascii", "replace").split()
        if not fields or fields[0] != "YUV4MPEG2":
            raise ValueError("this is no YUV4MPEG2 stream")
        tags = {field[0]: field[1:] for field in fields[1:] if field[0] != "X"}
        self.size = int(tags["W"]), int(tags["H"])
        self.fps = float(Fraction(tags["F"].replace(":", "/")))
        sampling = tags.get("C", "420jpeg")
        if sampling != "444" and not sampling.startswith("420") or sampling.startswith("420p"):
            raise ValueError(f"no reader for {sampling} samples: 8-bit 4:4:4 and 4:2:0 are read")
        if "XCOLORRANGE=FULL" in fields:
            raise ValueError("no reader for the full range of colours")
        self.is_subsampled = sampling != "444"

    def __iter__(self) -> Iterator[np.ndarray]:
        width, height = self.size
        chroma = ((height + 1) // 2, (width + 1) // 2) if self.is_subsampled else (height, width)
        length = width * height + 2 * chroma[0] * chroma[1]
        while mark := self.file.readline():
            if not mark.startswith(b"FRAME"):
                raise ValueError(f"a frame was expected, not {mark[:20]!r}")
            data = self._exactly(length)
            luma = data[: width * height].reshape(height, width)
            colours = data[width * height :].reshape(2, *chroma)
            if self.is_subsampled:
                colours = colours.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
            yield _colours(np.stack([luma, *colours], axis=2))

    def _exactly(self, length: int) -> np.ndarray:
        data = self.file.read(length)
        if len(data) != length:
            raise ValueError(f"the stream ends within a frame, after {len(data)} of {length} bytes")
        return np.frombuffer(data, np.uint8)


def read(path: Path, frames: int | None = None) -> np.ndarray:
    """All frames of a clip, or the first `frames` [frames, height, width, 3]."""
    with open(path, "rb") as file:
        pictures = []
        for picture in Reader(file):
            pictures.append(picture)
            if len(pictures) == frames:
                break
    return np.array(pictures)
