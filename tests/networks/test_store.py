"""The networks on this computer: pulled, added, verified, removed."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from helpers.cli import error_of, invoke
from helpers.data import shared
from helpers.networks import chain
from helpers.server import digest, serving

from pixelgrad.errors import DownloadError, NetworkError, OutputError, SettingsError
from pixelgrad.models import CATALOGUE, Download, Entry
from pixelgrad.networks import Progress, add, load_network, locate, pull, record_of, records, remove, store, verify


def test_a_pull_keeps_the_file_and_a_record(tiny: Any, home: Path) -> None:
    assert records() == {}
    record = pull("tiny")
    assert record.path == home / "networks" / "tiny" / "tiny-net.onnx"
    assert record.path.read_bytes() == tiny.content
    assert record == record_of("tiny") == records()["tiny"]
    assert (record.kind, record.size, record.entry) == ("pulled", len(tiny.content), tiny.entry)
    assert (record.files[0].sha256, record.files[0].source) == (digest(tiny.content), tiny.entry.files[0].url)
    assert sorted(entry.name for entry in record.folder.iterdir()) == ["record.json", "tiny-net.onnx"]
    assert pull("tiny") == record
    assert len(tiny.server.requests) == 1
    assert pull("tiny", force=True) == record
    assert len(tiny.server.requests) == 2


def test_a_network_of_two_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(files={"/net.caffemodel": b"weights", "/deploy.prototxt": b"graph"}) as server:
        files = (
            Download(f"{server.url}/net.caffemodel", sha256=digest(b"weights")),
            Download(f"{server.url}/deploy.prototxt", name="net.prototxt"),
        )
        entry = Entry(name="two", title="", preprocessing="caffe", licence="", files=files, reader="caffe")
        monkeypatch.setitem(CATALOGUE, "two", entry)
        del server.behaviour.files["/deploy.prototxt"]
        with pytest.raises(DownloadError, match=r"net.prototxt is not at"):
            pull("two")
        assert record_of("two") is None
        server.behaviour.files["/deploy.prototxt"] = b"graph"
        record = pull("two")
    assert [file.name for file in record.files] == ["net.caffemodel", "net.prototxt"]
    assert [path for path, _ in server.requests].count("/net.caffemodel") == 1


def test_force_keeps_what_is_here_until_there_is_better(tiny: Any) -> None:
    record = pull("tiny")
    tiny.server.behaviour.files = {}
    with pytest.raises(DownloadError, match="404"):
        pull("tiny", force=True)
    assert record.path.read_bytes() == tiny.content
    assert pull("tiny") == record


def test_what_is_here_needs_no_folder_that_can_be_written(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OutputError("read-only file system")

    record = pull("tiny")
    monkeypatch.setattr(store, "_locked", refuse)
    assert pull("tiny") == record


def test_a_folder_that_is_closed_hides_no_other(tiny: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = pull("tiny")
    (home / "networks" / "closed").mkdir()
    is_file = Path.is_file

    def closed(path: Path, **options: Any) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path, **options)

    monkeypatch.setattr(Path, "is_file", closed)
    assert records() == {"tiny": record}


def test_what_is_just_being_fetched_is_not_removed(tiny: Any, home: Path) -> None:
    record = pull("tiny")
    with FileLock(home / "networks" / ".tiny.lock"):
        message = error_of(invoke("models", "rm", "tiny"))
    assert "another pixelgrad is just fetching or adding 'tiny'; wait until it has, or end it" in message
    assert record.path.is_file()
    assert invoke("models", "rm", "tiny").exit_code == 0


def test_two_pulls_at_once_fetch_once(tiny: Any, home: Path) -> None:
    tiny.server.behaviour.slow = 0.05
    seen: list[Progress] = []
    found = []
    threads = [threading.Thread(target=lambda: found.append(pull("tiny", on_progress=seen.append))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    assert len(tiny.server.requests) == 1
    assert [p.file for p in seen if p.state == "waiting"] == ["tiny", "tiny"]


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_fetches_nothing(how: str, tiny: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "environment":
        monkeypatch.setenv("PIXELGRAD_OFFLINE", "1")
    with pytest.raises(DownloadError) as caught:
        pull("tiny", offline=how == "argument")
    assert tiny.entry.files[0].url in str(caught.value)
    assert "pixelgrad models pull tiny --from FOLDER" in str(caught.value)
    assert tiny.server.requests == []
    (home / "tiny-net.onnx").write_bytes(tiny.content)
    assert pull("tiny", offline=True, source=str(home)).path.is_file()  # a folder is no network
    assert pull("tiny", offline=True).path.is_file()  # it is here


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_offline_can_be_unset(value: str, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELGRAD_OFFLINE", value)
    assert pull("tiny").path.is_file()


def test_what_cannot_be_pulled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="the catalogue has no network 'nothing'"):
        pull("nothing")
    monkeypatch.setitem(CATALOGUE, "bare", Entry(name="bare", title="", preprocessing="rgb", licence=""))
    with pytest.raises(SettingsError, match="its publisher offers no file"):
        pull("bare")


def test_a_home_that_cannot_be_written(tiny: Any, home: Path) -> None:
    home.write_bytes(b"a file where the folder should be")
    with pytest.raises(OutputError, match=r"cannot be written .* set PIXELGRAD_HOME"):
        pull("tiny")


def test_a_home_that_cannot_be_read(home: Path, small_network: Path) -> None:
    assert records() == {}  # where there is none yet
    home.write_bytes(b"a file where the folder should be")
    with pytest.raises(NetworkError, match=r"cannot be read .* set PIXELGRAD_HOME"):
        records()
    assert locate(small_network).path == small_network
    assert locate(str(small_network)).path == small_network
    assert locate("pebble").bundled


def test_a_file_that_was_cut_is_fetched_again(tiny: Any, home: Path) -> None:
    path = pull("tiny").path
    path.write_bytes(tiny.content[:10])
    assert pull("tiny").path.read_bytes() == tiny.content


def test_verify_sees_what_changed(tiny: Any, home: Path) -> None:
    record = pull("tiny")
    (check,) = verify(record)
    assert check.passed
    assert f"sha256 {digest(tiny.content)[:8]}..." in check.detail
    damaged = bytearray(tiny.content)
    damaged[100] ^= 1
    record.path.write_bytes(damaged)
    (check,) = verify(record)
    assert not check.passed
    assert f"its sha256 is {digest(bytes(damaged))} instead of" in check.detail
    record.path.unlink()
    (check,) = verify(record)
    assert not check.passed
    assert "cannot be read: No such file" in check.detail


def test_a_network_of_ones_own_is_copied(home: Path, small_network: Path) -> None:
    record, network = add(small_network, "mine", preprocess="rgb", labels=None, licence="mine alone")
    assert record.path.read_bytes() == small_network.read_bytes()
    assert (record.kind, record.licence, record.preprocess, record.linked) == ("added", "mine alone", "rgb", False)
    assert (network.name, network.licence, network.preprocessing.name) == ("mine", "mine alone", "rgb")
    assert all(check.passed for check in verify(record))


def test_a_linked_network_stays_where_it_is(home: Path, tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx")
    record, _ = add(path, "mine", link=True)
    assert record.linked
    assert record.path == path
    path.write_bytes(chain(tmp_path / "other.onnx", seed=1).read_bytes())
    (check,) = verify(record)
    assert "it has changed since it was added" in check.detail
    remove("mine")
    assert path.is_file()
    assert records() == {}


def test_external_weights_come_along(home: Path, tmp_path: Path) -> None:
    import onnx

    (tmp_path / "big").mkdir()
    path = tmp_path / "big" / "net.onnx"
    model = onnx.load(chain(tmp_path / "net.onnx", channels=(16, 16)))
    onnx.save_model(model, path, save_as_external_data=True, location="net.weights", size_threshold=0)
    record, _ = add(path, "mine")
    assert [file.name for file in record.files] == ["net.onnx", "net.weights"]
    assert load_network("mine").name == "mine"


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "x" * 65, "a b"])
def test_names_that_are_none(name: str, home: Path, small_network: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be a network's name"):
        add(small_network, name)


@pytest.mark.parametrize("name", ["pebble", "vgg19", "VGG-19"])
def test_names_that_are_taken(name: str, home: Path, small_network: Path) -> None:
    with pytest.raises(SettingsError, match="is the name of a network that pixelgrad knows"):
        add(small_network, name)


def test_replacing_ones_own(home: Path, tmp_path: Path) -> None:
    add(chain(tmp_path / "a.onnx"), "mine")
    other = chain(tmp_path / "b.onnx", seed=1)
    with pytest.raises(SettingsError, match="there is a network 'mine' already"):
        add(other, "mine")
    with pytest.raises(SettingsError, match="there is a network 'mine' already"):
        add(other, "MINE", force=True)
    record, _ = add(other, "mine", force=True)
    assert sorted(entry.name for entry in record.folder.iterdir()) == ["b.onnx", "record.json"]


def test_what_cannot_be_added(home: Path, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="there is no network file"):
        add(tmp_path / "nowhere.onnx", "mine")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(NetworkError, match="is not an ONNX network"):
        add(tmp_path / "bad.onnx", "mine")
    with pytest.raises(SettingsError, match="preprocess is 'odd'"):
        add(chain(tmp_path / "net.onnx"), "mine", preprocess="odd")
    assert records() == {}


def test_labels_of_ones_own(home: Path, tmp_path: Path) -> None:
    from pixelgrad.models import class_name, find_class

    path = chain(tmp_path / "net.onnx", classes=3)
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n", encoding="utf-8")
    add(path, "pets", labels=str(tmp_path / "labels.txt"))
    (tmp_path / "labels.txt").unlink()
    network = load_network("pets")
    assert (find_class(network, "bird"), class_name(network, 0)) == (2, "cat")
    with pytest.raises(SettingsError, match=r"imagenet names 1000 classes, and net.onnx has 3"):
        add(path, "wrong", labels="imagenet")
    with pytest.raises(SettingsError, match=r"the labels 'nowhere.txt' cannot be read"):
        add(path, "wrong", labels="nowhere.txt")


def test_removing_frees_the_conversion_too(tiny: Any, home: Path) -> None:
    pull("tiny")
    load_network("tiny")
    (conversion,) = (home / "conversions").rglob("*.onnx")
    kept = len(tiny.content) + conversion.stat().st_size
    assert remove("tiny") >= kept
    assert not conversion.exists()
    assert records() == {}
    with pytest.raises(NetworkError, match="'tiny' is not here"):
        remove("tiny")


@pytest.mark.parametrize(
    "damage",
    ["", "[]", "{}", '{"format": 1}', '{"format": 2, "name": "tiny", "files": []}', "\xff"],
)
def test_a_damaged_record_is_no_network(damage: str, tiny: Any, home: Path) -> None:
    record = pull("tiny")
    (record.folder / "record.json").write_text(damage, encoding="latin-1")
    assert record_of("tiny") is None
    assert records() == {}
    assert pull("tiny").path.read_bytes() == tiny.content
    assert len(tiny.server.requests) == 1  # the file itself was right


def test_a_record_of_more_than_is_known_is_no_network(tiny: Any, home: Path) -> None:
    record = pull("tiny")
    data = json.loads((record.folder / "record.json").read_text())
    (record.folder / "record.json").write_text(json.dumps({**data, "future": 1}))
    assert records() == {}


def test_a_real_checkpoint_by_its_published_hash(home: Path) -> None:
    """The distilled VGG-19's row, against the file itself."""
    path = shared("weights/vgg19_slim16x.pth")
    with serving(files={"/mirror/vgg19_slim16x.pth": path.read_bytes()}, drop_after=1 << 20, drops=3) as server:
        record = pull("vgg19-slim16x", source=f"{server.url}/mirror", patience=0)
    assert record.path.read_bytes() == path.read_bytes()
    assert len(server.requests) == 4
    network = load_network("vgg19-slim16x")
    assert (network.name, network.preprocessing.name, network.layer("relu5_1").shape[1]) == (
        "vgg19-slim16x",
        "rgb",
        128,
    )
