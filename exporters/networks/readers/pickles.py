"""Reading a pickle without running it.

A pickle is a program, and Python's own unpickler calls whatever it names. This interpreter knows the opcodes that
build plain data (numbers, text, lists, tuples, dictionaries), and a fixed table of names that stand for plain data:
nothing is imported, and no object of the file's choosing is called. A name that is not in the table ends the reading
with an error that says so.

Source of the opcodes: the standard library's ``pickletools``, which also takes the stream apart.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from pixelgrad.errors import NetworkError

_MOST_OPCODES = 2_000_000
_MARK = object()

Call = Callable[[tuple[Any, ...]], Any]


class Inert:
    """Stands for an object that takes no part in a state dict (an optimiser's settings, a date): holds nothing."""


class Attributes(dict[str, Any]):
    """Stands for an object of a class that is not known: its attributes, by name."""


class Name:
    """A name from the table, as the pickle mentions it. call: what a call of it stands for."""

    def __init__(self, text: str, call: Call | None) -> None:
        self.text, self.call = text, call


class Unpickler:
    """One pickle after another from ``content``.

    names: what each ``module.name`` stands for: a function of the arguments, or ``None`` if it is only mentioned.
    persistent: what a persistent id stands for.
    classes: what other names stand for, by what they begin with.
    """

    def __init__(
        self,
        content: bytes,
        file: str,
        names: Mapping[str, Call | None],
        persistent: Callable[[Any], Any],
        classes: Mapping[str, Call] | None = None,
    ) -> None:
        self._stream = io.BytesIO(content)
        self._file, self._names, self._persistent = file, names, persistent
        self._classes = classes or {}
        self._budget = _MOST_OPCODES
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    @property
    def position(self) -> int:
        return self._stream.tell()

    def seek(self, position: int) -> None:
        """Go on reading there."""
        self._stream.seek(position)

    def load(self) -> Any:
        """The next object; :class:`NetworkError` where there is none, or one that is no plain data."""
        self._stack, self._memo = [], {}
        try:
            for opcode, argument, _ in pickletools.genops(self._stream):
                self._budget -= 1
                if self._budget < 0:
                    raise NetworkError(f"{self._file!r} takes more than {_MOST_OPCODES} steps to read; no weights do")
                if opcode.name == "STOP":
                    break
                step = _STEPS.get(opcode.name)
                if step is None:
                    raise NetworkError(
                        f"{self._file!r} uses the pickle instruction {opcode.name}, which a file of weights has no use "
                        "for; nothing of it was run"
                    )
                step(self, argument)
            return self._pop()
        except (ValueError, IndexError, KeyError, OverflowError) as error:
            raise NetworkError(
                f"{self._file!r} is damaged: its pickle breaks off or makes no sense ({error})"
            ) from error

    def _pop(self) -> Any:
        if not self._stack:
            raise IndexError("nothing on the stack")
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def _since_mark(self) -> list[Any]:
        items: list[Any] = []
        while (value := self._stack.pop()) is not _MARK:
            items.append(value)
        items.reverse()
        return items

    def push(self, value: Any) -> None:
        self._stack.append(value)

    # One method per kind of instruction.

    def _nothing(self, _: Any) -> None:
        pass

    def _mark(self, _: Any) -> None:
        self.push(_MARK)

    def _discard(self, _: Any) -> None:
        self._stack.pop()

    def _discard_since_mark(self, _: Any) -> None:
        self._since_mark()

    def _frozen_set(self, _: Any) -> None:
        self._since_mark()
        self.push(Inert())

    def _duplicate(self, _: Any) -> None:
        value = self._pop()
        self._stack += [value, value]

    def _put(self, index: Any) -> None:
        self._memo[int(index)] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: Any) -> None:
        self.push(self._memo[int(index)])

    def _append(self, values: list[Any]) -> None:
        target = self._pop()
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Inert):
            raise ValueError("items for what is no list")
        self.push(target)

    def _set_items(self, items: list[Any]) -> None:
        target = self._pop()
        if isinstance(target, dict):
            target.update(dictionary(items))
        elif not isinstance(target, Inert):
            raise ValueError("items for what is no dictionary")
        self.push(target)

    def _global(self, text: Any) -> None:
        name = str(text).replace(" ", ".", 1)
        name = name.removeprefix("__builtin__.") if name.startswith("__builtin__.") else name
        known = next((call for start, call in self._classes.items() if name.startswith(start)), None)
        if known is None and name not in self._names:
            raise NetworkError(
                f"{self._file!r} holds {name[:80]!r}, which is code and no weights; nothing of it was run. If it is a "
                "whole model, or a training state with objects in it, save its weights alone where it was made: "
                "torch.save(model.state_dict(), 'weights.pth')"
            )
        self.push(Name(name, known or self._names[name]))

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no text")
        self._global(f"{module} {name}")

    def _reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Name) or function.call is None or not isinstance(arguments, tuple):
            raise NetworkError(
                f"{self._file!r} calls something that is no part of a file of weights; nothing of it was run"
            )
        self.push(function.call(arguments))

    def _build(self, _: Any) -> None:
        """Other attributes are left out: of an ordered dictionary, they are notes on versions."""
        state, target = self._pop(), self._pop()
        if isinstance(target, Attributes) and isinstance(state, dict):
            target.update({name: value for name, value in state.items() if isinstance(name, str)})
        self.push(target)

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def _persistent_id(self, _: Any) -> None:
        self.push(self._persistent(self._pop()))


