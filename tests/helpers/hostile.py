"""Pickles that try to do harm, as bytes. Each would leave the file ``marker`` behind, fill memory or never end."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def programs(marker: Path) -> dict[str, bytes]:
    """By what they try; protocol 2, with the final dot."""
    touch, python = f"touch {marker}", f"open({str(marker)!r}, 'w').close()"
    builtins = _name("builtins", "getattr")
    importer = _call(_name("builtins", "__import__"), _text("os"))
    system = _name("os", "system")
    state = b"}" + _text("features.0.weight")
    bodies = {
        "os.system": _call(_name("os", "system"), _text(touch)),
        "posix.system": _call(_name("posix", "system"), _text(touch)),
        "nt.system": _call(_name("nt", "system"), _text(touch)),
        "subprocess": _call(_name("subprocess", "Popen"), b"(" + _text("touch") + _text(str(marker)) + b"t"),
        "eval": _call(_name("builtins", "eval"), _text(python)),
        "exec of Python 2": _call(_name("__builtin__", "eval"), _text(python)),
        "exec": _call(_name("builtins", "exec"), _text(python)),
        "getattr chain": _call(_call(builtins, importer, _text("system")), _text(touch)),
        "open": _call(_name("builtins", "open"), _text(str(marker)), _text("w")),
        "a dotted name": b"\x8c\x02os\x8c\x06system\x93" + b"(" + _text(touch) + b"tR",
        "a dotted name within torch": _call(b"\x8c\x05torch\x8c\x0bserialization.os.system\x93", _text(touch)),
        "torch.load": _call(_name("torch", "load"), _text(str(marker))),
        "torch.hub": _call(_name("torch.hub", "load"), _text("someone/something")),
        "runpy": _call(_name("runpy", "run_path"), _text(str(marker))),
        "numpy.load": _call(_name("numpy", "load"), _text(str(marker))),
        "numpy runstring": _call(_name("numpy.testing._private.utils", "runstring"), _text(python), b"}"),
        "code object": _call(_name("types", "FunctionType"), b"N", b"}"),
        "ctypes": _call(_name("ctypes", "CDLL"), _text("libc.so.6")),
        "instance": b"(" + _text(touch) + b"ios\nsystem\n",
        "object": b"(" + _name("os", "system") + _text(touch) + b"o",
        "new object": _name("os", "system") + b"(" + _text(touch) + b"t\x81",
        "new object with keywords": _name("subprocess", "Popen") + b"(" + _text(touch) + b"t}\x92",
        "extension": b"\x82\x01",
        "build with __setstate__": _call(_name("collections", "OrderedDict")) + b"}" + _text("__setstate__")
        + _name("os", "system") + b"sb" + _text(touch) + b"b",
        "nested in a tensor": state
        + _call(_name("torch._utils", "_rebuild_tensor_v2"), _call(_name("os", "system"), _text(touch))) + b"s",
        "a call of what an allowed call returned": _call(_call(_name("collections", "OrderedDict")), _text(touch)),
        "a call of a storage class": _call(_name("torch", "FloatStorage"), b"J\xff\xff\xff\x7f"),
        "rebuild from a type of one's own": _call(
            _name("torch._tensor", "_rebuild_from_type_v2"), system, b"N", b"(" + _text(touch) + b"t", b"N"
        ),
        "dictionary subclass": _call(_name("collections", "UserDict"), b"}"),
        "functools.partial": _call(_name("functools", "partial"), _name("os", "system"), _text(touch)),
        "operator.attrgetter": _call(_name("operator", "attrgetter"), _text("system")),
        "persistent id of code": b"(" + _text("storage") + system + _text("0") + _text("cpu") + b"K\x01tQ",
        "a key that never hashes": b"}" + b"(t" + b"2\x86" * 60 + b"K\x01s",
        "an enormous number": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\xff" * 50,
        "an enormous text": b"\x8d" + struct.pack("<Q", 2**62) + b"x" * 50,
        "enormous bytes": b"\x8e" + struct.pack("<Q", 2**40) + b"x" * 50,
        "an enormous byte array": b"\x96" + struct.pack("<Q", 2**50),
        "an enormous memo": b"Nr" + struct.pack("<I", 2**32 - 1),
        "a number of many digits": b"I" + b"9" * 200_000 + b"\n",
        "a memo bomb": b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(250)),
        "tuples within tuples": b")" + b"\x85" * 300_000,
        "marks without end": b"(" * 500_000,
        "many steps": b"N0" * 1_500_000 + b"N",
    }  # fmt: skip
    return {name: b"\x80\x02" + body + b"." for name, body in bodies.items()}


def tensors(marker: Path) -> dict[str, tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
    """Claims of a tensor: numbers in its storage, offset, shape, strides; the storage really holds four."""
    return {
        "more than there is": (4, 0, (5,), (1,)),
        "a claim that the storage is longer": (1 << 20, 0, (1 << 20,), (1,)),
        "an offset beyond": (4, 4, (1,), (1,)),
        "a negative offset": (4, -1, (2,), (1,)),
        "a stride beyond": (4, 0, (2, 2), (4, 1)),
        "a negative stride": (4, 3, (2,), (-1,)),
        "expanded without end": (4, 0, (1 << 20, 1 << 20), (0, 0)),
        "a product that overflows": (4, 0, (1 << 33, 1 << 33), (0, 0)),
        "a negative size": (4, 0, (-1, -4), (1, 1)),
        "more strides than sizes": (4, 0, (2,), (1, 1)),
        "many dimensions": (4, 0, (1,) * 100, (1,) * 100),
        "an enormous count": (1 << 62, 0, (4,), (1,)),
    }


def legacy_stream(program: bytes, *, storage: bytes = b"") -> bytes:
    """The program where a legacy checkpoint has its object."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    return b"".join(pickle.dumps(value, 2) for value in head) + program + pickle.dumps(["0"], 2) + storage


def tensor_program(count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A state dict of one tensor with these claims, as torch.save writes it."""

    def plain(value: object) -> bytes:
        return pickle.dumps(value, 2)[2:-1]

    identity = (
        b"(" + _text("storage") + _name("torch", "FloatStorage") + _text("0") + _text("cpu") + plain(count) + b"NtQ"
    )
    arguments = identity + plain(offset) + plain(shape) + plain(strides) + b"\x89" + plain({})
    call = _name("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + b"tR"
    return b"\x80\x02}" + _text("features.0.weight") + call + b"s."
