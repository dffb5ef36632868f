#!/usr/bin/env python3
"""Does the mirror follow? The figures of metrics.py on the real clips and on the figure that walks through a room, beside ofxDeepDream's formula.

  follow.py [--clips carphone crossing] [--frames 60] [--reverie PROGRAM] [-- --NAME VALUE …]

A quick look needs --frames; the bounds were set on whole clips. What the formula shows is kept, so the second run takes half as long.
"""

import environment

environment.enter()

import sys

import clips
import compare
import mirrors
import network
import proof
import y4m

UNREST = {"carphone": 0.045, "vtest": 0.045, "crossing": 0.02, "cutout": 0.02}
"""bounds; bikes has cuts, for which none was set"""
DETAIL = 12
CLEAN = 1.5
"""largest `detail` of a mirror that dreams nothing: what the colours' way to YUV and back costs"""
def main() -> int:
    parser = proof.arguments(__doc__)
    followed = [*clips.FILMS, clips.CROSSING, clips.CUTOUT]
    names = [clip.name for clip in followed]
    parser.add_argument("--clips", nargs="+", choices=names, default=names)
    parser.add_argument("--frames", type=int, help="only the first so many")
    args = parser.parse_args()
    bounds, net = proof.Bounds(), network.Network()
    proof.row(compare.HEADER, compare.WIDTHS)
    told = []
    for clip in [clips.named(name) for name in args.clips]:
        frames = proof.frames_of(clip, args.frames)
        shown = {"Reverie": proof.reverie(args).show(clip, frames=frames)}
        for who in compare.FORMULAS:
            shown[who] = compare.peer(who, net, clip, frames)
        told.append((clip, *compare.judge(clip, frames, shown)))
    for clip, figures, equal in told:
        ours = figures["Reverie"]
        bounds.within(f"{clip.name}: follow", ours.follow, 0.95, 1.05)
        bounds.at_least(f"{clip.name}: detail", ours.detail, DETAIL)
        if clip.name in UNREST:
            bounds.at_most(f"{clip.name}: unrest", ours.unrest, UNREST[clip.name])
        bounds.at_most(f"{clip.name}: fdb, beside that formula's at equal detail", ours.fdb, equal[compare.FORMULA])
    clean = mirrors.Reverie(mirrors.program(args.reverie), args.seed, [*args.parameters, "--intensity", "0"])
    clip = told[0][0]
    camera = y4m.read(clip.path(frames=10))
    off = abs(clean.show(clip, frames=10).frames - camera).mean() * 255
    bounds.at_most(f"{clip.name}: detail at intensity 0 (a plain mirror)", float(off), CLEAN)
    return bounds.end()


if __name__ == "__main__":
    sys.exit(main())
