"""Files that try to do harm: always one error, nothing run, little memory, soon."""

from __future__ import annotations

import io
import pickle
import resource
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from helpers import hostile

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.readers import read_network

PROGRAMS = sorted(hostile.programs(Path("marker")))
LONG = {"many steps", "tuples within tuples", "marks without end"}
CASES = [
    pytest.param(name, layout, marks=pytest.mark.slow if name in LONG and layout != "zip" else ())
    for name in PROGRAMS
    for layout in ("zip", "script", "legacy", "tar", "bare")
]


def wrap(program: bytes, layout: str, path: Path, *, storage: bytes = b"") -> Path:
    """A pickle program as the heart of a checkpoint."""
    if layout in ("zip", "script"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("net/data.pkl", program)
            archive.writestr("net/data/0", storage[8:])
            archive.writestr("net/version", "3\n")
            if layout == "script":
                archive.writestr("net/code/__torch__.py", "")
    elif layout == "tar":
        with tarfile.open(path, "w:") as archive:
            nothing = pickle.dumps(0, 2)
            rows = {"storages": nothing + pickle.dumps([], 2), "tensors": nothing, "pickle": program}
            for name, content in rows.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        path.write_bytes(hostile.legacy_stream(program, storage=storage) if layout == "legacy" else program)
    return path


def refused(path: Path, *, seconds: float = 20.0, megabytes: int = 600) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    assert time.monotonic() - start < seconds
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < megabytes
    message = str(caught.value)
    assert len(message) < 2500
    return message


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_programs_are_refused_and_not_run(tmp_path: Path, name: str, layout: str) -> None:
    marker = tmp_path / "marker"
    path = wrap(hostile.programs(marker)[name], layout, tmp_path / "net.pth")
    refused(path)
    assert not marker.exists()


def test_python_itself_would_have_run_them(tmp_path: Path) -> None:
    """The programs are what they say: the standard unpickler falls for them."""
    for name in ("os.system", "eval", "getattr chain", "instance", "object"):
        marker = tmp_path / f"marker {name}".replace(" ", "_")
        pickle.loads(hostile.programs(marker)[name])
        assert marker.exists(), name


@pytest.mark.parametrize("layout", ["zip", "legacy"])
@pytest.mark.parametrize("name", sorted(hostile.tensors(Path())))
def test_tensors_that_claim_what_is_not_there(tmp_path: Path, name: str, layout: str) -> None:
    program = hostile.tensor_program(*hostile.tensors(Path())[name])
    storage = (4).to_bytes(8, "little") + bytes(16)
    message = refused(wrap(program, layout, tmp_path / "net.pth", storage=storage))
    assert "architecture" not in message


def test_the_message_names_what_it_refuses(tmp_path: Path) -> None:
    path = wrap(hostile.programs(tmp_path / "marker")["os.system"], "zip", tmp_path / "net.pth")
    message = refused(path)
    assert message.startswith("'net.pth' holds 'os.system', which is code and no weights; nothing of it was run.")
    assert "torch.save(model.state_dict(), 'weights.pth')" in message


def test_modules_that_hold_themselves(tmp_path: Path) -> None:
    attributes = b"".join(b"X\x01\0\0\0" + name + b"h\x00" for name in (b"a", b"b"))
    program = b"\x80\x02c__torch__\nNet\n)\x81q\x00}(" + attributes + b"ub."
    assert "have no end" in refused(wrap(program, "script", tmp_path / "net.pt"))


def test_archives_that_unpack_to_more_than_they_are(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", bytes(1 << 26))
    assert "packed again, compressed" in refused(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(1 << 26))
    assert "claims 67108864 bytes" in refused(path)
    info = tarfile.TarInfo("storages")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        body = b"1\n0\n0\n".ljust(512, b"\0")
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    refused(path)
    link = tarfile.TarInfo("storages")
    link.type, link.linkname = tarfile.LNKTYPE, "storages"
    with tarfile.open(path, "w:") as archive:
        archive.addfile(link)
    refused(path)


def test_hdf5_that_points_elsewhere_or_claims_too_much(tmp_path: Path) -> None:
    """External storage would let a file of weights read any other file; chunks that are not there cost no bytes."""
    import h5py
    import numpy as np

    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4096))

    def vgg(path: Path, **options: object) -> Path:
        with h5py.File(path, "w") as file:
            names = [f"block{b}_conv{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]
            file.attrs["layer_names"] = names
            for name in names:
                group = file.create_group(name)
                group.attrs["weight_names"] = ["kernel"]
                group.create_dataset("kernel", dtype="f4", **options)
        return path

    refused(vgg(tmp_path / "a.h5", shape=(3, 3, 3, 8), external=[(str(secret), 0, 4096)]))
    assert "claim more than the file holds" in refused(
        vgg(tmp_path / "b.h5", shape=(1 << 20, 1 << 20), chunks=(1024, 1024))
    )
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    with h5py.File(vgg(tmp_path / "c.h5", data=np.zeros(4)), "r+") as file:
        del file["block1_conv1/kernel"]
        file.create_virtual_dataset("block1_conv1/kernel", layout)
    refused(tmp_path / "c.h5")
    with h5py.File(vgg(tmp_path / "d.h5", data=np.zeros(4)), "r+") as file:
        del file["block1_conv1"]
        file["block1_conv1"] = h5py.ExternalLink(str(tmp_path / "a.h5"), "/block1_conv1")
    refused(tmp_path / "d.h5")
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["loop"] = h5py.SoftLink("/")
        file.create_group("layers")
    refused(tmp_path / "e.h5")
