"""The Python environment of these benches, with its packages pinned, and where they keep what they fetch and make.

A module that is run calls `enter()` before it imports anything but the standard library.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CACHE = REPOSITORY / ".cache" / "motion"
FOLDER = CACHE / "python"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"


def enter() -> None:
    """Continues inside that environment, which is made first where it is missing (300 MB)."""
    if Path(sys.prefix).resolve() == FOLDER.resolve():
        return
    python, ready = FOLDER / "bin" / "python", FOLDER / "requirements.txt"
    if not ready.exists() or ready.read_text() != REQUIREMENTS.read_text():
        print(f"making the Python environment in {FOLDER}", file=sys.stderr, flush=True)
        venv.create(FOLDER, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]
        subprocess.run(pip, check=True)
        shutil.copy(REQUIREMENTS, ready)
    os.execv(python, [python, *sys.argv])
