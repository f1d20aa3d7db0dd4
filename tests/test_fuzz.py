"""Bytes of chance, made from valid ones, into everything that reads what comes from outside.

``SQLFOCUS_FUZZ=20000`` feeds each target so many. ``python tests/fuzz.py TARGET`` lets atheris look for more.
"""

import os
import random

import pytest

from fuzz_targets import TARGETS, feed

COUNT = int(os.environ.get("SQLFOCUS_FUZZ", "150"))
SLOW = {"query": 10, "sqlite": 10, "ddl": 3}
"""Of these so many times fewer."""
PIECES = [b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"'", b'"', b"\\", b"\n", b"\r", b"{", b"[", b"]}", b"()"]
PIECES += [b"-1", b"9" * 40, b"1e999", b"NaN", b"null", b"true", b"../../etc/passwd", b"<|im_end|>", b"\x1b[31m"]
PIECES += [
    b"(" * 400,
    b"[" * 400,
    b'{"a":' * 400,
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"x" * 5000,
    "表\u202e".encode(),
]


def changed(rng, data, seeds):
    """A few changes, of bytes and of pieces."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(found) + 1)
        end = min(len(found), at + rng.choice([1, 1, 2, 8, 64]))
        change = rng.randrange(6)
        if change == 0 and at < len(found):
            found[at] = rng.randrange(256)
        elif change == 1:
            del found[at:end]
        elif change == 2:
            found[at:at] = rng.choice(PIECES)
        elif change == 3:
            found[at:end] = rng.choice(PIECES)
        elif change == 4:
            other = rng.choice(seeds)
            begin = rng.randrange(len(other) + 1)
            found[at:end] = other[begin : begin + rng.randint(0, 80)]
        else:
            found[at:at] = found[at:end] * rng.choice([1, 2, 30])
    return bytes(found)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_valid_is_taken(name, tmp_path):
    for seed in TARGETS[name].seeds:
        TARGETS[name].feed(seed, tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_of_chance_are_taken_or_refused_in_one_line(name, tmp_path):
    rng, target = random.Random(name), TARGETS[name]
    for number in range(max(10, COUNT // SLOW.get(name, 1))):
        data = changed(rng, rng.choice(target.seeds), target.seeds)
        try:
            feed(target, data, tmp_path)
        except BaseException:
            print(f"{name}, number {number}: {data!r}")
            raise
