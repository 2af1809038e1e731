"""The parts that live as long as the process, made without an app.

``create_app`` gives each its app with ``init_app``.
"""

from __future__ import annotations

from flask_assets import Environment
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from webapp.queueing import AppHuey
from webapp.storage.models import Base

db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()
login_manager = LoginManager()
csrf = CSRFProtect()
assets = Environment()
limiter = Limiter(get_remote_address, headers_enabled=False)
huey = AppHuey("medical-images", results=False)
