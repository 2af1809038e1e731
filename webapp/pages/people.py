"""The person behind a session, as Flask-Login wants to see one."""

from __future__ import annotations

from uuid import UUID

from flask_login import LoginManager, UserMixin

from webapp.services import accounts
from webapp.services.accounts import Caller
from webapp.storage.models import Person


class SignedIn(UserMixin):  # type: ignore[misc]
    """Somebody who is logged in."""

    def __init__(self, person: Person) -> None:
        self.person_id = person.id
        self.email = person.email
        self._person = person
        self._caller: Caller | None = None

    def get_id(self) -> str:
        """The id in the session; a change of password makes older ones worthless."""
        return f"{self.person_id}:{self._person.session_epoch}"

    def caller(self) -> Caller:
        """What this person may do; looked up once a request."""
        self._caller = self._caller or accounts.caller_of(self._person)
        return self._caller


def load(session_id: str) -> SignedIn | None:
    """Whom a session's id stands for; none when the account or that session has ended."""
    raw, _, epoch = session_id.partition(":")
    try:
        person = accounts.person(UUID(raw))
    except ValueError:
        return None
    if person is None or str(person.session_epoch) != epoch:
        return None
    return SignedIn(person)


def init_people(login_manager: LoginManager) -> None:
    """Teach Flask-Login whom a session stands for."""
    login_manager.user_loader(load)
