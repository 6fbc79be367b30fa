"""What notify reads from the environment."""

from pathlib import Path

import pytest

from schemas.vocabulary import Urgency
from services.notify.channels.mailing import read_mail_server
from services.notify.egress import Egress
from services.notify.letter import Sender
from services.notify.schedule import SCHEDULES, parse_schedule
from services.notify.settings import MailTls, NotifySettings

REQUIRED = {
    "TOCSIN_PORT": "8003",
    "TOCSIN_KAFKA": "127.0.0.1:9092",
    "TOCSIN_DATABASE_URL": "postgresql://tocsin_notify:secret-word@127.0.0.1/tocsin",
    "TOCSIN_KEK_FILE": "/secrets/kek.json",
    "TOCSIN_DEPLOYMENT_KEY_FILE": "/secrets/deployment.key",
}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> "type[Reader]":
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    Reader.patch = monkeypatch
    return Reader


class Reader:
    """Reads the settings with these variables beside those that are required."""

    patch: pytest.MonkeyPatch

    @classmethod
    def settings(cls, **variables: str) -> NotifySettings:
        for name, value in variables.items():
            cls.patch.setenv(f"TOCSIN_NOTIFY_{name.upper()}", value)
        return NotifySettings.from_environment()


def test_by_default_everything_is_strict(read: type[Reader]) -> None:
    settings = read.settings()
    assert settings.notify_smtp_tls is MailTls.STARTTLS
    assert not Egress(settings.notify_allow_cidrs, allow_http=settings.notify_allow_http).permits("10.0.0.1")
    assert (settings.notify_smtp, settings.notify_public_url, settings.member) == (None, None, "notify-0")
    assert settings.kek_file == Path("/secrets/kek.json")


def test_networks_are_a_list_with_commas(read: type[Reader]) -> None:
    settings = read.settings(allow_cidrs="127.0.0.0/8, ::1/128", allow_http="true")
    egress = Egress(settings.notify_allow_cidrs, allow_http=settings.notify_allow_http)
    assert egress.permits("127.0.0.1")
    assert egress.permits("::1")
    assert egress.permits_scheme("http://127.0.0.1/")


def test_links_have_one_slash(read: type[Reader]) -> None:
    settings = read.settings(public_url="https://desk.example/tocsin/")
    assert settings.notify_public_url == "https://desk.example/tocsin"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp", "mail.example"),
        ("smtp_tls", "perhaps"),
        ("mail_bounces_to", "nobody"),
        ("mail_from", "nobody"),
        ("mail_from", "A <a@b.example>\r\nBcc: c@d.example"),
        ("timezone", "America/Nowhere"),
        ("timezone", "../../etc/passwd"),
        ("allow_cidrs", "10.0.0.1/8"),
        ("public_url", "ftp://desk.example"),
        ("public_url", "https://desk.example/?a=b"),
        ("schedule_routine", "now and then"),
        ("schedule_immediate", "PT7S PT9S"),
        ("schedule_urgent", "PT7S PT9S"),
        ("jitter", "-0.5"),
    ],
)
def test_what_is_no_setting_is_refused_by_its_name(
    name: str, value: str, read: type[Reader], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read.settings(**{name: value})
    (line,) = capsys.readouterr().err.splitlines()
    assert f"TOCSIN_NOTIFY_{name.upper()}" in line
    assert value not in line


def test_the_database_password_does_not_print(read: type[Reader]) -> None:
    settings = read.settings()
    assert "secret-word" not in repr(settings) + str(settings)


def test_schedules_and_their_jitter_are_configuration(read: type[Reader]) -> None:
    settings = read.settings(schedule_immediate="PT1S PT2S ...", schedule_routine="PT3S", jitter="0.25")
    assert settings.schedules[Urgency.IMMEDIATE] == parse_schedule("PT1S PT2S ...", jitter=0.25)
    assert settings.schedules[Urgency.ROUTINE] == parse_schedule("PT3S", jitter=0.25)
    assert settings.schedules[Urgency.URGENT].delays == SCHEDULES[Urgency.URGENT].delays


def test_how_to_come_to_the_mail_server_is_read(read: type[Reader], tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("a right password\n")
    settings = read.settings(
        smtp="mail.example:465",
        smtp_tls="implicit",
        smtp_user="notify",
        smtp_password_file=str(password),
        smtp_idle="PT5S",
        mail_from="Duty notices <notices@desk.example>",
        mail_bounces_to="bounces@desk.example",
    )
    server = read_mail_server(settings, "mail.example:465")
    assert (server.host, server.port, server.tls) == ("mail.example", 465, MailTls.IMPLICIT)
    assert server.sender == Sender(
        name="Duty notices", address="notices@desk.example", bounces_to="bounces@desk.example"
    )
    assert server.password is not None
    assert server.password.get_secret_value() == "a right password"
    assert "right" not in repr(server) + repr(settings)


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_user": "notify"},
        {"smtp_password": "a right password"},
        {"smtp_user": "notify", "smtp_password": "a right password", "smtp_tls": "off"},
    ],
)
def test_half_a_sign_in_or_one_in_the_clear_is_refused(
    given: dict[str, str], read: type[Reader], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read.settings(**given)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("TOCSIN_NOTIFY_SMTP_PASSWORD: ")
    assert "right" not in line
