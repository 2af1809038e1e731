"""The seam for a model that looks at a picture. The built-in one is a mock, and says so."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from webapp.pipeline.source import Buffer


@dataclass(frozen=True, slots=True)
class Picture:
    """What a model is given: the first frame's pixel data as the instance stores it
    (native samples or one encoded frame), and how it is to be read (PS3.3 C.7.6.3)."""

    pixels: Buffer
    rows: int
    columns: int
    photometric_interpretation: str
    bits_stored: int
    modality: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A label and how sure the model is of it, 0 to 1."""

    label: str
    confidence: float


class Model(Protocol):
    """A model: the same picture gets the same answer, and ``mock`` tells whether it means it."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def mock(self) -> bool: ...

    def diagnose(self, picture: Picture) -> Diagnosis:
        """Raises nothing for a picture it cannot judge: it says so in its label."""
        ...


class MockModel:
    """Answers from a digest of the pixels: repeatable, and without any meaning."""

    name = "mock"
    version = "1.0"
    mock = True

    LABELS: ClassVar[tuple[str, ...]] = (
        "No acute finding (mock)",
        "Possible opacity (mock)",
        "Possible fracture (mock)",
        "Possible nodule (mock)",
        "Possible effusion (mock)",
    )

    def diagnose(self, picture: Picture) -> Diagnosis:
        digest = hashlib.sha256(picture.pixels).digest()
        label = self.LABELS[digest[0] % len(self.LABELS)]
        confidence = 0.5 + int.from_bytes(digest[1:3], "big") / 0xFFFF * 0.49
        return Diagnosis(label, round(confidence, 4))


def load_model(path: str) -> Model:
    """The model that ``package.module:Class`` names, made without arguments.

    Raises ValueError when the text has another form or names no model.
    """
    module_name, _, class_name = path.partition(":")
    if not module_name or not class_name.isidentifier():
        raise ValueError("a model is named as package.module:Class")
    try:
        make: Callable[[], Model] = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError("there is no such model") from error
    model = make()
    if not all(hasattr(model, wanted) for wanted in ("name", "version", "mock", "diagnose")):
        raise ValueError("a model has a name, a version, mock and diagnose")
    return model
