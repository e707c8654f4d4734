"""Finding thousands of packets at once: where they begin is guessed, and then proved.

Each packet says how long it is, so the next one is found from the one before, a step of Python for each. Here the bytes
are cut into stretches, a packet is guessed in each, and from there all stretches are gone through by the same vector
operations. The proof is that each packet found ends where the next begins, the first being a true one; what is behind
the first that does not is left to the caller.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from aurora_dwh.source.wire.buffers import Positions, everywhere

HEADER: Final = 4
"""Bytes before a packet: its length in three of them, and its sequence number."""

LONGEST: Final = 0xFFFFFF
"""The longest packet, and the mask of a length in a header's four bytes."""

LEAST_ROWS: Final = 1_500
"""Rows for which guessing pays."""

_CHAIN: Final = 32
"""Rows of a stretch on the average."""

_MOST_STEPS: Final = 4 * _CHAIN
"""Steps after which a stretch of much shorter rows is given up."""

_LOOKED_AT: Final = 2
"""In how many average rows at the beginning of a stretch its first packet is looked for."""

_HOPS: Final = 3
"""How many following packets a guess must have, each with the sequence number after its forerunner's."""

_WORD: Final = np.dtype("<u4")


def leap(data: npt.NDArray[np.uint8], begin: int, end: int, row_bytes: int) -> Positions:
    """Return where packets of rows of the binary protocol begin, one after the other.

    Args:
        data: The buffer; some bytes behind `end` may be read.
        end: Where the bytes end that have come in.
        row_bytes: How long a packet is on the average, about.

    Returns:
        Positions of packets that follow each other, the first being `begin`. The last one's end was not looked at.
    """
    words = everywhere(data, _WORD)
    begins = _guess(data, words, begin, end, row_bytes)
    if not len(begins):
        return np.array([begin], np.int64)
    position = np.concatenate(([begin], begins[:-1]))
    steps = [position]
    while len(steps) < _MOST_STEPS and (position < begins).any():
        for _ in range(4):  # to ask whether all have arrived takes as long as a step
            position = np.minimum(position + (words[position] & LONGEST) + HEADER, begins)
            steps.append(position)
    chains = np.array(steps).T
    found = np.append(chains[chains < begins[:, None]], begins[-1])
    ends = found[:-1] + (words[found[:-1]] & LONGEST) + HEADER
    unproven = np.flatnonzero(ends != found[1:])
    return found[: unproven[0] + 1] if unproven.size else found


def _guess(
    data: npt.NDArray[np.uint8], words: npt.NDArray[np.uint32], begin: int, end: int, row_bytes: int
) -> Positions:
    """Return a position in each stretch but the first where a packet seems to begin; none in those that show none.

    A row of the binary protocol begins with a zero byte, and the highest byte of a length is zero below 64 KiB.
    """
    stretch, width = _CHAIN * row_bytes, _LOOKED_AT * row_bytes
    marks = np.arange(begin + stretch, end - stretch, stretch)
    if not marks.size:
        return marks

    def looked_at(offset: int) -> npt.NDArray[np.uint8]:
        return np.lib.stride_tricks.as_strided(data[marks[0] + offset :], (len(marks), width), (stretch, 1))

    which, offset = np.divmod(np.flatnonzero((looked_at(2) | looked_at(HEADER)) == 0), width)
    guessed = position = marks[which] + offset
    header = words[position]
    for _ in range(_HOPS):
        position = np.minimum(position + (header & LONGEST) + HEADER, end)
        following = words[position]
        kept = np.flatnonzero(((following >> 24) - (header >> 24) & 0xFF == 1) & (data[position + HEADER] == 0))
        which, guessed, position, header = which[kept], guessed[kept], position[kept], following[kept]
    is_first = np.diff(which, prepend=-1) != 0
    first: Positions = guessed[is_first]
    return first
