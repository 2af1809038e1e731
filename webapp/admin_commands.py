"""What an operator types to manage people, keys, audit, counters and retention."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from webapp.errors import ServiceError
from webapp.operators import OperatorGroup
from webapp.problems import detail_of
from webapp.services import api_keys, audit_chain, audit_search, counting, people, retention
from webapp.services.audit import Action, note
from webapp.services.audit_search import Wanted
from webapp.storage.models import Role

audit = OperatorGroup("audit", help="Who did what.")
counters = OperatorGroup("counters", help="The numbers of the statistics.")
rules = OperatorGroup("retention", help="How long uploads stay.")


def init_app(app: Flask, users: AppGroup, keys: AppGroup) -> None:
    """Add the groups, and more commands to those there are."""
    for group in (audit, counters, rules):
        app.cli.add_command(group)
    for command in (list_people, deactivate, activate, role, reset_password):
        users.add_command(command)
    for command in (list_keys, rotate_key, revoke_key):
        keys.add_command(command)


@contextmanager
def _said() -> Iterator[None]:
    """A service's error is a sentence and exit code 1."""
    try:
        yield
    except ServiceError as error:
        raise click.ClickException(detail_of(error.code, error.facts)) from None


@audit.command("verify")
def verify() -> None:
    """Check the chain and its anchor; exit code 1 and the first broken row if it does not hold."""
    with _said():
        verdict = audit_chain.verify()
    click.echo(f"Linked: {verdict.linked}. Anchored heads: {verdict.anchors}.")
    click.echo(f"Not linked yet: {verdict.unlinked}.")
    if verdict.broken is None:
        click.echo("The chain holds.")
        return
    broken = verdict.broken
    row = f", event {broken.event_id}" if broken.event_id is not None else ""
    click.echo(f"BROKEN at position {broken.position}{row}: {broken.reason}.", err=True)
    sys.exit(1)


@audit.command("export")
@click.option("--form", type=click.Choice(("csv", "dicom")), default="csv", show_default=True)
def export(form: str) -> None:
    """Write every event to standard output: CSV, or DICOM audit messages (PS3.15 A.5)."""
    from webapp import audit_export

    with _said():
        note(None, Action.AUDIT_EXPORT, facts={"form": form})
        events = audit_search.every(Wanted())
        for piece in audit_export.FORMS[form].write(events):
            click.echo(piece, nl=False)


@counters.command("check")
def check() -> None:
    """Compare the counters with a plain count; exit code 1 if they differ."""
    with _said():
        differences = counting.check()
    for each in differences:
        place = " ".join(part or "-" for part in each.place)
        click.echo(f"{place}: kept {each.kept.uploads}, counted {each.counted.uploads}", err=True)
    if differences:
        raise click.ClickException(f"{len(differences)} counters differ; run `counters rebuild`.")
    click.echo("The counters are what a plain count says.")


@counters.command("rebuild")
def rebuild() -> None:
    """Count all rows anew."""
    with _said():
        click.echo(f"Counted anew, from {counting.rebuild()} sums.")


@rules.command("list")
def list_rules() -> None:
    """Each frontend and how long its uploads stay."""
    with _said():
        for rule in retention.rules():
            click.echo(f"{rule.frontend}: {f'{rule.days} days' if rule.days else 'for good'}")


@rules.command("preview")
@click.argument("frontend")
@click.argument("days", type=int)
def preview(frontend: str, days: int) -> None:
    """What a rule would destroy now; nothing is changed."""
    with _said():
        seen = retention.preview(retention.frontend_named(frontend), days)
    click.echo(f"{seen.uploads} uploads ({seen.saved} saved by a user), {seen.size} bytes.")


@rules.command("set")
@click.argument("frontend")
@click.argument("days", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
def set_rule(frontend: str, days: int, yes: bool) -> None:
    """Destroy uploads of FRONTEND after DAYS days, beginning with the next sweep."""
    with _said():
        frontend_id = retention.frontend_named(frontend)
        seen = retention.preview(frontend_id, days)
        if not yes:
            click.confirm(f"This destroys {seen.uploads} uploads now. Go on?", abort=True)
        retention.set_rule(frontend_id, days)
    click.echo(f"Uploads of {frontend} stay {days} days.")


@rules.command("remove")
@click.argument("frontend")
def remove_rule(frontend: str) -> None:
    """Keep uploads of FRONTEND for good."""
    with _said():
        retention.remove_rule(retention.frontend_named(frontend))
    click.echo(f"Uploads of {frontend} stay for good.")


@click.command("list")
@with_appcontext
def list_people() -> None:
    """Everybody who may log in."""
    with _said():
        for each in people.everybody():
            click.echo(f"{each.email} {each.role}{'' if each.active else ' (deactivated)'}")


@click.command("deactivate")
@click.argument("email")
@with_appcontext
def deactivate(email: str) -> None:
    """Keep a person out, at once."""
    with _said():
        people.deactivate(people.find(email))
    click.echo(f"Deactivated {email}.")


@click.command("activate")
@click.argument("email")
@with_appcontext
def activate(email: str) -> None:
    """Let a person in again."""
    with _said():
        people.activate(people.find(email))
    click.echo(f"Activated {email}.")


@click.command("role")
@click.argument("email")
@click.argument("new", metavar="ROLE", type=click.Choice([role.value for role in Role]))
@with_appcontext
def role(email: str, new: str) -> None:
    """Make a person clinician, reviewer or admin."""
    with _said():
        people.set_role(people.find(email), Role(new))
    click.echo(f"{email} is {new} now.")


@click.command("reset-password")
@click.argument("email")
@with_appcontext
def reset_password(email: str) -> None:
    """A new password, shown once."""
    with _said():
        click.echo(f"Password: {people.reset_password(people.find(email))}")


@click.command("list")
@with_appcontext
def list_keys() -> None:
    """Every key: frontend, beginning, scopes, state."""
    with _said():
        for key in api_keys.every_key():
            click.echo(f"{key.frontend} {key.prefix}... {' '.join(key.scopes)} {key.state}")


@click.command("rotate")
@click.argument("prefix")
@click.option("--grace-days", type=click.IntRange(0, 365), default=api_keys.GRACE_DAYS)
@with_appcontext
def rotate_key(prefix: str, grace_days: int) -> None:
    """A new key in place of the one that begins with PREFIX, which goes on for a while."""
    with _said():
        click.echo(api_keys.rotate(api_keys.by_prefix(prefix), grace_days))


@click.command("revoke")
@click.argument("prefix")
@with_appcontext
def revoke_key(prefix: str) -> None:
    """End the key that begins with PREFIX, at once."""
    with _said():
        api_keys.revoke(api_keys.by_prefix(prefix))
    click.echo("Revoked.")
