"""Bodies too large to be held: each is made while it is sent."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pydicom

from bench.end_to_end.corpus import samples

PIECE = bytes(1 << 20)
SIDE = 4096
FRAME = SIDE * SIDE * 2
"""Bytes of one frame of a large file; both numbers are whole multiples of a piece."""

FILES_IN_ZIP = 2000
BOUNDARY = "a-boundary-of-the-benchmark"
NUMBERS = count(1)


class Body(NamedTuple):
    """What is sent; of a body without ``length`` the server learns the end from its chunks."""

    pieces: Iterable[bytes]
    length: int | None
    headers: dict[str, str]


def dicom(size: int) -> Body:
    """A CT of many frames with about ``size`` bytes of pixels, with a UID of its own."""
    frames = max(1, size // FRAME)
    instance = pydicom.dcmread(io.BytesIO(samples()["CT"].copy(next(NUMBERS))))
    instance.Rows = instance.Columns = SIDE
    instance.NumberOfFrames, instance.PixelData = frames, b"\0\0"
    instance.pop("DataSetTrailingPadding", None)
    stream = io.BytesIO()
    instance.save_as(stream)
    # In the place of the two bytes of pixels, and of their length in front of them.
    head = stream.getvalue()[:-6] + (frames * FRAME).to_bytes(4, "little")

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(frames * FRAME // len(PIECE)):
            yield PIECE

    return Body(pieces(), len(head) + frames * FRAME, {"X-File-Name": "large.dcm"})


def batch(size: int) -> Body:
    """Files of 8 MB, ``size`` bytes of base64 text in one JSON document."""
    files = max(1, size * 3 // 4 // len(samples()["CR"].content))

    def document() -> Iterator[bytes]:
        yield b'{"files": ['
        for number in range(files):
            yield b'%s{"filename": "%d.dcm", "content": "' % (b"," * (number > 0), number)
            yield base64.b64encode(samples()["CR"].copy(next(NUMBERS)))
            yield b'"}'
        yield b"]}"

    return Body(document(), None, {"Content-Type": "application/json"})


def archive(size: int, folder: Path) -> Body:
    """A form with a ZIP of 2,000 slices that are padded to ``size`` bytes together."""
    path = folder / "large.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        for number in range(FILES_IN_ZIP):
            content = samples()["CT"].copy(next(NUMBERS))
            made.writestr(f"{number}.dcm", content.ljust(size // FILES_IN_ZIP, b"\0"))
    named = 'Content-Disposition: form-data; name="files"; filename="large.zip"'
    head = f"--{BOUNDARY}\r\n{named}\r\n\r\n".encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()

    def form() -> Iterator[bytes]:
        yield head
        with path.open("rb") as stream:
            while piece := stream.read(len(PIECE)):
                yield piece
        path.unlink()
        yield tail

    length = len(head) + path.stat().st_size + len(tail)
    return Body(form(), length, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
