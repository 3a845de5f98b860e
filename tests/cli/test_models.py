"""``pixelgrad models`` as a person or a script meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import error_of, invoke
from helpers.data import shared
from helpers.networks import chain
from helpers.server import digest, serving
from typer.testing import Result

from pixelgrad.models import CATALOGUE


def models(*arguments: Any) -> Result:
    return invoke("models", *arguments)


def done(*arguments: Any) -> Result:
    result = models(*arguments)
    assert result.exit_code == 0, result.output
    return result


def error(*arguments: Any) -> str:
    """The one line that an error is."""
    return error_of(models(*arguments))


def test_a_reader_that_has_seen_enough() -> None:
    """``| head`` ends the list, without a word."""
    command = [sys.executable, "-m", "pixelgrad", "models", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), said) == (1, b"")


def test_list_shows_what_there_is(tiny: Any) -> None:
    lines = done("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "SIZE", "TASK", "WHAT", "IT", "IS"]
    assert lines[1].split()[:2] == ["pebble", "bundled"]
    assert len(lines) >= len(CATALOGUE)
    done("pull", "tiny", "--quiet")
    assert [line.split()[:2] for line in done("list", "--here").stdout.splitlines()[1:]] == [
        ["pebble", "bundled"],
        ["tiny", "pulled"],
    ]


def test_list_json(tiny: Any) -> None:
    rows = {row["name"]: row for row in json.loads(done("list", "--json").stdout)["networks"]}
    assert rows["tiny"]["status"] == "available"
    assert rows["tiny"]["size"] == len(tiny.content)
    assert rows["vgg19"]["path"] is None
    done("pull", "tiny", "--quiet")
    rows = {row["name"]: row for row in json.loads(done("list", "--json").stdout)["networks"]}
    assert Path(rows["tiny"]["path"]).read_bytes() == tiny.content


def test_pull_says_where_and_under_which_licence(tiny: Any) -> None:
    result = done("pull", "Tiny")
    assert result.stdout == ""
    assert "downloading tiny-net.onnx: 0.1 of 0.1 MB (100%)" in result.stderr
    path = done("path", "tiny").stdout.strip()
    assert f"tiny is in {path}; it is licensed as: MIT" in result.stderr
    assert "tiny is here already" in done("pull", "tiny").stderr
    assert len(tiny.server.requests) == 1
    assert done("pull", "tiny", "--quiet").output == ""


def test_pull_json(tiny: Any) -> None:
    (row,) = json.loads(done("pull", "tiny", "--json").stdout)["networks"]
    assert row["sha256"] == digest(tiny.content)
    assert Path(row["path"]).is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg91", "the catalogue has no network 'vgg91'; did you mean vgg19"),
        ("qqqqqq", "the catalogue has no network 'qqqqqq'; pixelgrad models list"),
        ("pebble", "pebble comes with pixelgrad; there is nothing to pull"),
    ],
)
def test_what_cannot_be_pulled(name: str, message: str, home: Path) -> None:
    assert error("pull", name).startswith(message)


def test_nothing_is_fetched_when_one_name_is_wrong(tiny: Any) -> None:
    error("pull", "tiny", "vgg91")
    assert tiny.server.requests == []


def test_pull_offline(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing is fetched while offline" in error("pull", "tiny", "--offline")
    monkeypatch.setenv("PIXELGRAD_OFFLINE", "1")
    assert "nothing is fetched while offline" in error("pull", "tiny")
    assert tiny.server.requests == []


def test_pull_of_a_wrong_file(tiny: Any, home: Path) -> None:
    tiny.server.behaviour.files = {"/files/tiny-net.onnx": bytes(len(tiny.content))}
    assert "is not the file that its publisher describes" in error("pull", "tiny")
    assert "file" not in done("list", "--here", "--json").stdout.replace("files", "")
    tiny.server.behaviour.files = {}
    assert "the server answered 404" in error("pull", "tiny")


def test_pull_from_a_mirror_and_from_a_folder(tiny: Any, tmp_path: Path) -> None:
    with serving(files={"/mirror/tiny-net.onnx": tiny.content}) as mirror:
        done("pull", "tiny", "--from", f"{mirror.url}/mirror")
    done("rm", "tiny")
    (tmp_path / "tiny-net.onnx").write_bytes(tiny.content)
    done("pull", "tiny", "--from", tmp_path, "--offline")
    assert tiny.server.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_pull_that_was_killed_goes_on(how: signal.Signals, home: Path) -> None:
    content = shared("weights/vgg19_slim16x.pth").read_bytes()
    with serving(files={"/vgg19_slim16x.pth": content}, slow=0.005) as server:
        command = [sys.executable, "-m", "pixelgrad", "models", "pull", "vgg19-slim16x", "--from", server.url]
        environment = {**os.environ, "PIXELGRAD_HOME": str(home)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        while server.sent < 500_000:
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(how)
        message = process.communicate()[1].decode()
        assert process.returncode == (130 if how is signal.SIGINT else -how)
        assert ("what had come of vgg19-slim16x is kept" in message) == (how is signal.SIGINT)
        part = home / "networks" / "vgg19-slim16x" / "vgg19_slim16x.pth.part"
        kept = part.stat().st_size
        assert 0 < kept < len(content)
        assert "vgg19-slim16x is known but not here yet" in error("path", "vgg19-slim16x")
        server.behaviour.slow = 0.0
        subprocess.run(command, env=environment, check=True, stderr=subprocess.PIPE)
        assert server.ranges == [None, f"bytes={kept}-"]
    assert Path(done("path", "vgg19-slim16x").stdout.strip()).read_bytes() == content
    assert not part.exists()


def test_show_what_is_not_here_yet(home: Path) -> None:
    text = done("show", "vgg19").stdout
    assert "not here yet: pixelgrad models pull vgg19" in text
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in text
    assert "sha256 dcbb9e9d..., about 575 MB" in text
    assert "BSD-3-Clause" in text
    text = done("show", "googlenet").stdout
    assert "no hash published, size not published" in text
    assert "mixed4c is inception_4c/output" in text
    facts = json.loads(done("show", "vgg19-onnx", "--json").stdout)
    assert (facts["status"], facts["files"][0]["size"]) == ("available", 574677321)


def test_show_layers(tiny: Any) -> None:
    done("pull", "tiny", "--quiet")
    lines = done("show", "tiny").stdout.splitlines()
    assert "Layers, for an image of 32x32:" in lines
    (relu,) = [line.split() for line in lines if line.startswith("r1 ")]
    assert relu[:5] == ["r1", "Relu", "8x32x32", "1", "3"]
    assert "first" in relu[5:]
    (pool,) = [line.split() for line in lines if line.startswith("p2 ")]
    assert pool[:5] == ["p2", "MaxPool", "12x8x8", "4", "10"]
    (logits,) = [line.split() for line in lines if line.startswith("logits ")]
    assert logits == ["logits", "Gemm", "1000", "-", "-"]
    facts = json.loads(done("show", "tiny", "--json", "--size", "64").stdout)
    assert (facts["status"], facts["classes"], facts["labels"]) == ("pulled", 1000, "imagenet")
    assert {layer["name"]: layer["shape"] for layer in facts["layers"]}["r1"] == [8, 64, 64]


def test_show_a_file(home: Path, tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx", size=32, classes=4, flatten=True)
    text = done("show", path).stdout
    assert "declared size     32x32" in text
    assert str(path) in text


@pytest.mark.parametrize("model", ["nowhere.onnx", "vgg91"])
def test_show_what_there_is_not(model: str, home: Path) -> None:
    assert error("show", model).startswith("there is no network")


def test_show_a_real_network(home: Path) -> None:
    text = done("show", shared("weights/googlenet.onnx")).stdout
    assert "unrestricted use (BVLC)" in text
    (row,) = [line.split() for line in text.splitlines() if line.startswith("inception_4c/output ")]
    assert row[1:] == ["Concat", "512x14x14", "16", "299", "mixed4c"]


def test_add_use_verify_and_remove(home: Path, tmp_path: Path, photo: Path, painting: Path) -> None:
    path = chain(tmp_path / "my net.onnx", classes=3)
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n", encoding="utf-8")
    result = done("add", path, "--labels", tmp_path / "labels.txt", "--licence", "mine")
    assert "added my-net, 3 classes: --model my-net finds it" in result.stderr
    assert "its input is taken to be imagenet; --preprocess says otherwise" in result.stderr
    path.unlink()
    style = ["style", photo, painting, "-o", tmp_path / "out.png", "--model", "my-net", "--size", 32, "--steps", 2]
    used = invoke(*style, "--device", "cpu")
    assert used.exit_code == 0, used.output
    assert "my-net on cpu" in used.stderr
    assert (tmp_path / "out.png").is_file()
    assert done("verify").stdout.startswith("ok     my-net my net.onnx")
    assert "there is a network 'my-net' already" in error("add", chain(tmp_path / "my net.onnx"))
    assert "removed my-net" in done("rm", "my-net").stderr
    assert "there is no network 'my-net'" in error("rm", "my-net")
    assert "nothing" not in done("verify").output


def test_add_json_and_link(home: Path, tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx", classes=3)
    report = json.loads(done("add", path, "--name", "mine", "--link", "--json").stdout)
    assert report == {"name": "mine", "path": str(path), "size": path.stat().st_size, "classes": 3}


def test_add_what_is_no_network(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    assert "'bad.onnx' is not an ONNX network" in error("add", tmp_path / "bad.onnx")
    assert "there is no network file" in error("add", tmp_path / "nowhere.onnx")
    assert done("list", "--here").stdout.count("\n") == 2


def test_verify_finds_damage(tiny: Any) -> None:
    done("pull", "tiny", "--quiet")
    path = Path(done("path", "tiny").stdout.strip())
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    result = models("verify", "tiny")
    assert result.exit_code == 1
    assert result.stdout.startswith("FAILED tiny tiny-net.onnx: its sha256 is")
    assert "pixelgrad models pull --force" in result.stderr
    assert json.loads(models("verify", "--json").stdout)["passed"] is False
    done("pull", "tiny", "--force", "--quiet")
    assert done("verify", "tiny").stdout.startswith("ok     tiny tiny-net.onnx")


def test_what_is_left_of_a_pull_can_be_removed(tiny: Any, home: Path) -> None:
    tiny.server.behaviour.drop_after, tiny.server.behaviour.ranges = 16384, False
    tiny.server.behaviour.files = {"/files/tiny-net.onnx": tiny.content}
    assert "are kept, and the same command goes on from there" in error("pull", "tiny")
    assert "removed tiny" in done("rm", "Tiny").stderr
    assert not (home / "networks" / "tiny").exists()
    assert "there is no network 'tiny' on this computer" in error("rm", "tiny")


def test_a_file_that_is_gone_is_not_here_already(tiny: Any) -> None:
    done("pull", "tiny", "--quiet")
    Path(done("path", "tiny").stdout.strip()).unlink()
    said = done("pull", "tiny").stderr
    assert "here already" not in said
    assert "it is licensed as: MIT" in said


@pytest.mark.parametrize("command", ["rm", "verify"])
def test_upkeep_of_what_is_not_here(command: str, home: Path, tiny: Any) -> None:
    assert "part of pixelgrad" in error(command, "pebble")
    done("pull", "tiny", "--quiet")
    assert "there is no network 'tinny' on this computer; did you mean tiny?" in error(command, "tinny")


def test_model_option_of_what_is_not_here(tiny: Any, photo: Path, painting: Path, tmp_path: Path) -> None:
    for command in (["style", photo, painting, "-o", tmp_path / "out.png"], ["export", "style", "-o", tmp_path / "a"]):
        result = invoke(*command, "--model", "tiny")
        assert result.exit_code == 1
        assert "pixelgrad: error: tiny is known but not here yet: pixelgrad models pull tiny" in result.stderr
    assert tiny.server.requests == []


def test_path_of_a_file_and_of_nothing(home: Path, small_network: Path) -> None:
    assert done("path", small_network).stdout.strip() == str(small_network)
    assert "pixelgrad models pull vgg19 fetches it, 575 MB" in error("path", "vgg19")


def test_usage(home: Path) -> None:
    assert models("pull").exit_code == 2
    assert models("nothing").exit_code == 2
    assert "Networks" in models("--help").stdout


def test_damage_to_a_file_that_was_added_is_for_its_owner_to_mend(home: Path, tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx", classes=3)
    done("add", path, "--name", "mine", "--link")
    path.rename(tmp_path / "moved.onnx")
    result = models("verify", "mine")
    assert result.exit_code == 1
    assert "put the file back, or pixelgrad models rm mine and add it again" in result.stderr
    assert "--force" not in result.stderr