def dictionary(items: list[Any]) -> dict[Any, Any]:
    """Keys are text or numbers: the hash of a nested tuple can take forever."""
    if len(items) % 2:
        raise ValueError("a key without a value")
    if not all(isinstance(key, str | int | float | bytes | None) for key in items[::2]):
        raise ValueError("a key that is neither text nor a number")
    return dict(zip(items[::2], items[1::2], strict=True))


Step = Callable[[Unpickler, Any], None]
_VALUES = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES "
    "SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8"
)
_STEPS: dict[str, Step] = {
    **dict.fromkeys(("PROTO", "FRAME"), Unpickler._nothing),
    **dict.fromkeys(_VALUES.split(), Unpickler.push),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Unpickler._put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Unpickler._get),
    "MARK": Unpickler._mark,
    "NONE": lambda u, _: u.push(None),
    "NEWTRUE": lambda u, _: u.push(True),
    "NEWFALSE": lambda u, _: u.push(False),
    "EMPTY_TUPLE": lambda u, _: u.push(()),
    "EMPTY_LIST": lambda u, _: u.push([]),
    "EMPTY_DICT": lambda u, _: u.push({}),
    "EMPTY_SET": lambda u, _: u.push(Inert()),
    "POP": Unpickler._discard,
    "POP_MARK": Unpickler._discard_since_mark,
    "DUP": Unpickler._duplicate,
    "MEMOIZE": Unpickler._memoize,
    "TUPLE": lambda u, _: u.push(tuple(u._since_mark())),
    "TUPLE1": lambda u, _: u._tuple(1),
    "TUPLE2": lambda u, _: u._tuple(2),
    "TUPLE3": lambda u, _: u._tuple(3),
    "LIST": lambda u, _: u.push(u._since_mark()),
    "DICT": lambda u, _: u.push(dictionary(u._since_mark())),
    "APPEND": lambda u, _: u._append([u._pop()]),
    "APPENDS": lambda u, _: u._append(u._since_mark()),
    "ADDITEMS": lambda u, _: u._append(u._since_mark()),
    "FROZENSET": Unpickler._frozen_set,
    "SETITEM": lambda u, _: u._set_items([*reversed([u._pop(), u._pop()])]),
    "SETITEMS": lambda u, _: u._set_items(u._since_mark()),
    "GLOBAL": Unpickler._global,
    "STACK_GLOBAL": Unpickler._stack_global,
    "REDUCE": Unpickler._reduce,
    "NEWOBJ": Unpickler._reduce,
    "BUILD": Unpickler._build,
    "BINPERSID": Unpickler._persistent_id,
}
