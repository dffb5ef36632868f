"""Contact sheets: small enough to be committed, large enough to be looked at."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

LARGEST = 300_000
"""bytes of one sheet"""
WIDTH = 1280


def sheet(rows: list[list[np.ndarray]], path: Path) -> None:
    """Writes `rows` of pictures of one size as a JPEG; the last row may be shorter."""
    height, width = rows[0][0].shape[:2]
    across = max(map(len, rows))
    whole = np.ones((height * len(rows), width * across, 3), np.float32)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            whole[y * height : (y + 1) * height, x * width : (x + 1) * width] = picture
    if whole.shape[1] > WIDTH:
        size = WIDTH, round(whole.shape[0] * WIDTH / whole.shape[1])
        whole = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    image = Image.fromarray(np.rint(whole.clip(0, 1) * 255).astype(np.uint8))
    for quality in range(90, 20, -5):
        image.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= LARGEST:
            return
