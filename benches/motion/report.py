"""What was measured, as tables in benches/MOTION.md and as contact sheets."""

import datetime
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

import clips
import compare
import metrics
import mirrors
from environment import CACHE, REPOSITORY
from pictures import sheet

HERE = Path(__file__).resolve().parent
MOTION = HERE.parent / "MOTION.md"
BEGIN, END = "<!-- what `make bench-motion` measured: begin -->\n", "<!-- what `make bench-motion` measured: end -->\n"
SHOWN_PAN = clips.PANS[2]
"""the pan of which a sheet is kept"""


@dataclass
class Followed:
    clip: clips.Clip
    figures: dict[str, metrics.Figures]
    equal: dict[str, float]
    gains: dict[str, compare.Gain]


@dataclass
class Results:
    followed: list[Followed] = field(default_factory=list)
    pans: dict[int, dict[str, metrics.Ghost]] = field(default_factory=dict)
    events: dict[str, dict[str, metrics.Survival]] = field(default_factory=dict)


def write(results: Results) -> None:
    """Puts the tables between the marks; a part that was not measured this time is left out."""
    text = MOTION.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    parts = [machine(), follow(results.followed), pans(results.pans), events(results.events)]
    MOTION.write_text(before + BEGIN + "\n" + "\n".join(part for part in parts if part) + "\n" + END + after)


def machine() -> str:
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    git = ["git", "-C", REPOSITORY, "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "no commit"
    return (
        f"{datetime.date.today()}, Reverie at {commit}, {cpu}, {os.cpu_count()} processors, "
        f"ONNX Runtime {onnxruntime.__version__}, OpenCV {cv2.__version__}.\n"
    )


def table(header: list[str], rows: list[list]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def follow(followed: list[Followed]) -> str:
    if not followed:
        return ""
    header = ["clip", "who", "follow", "e_warp", "fdb", "… at our detail", "flicker", "detail", "unrest", "objective", "… an ascent"]
    rows = []
    for each in followed:
        clip = f"{each.clip.about}, {each.clip.fps:g}/s"
        for who, f in each.figures.items():
            cells = [clip, who, plain(f.follow), plain(f.e_warp), plain(f.fdb), plain(each.equal.get(who)), plain(f.flicker)]
            gain = each.gains.get(who)
            unrest = f"{f.unrest:.3f}" if who in each.equal else ""
            cells += [f"{f.detail:.1f}", unrest, f"×{gain.objective:.1f}" if gain else "", plain(gain.an_ascent) if gain else ""]
            rows.append([f"**{cell}**" if cell and who == compare.OURS else cell for cell in cells])
            clip = ""
    return table(header, rows)


def pans(pans: dict[int, dict[str, metrics.Ghost]]) -> str:
    if not pans:
        return ""
    rows = []
    for who in next(iter(pans.values())):
        rows.append([who, *(f"{ghosts[who].carried:.2f}, {ghosts[who].left_behind:.2f}" for ghosts in pans.values())])
    return "A photo slides by; of the dream of a second ago, how much went along, and how much stayed behind:\n\n" + table(
        ["", *(f"{speed} px a frame" for speed in pans)], rows
    )


def events(events: dict[str, dict[str, metrics.Survival]]) -> str:
    if not events:
        return ""
    rows = []
    for who in next(iter(events.values())):
        rows.append([who, *(f"{left[who].at_once:.2f}, {left[who].later:.2f}" for left in events.values())])
    return "Light steps up by 1.3, the scene is cut; how much of the dream is left at once, and six frames later:\n\n" + table(
        ["", *events], rows
    )


def plain(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.2f}"


def pictures(clip: clips.Clip, camera: np.ndarray, shown: dict[str, mirrors.Shown], is_dry: bool) -> None:
    """camera | ours | plain feedback | the formula, at five moments. Only what was made up is put where it may be committed."""
    clips_shown = [camera, *(shown[who].frames for who in (compare.OURS, compare.PLAIN, compare.FORMULA))]
    moments = np.linspace(len(camera) // 5, len(camera) - len(camera) // 5, 5).astype(int)
    folder = CACHE / "sheets"
    if clip.make and not is_dry and clip in (clips.CROSSING, clips.CUTOUT, SHOWN_PAN):
        folder = HERE
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{clip.name}.jpg"
    sheet([[frames[k] for frames in clips_shown] for k in moments], path)
    print(path, flush=True)
