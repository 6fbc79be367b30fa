"""An id that a command puts into a path is an id, or the command says so."""

import pytest
from typer.testing import CliRunner

from services.cli.main import build_app
from services.cli.operating import quote_id

NOWHERE = ("--data-dir", "nowhere")


@pytest.mark.parametrize(
    ("words", "listed_by"),
    [
        (("explain", "{}"), "tocsin emit"),
        (("deliveries", "show", "{}"), "tocsin deliveries list"),
        (("contact", "remove", "{}"), "tocsin contact list"),
        (("endpoint", "rotate", "{}", "https://cw.example"), "tocsin directory show"),
        (("endpoint", "remove", "{}", "https://cw.example"), "tocsin directory show"),
        (
            ("endpoint", "add", "{}", "https://cw.example", "--secret-file", "nowhere"),
            "tocsin directory show",
        ),
    ],
)
@pytest.mark.parametrize("given", ["", "a/b", "../deliveries", "..", "a?b", "Zanthörpe"])
def test_what_can_be_nobodys_id_is_refused_with_advice_and_not_repeated(
    words: tuple[str, ...], listed_by: str, given: str
) -> None:
    done = CliRunner().invoke(build_app(), [*(word.format(given) for word in words), *NOWHERE])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "A-Z a-z 0-9 . _ : -" in done.stderr
    assert f"`{listed_by}`" in done.stderr
    assert "Zanth" not in done.stderr


def test_an_id_stands_in_a_path_as_it_is_read_there() -> None:
    assert quote_id("explain", "urn:e-1_a.b", what="", listed_by="") == "urn%3Ae-1_a.b"
