"""The wheel holds what the tree holds, and each room needs no more than it says."""

from __future__ import annotations

import importlib
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from helpers.cli import invoke
from helpers.data import ROOT

from pixelgrad import models, version

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_listed() -> None:
    """With an explicit list, a folder that is forgotten is missing from the wheel and from nowhere else."""
    setuptools = PROJECT["tool"]["setuptools"]
    found = set()
    for package, folder in setuptools["package-dir"].items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *inside]))
    assert found == set(setuptools["packages"])


def test_data_files_are_listed() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    for package, patterns in setuptools["package-data"].items():
        folder = ROOT / setuptools["package-dir"][package]
        for pattern in patterns:
            assert list(folder.glob(pattern)), f"{package}: {pattern}"


def test_the_bundled_network_is_packed_and_its_training_is_not() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    folder = ROOT / setuptools["package-dir"]["pixelgrad.models"]
    packed = {path.name for pattern in setuptools["package-data"]["pixelgrad.models"] for path in folder.glob(pattern)}
    assert {f"{models.BUNDLED}.onnx", "MODEL_CARD.md"} <= packed
    assert (folder / "training" / "train.py").is_file()
    assert not [package for package in setuptools["packages"] if package.endswith(".training")]


def test_pyinstaller_is_told_what_to_pack() -> None:
    """It runs the hook of a package that is imported; what the hook asks for is what a wheel holds beside code."""
    module, _, name = PROJECT["project"]["entry-points"]["pyinstaller40"]["hook-dirs"].partition(":")
    (folder,) = getattr(importlib.import_module(module), name)()
    asked: list[tuple[str, str]] = []

    def ask(what: str) -> Callable[..., list[tuple[str, str]]]:
        def collect(package: str, **_: Any) -> list[tuple[str, str]]:
            asked.append((what, package))
            return [(what, package)]

        return collect

    wanted = ("collect_data_files", "collect_submodules", "copy_metadata")
    hooks = SimpleNamespace(**{what: ask(what) for what in wanted})
    stand_in = {"PyInstaller": SimpleNamespace(), "PyInstaller.utils": SimpleNamespace()}
    with patch.dict(sys.modules, {**stand_in, "PyInstaller.utils.hooks": hooks}):
        found = runpy.run_path(str(Path(folder) / "hook-pixelgrad.py"))
    assert sorted(asked) == [(what, "pixelgrad") for what in wanted]
    assert sorted(found["datas"]) == [(what, "pixelgrad") for what in ("collect_data_files", "copy_metadata")]
    assert found["hiddenimports"] == [("collect_submodules", "pixelgrad")]


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_bundled_network(tmp_path: Path) -> None:
    """Built as an installer builds them, without a network: the archives themselves are looked into."""
    pytest.importorskip("setuptools", minversion="77")
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__"))
    code = "from setuptools import build_meta as b; print(b.build_{}({!r}))"
    files = {}
    for kind in ("sdist", "wheel"):
        found = subprocess.run(
            [sys.executable, "-c", code.format(kind, str(tmp_path))],
            cwd=tree,
            capture_output=True,
            text=True,
            check=True,
        )
        archive = tmp_path / found.stdout.splitlines()[-1]
        if kind == "wheel":
            files[kind] = zipfile.ZipFile(archive).namelist()
        else:
            with tarfile.open(archive) as tar:
                files[kind] = [name.partition("/")[2] for name in tar.getnames()]
    assert "pixelgrad/models/pebble.onnx" in files["wheel"]
    assert "pixelgrad/models/MODEL_CARD.md" in files["wheel"]
    assert "models/pebble.onnx" in files["sdist"]
    assert not [name for name in files["wheel"] if "/models/training/" in name or name.endswith(".pth")]


def test_the_version_is_said_once() -> None:
    assert version.__version__ == PROJECT["project"]["version"]


def test_public_names_are_there_and_sorted() -> None:
    import pixelgrad
    from pixelgrad import errors, exporters, runtime

    for module in (pixelgrad, errors, exporters, models, runtime):
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert dir(pixelgrad) == sorted(pixelgrad.__all__)


_BLOCKED = ("onnx", "onnx_ir", "onnx_shape_inference", "typer", "rich", "platformdirs", "torch", "google.protobuf")
_ALONE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked} or name in {blocked}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import pixelgrad.runtime as runtime
artifact = runtime.Artifact({folder!r}, device="cpu")
settings = runtime.StyleSettings(size=48, steps=3)
for event in runtime.style(artifact, runtime.read_image({photo!r}), [runtime.read_image({painting!r})], settings):
    pass
event.picture().save({output!r})
assert all(check.passed for check in runtime.verify(artifact))
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in {blocked})
assert not loaded, loaded
"""


def test_the_runtime_runs_a_finished_artifact_alone(
    style_artifact: Path, photo: Path, painting: Path, tmp_path: Path
) -> None:
    """With onnx, typer and torch made unimportable."""
    output = tmp_path / "out.png"
    code = _ALONE.format(
        blocked=_BLOCKED, folder=str(style_artifact), photo=str(photo), painting=str(painting), output=str(output)
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert output.stat().st_size > 1000


def test_without_exporters_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from pixelgrad.errors import DeviceError
    from pixelgrad.tasks import common

    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [name for name in sys.modules if name.startswith("pixelgrad.exporters.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(DeviceError, match=r"pip install 'pixelgrad\[export\]'"):
        common.exporters()


_AGAIN = """
import sys
from pixelgrad.cli.main import app
for command in {commands!r}:
    try:
        app(command)
    except SystemExit as end:
        assert not end.code, command
    loaded = sorted(name for name in ("onnx", "onnx_ir", "sympy") if name in sys.modules)
    assert not loaded, (command, loaded)
"""


def test_a_second_run_loads_none_of_what_the_exporters_need(photo: Path, painting: Path, tmp_path: Path) -> None:
    """Half a second of each."""
    style = ["style", str(photo), str(painting), "-o", str(tmp_path / "out.png"), "--size", "32", "--steps", "1", "-f"]
    assert invoke(*style).exit_code == 0
    code = _AGAIN.format(commands=[["--help"], [*style, "--quiet"]])
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
