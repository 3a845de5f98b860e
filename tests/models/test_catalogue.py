"""The catalogue says nothing that it cannot know, and nothing twice."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from helpers.data import ROOT

from pixelgrad.exporters.networks.architectures import ARCHITECTURES
from pixelgrad.models import BUNDLED, CATALOGUE, PREPROCESSINGS, Entry, close_names, plain_name, recognise
from pixelgrad.models.labels import LABEL_SETS

ROWS = [pytest.param(row, id=row.name) for row in CATALOGUE.values()]
WITH_FILES = [pytest.param(row, id=row.name) for row in CATALOGUE.values() if row.files]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_complete(row: Entry) -> None:
    assert row.title
    assert row.licence
    assert row.preprocessing in PREPROCESSINGS
    assert row.labels is None or row.labels in LABEL_SETS
    assert row.reader in {"onnx", "caffe", "pytorch"}
    assert (row.reader == "caffe") == any(file.filename.endswith(".prototxt") for file in row.files)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", row.name)


@pytest.mark.parametrize("row", WITH_FILES)
def test_addresses_and_hashes_have_their_form(row: Entry) -> None:
    assert len({file.filename for file in row.files}) == len(row.files)
    for file in row.files:
        parts = urlsplit(file.url)
        assert parts.scheme in {"http", "https"}
        # Nothing else vouches for what comes without encryption.
        assert parts.scheme == "https" or file.sha256 or file.sha1
        assert "/" not in file.filename
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{64}", file.sha256)
        assert file.sha1 is None or re.fullmatch(r"[0-9a-f]{40}", file.sha1)
        if parts.netloc == "download.pytorch.org":
            assert file.url.endswith(f"-{file.sha256}.pth")
        if parts.netloc == "openaipublic.azureedge.net":
            assert file.sha256 == file.url.split("/")[-2]
        if parts.netloc == "huggingface.co":
            assert file.size
            assert len(file.sha256 or "") == 64


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in CATALOGUE.values() if row.architecture])
def test_a_checkpoint_has_an_architecture_that_is_known(row: Entry) -> None:
    architecture = ARCHITECTURES[str(row.architecture)]
    # Its own means what it says: the same architecture trained on another input.
    assert row.name == "vgg16-features" or row.preprocessing == architecture.preprocessing


def test_no_two_files_are_one() -> None:
    urls = [file.url for row in CATALOGUE.values() for file in row.files]
    hashes = [file.sha256 or file.sha1 for row in CATALOGUE.values() for file in row.files if file.sha256 or file.sha1]
    assert len(urls) == len(set(urls))
    assert len(hashes) == len(set(hashes))


def test_names_differ_however_they_are_spelt() -> None:
    assert len({plain_name(name) for name in CATALOGUE}) == len(CATALOGUE)
    assert plain_name("VGG-19") == plain_name("vgg_19") == "vgg19"
    assert plain_name("RegNet-X 1.6GF") == plain_name("regnet_x_1_6gf") != plain_name("regnet_x_16gf")


def test_the_networks_of_the_literature_are_there() -> None:
    wanted = "alexnet vgg16 vgg19 vgg16-caffe vgg19-caffe googlenet inception_v3 squeezenet1_0 squeezenet1_1 resnet18 "
    wanted += "resnet34 resnet50 resnet101 resnet152 densenet121 mobilenet_v2 mobilenet_v3_large vgg19-onnx "
    wanted += "efficientnet_b0 convnext_tiny vit_b_16 deit_small dinov2_vits14 clip_resnet50x4 clip_vit_b_32"
    assert set(wanted.split()) <= CATALOGUE.keys()


def test_signatures_tell_networks_apart() -> None:
    for row in CATALOGUE.values():
        if row.signature:
            assert recognise(set(row.signature)) is row
    assert recognise({"conv1/7x7_s2"}) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("vgg91", "vgg19"), ("ResNet-5O", "resnet50"), ("gogglenet", "googlenet"), ("mobilnet", "mobilenet_v2")],
)
def test_a_typo_finds_what_was_meant(typed: str, meant: str) -> None:
    assert meant in close_names(typed, CATALOGUE)


def test_nonsense_finds_nothing() -> None:
    assert close_names("qqqqqq", CATALOGUE) == []
    assert close_names("///", CATALOGUE) == []


def test_the_page_lists_every_network() -> None:
    table = (ROOT / "docs" / "models.md").read_text(encoding="utf-8").partition("| from | networks |")[2]
    listed = [name for row in re.findall(r"^\| .* \| (.*) \|$", table, re.MULTILINE) for name in row.split(", ")]
    assert sorted(listed) == sorted(CATALOGUE.keys() - {BUNDLED})
