#!/usr/bin/env python3
"""Writes the words of a classifier of ImageNet's thousand classes: NAME, NAME | … = classes, a line for each meaning.

Each class has its label and WordNet's names for it; each thing that several classes are a kind of has WordNet's names for that (hypernyms); the
commonest have German and French names as well (words/common.txt), and stand first.
"""

import sys
from collections import defaultdict
from pathlib import Path

ABOUT = """\
# Words for ImageNet's thousand classes, made of their labels and of WordNet 3.0's names and hypernyms by models/make/words.py.
#
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
# THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF
# EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR
# PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR
# OTHER RIGHTS.
# Permission to use, copy, modify and distribute this software and database and its documentation for any purpose and without fee or royalty is
# hereby granted, provided that you agree to comply with the following copyright notice and statements, including the disclaimer, and that the
# same appear on ALL copies of the software, database and documentation, including modifications that you make for internal use or for
# distribution. The name of Princeton University or Princeton may not be used in advertising or publicity pertaining to distribution of the
# software and/or database. Title to copyright in this software, database and any associated documentation shall at all times remain with
# Princeton University and LICENSEE agrees to preserve same.

"""
HERE = Path(__file__).resolve().parent
# So many classes at most: beyond that (object, whole, artefact) nothing in particular is meant. "Animal" is what people do say.
MOST_CLASSES = 160
SAID = {"animal", "dog", "bird", "vehicle", "building"}


def synsets(data):
    """WordNet's nouns: names and hypernyms by offset."""
    names, above = {}, {}
    for line in open(data, encoding="utf-8"):
        if line.startswith(" "):
            continue
        fields = line.split(" | ")[0].split()
        offset, count = fields[0], int(fields[3], 16)
        names[offset] = [name.replace("_", " ") for name in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count :]
        above[offset] = [pointers[i + 1] for i in range(0, len(pointers) - 3, 4) if pointers[i] in ("@", "@i")]
    return names, above


def ancestors(offset, above):
    found, stack = {offset}, [offset]
    while stack:
        for parent in above[stack.pop()]:
            if parent not in found:
                found.add(parent)
                stack.append(parent)
    return found


def ranges(classes):
    """151,152,153,207 → 151-153,207"""
    parts, classes = [], sorted(classes)
    for number in classes:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def fine(name):
    """Whether `neurons` can hold it."""
    return len(name) <= 64 and not name[0].isdigit() and all(c.isalnum() or c in " -_'." for c in name)


def write(labels, wnids, data, out):
    labels = Path(labels).read_text().splitlines()
    wnids = Path(wnids).read_text().split()
    names, above = synsets(data)
    kinds = defaultdict(set)
    for number, wnid in enumerate(wnids):
        for ancestor in ancestors(wnid[1:], above):
            kinds[ancestor].add(number)
    by_label = defaultdict(set)
    for number, label in enumerate(labels):
        by_label[label.lower()].add(number)
    # Of several meanings the one that most classes are a kind of.
    meaning = defaultdict(set)
    for offset, classes in kinds.items():
        for name in names[offset]:
            if len(classes) > len(meaning[name.lower()]):
                meaning[name.lower()] = classes

    lines, taken = [], set()
    english = lambda name: meaning.get(name, set()) | by_label.get(name, set())
    for line in (HERE / "words/common.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        said, _, classes = (part.strip() for part in line.partition("="))
        word = said.split("|")[0].strip().lower()
        asked = [part.strip().lower() for part in classes.split(",")] if classes else [word]
        found = set().union(*(by_label.get(name) or meaning.get(name, set()) for name in asked))
        if classes == "" and word in meaning:
            found = meaning[word] | by_label.get(word, set())
        if missing := [name for name in asked if not by_label.get(name) and not meaning.get(name)]:
            sys.exit(f"words.py: `{word}`: there is no class and no kind of class `{', '.join(missing)}`")
        # A name that means something else in English means that: `pie` is no magpie.
        languages = [[name.strip() for name in part.split(",")] for part in said.split("|")]
        others = [[name for name in part if name.lower() == word or not english(name.lower()) - found] for part in languages[1:]]
        languages = [languages[0], *others]
        lines.append(f"{' | '.join(', '.join(part) for part in languages if part)} = {ranges(found)}")
        taken |= {name.lower() for part in languages for name in part}
    rest = {}
    for name, classes in meaning.items():
        is_single = len(classes) == 1
        if (is_single or len(classes) <= MOST_CLASSES or name in SAID) and name not in taken and fine(name):
            rest.setdefault(ranges(classes), set()).add(name)
    for label, classes in by_label.items():
        if label not in taken and fine(label):
            rest.setdefault(ranges(classes), set()).add(label)
    first = lambda classes: int(classes.replace("-", ",").split(",")[0])
    for classes in sorted(rest, key=lambda classes: (not classes.isdigit(), first(classes), classes)):
        lines.append(f"{', '.join(sorted(rest[classes]))} = {classes}")
    Path(out).write_text(ABOUT + "\n".join(lines) + "\n")


if __name__ == "__main__":
    write(*sys.argv[1:])
