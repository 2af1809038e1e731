"""How ``gunicorn wsgi:app`` serves; every name here is a setting of gunicorn's."""

import os
import resource
import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from webapp.config import SettingsError, load_settings  # noqa: E402
from webapp.logs import configure_logging  # noqa: E402
from webapp.metrics_folder import FOLDER, drop_folder, make_folder  # noqa: E402
from webapp.server import PatientWorker, ServiceLogger  # noqa: E402

# `make run` lets everything load while it still makes the schema and the keys.
if _gate := os.environ.pop("START_GATE", ""):
    for _module in ("factory", "logs", "security", "api", "pages", "cli", "body"):
        import_module(f"webapp.{_module}")
    if not os.read(int(_gate), 1):
        sys.exit("The set-up failed.")
    os.close(int(_gate))

try:
    settings = load_settings()
    if not settings.embedded:
        settings.session_secret()
        settings.require_master_keys()
except SettingsError as error:
    sys.exit(str(error))

# A held connection costs a file descriptor and nothing else.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(_hard, 65_536), _hard))

bind = (
    f"[{settings.host}]:{settings.port}"
    if ":" in settings.host
    else (f"{settings.host}:{settings.port}")
)
workers = settings.web_workers
worker_class = PatientWorker
# A slow body holds a thread until its deadline; a thread that only waits is cheap.
threads = 400
worker_connections = 4_000
backlog = 2_048

# The worker's loop beats once a second, however long a request takes.
timeout = 120
# `make run` kills what has not ended after 8 seconds.
graceful_timeout = 6 if settings.embedded else 30
# Longer than a proxy keeps its own, so that none sends into a closing connection.
keepalive = 75

limit_request_line = 8_190
limit_request_fields = 100
limit_request_field_size = 8_190
# The program itself reads what a proxy says, from as many as TRUSTED_PROXIES allows.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

# Where the web processes count together what /metrics shows.
if settings.metrics_token and FOLDER not in os.environ:
    make_folder(settings.state_dir)


def on_exit(_server):  # type: ignore[no-untyped-def]
    drop_folder()


worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
control_socket_disable = True
# Paths and query strings can name people: gunicorn keeps no access log.
accesslog = None
logger_class = ServiceLogger
loglevel = settings.log_level.lower()
configure_logging(settings.log_level, settings.log_dir, settings.log_format == "json")
