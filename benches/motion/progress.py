"""How far a long piece of work is: on a terminal a line that is written over, else a line every half minute."""

import sys
import time
from typing import Iterable, Iterator


class Progress:
    """Iterates over `items` and tells how far it is."""

    def __init__(self, items: Iterable, what: str, total: int | None = None):
        self.items, self.what, self.total = items, what, total if total is not None else len(items)

    def __iter__(self) -> Iterator:
        meter = Meter(self.what, self.total)
        for index, item in enumerate(self.items):
            yield item
            meter(index + 1)
        meter.done()


class Meter:
    """The same where it is called: meter(done), at last meter.done()."""

    def __init__(self, what: str, total: int):
        self.what, self.total, self.started, self.told = what, total, time.monotonic(), time.monotonic()
        self.every = 0.5 if sys.stderr.isatty() else 30.0

    def __call__(self, done: int, total: int | None = None) -> None:
        now = time.monotonic()
        if now - self.told < self.every:
            return
        self.told, total = now, total or self.total
        left = (now - self.started) / max(done, 1) * (total - done)
        end = "" if sys.stderr.isatty() else "\n"
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{start}{self.what}: {done} of {total}, {left:.0f} s left", end=end, file=sys.stderr, flush=True)

    def done(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
