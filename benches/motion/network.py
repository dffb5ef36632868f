"""The dreaming network, from Python: what the peers dream with, and what tells how much of a dream is in a picture.

The recipe is that of Reverie's live defaults (and of the sketch by which the bounds were set): 2 octaves of 2 ascents of f12.
"""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from environment import REPOSITORY

PACK = REPOSITORY / "models" / "mobilenet-v2"
STEP, SCALE, OCTAVES, STEPS, JITTER, SMOOTHING, COLOUR = 1.75, 1.4, 2, 2, 32, 1.0, 0.3


def cost(octaves: int = OCTAVES, steps: int = STEPS, scale: float = SCALE) -> float:
    """Of one dream, in ascents of the whole picture: a coarser octave costs as much less as it has fewer pixels."""
    return steps * sum(scale ** (-2 * k) for k in range(octaves))


class Network:
    def __init__(self, layer: str = "f12", pack: Path = PACK):
        self.path, self.sessions = pack / f"{layer}.onnx", {}

    def _run(self, output: str, picture: np.ndarray, step: float) -> np.ndarray:
        h, w = picture.shape[:2]
        if (h, w) not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.add_free_dimension_override_by_name("height", h)
            options.add_free_dimension_override_by_name("width", w)
            self.sessions[h, w] = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        session = self.sessions[h, w]
        feeds = {
            "image": np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32),
            "neurons": np.ones(session.get_inputs()[1].shape[0], np.float32),
            "step": np.array(step / 255, np.float32),
            "smoothing": np.array(SMOOTHING, np.float32),
            "colour": np.array(COLOUR, np.float32),
        }
        return session.run([output], feeds)[0]

    def climb(self, picture: np.ndarray, rng: np.random.Generator, step: float = STEP) -> np.ndarray:
        dx, dy = rng.integers(-JITTER, JITTER + 1, 2)
        climbed = self._run("dreamed", np.roll(picture, (dy, dx), (0, 1)), step)[0].transpose(1, 2, 0)
        return np.roll(climbed, (-dy, -dx), (0, 1))

    def objective(self, picture: np.ndarray) -> float:
        """What the ascents climb, of the picture as it is: the step is 0."""
        return float(self._run("objective", picture, 0.0))

    def dream(self, picture: np.ndarray, rng: np.random.Generator, octaves: int = OCTAVES, steps: int = STEPS) -> np.ndarray:
        h, w = picture.shape[:2]
        detail = climbed = None
        for k in range(octaves - 1, -1, -1):
            size = round(w / SCALE**k), round(h / SCALE**k)
            base = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if k else picture
            climbed = base if detail is None else base + cv2.resize(detail, size, interpolation=cv2.INTER_LINEAR)
            for _ in range(steps):
                climbed = self.climb(climbed, rng)
            detail = climbed - base
        return climbed
