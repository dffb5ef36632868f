#!/usr/bin/env python3
"""What becomes of the dream when something happens? A figure walks through the room; the light steps up by 1.3; the scene is cut; a lamp
flickers with the mains. What is measured, by which formula, stands in metrics.py.

  survive.py [--only crossing exposure cut flicker] [--frames 60] [--reverie PROGRAM] [-- --NAME VALUE …]

--frames shortens the figure's walk and the lamps; light and scene change at frame 100, when the dream has grown.
"""

import environment

environment.enter()

import sys

import clips
import compare
import metrics
import mirrors
import proof
import y4m

RESOLUTION = 0.005
"""by how much the unrest of a dream that stands perfectly still was seen to differ under the lamps: what is black or white clips it, and the
lamp changes what is"""
PARTS = ["crossing", "exposure", "cut", "flicker"]


def main() -> int:
    parser = proof.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--frames", type=int, help="of the walk and the lamps, only the first so many")
    args = parser.parse_args()
    bounds, mirror = proof.Bounds(), proof.reverie(args)
    if "crossing" in args.only:
        crossing(mirror, proof.frames_of(clips.CROSSING, args.frames), bounds)
    if "exposure" in args.only:
        exposure(mirror, bounds)
    if "cut" in args.only:
        cut(mirror, bounds)
    if "flicker" in args.only:
        flicker(mirror, proof.frames_of(clips.STEADY, args.frames), bounds)
    return bounds.end()


def crossing(mirror: mirrors.Reverie, frames: int, bounds: proof.Bounds) -> None:
    for clip in (clips.CROSSING, clips.CUTOUT):
        camera, shown = y4m.read(clip.path(frames=frames)), mirror.show(clip, frames=frames).frames
        parts = metrics.detail_by_parts(camera, shown, clip.masks(frames=frames))
        print(f"{clip.name}: detail of the figure {parts.figure:.2f}, of the room {parts.room:.2f}")
        bounds.at_least(f"{clip.name}: detail of the figure, of the room's", parts.figure / max(parts.room, 0.01), 0.8)


def exposure(mirror: mirrors.Reverie, bounds: proof.Bounds) -> None:
    left = after_the_event(mirror, clips.EXPOSURE)
    print(f"exposure ×1.3: of the dream {left.at_once:.3f} are left at once, {left.later:.3f} six frames later, likeness {left.likeness:.3f}")
    bounds.at_least("exposure ×1.3: of the dream, six frames later", left.later, 0.8)


def cut(mirror: mirrors.Reverie, bounds: proof.Bounds) -> None:
    left = after_the_event(mirror, clips.CUT)
    print(f"cut: of the old dream {left.at_once:.3f} are left at once, {left.later:.3f} six frames later, likeness {left.likeness:.3f}")
    bounds.at_most("cut: of the old dream, at once", abs(left.at_once), 0.03)
    bounds.at_most("cut: of the old dream, six frames later", abs(left.later), 0.03)


def after_the_event(mirror: mirrors.Reverie, clip: clips.Clip) -> metrics.Survival:
    return metrics.survival(y4m.read(clip.path()), mirror.show(clip).frames, clip.event)


def flicker(mirror: mirrors.Reverie, frames: int, bounds: proof.Bounds) -> None:
    """The dream under the lamp is laid over the same clip by daylight (the same photo, the same noise) and judged there. Judged under the lamp,
    a dream that stands perfectly still seems restless (unrest 0.05 at 8 Hz): the referee takes the change of light for movement."""
    daylight = y4m.read(clips.STEADY.path(frames=frames))
    judging, unrest = compare.referee(clips.STEADY, daylight), {}
    for clip in (clips.STEADY, *clips.FLICKERS):
        dream = mirror.show(clip, frames=frames).frames - y4m.read(clip.path(frames=frames))
        figures = metrics.measure(judging, daylight + dream)
        unrest[clip.name] = figures.unrest
        print(f"{clip.name}: unrest {figures.unrest:.4f}, detail {figures.detail:.2f}", flush=True)
    for clip in clips.FLICKERS:
        bounds.at_most(f"{clip.name}: unrest, beside daylight's", unrest[clip.name], unrest[clips.STEADY.name] + RESOLUTION)


if __name__ == "__main__":
    sys.exit(main())
