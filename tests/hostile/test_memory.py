"""What the worst inputs cost the real processes, as the kernel counts it: never a gigabyte."""

from __future__ import annotations

import http.client
import io
import json
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest
from PIL import Image

from tests import pictures
from tests import secrets_of_tests as secrets
from tests.hostile.memory import forget, peaks, processor_seconds
from tests.hostile.test_files import deflated, lying, with_element
from tests.pipeline.encoding import EXPLICIT_LITTLE
from tests.running import Program
from tests.samples import batch_json, picture

GIGABYTE = 1 << 30
MINUTE = 60.0
write = EXPLICIT_LITTLE.element


def zeros(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG of nothing: hundreds of megabytes packed into some hundred kilobytes."""
    line = bytes(1 + width * (3 if colour == 2 else 1) * bits // 8) * 100
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(line) for _ in range(height // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pictures.png_chunk(*chunk) for chunk in chunks)


def jpeg(side: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (side, side), 90).save(content, "JPEG")
    return content.getvalue()


def names(count: int) -> bytes:
    """Every one another: each has to be searched for."""
    each = [write(0x00081070, "PN", b"Zz%07d^Qq%07d" % (n, n)) for n in range(count)]
    return with_element(EXPLICIT_LITTLE.sequence(0x00081115, *each))


def packed() -> bytes:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(8):
            archive.writestr(f"{number}.dcm", bytes(100 << 20))
    return batch_json(("bomb.zip", bomb.getvalue()))


SINGLE: dict[str, tuple[Callable[[], bytes], int]] = {
    "the largest picture of 8 bits": (lambda: zeros(12_000, 8_000), 201),
    "the largest picture of 16 bits": (lambda: zeros(12_000, 8_000, 16), 201),
    "a picture of 50,000 x 50,000": (lambda: zeros(50_000, 1_000).replace(
        struct.pack(">II", 50_000, 1_000), struct.pack(">II", 50_000, 50_000), 1), 422),
    "a deflated data set of 250 MB": (lambda: deflated(250 << 20), 422),
    "a deflated data set within its ratio": (lambda: deflated(15 << 20), 201),
    "three million empty items": (
        lambda: with_element(EXPLICIT_LITTLE.sequence(0x00081115, *[b""] * 3_000_000)), 422),
    "three million names": (lambda: names(3_000_000), 422),
    "a claim of 36 terabytes": (lambda: lying(
        (0x00280010, "US", b"\xff\xff"), (0x00280011, "US", b"\xff\xff"),
        (0x00280008, "IS", b"9999999")), 201),
    "a JPEG of 96 million pixels": (lambda: jpeg(9_800), 201),
}  # fmt: skip


def send(program: Program, path: str, content: bytes) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", int(program.port), timeout=300)
    with closing(connection):
        connection.request("POST", path, content, {**secrets.bearer(), "X-File-Name": "a"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@dataclass
class Meter:
    """What each process has taken since it was made."""

    program: Program

    def __post_init__(self) -> None:
        self._held = forget(self.program)
        self._spent = processor_seconds(self.program)

    def most(self) -> int:
        """Bytes that one process held beyond what it held before."""
        return max(peak - self._held.get(pid, 0) for pid, peak in peaks(self.program).items())

    def seconds(self) -> float:
        """Of a processor, that one process used."""
        after = processor_seconds(self.program)
        return max(spent - self._spent.get(pid, 0) for pid, spent in after.items())


@pytest.mark.parametrize(("make", "status"), SINGLE.values(), ids=SINGLE)
def test_no_file_costs_a_process_a_gigabyte_or_a_minute(
    program: Program, make: Callable[[], bytes], status: int
) -> None:
    content = make()
    meter = Meter(program)

    found, answer = send(program, "/upload", content)
    for rest in ("thumbnail", "preview", "rendered.png") if found == 201 else ():
        program.ask("GET", f"/upload/{answer['upload_id']}/{rest}")

    assert found == status
    assert meter.most() < GIGABYTE
    assert meter.seconds() < MINUTE


def test_no_archive_costs_a_process_a_gigabyte_or_a_minute(program: Program) -> None:
    content = packed()
    meter = Meter(program)

    assert send(program, "/upload/batch", content)[0] == 202
    assert meter.most() < GIGABYTE
    assert meter.seconds() < MINUTE


def test_many_at_once_cost_no_more(program: Program) -> None:
    """Six pictures of 288 MB each, and forty files of 20 MB, on one process."""
    files = [zeros(11_999 - n, 8_000) for n in range(6)]
    files += [lying((0x7FE00010, "OW", bytes([n]) * (20 << 20))) for n in range(40)]
    meter = Meter(program)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda f=file: found.append(send(program, "/upload", f)[0]))
        for file in files
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(found) <= {200, 201}
    assert meter.most() < 1.5 * GIGABYTE
    assert send(program, "/upload", picture())[0] in (200, 201)
