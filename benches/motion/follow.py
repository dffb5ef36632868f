#!/usr/bin/env python3
"""Does the mirror follow? The figures of metrics.py on the real clips and on the figure that walks through a room, beside ofxDeepDream's formula.

  follow.py [--clips carphone crossing] [--frames 60] [--reverie PROGRAM] [-- --NAME VALUE …]

A quick look needs --frames; the bounds were set on whole clips. What the formula shows is kept, so the second run takes half as long.
"""

import environment

environment.enter()

import sys

import clips
import metrics
import mirrors
import network
import proof
import y4m
from environment import CACHE
from progress import Meter

UNREST = {"carphone": 0.045, "vtest": 0.045, "crossing": 0.02}
"""bounds; bikes has cuts, for which none was set"""
DETAIL = 12
CLEAN = 1.5
"""largest `detail` of a mirror that dreams nothing: what the colours' way to YUV and back costs"""
WIDTHS = [10, 22, 7, 7, 7, 9, 8, 7, 7]


def main() -> int:
    parser = proof.arguments(__doc__)
    followed = [*clips.FILMS, clips.CROSSING]
    names = [clip.name for clip in followed]
    parser.add_argument("--clips", nargs="+", choices=names, default=names)
    parser.add_argument("--frames", type=int, help="only the first so many")
    args = parser.parse_args()
    bounds, net = proof.Bounds(), network.Network()
    proof.row(["clip", "who", "follow", "e_warp", "fdb", "flicker", "detail", "unrest", "fdb at our detail"], WIDTHS)
    told = []
    for clip in [clips.named(name) for name in args.clips]:
        frames = proof.frames_of(clip, args.frames)
        shown = {"Reverie": proof.reverie(args).show(clip, frames=frames).frames}
        shown["ofxDeepDream's formula"] = mirrors.kept(mirrors.Ofx(net), clip, frames=frames).frames
        shown["the same, our ascent"] = mirrors.kept(
            mirrors.Ofx(net, recipe=network.LIVE, dream_every=clip.dream_every), clip, frames=frames
        ).frames
        figures, equal = judge(clip, frames, shown)
        told.append((clip, figures, equal))
    for clip, figures, equal in told:
        ours = figures["Reverie"]
        bounds.within(f"{clip.name}: follow", ours.follow, 0.95, 1.05)
        bounds.at_least(f"{clip.name}: detail", ours.detail, DETAIL)
        if clip.name in UNREST:
            bounds.at_most(f"{clip.name}: unrest", ours.unrest, UNREST[clip.name])
        bounds.at_most(f"{clip.name}: fdb, beside that formula's at equal detail", ours.fdb, equal["ofxDeepDream's formula"])
    clean = mirrors.Reverie(mirrors.program(args.reverie), args.seed, [*args.parameters, "--intensity", "0"])
    clip = told[0][0]
    camera = y4m.read(clip.path(frames=proof.frames_of(clip, args.frames)))[:10]
    off = abs(clean.show(clip, frames=len(camera)).frames - camera).mean() * 255
    bounds.at_most(f"{clip.name}: detail at intensity 0 (a plain mirror)", float(off), CLEAN)
    return bounds.end()


def judge(clip: clips.Clip, frames: int, shown: dict) -> tuple[dict, dict]:
    """Figures of each, and each one's fdb at the detail of the first."""
    camera = y4m.read(clip.path(frames=frames))
    meter = Meter(f"the referee's flow of {clip.name}", frames)
    referee = metrics.Referee(camera, CACHE / "flow", meter)
    meter.done()
    figures, equal = {}, {}
    proof.row([clip.name, "the camera itself", *_listed(metrics.measure(referee, camera))], WIDTHS)
    for who, pictures in shown.items():
        figures[who] = metrics.measure(referee, pictures)
        equal[who] = metrics.fdb(camera, metrics.at_detail(camera, pictures, next(iter(figures.values())).detail))
        proof.row([clip.name, who, *_listed(figures[who]), equal[who]], WIDTHS)
    return figures, equal


def _listed(figures: metrics.Figures) -> list[float]:
    return [figures.follow, figures.e_warp, figures.fdb, figures.flicker, figures.detail, figures.unrest]


if __name__ == "__main__":
    sys.exit(main())
