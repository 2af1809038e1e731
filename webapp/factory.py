"""The app, put together: reads as a table of contents."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import rate_counts
from webapp.config import Settings, load_settings

FORM_FIELDS = 100
ROOT = Path(__file__).resolve().parent.parent


def build_app(settings: Settings | None = None) -> Flask:
    """The service, ready to serve. It makes nothing: ``flask setup`` does.

    Raises:
        SettingsError: a setting is malformed, or production lacks its keys.
    """
    settings = settings or load_settings()
    app = Flask("webapp", template_folder=ROOT / "templates", static_folder=ROOT / "static")
    app.config.update(_flask_config(settings))
    _refuse_without_keys(settings)
    _add_logging(app, settings)
    _add_extensions(app, settings)
    _add_services(app, settings)
    _add_interfaces(app)
    _add_middleware(app, settings)
    return app


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SETTINGS": settings,
        "SQLALCHEMY_DATABASE_URI": settings.sqlalchemy_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
        "RATELIMIT_ENABLED": settings.rate_limits == "on",
        "RATELIMIT_STORAGE_URI": settings.redis_url or rate_counts.address_of(settings.state_dir),
        "RATELIMIT_SWALLOW_ERRORS": True,
        "MAX_FORM_PARTS": settings.max_batch_files + FORM_FIELDS,
        "PROPAGATE_EXCEPTIONS": False,
    }


def _engine_options(settings: Settings) -> dict[str, object]:
    """PostgreSQL may be restarted under us, so its connections are tried before use."""
    pool: dict[str, object] = {"pool_size": 10, "max_overflow": 30}
    if settings.sqlalchemy_url.get_backend_name() == "sqlite":
        return pool
    return pool | {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}


def _refuse_without_keys(settings: Settings) -> None:
    """Under ``make run``, ``setup`` is about to make them; every other start is production."""
    if not settings.embedded:
        settings.session_secret()
        settings.require_master_keys()


def _add_logging(app: Flask, settings: Settings) -> None:
    from webapp import requests
    from webapp.logs import configure_logging

    configure_logging(settings.log_level, settings.log_dir, settings.log_format == "json")
    requests.init_app(app)


def _add_extensions(app: Flask, settings: Settings) -> None:
    from webapp import assets, extensions, security
    from webapp.storage.database import tune_sqlite

    app.secret_key = settings.secret_for_cookies()
    extensions.db.init_app(app)
    extensions.migrate.init_app(app, extensions.db, directory=str(ROOT / "migrations"))
    extensions.login_manager.init_app(app)
    extensions.csrf.init_app(app)
    extensions.limiter.init_app(app)
    extensions.huey.init_app(app)
    assets.init_assets(app)
    security.secure(app)
    security.allow_origins(app, settings.cors_origins)
    if settings.sqlalchemy_url.get_backend_name() == "sqlite":
        with app.app_context():
            tune_sqlite(extensions.db.engine, settings.sqlite_lock)


def _add_services(app: Flask, settings: Settings) -> None:
    from webapp.body import SealingRequest
    from webapp.services.context import ServiceContext

    services = ServiceContext(settings)
    app.extensions["services"] = services
    app.extensions["part_factory"] = lambda: services.vault.spool()
    app.request_class = SealingRequest


def _add_interfaces(app: Flask) -> None:
    from webapp import api, cli, metrics, pages, responses
    from webapp.tasks import ingest  # noqa: F401  (declares the tasks)

    app.url_map.merge_slashes = False  # it redirects to whatever host was asked for
    responses.init_app(app)
    app.register_blueprint(api.blueprint)
    pages.init_app(app)
    cli.init_app(app)
    if app.config["SETTINGS"].metrics_token:
        metrics.init_app(app)


def _add_middleware(app: Flask, settings: Settings) -> None:
    from webapp.body import BodyGuard

    app.wsgi_app = BodyGuard(app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]
