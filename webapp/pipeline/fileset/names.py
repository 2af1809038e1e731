"""File IDs (PS3.10 section 8.2): components of at most eight capitals and digits."""

from __future__ import annotations

from collections import Counter

FileID = tuple[str, ...]


class Namer:
    """Gives each instance a File ID such as ``DICOM/ST000001/SE000001/IM000001``.

    Studies, series and instances are numbered as they come: nothing of a file's
    own name or UIDs shows.
    """

    def __init__(self) -> None:
        self._studies: dict[str, int] = {}
        self._series: dict[tuple[str, str], int] = {}
        self._counts: Counter[str | tuple[str, str]] = Counter()

    def name(self, study: str, series: str) -> FileID:
        """The File ID of the next instance of this series."""
        if study not in self._studies:
            self._studies[study] = len(self._studies) + 1
        key = (study, series)
        if key not in self._series:
            self._counts[study] += 1
            self._series[key] = self._counts[study]
        self._counts[key] += 1
        return (
            "DICOM",
            f"ST{self._studies[study]:06d}",
            f"SE{self._series[key]:06d}",
            f"IM{self._counts[key]:06d}",
        )
