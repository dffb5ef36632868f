"""Reverie beside its peers on one clip: who they are, and the figures of each."""

from typing import NamedTuple

import numpy as np

import clips
import metrics
import mirrors
import network
import proof
import y4m
from environment import CACHE
from progress import Meter

OURS, PLAIN = "Reverie", "plain feedback"
FORMULA, FORMULA_OUR_ASCENT = "ofxDeepDream's formula", "the same, our ascent"
FORMULAS = (FORMULA, FORMULA_OUR_ASCENT)
PEERS = (PLAIN, *FORMULAS)

HEADER = ["clip", "who", "follow", "e_warp", "fdb", "flicker", "detail", "unrest", "fdb at our detail"]
WIDTHS = [10, 22, 7, 7, 7, 9, 8, 7, 7]


def peer(who: str, net: network.Network, clip: clips.Clip, frames: int | None = None) -> mirrors.Shown:
    if who == PLAIN:
        mirror = mirrors.Plain(net)
    elif who == FORMULA:
        mirror = mirrors.Ofx(net)
    else:
        mirror = mirrors.Ofx(net, recipe=network.LIVE, dream_every=clip.dream_every)
    return mirrors.kept(mirror, clip, frames=frames)


def referee(clip: clips.Clip, camera: np.ndarray) -> metrics.Referee:
    meter = Meter(f"the referee's flow of {clip.name}", len(camera) - 1)
    found = metrics.Referee(camera, CACHE / "flow", meter)
    meter.done()
    return found


def judge(clip: clips.Clip, frames: int, shown: dict[str, mirrors.Shown]) -> tuple[dict[str, metrics.Figures], dict[str, float]]:
    """The six figures of each, and each one's fdb at the detail of the first; printed as they come. The camera itself is among them."""
    camera = y4m.read(clip.path(frames=frames))
    judging = referee(clip, camera)
    figures, equal = {"the camera itself": metrics.measure(judging, camera)}, {}
    proof.row([clip.name, "the camera itself", *figures["the camera itself"]], WIDTHS)
    detail = None
    for who, clip_shown in shown.items():
        figures[who] = metrics.measure(judging, clip_shown.frames)
        detail = detail or figures[who].detail
        equal[who] = metrics.fdb(camera, metrics.at_detail(camera, clip_shown.frames, detail))
        proof.row([clip.name, who, *figures[who], equal[who]], WIDTHS)
    return figures, equal


class Gain(NamedTuple):
    objective: float
    """what the ascents climb, of the mean picture shown, of the camera's: 1 is no dream"""
    cost: float
    """ascents of the whole picture a frame"""
    an_ascent: float
    """(objective - 1) / cost"""


def gain(net: network.Network, camera: np.ndarray, shown: mirrors.Shown) -> Gain:
    before = metrics.objective(camera, net.objective)
    objective = metrics.objective(shown.frames, net.objective) / before
    return Gain(objective, shown.cost, (objective - 1) / shown.cost)
