"""The dreaming network, from Python: what the peers dream with, and what tells how much of a dream is in a picture."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from environment import REPOSITORY

PACK = REPOSITORY / "models" / "mobilenet-v2"


@dataclass(frozen=True)
class Recipe:
    """How one dream is climbed; as it stands, Reverie's live defaults, which are those of the sketch by which the bounds were set."""

    octaves: int = 2
    steps: int = 2
    step: float = 1.75
    scale: float = 1.4
    jitter: int = 32
    smoothing: float = 1.0
    colour: float = 0.3

    def cost(self) -> float:
        """Of one dream, in ascents of the whole picture: a coarser octave costs as much less as it has fewer pixels."""
        return self.steps * sum(self.scale ** (-2 * k) for k in range(self.octaves))


LIVE = Recipe()
RAW = Recipe(smoothing=0.0, colour=0.0)
"""the gradient as it comes, divided by its mean: every ascent but Reverie's"""


class Network:
    def __init__(self, layer: str = "f12", pack: Path = PACK):
        self.path, self.sessions = pack / f"{layer}.onnx", {}

    def _run(self, output: str, picture: np.ndarray, recipe: Recipe, step: float) -> np.ndarray:
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
            "smoothing": np.array(recipe.smoothing, np.float32),
            "colour": np.array(recipe.colour, np.float32),
        }
        # No other picture leads: features and maps of ones, shares of 0.
        for led in (i for i in session.get_inputs() if i.name not in feeds):
            feeds[led.name] = np.full([n if isinstance(n, int) else 1 for n in led.shape], bool(led.shape), np.float32)
        return session.run([output], feeds)[0]

    def climb(self, picture: np.ndarray, rng: np.random.Generator, recipe: Recipe = LIVE) -> np.ndarray:
        dx, dy = rng.integers(-recipe.jitter, recipe.jitter + 1, 2)
        climbed = self._run("dreamed", np.roll(picture, (dy, dx), (0, 1)), recipe, recipe.step)[0].transpose(1, 2, 0)
        return np.roll(climbed, (-dy, -dx), (0, 1))

    def objective(self, picture: np.ndarray) -> float:
        """What the ascents climb, of the picture as it is: the step is 0."""
        return float(self._run("objective", picture, LIVE, 0.0))

    def dream(self, picture: np.ndarray, rng: np.random.Generator, recipe: Recipe = LIVE) -> np.ndarray:
        h, w = picture.shape[:2]
        detail = climbed = None
        for k in range(recipe.octaves - 1, -1, -1):
            size = round(w / recipe.scale**k), round(h / recipe.scale**k)
            base = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if k else picture
            climbed = base if detail is None else base + cv2.resize(detail, size, interpolation=cv2.INTER_LINEAR)
            for _ in range(recipe.steps):
                climbed = self.climb(climbed, rng, recipe)
            detail = climbed - base
        return climbed
