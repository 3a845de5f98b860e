"""Images whose classes are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.folders import draw

from pixelgrad.errors import ImageError
from pixelgrad.runtime.scanning import class_folders, labelled_folders, labelled_list, read_list


def test_folders(tmp_path: Path) -> None:
    for name in ("cat/a.png", "cat/deeper/b.png", "dog/c.png", ".git/d.png", "loose.png"):
        draw(tmp_path / name, 1)
    assert class_folders(tmp_path) == ["cat", "dog"]
    images = labelled_folders(tmp_path, {"cat": 7, "dog": 2})
    for _ in range(2):
        found = {Path(path).name: images.truth(path) for path, _, _ in images.files()}
        assert found == {"a.png": 7, "b.png": 7, "c.png": 2}


def test_no_folders(tmp_path: Path) -> None:
    draw(tmp_path / "loose.png", 1)
    with pytest.raises(ImageError, match="there are no folders in"):
        class_folders(tmp_path)
    with pytest.raises(ImageError, match="is not there"):
        class_folders(tmp_path / "nowhere")
    with pytest.raises(ImageError, match=r"loose.png' is a file; give the folder that it is in"):
        class_folders(tmp_path / "loose.png")
    for name, reason in ((f"{'x' * 300}", "File name too long"), ("a\0b", "null")):
        with pytest.raises(ImageError, match=f"cannot be read: .*{reason}"):
            class_folders(tmp_path / name)


@pytest.mark.parametrize("heading", ["path,class\n", "file,Label\n", ""])
def test_a_list(tmp_path: Path, heading: str) -> None:
    for name in ("a.png", "more/b, c.png"):
        draw(tmp_path / name, 1)
    table = tmp_path / "labels.csv"
    table.write_text(f'\ufeff{heading}a.png, tabby \n\n"more/b, c.png","tiger, cat"\n', encoding="utf-8")
    rows = read_list(table)
    assert rows == [(str(tmp_path / "a.png"), "tabby"), (str(tmp_path / "more" / "b, c.png"), "tiger, cat")]
    images = labelled_list(str(table), [(path, number) for number, (path, _) in enumerate(rows)])
    assert [(Path(path).name, size > 0, images.truth(path)) for path, size, _ in images.files()] == [
        ("a.png", True, 0),
        ("b, c.png", True, 1),
    ]


def test_a_list_relative_to_another_folder(tmp_path: Path) -> None:
    draw(tmp_path / "images" / "a.png", 1)
    table = tmp_path / "lists" / "labels.csv"
    table.parent.mkdir()
    table.write_text("a.png,3\n")
    assert read_list(table, tmp_path / "images") == [(str(tmp_path / "images" / "a.png"), "3")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "name no image"),
        ("path,class\n", "name no image"),
        ("a.png\n", r"line 1 of .* is 'a.png'; it must be path,class"),
        ("a.png,b,c\n", "it must be path,class"),
        ("a.png,\n", "it must be path,class"),
        ("a.png,x\nmissing.png,x\n", r"line 2 of .*: there is no image 'missing.png'"),
        ("missing.png,tabby\n", r"line 1 of .*: there is no image"),
    ],
)
def test_bad_lists(tmp_path: Path, content: str, message: str) -> None:
    draw(tmp_path / "a.png", 1)
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(ImageError, match=message):
        read_list(tmp_path / "labels.csv")


def test_what_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        read_list(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00binary\x00")
    with pytest.raises(ImageError, match=r"cannot be read: .*; it must be a CSV file of path,class"):
        read_list(tmp_path / "labels.csv")
