"""The mail sink: mails become files."""

import asyncio
import sys
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib

from services.devstack.ports import LOOPBACK, wait_for_listener
from tests.support.ports import free_port
from tests.support.stack import ROOT


async def test_a_mail_becomes_a_file_of_its_own(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "mail"
    command = [sys.executable, "-m", "services.devstack.mail_sink", str(port), str(folder)]
    sink = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    await wait_for_listener(port)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "tocsin@stack.example", "duty@bpd.example", "Alert"
    mail.set_content("Sign in.")
    await aiosmtplib.send(mail, hostname=LOOPBACK, port=port)
    sink.terminate()
    _, log = await sink.communicate()
    assert sink.returncode == 0
    [file] = folder.iterdir()
    assert file.suffix == ".eml"
    assert "Sign in." in file.read_text()
    assert b"bpd" not in log
