"""What the classes of a network are called: the 1000 of ImageNet with their synset ids, or a list of one's own.

>>> find_class("imagenet", "banana"), find_class("imagenet", "n07753592"), find_class("imagenet", "954")
(954, 954, 954)
>>> class_name("imagenet", 954)
'banana'

ImageNet's classes are sets of synonyms ("synsets") of WordNet 3.0 (Fellbaum 1998; Deng et al. 2009); a class goes by
the first word of its set, and is found by any of them.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol, SupportsIndex

from pixelgrad.errors import NetworkError, SettingsError

__all__ = ["LABEL_SETS", "Label", "Labelled", "Labels", "class_name", "find_class", "label_set", "parse_labels"]

LABEL_SETS = {
    "imagenet": "the 1000 classes of ILSVRC 2012",
    "imagenet-background": "the same after a class 0 of 'background', as TensorFlow's networks have them",
}

_SYNSET = re.compile(r"n\d{8}\b")
_MOST_LABELS = 100_000


@dataclass(frozen=True)
class Label:
    """One class.

    index: its place in the network's output, from 0.
    name: what to call it; no two classes of a set share one.
    words: everything that it goes by, the most usual first.
    synset: its WordNet 3.0 id, such as n07753592, if it has one.
    """

    index: int
    name: str
    words: tuple[str, ...]
    synset: str | None = None

    def __str__(self) -> str:
        return f"{self.index} {self.name}"


class Labels:
    """The classes of one network, in the order of its output."""

    def __init__(self, name: str, labels: Iterable[Label]) -> None:
        self.name = name
        self._labels = tuple(labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[Label]:
        return iter(self._labels)

    def __getitem__(self, index: int) -> Label:
        """The class at an index from 0; :class:`SettingsError` where there is none."""
        if not 0 <= index < len(self):
            raise SettingsError(f"there is no class {index}: {self.name} has classes 0 to {len(self) - 1}")
        return self._labels[index]

    def find(self, text: str | int) -> Label:
        """The class of an index, a synset id, or one of its words.

        A word that several classes share belongs to the one that it stands first for; upper and lower case tell
        classes apart only where nothing else does (the Cardigan is a dog, the cardigan a garment). Raises
        :class:`SettingsError` for what names no class or several, with the closest.
        """
        wanted = str(text).strip()
        if re.fullmatch(r"[+-]?\d+", wanted):
            return self[int(wanted)]
        if _SYNSET.fullmatch(wanted.lower()):
            for label in self._labels:
                if label.synset == wanted.lower():
                    return label
            raise SettingsError(f"{self.name} has no class with the synset id {wanted}")
        for found in self._by_word(" ".join(wanted.replace("_", " ").split())):
            if len(found) == 1:
                return found[0]
            if found:
                raise SettingsError(
                    f"{wanted!r} names {len(found)} classes: {_listed(found)}; give the number of the one you mean"
                )
        close = self.close_to(wanted)
        hint = f"did you mean {_listed(close)}?" if close else f"give a number from 0 to {len(self) - 1}"
        raise SettingsError(f"{self.name} has no class {wanted!r}; {hint}")

    def close_to(self, text: str, most: int = 5) -> list[Label]:
        """Classes that ``text`` may have meant: those that have it as part of a name, then those spelt alike."""
        wanted = text.strip().lower()
        part = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)") if wanted else re.compile(r"(?!)")
        inside = [label for label in self._labels if any(part.search(word.lower()) for word in label.words)]
        spellings: dict[str, Label] = {}
        for label in self._labels:
            for word in label.words:
                spellings.setdefault(word.lower(), label)
        alike = [spellings[word] for word in difflib.get_close_matches(wanted, spellings, n=most, cutoff=0.6)]
        return list(dict.fromkeys(inside + alike))[:most]

    def _by_word(self, wanted: str) -> Iterable[list[Label]]:
        """Classes of that name, by ever weaker claims."""
        lower = wanted.lower()
        yield [label for label in self._labels if wanted == label.name]
        yield [label for label in self._labels if lower == label.name.lower()]
        yield [label for label in self._labels if wanted == label.words[0]]
        yield [label for label in self._labels if lower == label.words[0].lower()]
        yield [label for label in self._labels if lower in (word.lower() for word in label.words)]
        yield [label for label in self._labels if lower == ", ".join(label.words).lower()]


class Labelled(Protocol):
    """A network, as far as labels go: :class:`pixelgrad.exporters.Network` is one."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Labels | None: ...

    @property
    def classes(self) -> int | None: ...


