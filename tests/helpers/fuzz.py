"""Damaged network files, read one after another in a process of their own.

    python fuzz.py READER FOLDER FIRST COUNT

Writes the reader's file to FOLDER, damages it COUNT times (the seeds are FIRST, FIRST + 1, ...) and loads each.
Either a network or a NetworkError must come of it, within ten seconds and a gigabyte; the outcomes are counted on
stdout as JSON. Anything else ends the process with the seed on stderr.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import struct
import sys
import traceback
from collections import Counter
from pathlib import Path

_SECONDS = 10
_MEMORY = 3 << 30  # of address space, most of which libraries reserve and never touch


def damaged(content: bytes, seed: int) -> bytes:
    """One or more of: cut short, bits flipped, bytes set, a length made enormous, parts moved, doubled or gone."""
    rng = random.Random(seed)
    data = bytearray(content)

    def place() -> int:
        """Headers are at the beginning and the end; half of the damage is done there."""
        size = max(1, len(data))
        edge = rng.randrange(min(size, 3000))
        return rng.choice([edge, size - 1 - edge, rng.randrange(size), rng.randrange(size)])

    for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
        if not data:
            break
        at, kind = place(), rng.randrange(8)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind == 3:
            value = rng.choice([0xFFFFFFFF, 0x7FFFFFFF, 1 << 31, 1 << 20, rng.randrange(1 << 32)])
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", value)
        elif kind == 4:
            value = rng.choice([(1 << 64) - 1, (1 << 63) - 1, 1 << 40, rng.randrange(1 << 64)])
            data[at : at + 8] = struct.pack(rng.choice("<>") + "Q", value)
        elif kind == 5:
            length = rng.randrange(1, 64)
            data[at:at] = rng.choice([bytes(length), rng.randbytes(length), bytes(data[at : at + length])])
        elif kind == 6:
            del data[at : at + rng.randrange(1, 64)]
        else:
            other, length = place(), rng.randrange(1, 32)
            data[at : at + length] = data[other : other + length]
    return bytes(data)


def _too_long(*_: object) -> None:
    raise BaseException("no answer")  # not an Exception: nothing may catch it on the way


def main(reader: str, folder: Path, first: int, count: int) -> int:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from helpers.network_files import FILES
    from pixelgrad.cli.report import peak_memory
    from pixelgrad.errors import NetworkError
    from pixelgrad.exporters import load_network

    write, name, victim = FILES[reader]
    path = write(folder / name)
    target = folder / victim
    whole = target.read_bytes()
    options = {"prototxt": target} if victim.endswith(".prototxt") else {}  # else a damaged one is passed over
    load_network(path)  # the file is sound to begin with
    resource.setrlimit(resource.RLIMIT_AS, (_used() + _MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, _too_long)
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + count):
        target.write_bytes(damaged(whole, seed))
        sys.stderr.write(f"seed {seed}\n")  # the last line tells where a crash was
        signal.alarm(_SECONDS)
        try:
            load_network(path, **options)
            outcomes["loaded"] += 1
        except NetworkError as error:
            text = str(error)
            assert len(text) < 3000, len(text)
            outcomes["refused"] += 1
            outcomes["unforeseen"] += "is damaged, or was not downloaded completely (" in text
        except BaseException:
            traceback.print_exc()
            return 1
        signal.alarm(0)
    outcomes["megabytes"] = peak_memory() >> 20
    sys.stdout.write(json.dumps(outcomes) + "\n")
    return 0


def _used() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
