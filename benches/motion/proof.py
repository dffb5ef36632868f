"""What the scripts that prove something have in common: their options, and a line for each bound.

  --reverie PROGRAM   which program (default: target/release/reverie); may hold arguments
  --seed N            of the dream
  -- --NAME VALUE …   anything else that `reverie dream` takes
"""

import argparse
import sys

import mirrors


class Bounds:
    """Prints a line for each bound, and remembers whether all were kept."""

    def __init__(self):
        self.count = self.kept = 0

    def within(self, what: str, value: float, low: float, high: float) -> None:
        self._tell(what, value, f"{low:g} to {high:g}", low <= value <= high)

    def at_most(self, what: str, value: float, bound: float) -> None:
        self._tell(what, value, f"at most {bound:.3g}", value <= bound)

    def at_least(self, what: str, value: float, bound: float) -> None:
        self._tell(what, value, f"at least {bound:.3g}", value >= bound)

    def _tell(self, what: str, value: float, bound: str, is_kept: bool) -> None:
        self.count += 1
        self.kept += is_kept
        print(f"{'PASS ' if is_kept else 'short'}  {what}: {value:.3f} ({bound})", flush=True)

    def end(self) -> int:
        """An exit status."""
        print(f"{self.kept} of {self.count} bounds kept")
        return 0 if self.kept == self.count else 1


def arguments(doc: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reverie", metavar="PROGRAM", help="which program (default: target/release/reverie)")
    parser.add_argument("--seed", type=int, default=1, help="of the dream (default: %(default)s)")
    parser.add_argument("parameters", nargs="*", metavar="-- --NAME VALUE", help="anything else that `reverie dream` takes")
    return parser


def reverie(args: argparse.Namespace, seed: int | None = None) -> mirrors.Reverie:
    return mirrors.Reverie(mirrors.program(args.reverie), args.seed if seed is None else seed, args.parameters)


def size(text: str) -> tuple[int, int]:
    try:
        width, height = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: a size such as 320x192 is expected") from None
    return width, height


def frames_of(clip, limit: int | None) -> int:
    """As many frames of a clip as are asked for, or all."""
    return min(limit or clip.frames, clip.frames)


def row(cells: list, widths: list[int]) -> None:
    """A line of a table, on the terminal: texts to the left, figures to the right."""
    shown = [f"{cell:>{w}.3f}" if isinstance(cell, float) else f"{cell:<{w}}" for cell, w in zip(cells, widths)]
    print("  ".join(shown).rstrip(), flush=True)


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