def find_class(network: Labelled | Labels | str, text: str | int) -> int:
    """The index of a class in a network's output, from its name, a synonym, its synset id or the index itself.

    network: a loaded network, its labels, or the name of a label set. A network without labels takes an index only.

    Raises :class:`SettingsError` for a name that it does not know (with the closest ones), for one that several
    classes share, and for an index out of range.
    """
    labels, classes, name = _facts(network)
    if labels is not None and (classes is None or len(labels) <= classes):
        return labels.find(text).index
    wanted = str(text).strip()
    allowed = f"a number from 0 to {classes - 1}" if classes else "its number in the output, from 0"
    if not re.fullmatch(r"\+?\d+", wanted):
        if not classes and not isinstance(network, str):
            raise SettingsError(
                f"{name!r} is no classifier: it has no classes to choose from, and no {wanted!r}; name one that is "
                "(--model googlenet, say)"
            )
        raise SettingsError(
            f"the classes of {name!r} have no names here, so {wanted!r} cannot be found; give {allowed}, or name them: "
            "pixelgrad models add FILE --labels imagenet (or a file with a name per line)"
        )
    index = int(wanted)
    if classes is not None and index >= classes:
        raise SettingsError(f"{name!r} has no class {index}; give {allowed}")
    return index


def class_name(network: Labelled | Labels | str, index: int) -> str:
    """What a class is called; ``class 7`` where the network's classes have no names.

    Raises :class:`SettingsError` for an index out of range.
    """
    labels, classes, name = _facts(network)
    if not isinstance(index, SupportsIndex) or index < 0 or (classes is not None and index >= classes):
        allowed = f"it has classes 0 to {classes - 1}" if classes else "classes count from 0"
        raise SettingsError(f"there is no class {index!r} in {name}: {allowed}")
    return labels[index].name if labels is not None and index < len(labels) else f"class {index}"


@cache
def label_set(name: str) -> Labels:
    """One of :data:`LABEL_SETS`; :class:`SettingsError` for any other name."""
    if name not in LABEL_SETS:
        raise SettingsError(f"there are no labels {name!r}; there are {', '.join(LABEL_SETS)}")
    text = (resources.files("pixelgrad.models") / "imagenet.txt").read_text(encoding="utf-8")
    labels = parse_labels(text, name)
    if name == "imagenet":
        return labels
    shifted = (Label(label.index + 1, label.name, label.words, label.synset) for label in labels)
    return Labels(name, [Label(0, "background", ("background",)), *shifted])


def parse_labels(text: str, name: str) -> Labels:
    """Labels from a text with one class per line; lines that start with ``#`` and empty lines at the end are left out.

    A line is a name, or ``word, word, ...``, with a synset id before it if there is one (``n01440764 tench, Tinca
    tinca``, as in Caffe's synset_words.txt). Names that occur twice are told apart by their index.
    Raises :class:`NetworkError` for a text without labels.
    """
    lines = [line for line in text.strip().splitlines() if not line.startswith("#")]
    if not any(line.strip() for line in lines) or "\0" in text or len(lines) > _MOST_LABELS:
        raise NetworkError(f"{name!r} holds no labels; it must be a text with the name of one class per line")
    rows: list[tuple[str | None, tuple[str, ...], str]] = []
    for number, line in enumerate(lines):
        synset = _SYNSET.match(line)
        rest = line[synset.end() :] if synset else line
        words_text, _, qualifier = rest.strip().partition("\t")
        words = tuple(word.strip() for word in words_text.split(",") if word.strip()) or (f"class {number}",)
        rows.append((synset.group() if synset else None, words, f"{words[0]} ({qualifier})" if qualifier else words[0]))
    shared = {title for title, times in Counter(row[2] for row in rows).items() if times > 1}
    return Labels(
        name,
        (
            Label(index, f"{title} ({index})" if title in shared else title, words, synset)
            for index, (synset, words, title) in enumerate(rows)
        ),
    )


def _facts(network: Labelled | Labels | str) -> tuple[Labels | None, int | None, str]:
    if isinstance(network, str):
        network = label_set(network)
    if isinstance(network, Labels):
        return network, len(network), network.name
    return network.labels, network.classes, network.name


def _listed(labels: Iterable[Label]) -> str:
    return ", ".join(str(label) for label in labels)
