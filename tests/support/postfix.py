"""Postfix from Debian, an instance of a test's own: its folders, its ports, its end. Never the system's."""

import base64
import grp
import os
import pwd
import shutil
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import pytest

from tests.support.certificates import Certificates
from tests.support.mail_conformance import (
    ANSWERS,
    BUSY,
    CREDENTIALS,
    DOMAIN,
    ELSEWHERE,
    KNOWN,
    SENDER,
    Arrived,
)
from tests.support.ports import free_port
from tests.support.programs import find_program
from tests.support.waiting import eventually

BOUNCING: Final = f"gone@{DOMAIN}"
"""Taken over first and found undeliverable then."""
_MAIN: Final = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example
mydestination =
mynetworks =
alias_maps =
alias_database =
local_transport = error:none
default_transport = error:none
virtual_mailbox_domains = {domain}, far.example, desk.example
virtual_mailbox_base = {home}/box
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = inline:{{ {bouncing}=bouncing: }}
smtpd_tls_cert_file = {home}/server.pem
smtpd_tls_key_file = {home}/server.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl_port}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ {busy} = {busy_answer} }} }},
    permit_sasl_authenticated, check_recipient_access inline:{{ {{ {elsewhere} = 554 5.7.1 not for you }} }}
"""
_MASTER: Final = """
127.0.0.1:{starttls_port} inet n - n - - smtpd
127.0.0.1:{implicit_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
bouncing unix - n n - - pipe user=nobody argv=/bin/false
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
"""


@dataclass
class Postfix:
    """A running instance. What it delivered lies in files."""

    home: Path
    authority: Path
    starttls_port: int
    implicit_port: int

    async def count_sessions(self) -> int:
        return (self.home / "log").read_text().count(": connect from ")

    async def wait_for(self, message_id: str) -> Arrived:
        message = await eventually(lambda: self._find(message_id, {"References"}), what="the letter")
        return Arrived(message, str(message["Return-Path"]).strip("<>"))

    async def wait_for_report(self, envelope_id: str) -> EmailMessage:
        """The report of the letter that was sent under this id, in the box for what comes back."""
        found = await eventually(lambda: self._find(envelope_id, set()), what="the report")
        assert str(found["Delivered-To"]) == SENDER.bounces_to
        return found

    async def _find(self, text: str, headers: set[str]) -> EmailMessage | None:
        for path in (self.home / "box").glob("*/new/*"):
            content = path.read_bytes()
            if text.encode() in content:
                message = message_from_bytes(content, policy=policy.default)
                if headers <= set(message.keys()):
                    return message
        return None


@contextmanager
def running_postfix(certificates: Certificates) -> Iterator[Postfix]:
    """Within the block. Fails the test where it cannot run."""
    program = find_program("postfix")
    if os.geteuid() != 0:
        pytest.fail("Postfix runs as root alone: run `make test-system` as root.")
    # Its processes change their user: a folder of pytest's, closed to others, will not do.
    home = Path(tempfile.mkdtemp(prefix="tocsin-postfix-"))
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Dovecot)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        postfix = _prepare(home, certificates, sasl_port=server.server_address[1])
        subprocess.run([program, "-c", home / "conf", "start"], check=True, capture_output=True)
        try:
            yield postfix
        finally:
            subprocess.run([program, "-c", home / "conf", "stop"], check=True, capture_output=True)
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(home)


def _prepare(home: Path, certificates: Certificates, *, sasl_port: int) -> Postfix:
    postfix = Postfix(home, certificates.authority, free_port(), free_port())
    reader = pwd.getpwnam("nobody")
    home.chmod(0o755)
    for name, owner in (
        ("conf", 0),
        ("queue", 0),
        ("data", pwd.getpwnam("postfix").pw_uid),
        ("box", reader.pw_uid),
    ):
        (home / name).mkdir()
        os.chown(home / name, owner, -1)
    shutil.copy(certificates.chain, home / "server.pem")
    values = {
        "home": home,
        "domain": DOMAIN,
        "mailboxes": ", ".join(
            f"{address}={number}/"
            for number, address in enumerate([KNOWN, BUSY, BOUNCING, ELSEWHERE, SENDER.bounces_to])
        ),
        "bouncing": BOUNCING,
        "busy": BUSY,
        "busy_answer": ANSWERS[BUSY],
        "elsewhere": ELSEWHERE,
        "uid": reader.pw_uid,
        "gid": grp.getgrgid(reader.pw_gid).gr_gid,
        "sasl_port": sasl_port,
        "starttls_port": postfix.starttls_port,
        "implicit_port": postfix.implicit_port,
    }
    (home / "conf" / "main.cf").write_text(_MAIN.format(**values))
    (home / "conf" / "master.cf").write_text(_MASTER.format(**values))
    return postfix


class _Dovecot(socketserver.StreamRequestHandler):
    """Says who may sign in, as Dovecot's service for it does: Postfix has no passwords itself."""

    def handle(self) -> None:
        self._say(
            "VERSION\t1\t1", "MECH\tPLAIN\tplaintext", "SPID\t1", "CUID\t1", f"COOKIE\t{'0' * 32}", "DONE"
        )
        for line in self.rfile:
            words = line.decode().rstrip("\n").split("\t")
            if words[0] == "AUTH":
                answer = next(word for word in words if word.startswith("resp=")).removeprefix("resp=")
                _, user, password = base64.b64decode(answer).decode().split("\0")
                is_right = (user, password) == CREDENTIALS
                self._say(f"OK\t{words[1]}\tuser={user}" if is_right else f"FAIL\t{words[1]}\tuser={user}")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\n" for line in lines).encode())
