"""Whoever guesses passwords and keys, and whoever asks too often."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests import installation
from tests.callers import Actor, assemble
from tests.hostile.addresses import addresses
from tests.pages.visitor import PAGE, PASSWORD, Visitor, newcomer, token_in
from webapp import rate_counts
from webapp.pages.auth import LOG_INS
from webapp.services import accounts
from webapp.storage.models import Role


@pytest.fixture
def limited(tmp_path: Path, sqlite_template: Path) -> Iterator[Flask]:
    """The service with its limits on, counting in its file."""
    in_force = installation.settings(tmp_path, rate_limits="on")
    installation.copy_database(sqlite_template, in_force)
    made = installation.app(in_force)
    yield made
    installation.close(made)


def tries(app: Flask, number: int, email: str = "anna@example.org", **environ: str) -> list[Any]:
    """Wrong passwords for one account, each from a browser that just opened the page."""
    visitor = Visitor(app.test_client(), email)
    token = token_in(visitor.page("/login"))
    fields = {"email": email, "password": "wrong", "csrf_token": token}
    return [
        visitor.client.post("/login", data=fields, headers=PAGE, environ_overrides=environ)
        for _ in range(number)
    ]


def statuses(answers: list[Any]) -> set[int]:
    return {answer.status_code for answer in answers}


def test_a_password_is_guessed_ten_times_a_minute_whatever_header_is_changed(
    limited: Flask,
) -> None:
    newcomer(limited, "anna@example.org")
    tries(limited, 10)

    again = [
        *tries(limited, 1, HTTP_X_FORWARDED_FOR="198.51.100.7"),
        *tries(limited, 1, HTTP_USER_AGENT="another"),
        *tries(limited, 1, email=" ANNA@example.org "),
    ]

    assert statuses(again) == {429}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in again)


def test_the_owner_of_a_guessed_account_still_gets_in_from_elsewhere(limited: Flask) -> None:
    anna = newcomer(limited, "anna@example.org")
    tries(limited, 11)
    fields = {"email": anna.email, "password": PASSWORD}
    fields["csrf_token"] = token_in(anna.page("/login"))

    answer = anna.client.post(
        "/login", data=fields, environ_overrides={"REMOTE_ADDR": "198.51.100.8"}
    )

    assert answer.status_code == 303


def test_one_password_tried_on_many_accounts_is_slowed_too(limited: Flask) -> None:
    answers = [tries(limited, 1, email=f"{n}@example.org")[0] for n in range(61)]

    assert statuses(answers[:60]) == {422}
    assert answers[60].status_code == 429


def test_two_processes_count_together(limited: Flask) -> None:
    """As many web processes as there are, ten tries are ten tries."""
    second = installation.app(limited.config["SETTINGS"])
    tries(limited, 5)
    tries(second, 5)

    answers = [*tries(limited, 1), *tries(second, 1)]

    installation.close(second)
    assert LOG_INS == "10/minute"
    assert statuses(answers) == {429}


def test_counts_begin_again_in_the_next_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = rate_counts.CountsFile(rate_counts.address_of(tmp_path))
    moment = 1000.0
    monkeypatch.setattr(rate_counts.time, "time", lambda: moment)
    before = [counts.incr("a", 60), counts.incr("a", 60), counts.incr("b", 60), counts.get("a")]
    ends = counts.get_expiry("a")
    moment = 1060.0

    after = [counts.get("a"), counts.incr("a", 60)]

    assert (before, ends, after) == ([1, 2, 1, 2], 1060.0, [0, 1])


def test_where_tries_cannot_be_counted_nobody_is_kept_out(
    limited: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer(limited, "anna@example.org")
    monkeypatch.setattr(rate_counts, "TABLE", "no SQL")

    answers = tries(limited, 12)
    key = limited.test_client().get("/stats", headers={"Authorization": "Bearer wrong"})

    assert statuses(answers) == {422}
    assert key.status_code == 401


def test_an_unknown_an_ended_and_a_known_account_look_alike(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every byte of the answer but the address typed, and in the work that is done."""
    newcomer(app, "anna@example.org")
    newcomer(app, "gone@example.org", Role.REVIEWER)
    with app.app_context():
        person = accounts.authenticate_person("gone@example.org", PASSWORD)
        assert person
    end_account(app, person.id)
    work: list[str] = []
    hashes, verify = accounts._decoy(), accounts._hasher.verify
    monkeypatch.setattr(accounts._hasher.__class__, "verify", counting(verify, work), raising=True)

    emails = ("anna@example.org", "gone@example.org", "nobody@example.org")
    answers = {email: tries(app, 1, email=email)[0] for email in emails}

    shown = {without_token(answer.get_data(as_text=True), e) for e, answer in answers.items()}
    assert len(shown) == 1
    assert statuses(list(answers.values())) == {422}
    assert len({tuple(name for name, _ in answer.headers) for answer in answers.values()}) == 1
    assert len(work) == 3
    assert len({parameters(hashed) for hashed in (*work, hashes)}) == 1


