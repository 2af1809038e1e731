"""One table: what went wrong → status, title, sentence. It speaks to programs and to people.

Every sentence is ours. An exception's own text never leaves: it can hold a
patient's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

RETRY_SECONDS = 5


@dataclass(frozen=True)
class Problem:
    """RFC 9457, the fixed part. ``detail`` has placeholders for an error's facts."""

    status: int
    title: str
    detail: str
    retry_after: int | None = None


PROBLEMS: dict[str, Problem] = {
    # The request
    "bad-request": Problem(400, "Malformed request", "The request could not be understood."),
    "file-name-missing": Problem(
        400, "No file name", "Send the file's name, percent-encoded, in the header X-File-Name."
    ),
    "user-id-invalid": Problem(
        400,
        "Malformed X-User-ID",
        "X-User-ID takes 1 to 128 visible ASCII characters without a slash.",
    ),
    "study-key-invalid": Problem(
        400, "Malformed X-Study-Key", "X-Study-Key takes 1 to 128 visible ASCII characters."
    ),
    "parameter-invalid": Problem(
        400, "Malformed parameter", "The parameter {name} is missing or malformed."
    ),
    "cursor-invalid": Problem(
        400, "Unknown cursor", "The cursor is not one that this service gave out."
    ),
    "body-incomplete": Problem(
        400, "Incomplete body", "The request ended before its whole body had arrived."
    ),
    "empty-file": Problem(400, "Empty file", "The file holds not a single byte."),
    "form-malformed": Problem(
        400, "Malformed form", "The body is not a whole form of the documented kind."
    ),
    "batch-malformed": Problem(
        400, "Malformed batch", "The body is not JSON of the documented form."
    ),
    "batch-too-deep": Problem(
        400, "Nested too deep", "The JSON is nested more than {limit} levels deep."
    ),
    "entry-malformed": Problem(400, "Malformed entry", "This entry of the batch is no object."),
    "field-repeated": Problem(400, "Field repeated", "This entry of the batch has a field twice."),
    "filename-too-long": Problem(
        400, "Name too long", "The file's name has more than {limit} characters."
    ),
    "content-not-text": Problem(
        400, "Content is no text", "The entry's content must be a string of base64."
    ),
    "batch-empty": Problem(400, "Empty batch", "The batch holds no file."),
    "base64-invalid": Problem(400, "Broken base64", "The file's content is not valid base64."),
    "filename-missing": Problem(400, "No file name", "This entry of the batch has no file name."),
    "content-missing": Problem(400, "No content", "This entry of the batch has no content."),
    "password-too-short": Problem(
        400, "Password too short", "A password needs at least {limit} characters."
    ),
    "days-invalid": Problem(
        400, "Malformed number of days", "A rule needs a whole number of days from 1 to {limit}."
    ),
    "unauthorized": Problem(
        401, "Not authenticated", "Send an API key as a Bearer token, or log in."
    ),
    "csrf": Problem(400, "Form expired", "The form is too old. Load the page again and repeat."),
    "forbidden": Problem(403, "Not allowed", "This needs a permission that you do not have."),
    "not-found": Problem(404, "Not found", "There is nothing here, or it is not yours."),
    "method-not-allowed": Problem(
        405, "Method not allowed", "This address does not take such a request."
    ),
    "not-acceptable": Problem(406, "Not acceptable", "None of the wanted media types can be made."),
    "too-slow": Problem(408, "Too slow", "The header of the request took too long to arrive."),
    "already-exists": Problem(409, "Already exists", "The name or address is taken."),
    "not-ready": Problem(
        409, "Not ready", "The file is still being worked on. Ask again shortly.", RETRY_SECONDS
    ),
    "last-administrator": Problem(
        409, "Last administrator", "Nobody else is an active administrator, so this one stays."
    ),
    "key-not-valid": Problem(409, "Key not valid", "The key is revoked or has run out already."),
    "held": Problem(409, "Held", "A person must look at this file before it can be given out."),
    "failed": Problem(409, "Failed", "This file could not be processed, so there is none to give."),
    "selection-malformed": Problem(
        400, "Malformed selection", "Send a JSON object with upload_ids, a list of upload ids."
    ),
    "selection-empty": Problem(400, "Nothing chosen", "Choose at least one file."),
    "selection-too-large": Problem(
        413, "Too many files", "At most {limit} files can be chosen at once."
    ),
    "nothing-to-retry": Problem(409, "Nothing to retry", "None of these files can be tried again."),
    "batch-closed": Problem(409, "Batch closed", "This batch takes no more files."),
    "original-gone": Problem(
        410, "Original gone", "The received file is no longer kept. Please send it again."
    ),
    "too-large": Problem(413, "Too large", "The request is larger than this service takes."),
    "file-too-large": Problem(413, "File too large", "The file has more than {limit} megabytes."),
    "batch-too-large": Problem(
        413, "Batch too large", "The batch has more than {limit} megabytes."
    ),
    "batch-too-many-files": Problem(
        413, "Too many files", "The batch has more than {limit} files."
    ),
    "address-too-long": Problem(414, "Address too long", "The address is longer than taken here."),
    "unrecognised": Problem(
        415, "Not an image or DICOM", "The bytes are neither DICOM nor an image format taken here."
    ),
    "unsupported-media-type": Problem(
        415, "Unsupported media type", "This address takes another Content-Type."
    ),
    "expectation-unknown": Problem(
        417, "Unknown expectation", "Of what a client may expect, only 100-continue is known."
    ),
    "unprocessable": Problem(422, "Unusable", "The request is whole but cannot be carried out."),
    "idempotency-key-reused": Problem(
        422, "Key used before", "This Idempotency-Key was used before with other content."
    ),
    "idempotency-key-invalid": Problem(
        400,
        "Malformed Idempotency-Key",
        "Idempotency-Key takes 1 to 255 visible ASCII characters.",
    ),
    "image-damaged": Problem(
        422, "Image damaged", "It begins like an image, but it cannot be decoded."
    ),
    "image-too-large": Problem(
        422, "Too many pixels", "The image has more than {limit} pixels in all its frames."
    ),
    "unsupported-image": Problem(
        422, "Unsupported image", "An image of this kind cannot be carried into DICOM truthfully."
    ),
    "dicom-damaged": Problem(
        422, "DICOM damaged", "It begins like DICOM, but it is truncated or contradicts itself."
    ),
    "dicomdir": Problem(
        422, "A DICOMDIR", "This is an index of other files. Send the files that it lists."
    ),
    "unsupported-transfer-syntax": Problem(
        422,
        "Unsupported transfer syntax",
        "Its pixels are coded in a way that cannot be de-identified safely, such as video.",
    ),
    "unsupported-sop-class": Problem(
        422,
        "Unsupported kind of object",
        "It wraps a document (PDF, CDA, STL) that cannot be de-identified safely.",
    ),
    "no-picture": Problem(
        422, "No picture", "This instance holds no pixels: a report, a plan or a waveform."
    ),
    "no-such-frame": Problem(404, "No such frame", "The instance has no frame of this number."),
    "decode-failed": Problem(422, "Not decodable", "The pixels of this frame cannot be decoded."),
    "frame-too-large": Problem(
        422,
        "Frame too large",
        "The frame has more than {limit} megabytes of samples. Ask for a picture of it instead.",
    ),
    "archive-encrypted": Problem(
        422, "Encrypted archive", "The archive is locked with a password. Send it unlocked."
    ),
    "archive-damaged": Problem(422, "Archive damaged", "The archive cannot be read."),
    "archive-empty": Problem(422, "Empty archive", "The archive holds no file."),
    "archive-method-unsupported": Problem(
        422, "Unknown packing", "The archive packs a file by a method that is not taken here."
    ),
    "archive-bomb": Problem(
        422, "Suspicious archive", "A file in the archive expands beyond what is plausible."
    ),
    "cancelled": Problem(422, "Cancelled", "The file was cancelled before it was processed."),
    "identifier-suspected": Problem(
        422,
        "Identifier suspected",
        "A check after de-identification found something that may name the patient.",
    ),
    "rate-limited": Problem(
        429, "Too many requests", "Too many requests. Wait a little, then try again.", 60
    ),
    "header-too-large": Problem(
        431, "Header too large", "The header of the request is larger than taken here."
    ),
    "processing-error": Problem(
        500, "Processing failed", "An error of this service stopped the work on this file."
    ),
    "attempts-exhausted": Problem(
        500, "Given up", "The work on this file was interrupted too often."
    ),
    "internal": Problem(
        500, "Internal error", "An error of this service. Name the request id to its operator."
    ),
    "blob-damaged": Problem(
        500, "Stored file damaged", "The stored file is not what was sealed, so it is not given."
    ),
    "blob-missing": Problem(
        500, "Stored file missing", "The record exists, but its stored file does not."
    ),
    "coding-unknown": Problem(
        501, "Unknown transfer coding", "The body comes in a transfer coding that is not known."
    ),
    "unavailable": Problem(
        503, "Unavailable", "Something needed is away. Try again shortly.", RETRY_SECONDS
    ),
    "database-unavailable": Problem(
        503, "Database unavailable", "The database is away. Try again shortly.", RETRY_SECONDS
    ),
    "storage-unavailable": Problem(
        503, "Storage unavailable", "The storage is away. Try again shortly.", RETRY_SECONDS
    ),
    "key-missing": Problem(
        503, "Key missing", "A master key is not deployed here yet. Try again shortly.", 30
    ),
    "storage-full": Problem(
        507, "Storage full", "There is no room for the file. Try again later.", 60
    ),
}

BY_STATUS = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "too-slow",
    410: "not-found",
    413: "too-large",
    414: "address-too-long",
    415: "unsupported-media-type",
    417: "expectation-unknown",
    422: "unprocessable",
    429: "rate-limited",
    431: "header-too-large",
    501: "coding-unknown",
    503: "unavailable",
}


def code_for_status(status: int) -> str:
    """The code of an error that only has a status."""
    fallback = "bad-request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal"
    return BY_STATUS.get(status, fallback)


def problem_for(code: str) -> Problem:
    """The row of a code; a code without one is a bug and says no more than that."""
    return PROBLEMS.get(code, PROBLEMS["internal"])


def detail_of(code: str, facts: dict[str, int | str]) -> str:
    """The sentence of a code with its numbers; without them where they are not known."""
    try:
        return problem_for(code).detail.format_map(facts)
    except KeyError:
        return f"{problem_for(code).title}."
