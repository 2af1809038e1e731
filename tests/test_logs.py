from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huey import MemoryHuey

from webapp import logs
from webapp.logs import configure_logging, request_id
from webapp.tracebacks import MOST_FRAMES, describe

ROOT = Path(__file__).parents[1]
NAME = "Doe^Jane"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ \[\d+\] \S+ [\w.]+: .*")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, names = logging.getLogger(), [*logs._TAKEN_OVER, *logs._LEVELS]
    before = root.level, {name: logging.getLogger(name).level for name in names}
    shown = warnings.showwarning
    yield
    for handler in [h for h in root.handlers if isinstance(h, logs._Console | logs._File)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(before[0])
    for name, level in before[1].items():
        logging.getLogger(name).setLevel(level)
    warnings.showwarning = shown


@pytest.fixture
def written(tmp_path: Path) -> Callable[[], list[str]]:
    """Lines of the log file; logging is set up as text at DEBUG."""
    configure_logging("DEBUG", tmp_path / "logs")
    return lambda: (tmp_path / "logs" / logs.FILE_NAME).read_text("utf-8").splitlines()


def ours(message: object, *args: object, level: int = logging.INFO, exc_info: Any = None) -> None:
    """Log as a module of this program does."""
    _record("webapp.somewhere", str(ROOT / "webapp" / "some.py"), message, args, level, exc_info)


def library(
    name: str, message: object, *args: object, level: int = logging.ERROR, exc_info: Any = None
) -> None:
    """Log as a package in site-packages does."""
    _record(name, f"/venv/site-packages/{name}/x.py", message, args, level, exc_info)


def _record(name: str, path: str, message: object, args: Any, level: int, exc_info: Any) -> None:
    record = logging.LogRecord(name, level, path, 1, message, args, exc_info)
    logging.getLogger(name).handle(record)


def fail(error: BaseException) -> Any:
    secret = NAME  # a local value
    try:
        raise error
    except BaseException:
        assert secret
        return sys.exc_info()


def test_a_line_goes_to_the_console_and_the_file(
    written: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    ours("stored %d bytes", 5)

    (line,) = written()
    assert line.endswith("webapp.somewhere: stored 5 bytes")
    assert LINE.fullmatch(line)
    assert capsys.readouterr().err == line + "\n"


def test_the_id_of_the_request_stands_on_every_line(written: Callable[[], list[str]]) -> None:
    ours("outside")
    token = request_id.set("r-123")
    ours("inside")
    request_id.reset(token)

    assert [line.split()[3] for line in written()] == ["-", "r-123"]


def test_lines_below_the_level_are_left_out(tmp_path: Path) -> None:
    configure_logging("WARNING", tmp_path)

    logging.getLogger("webapp.somewhere").info("quiet")

    assert not (tmp_path / logs.FILE_NAME).exists()


def test_setting_it_up_twice_writes_each_line_once(
    written: Callable[[], list[str]], tmp_path: Path
) -> None:
    configure_logging("DEBUG", tmp_path / "logs")

    ours("once")

    assert len(written()) == 1


def test_the_file_rotates_at_ten_megabytes_and_keeps_five(
    written: Callable[[], list[str]],
) -> None:
    (file,) = [h for h in logging.getLogger().handlers if isinstance(h, logs._File)]

    assert (file.maxBytes, file.backupCount) == (10 * 1024 * 1024, 5)
    ours("x")
    assert written()
    assert Path(file.baseFilename).stat().st_mode & 0o777 == 0o600


def test_an_exceptions_own_text_is_never_written(written: Callable[[], list[str]]) -> None:
    ours("work failed", exc_info=fail(ValueError(NAME)))
    ours("failed with %s", ValueError(NAME))
    ours("failed with %(error)s", {"error": ValueError(NAME)})
    ours(ValueError(NAME))
    library("huey", "Unhandled exception in task %s.", NAME, exc_info=fail(ValueError(NAME)))

    lines = written()
    assert len(lines) == 5
    assert not any(NAME in line or "Jane" in line for line in lines)
    assert re.search(r"work failed \| ValueError at tests/test_logs\.py:\d+ fail$", lines[0])
    assert lines[1].endswith("failed with ValueError")


def test_a_text_that_another_formatter_left_on_the_record_is_not_written(
    written: Callable[[], list[str]],
) -> None:
    record = logging.LogRecord("webapp.a", logging.ERROR, logs.__file__, 1, "oops", (), None)
    record.exc_text = f"ValueError: {NAME}"
    record.stack_info = NAME

    logging.getLogger("webapp.a").handle(record)

    assert NAME not in written()[0]


def test_the_whole_chain_of_an_exception_is_told_in_types_and_places() -> None:
    def inner() -> None:
        raise KeyError(NAME)

    def outer() -> None:
        try:
            inner()
        except KeyError as error:
            raise RuntimeError(NAME) from error

    try:
        outer()
    except RuntimeError as caught:
        told = describe(caught)

    assert [line.split(" at ")[0] for line in told if " at " in line] == [
        "RuntimeError",
        "KeyError",
    ]
    assert [line.split()[-1] for line in told] == [
        "outer",
        "test_the_whole_chain_of_an_exception_is_told_in_types_and_places",
        "inner",
        "outer",
    ]
    assert NAME not in str(told)


def test_a_cause_that_was_suppressed_stays_so_and_a_ring_of_causes_ends() -> None:
    first, second = ValueError(NAME), KeyError(NAME)
    first.__cause__, second.__cause__ = second, first
    assert describe(first) == ["ValueError", "KeyError"]

    third = OSError()
    third.__context__, third.__suppress_context__ = first, True
    assert describe(third) == ["OSError"]


def test_every_error_of_a_group_is_told() -> None:
    group = ExceptionGroup(NAME, [ValueError(NAME), KeyError(NAME)])

    assert describe(group) == ["ExceptionGroup", "ValueError", "KeyError"]


def test_a_deep_recursion_makes_no_endless_line() -> None:
    def deeper() -> None:
        deeper()

    try:
        deeper()
    except RecursionError as caught:
        told = describe(caught)

    assert len(told) == MOST_FRAMES + 1
    assert any("more)" in line for line in told)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\u2028b", "\x1b[31mred", "a\x00b", "a\x85b"])
def test_nothing_in_a_message_can_begin_a_line_of_its_own(
    written: Callable[[], list[str]], text: str
) -> None:
    ours("said %s", text)

    (line,) = written()
    assert line.isprintable()


def test_arguments_that_do_not_fit_lose_no_line() -> None:
    record = logging.LogRecord("webapp.a", 20, logs.__file__, 1, "%d of %d", (1,), None)

    assert logs.TextFormatter().format(record).endswith("%d of %d (its arguments do not fit)")


def test_what_a_library_fills_in_is_withheld_but_for_numbers(
    written: Callable[[], list[str]],
) -> None:
    library("gunicorn.error", "Error handling request %s", f"/upload?name={NAME}")
    library("gunicorn.error", "Worker (pid:%s) exited with code %s.", 77, 3)
    library("huey", "%s executed in %0.3fs", object(), 0.25)
    library("huey", "named %(x)s", {"x": NAME})

    lines = [line.split(": ", 1)[1] for line in written()]
    assert lines == [
        "Error handling request …",
        "Worker (pid:77) exited with code 3.",
        "object executed in 0.250s",
        "named …",
    ]


def test_what_a_library_has_put_together_already_is_withheld_whole(
    written: Callable[[], list[str]],
) -> None:
    library("webapp", f"Exception on /upload/{NAME} [GET]")  # Flask's own
    library("werkzeug", f'127.0.0.1 "GET /{NAME}" 200 -')
    library("pydicom", f"Invalid value for VR PN: '{NAME}'")
    library("gunicorn.error", "Shutting down gracefully...")

    lines = [line.split(": ", 1)[1] for line in written()]
    assert lines == ["(withheld)"] * 3 + ["Shutting down gracefully..."]


def test_what_gunicorn_says_of_its_own_settings_is_kept(written: Callable[[], list[str]]) -> None:
    library("gunicorn.error", "Listening at: %s (%s)", "http://127.0.0.1:8000", 5)

    assert written()[0].endswith("Listening at: http://127.0.0.1:8000 (5)")


def test_access_logs_are_silent(written: Callable[[], list[str]]) -> None:
    ours("one line")
    logging.getLogger("gunicorn.access").info("GET /%s", NAME)
    logging.getLogger("werkzeug").info("GET /%s", NAME)

    assert len(written()) == 1


@pytest.mark.parametrize("name", ["gunicorn.error", "huey", "huey.consumer", "werkzeug", "webapp"])
def test_loggers_with_handlers_of_their_own_go_through_ours(tmp_path: Path, name: str) -> None:
    taken = logging.getLogger(name)
    taken.addHandler(logging.StreamHandler())
    taken.propagate = False

    configure_logging("INFO", tmp_path)

    assert taken.handlers == []
    assert taken.propagate


def test_a_warning_is_logged_without_its_text(written: Callable[[], list[str]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._on_warning
        warnings.warn(f"Invalid value {NAME}", UserWarning, stacklevel=1)

    assert re.search(r"WARNING .* UserWarning at tests/test_logs\.py:\d+$", written()[0])


def test_json_lines_hold_the_same(tmp_path: Path) -> None:
    configure_logging("INFO", tmp_path, as_json=True)
    token = request_id.set("r-1")
    ours('said "%s"', "x\ny", exc_info=fail(ValueError(NAME)))
    request_id.reset(token)

    (line,) = (tmp_path / logs.FILE_NAME).read_text().splitlines()
    found = json.loads(line)
    assert found["message"] == 'said "x\\ny"'
    assert (found["level"], found["request_id"]) == ("INFO", "r-1")
    assert found["error"][0].startswith("ValueError at tests/test_logs.py")
    assert NAME not in line


def test_a_line_that_cannot_be_written_is_mourned_without_what_it_held(
    written: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, NAME)

    monkeypatch.setattr(logs._File, "do_write", full)
    ours("about %s", NAME)

    said = capsys.readouterr().err.splitlines()
    assert "A log line of webapp.somewhere could not be written: OSError" in said
    assert written  # the fixture set logging up


def test_threads_share_the_file(written: Callable[[], list[str]]) -> None:
    def write(number: int) -> None:
        for line in range(100):
            ours("thread %d line %d", number, line)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({line.split(": ", 1)[1] for line in written()}) == 400


WRITER = """
import logging, os, sys
from pathlib import Path
from webapp import logs
logs.MAX_BYTES = 60_000
logs.configure_logging("INFO", Path(sys.argv[1]))
number = sys.argv[2] + ("b" if os.fork() == 0 else "a")
for line in range(250):
    record = logging.LogRecord("webapp.w", 20, logs.__file__, 1, "<%s %d>", (number, line), None)
    logging.getLogger("webapp.w").handle(record)
if number.endswith("a"):
    sys.exit(os.wait()[1])
"""


def test_many_processes_write_past_rotations_and_lose_no_line(tmp_path: Path) -> None:
    """Each of three also forks after logging was set up, as gunicorn and Huey do."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(number)],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        for number in range(3)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]

    files = sorted(tmp_path.glob("dicom_service.log*"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    found = [re.search(r"<(.*)>$", line)[1] for line in lines]  # type: ignore[index]
    assert len(files) > 1
    assert len(found) == len(set(found)) == 3 * 2 * 250
    assert all(LINE.fullmatch(line) for line in lines)


UNCAUGHT = """
import sys, threading
from pathlib import Path
from webapp.logs import configure_logging
configure_logging("INFO", Path(sys.argv[1]))
def work():
    raise ValueError("Doe^Jane")
thread = threading.Thread(target=work)
thread.start()
thread.join()
class Broken:
    def __del__(self):
        raise KeyError("Doe^Jane")
Broken()
work()
"""


def test_uncaught_errors_print_no_text_of_their_own(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", UNCAUGHT, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )

    assert run.returncode == 1
    assert "Doe" not in run.stderr + run.stdout
    kinds = re.findall(r"CRITICAL .*Uncaught \| (\w+)", run.stderr)
    assert kinds == ["ValueError", "KeyError", "ValueError"]


def test_a_task_that_fails_in_huey_names_nobody(written: Callable[[], list[str]]) -> None:
    huey = MemoryHuey(results=False)

    @huey.task()  # type: ignore[untyped-decorator]
    def work(name: str) -> None:
        raise ValueError(name)

    work(NAME)
    huey.execute(huey.dequeue())

    assert any("Unhandled exception in task" in line for line in written())
    assert any("ValueError at" in line for line in written())
    assert not any("Jane" in line for line in written())


FAILING_APP = """
import os
from pathlib import Path
from webapp.logs import configure_logging
configure_logging("DEBUG", Path(os.environ["LOGS"]))
def app(environ, start_response):
    raise ValueError("Doe^Jane in " + environ["PATH_INFO"])
"""


def test_a_request_that_fails_in_gunicorn_names_nobody(tmp_path: Path) -> None:
    """gunicorn itself logs the address of a request whose app raised, with the whole error."""
    (tmp_path / "failing_app.py").write_text(FAILING_APP)
    listener = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", os.devnull, "-k", "gthread", "--threads", "2"]
        + ["-b", f"fd://{listener.fileno()}", "--chdir", str(tmp_path), "failing_app:app"],
        cwd=ROOT,
        env={**os.environ, "LOGS": str(tmp_path), "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
        text=True,
    )
    with socket.create_connection(listener.getsockname(), 60) as client:
        client.sendall(b"GET /Doe%5EJane?name=Doe HTTP/1.1\r\nHost: x\r\nX-File-Name: Doe\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 500")
    listener.close()
    process.terminate()
    console = process.communicate(timeout=60)[1]

    logged = (tmp_path / logs.FILE_NAME).read_text()
    told = r"Error handling request … … \| ValueError at \S*failing_app\.py:\d+ app < "
    assert re.search(told, logged)
    assert "Error handling request" in console
    assert "Doe" not in logged + console