def counting(verify: Any, work: list[str]) -> Any:
    def inner(_self: object, hashed: str, password: str) -> Any:
        work.append(hashed)
        return verify(hashed, password)

    return inner


def parameters(hashed: str) -> str:
    """What an Argon2 hash costs to verify."""
    return hashed.rpartition("$")[0].rpartition("$")[0]


def without_token(html: str, email: str) -> str:
    without = re.sub(r'(csrf_token" value=|X-CSRFToken[^:]*:)[^>]*', "", html)
    return without.replace(email, "")


def end_account(app: Flask, person_id: Any) -> None:
    from sqlalchemy import update

    from webapp.services.context import context
    from webapp.storage.database import writing
    from webapp.storage.models import Person

    with app.app_context(), writing(context().engine) as session:
        session.execute(update(Person).where(Person.id == person_id).values(active=False))


def test_no_more_than_four_passwords_are_hashed_at_once(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs 64 MB: as many as there are threads would cost gigabytes."""
    at_work, most, gate = 0, 0, threading.Barrier(4, timeout=20)
    lock = threading.Lock()

    def verify(_self: object, _hashed: str, _password: str) -> bool:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        gate.wait()
        with lock:
            at_work -= 1
        return False

    accounts._decoy()
    monkeypatch.setattr(accounts._hasher.__class__, "verify", verify)

    def log_in() -> None:
        with app.app_context():
            accounts.authenticate_person("nobody@example.org", "wrong")

    threads = [threading.Thread(target=log_in) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 4


def test_a_limit_for_each_key_holds_for_that_key_alone(
    tmp_path: Path, sqlite_template: Path
) -> None:
    in_force = installation.settings(tmp_path, rate_limits="on", rate_limit_per_key="3/minute")
    installation.copy_database(sqlite_template, in_force)
    app = installation.app(in_force)
    cast = assemble(app)
    with app.app_context():
        twins = [accounts.create_key("twins", ("read",), raw=f"same-eight{n}" * 4) for n in "12"]
    first, second = (Actor(cast.alice.client, key) for key in twins)

    answers = [first.get("/stats") for _ in range(4)]
    other = second.get("/stats")

    installation.close(app)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert other.status_code == 200


def test_failures_slow_no_valid_key_and_no_log_in(limited: Flask) -> None:
    cast = assemble(limited)
    anna = newcomer(limited, "anna@example.org")
    bad = {"Authorization": "Bearer wrong"}
    answers = [cast.alice.client.get("/stats", headers=bad) for _ in range(70)]

    assert statuses(answers) == {401, 429}
    assert cast.alice.get("/stats").status_code == 200
    assert anna.log_in().status_code == 303


def test_every_route_counts_a_wrong_key(limited: Flask) -> None:
    client, bad = limited.test_client(), {"Authorization": "Bearer wrong"}
    asked = [a for a in addresses(limited) if a.guard in ("read", "write")]
    for _ in range(60 // len(asked) + 1):
        for address in asked:
            client.open(address.path(), method=address.method, headers=bad)

    answers = [client.open(a.path(), method=a.method, headers=bad) for a in asked]

    assert statuses(answers) == {429}


@pytest.mark.parametrize("what", ["session", "remember_token"])
def test_a_session_that_a_stranger_set_is_not_taken_on(app: Flask, what: str) -> None:
    """Fixation: the cookie after the log-in is another one, whatever stood there before."""
    eve = Visitor(app.test_client(), "eve@example.org")
    eve.page("/login")
    planted = eve.client.get_cookie("session")
    assert planted
    anna = newcomer(app, "anna@example.org")
    anna.client.set_cookie(what, planted.value)

    answer = anna.log_in()
    eve.client.set_cookie("session", planted.value)

    assert answer.status_code == 303
    assert anna.client.get_cookie("session").value != planted.value  # type: ignore[union-attr]
    assert eve.get("/account").status_code == 303


def test_a_cookie_that_was_made_elsewhere_is_nobodys(app: Flask) -> None:
    from flask.sessions import SecureCookieSessionInterface

    forger = Flask("forger")
    forger.secret_key = "a guess"
    signer = SecureCookieSessionInterface().get_signing_serializer(forger)
    assert signer
    visitor = Visitor(app.test_client(), "")
    forged = (signer.dumps({"_user_id": "0:0"}), "x", '{"_user_id":"1:0"}', "\\x80", "." * 4000)
    for value in map(str, forged):
        visitor.client.set_cookie("session", value)

        assert visitor.get("/account").status_code == 303
