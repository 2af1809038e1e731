"""A DICOM File-set (PS3.10 section 8): the names of its files, and its DICOMDIR.

A DICOMDIR that came in is never passed on (it lists patients by name): this one
is made anew from the headers of the files that lie beside it.
"""

from __future__ import annotations

from webapp.pipeline.fileset.dicomdir import Directory
from webapp.pipeline.fileset.names import FileID, Namer

__all__ = ["Directory", "FileID", "Namer"]
