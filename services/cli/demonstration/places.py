"""Every place where Tocsin writes, read whole, and in each a control that only this place can show."""

import smtplib
from collections.abc import Iterable, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from services.cli.demonstration import search, story
from services.cli.demonstration.stage import Stage
from services.devstack.database import write_to_files
from services.devstack.datadir import DataDirectory


async def search_all(stage: Stage, control: str) -> list[search.Finding]:
    """Look for the victim's name in every place.

    The control is the event's opaque id, which the services themselves write into their logs, onto topics and
    into tables; into the mailbox, where no id of an event may be, it is planted here.
    """
    _mail_control(stage, control)
    await write_to_files(stage.ready["postgres"])
    records = await search.read_topics(stage.ready["kafka"])
    places = list_places(stage.data_dir, log_file=stage.log_file, records=records)
    return [
        search.search(place, chunks, names=story.VICTIM, control=control) for place, chunks in places.items()
    ]


def list_places(data_dir: Path, *, log_file: Path, records: Iterable[bytes]) -> Mapping[str, Iterable[bytes]]:
    """What is written in each place, and nothing of another, where its control might be."""
    directory = DataDirectory(data_dir)
    files = sorted(directory.postgres.rglob("*"))
    tables = directory.postgres / "data" / "base"
    return {
        "any log line": search.read_files([log_file, directory.postgres_log]),
        "any e-mail": search.read_mails(read_mailbox(data_dir)),
        "any Kafka record": records,
        "any PostgreSQL table": search.read_files(path for path in files if path.is_relative_to(tables)),
        "any other PostgreSQL file, such as the write-ahead log": search.read_files(
            path for path in files if not path.is_relative_to(tables)
        ),
    }


def read_mailbox(data_dir: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(DataDirectory(data_dir).mail.glob("*.eml"))]


def render_mail(mail: bytes) -> str:
    """A mail as a person sees it: its headers and its decoded parts."""
    message = message_from_bytes(mail, policy=policy.default)
    lines = [f"{name}: {value}" for name, value in message.items()]
    lines += [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    return "\n".join(lines)


def _mail_control(stage: Stage, control: str) -> None:
    """Through the same server that the services use."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "demo@localhost", "control@localhost", "control"
    mail.set_content(control)
    host, _, port = str(stage.ready["smtp"]).rpartition(":")
    with smtplib.SMTP(host, int(port)) as server:
        server.send_message(mail)
