"""Columns: a digest for each ``seq`` of a stream, eight bytes apiece."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

CHUNK = 64
_EMPTY = array("Q", bytes(8 * CHUNK))


class SeqColumn:
    """Maps ``seq`` to a number that is never 0, in chunks, so a stray large ``seq`` costs no memory."""

    def __init__(self) -> None:
        self._chunks: dict[int, array[int]] = {}

    def get(self, seq: int) -> int:
        """Return the number at ``seq``, or 0."""
        chunk = self._chunks.get(seq // CHUNK)
        return 0 if chunk is None else chunk[seq % CHUNK]

    def put(self, seq: int, number: int) -> None:
        """Keep ``number`` at ``seq``."""
        index = seq // CHUNK
        chunk = self._chunks.get(index)
        if chunk is None:
            chunk = self._chunks[index] = _EMPTY[:]
        chunk[seq % CHUNK] = number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for index in sorted(self._chunks):
            for offset, number in enumerate(self._chunks[index]):
                if number:
                    yield index * CHUNK + offset, number


def number_of(digest: str) -> int:
    """Return a digest as a number that is never 0. Raises ``ValueError``."""
    return int(digest, 16) or 1
