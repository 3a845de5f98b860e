"""What classes are called."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from helpers.data import shared
from helpers.networks import chain
from hypothesis import given
from hypothesis import strategies as st

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters import load_network
from pixelgrad.models import class_name, find_class
from pixelgrad.models.labels import LABEL_SETS, label_set, parse_labels


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("banana", 954),
        (954, 954),
        (" 954 ", 954),
        ("n07753592", 954),
        ("N07753592", 954),
        ("Golden_Retriever", 207),
        ("tench, Tinca tinca", 0),
        ("tinca TINCA", 0),
        ("crane (bird)", 134),
        ("crane (machine)", 517),
        ("Cardigan", 264),  # a dog
        ("cardigan", 474),  # a garment
        ("missile", 657),  # also a synonym of projectile, 744
        ("toilet tissue", 999),
    ],
)
def test_a_class_is_found_by_label_index_or_synset(text: str | int, index: int) -> None:
    assert find_class("imagenet", text) == index


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bananna", "imagenet has no class 'bananna'; did you mean 954 banana"),
        ("retriever", "did you mean 205 flat-coated retriever, 206 curly-coated retriever, 207 golden retriever"),
        ("crane", "'crane' names 2 classes: 134 crane (bird), 517 crane (machine); give the number"),
        ("panther", "'panther' names 2 classes: 286 cougar, 290 jaguar"),
        ("1000", "there is no class 1000: imagenet has classes 0 to 999"),
        ("-1", "there is no class -1"),
        ("n00000000", "no class with the synset id n00000000"),
        ("", "give a number from 0 to 999"),
        ("qqqqqqqq", "give a number from 0 to 999"),
    ],
)
def test_what_names_no_class_is_refused_with_help(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        find_class("imagenet", text)
    assert message in str(caught.value)


@given(st.integers(0, 999))
def test_every_class_is_found_by_its_own_name_and_synset(index: int) -> None:
    label = label_set("imagenet")[index]
    assert find_class("imagenet", class_name("imagenet", index)) == index
    assert find_class("imagenet", str(label.synset)) == index


@given(st.text(max_size=30))
def test_any_text_is_a_class_or_one_clear_error(text: str) -> None:
    with contextlib.suppress(SettingsError):
        assert 0 <= find_class("imagenet", text) < 1000


def test_names_are_unique_and_complete() -> None:
    labels = label_set("imagenet")
    assert len(labels) == len({label.name for label in labels}) == len({label.synset for label in labels}) == 1000
    assert all(label.index == index for index, label in enumerate(labels))


def test_the_table_agrees_with_caffes_synset_words() -> None:
    theirs = shared("weights/synset_words.txt").read_text(encoding="utf-8").splitlines()
    assert [f"{label.synset} {', '.join(label.words)}" for label in label_set("imagenet")] == theirs


def test_tensorflow_counts_from_a_background() -> None:
    assert class_name("imagenet-background", 0) == "background"
    assert find_class("imagenet-background", "banana") == 955
    assert len(label_set("imagenet-background")) == 1001


def test_unknown_label_set() -> None:
    with pytest.raises(SettingsError, match=f"there are no labels 'coco'; there are {', '.join(LABEL_SETS)}"):
        label_set("coco")


def test_labels_of_ones_own() -> None:
    labels = parse_labels("# mine\ncat, kitty\ndog\n\ndog\n", "mine.txt")
    assert [label.name for label in labels] == ["cat", "dog (1)", "class 2", "dog (3)"]
    assert labels.find("kitty").index == 0
    assert labels.find("dog (3)").index == 3
    with pytest.raises(SettingsError, match="'dog' names 2 classes"):
        labels.find("dog")
    for nothing in ("", "\n\n", "# only a comment\n", "a\0b"):
        with pytest.raises(NetworkError, match="holds no labels"):
            parse_labels(nothing, "x.txt")


def test_labels_of_a_network(tmp_path: Path) -> None:
    thousand = load_network(chain(tmp_path / "a.onnx", classes=1000))
    assert (thousand.classes, find_class(thousand, "banana")) == (1000, 954)
    five = load_network(chain(tmp_path / "five.onnx", classes=5))
    assert (five.classes, five.labels) == (5, None)
    assert (find_class(five, "4"), class_name(five, 4)) == (4, "class 4")
    with pytest.raises(SettingsError, match=r"the classes of 'five' have no names here.*give a number from 0 to 4"):
        find_class(five, "banana")
    with pytest.raises(SettingsError, match="'five' has no class 5; give a number from 0 to 4"):
        find_class(five, 5)
    headless = load_network(chain(tmp_path / "b.onnx"))
    assert (headless.classes, headless.labels) == (None, None)


@pytest.mark.parametrize("file", ["googlenet.onnx", "squeezenet1_1.onnx"])
def test_labels_of_real_classifiers(file: str) -> None:
    network = load_network(shared(f"weights/{file}"))
    assert network.classes == 1000
    assert find_class(network, "banana") == 954
