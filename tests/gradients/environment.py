"""The Python environment with PyTorch in it, for what is run by hand: this comparison and benches/peers."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
FOLDER = REPOSITORY / ".cache" / "pytorch"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"


def enter():
    """Goes on inside that environment, which is made first where it is missing (some 6 GB, minutes)."""
    if Path(sys.prefix).resolve() == FOLDER.resolve():
        return
    python, ready = FOLDER / "bin" / "python", FOLDER / "requirements.txt"
    if not ready.exists() or ready.read_text() != REQUIREMENTS.read_text():
        print(f"making the Python environment in {FOLDER}", flush=True)
        venv.create(FOLDER, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]
        subprocess.run(pip, check=True)
        shutil.copy(REQUIREMENTS, ready)
    os.execv(python, [python, *sys.argv])
