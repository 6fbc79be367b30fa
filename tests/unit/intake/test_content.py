"""From headers and a body to raw events, as the CloudEvents HTTP binding has it."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.ingress.content import (
    Header,
    MalformedError,
    Mode,
    UnsupportedMediaError,
    decode_header,
    find_mode,
    read_attributes,
    read_events,
)

BINARY: list[Header] = [
    (b"content-type", b"application/json"),
    (b"ce-specversion", b"1.0"),
    (b"ce-id", b"e1"),
    (b"ce-source", b"urn:tocsin:agency:ag-bpd:cad"),
    (b"ce-myextension", b"ignored"),
    (b"host", b"ignored"),
]


def content_type(value: bytes) -> list[Header]:
    return [(b"content-type", value)]


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (b"application/cloudevents+json", Mode.STRUCTURED),
        (b"Application/CloudEvents+JSON ; Charset=UTF-8", Mode.STRUCTURED),
        (b'application/cloudevents+json; profile=x; charset="utf-8"', Mode.STRUCTURED),
        (b"application/cloudevents-batch+json", Mode.BATCH),
        (b"application/cloudevents-batch+json;charset=utf-8", Mode.BATCH),
    ],
)
def test_the_content_type_tells_the_mode(value: bytes, mode: Mode) -> None:
    assert find_mode(content_type(value)) is mode


def test_json_with_ce_headers_is_binary_mode() -> None:
    assert find_mode(BINARY) is Mode.BINARY


@pytest.mark.parametrize(
    "headers",
    [
        [],
        content_type(b"application/json"),
        content_type(b"application/cloudevents"),
        content_type(b"application/cloudevents+avro"),
        content_type(b"text/plain"),
        content_type(b"application/cloudevents+json; charset=utf-16"),
        content_type(b"application/cloudevents+json") * 2,
        [(b"content-type", b"application/xml"), (b"ce-id", b"e1")],
    ],
)
def test_anything_else_is_unsupported(headers: list[Header]) -> None:
    with pytest.raises(UnsupportedMediaError):
        find_mode(headers)


def test_binary_mode_takes_the_attributes_it_knows_and_no_extension() -> None:
    assert read_attributes(BINARY) == {
        "datacontenttype": "application/json",
        "specversion": "1.0",
        "id": "e1",
        "source": "urn:tocsin:agency:ag-bpd:cad",
    }


def test_binary_mode_joins_headers_and_body() -> None:
    assert read_events(Mode.BINARY, BINARY, b'{"county":"06029"}') == [
        {**read_attributes(BINARY), "data": {"county": "06029"}}
    ]


def test_a_header_named_data_cannot_take_the_place_of_the_body() -> None:
    headers = [*BINARY, (b"ce-data", b"x")]
    assert read_events(Mode.BINARY, headers, b'{"county":"06029"}')[0]["data"] == {"county": "06029"}  # type: ignore[index]


def test_an_attribute_given_twice_is_malformed() -> None:
    with pytest.raises(MalformedError, match="id"):
        read_attributes([*BINARY, (b"ce-id", b"e2")])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (b'"quoted"', "quoted"),
        (b'"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        (b'"%41\\%42"', "AB"),
        (b"%2541", "%41"),
        (b"100%", "100%"),
        (b'"open', '"open'),
        (b'a"b"', 'a"b"'),
        (b"", ""),
    ],
)
def test_header_values_are_unquoted_and_percent_decoded_once(value: bytes, text: str) -> None:
    assert decode_header(value) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_the_binding_encodes_is_decoded_to_the_same(text: str) -> None:
    encoded = quote(text, safe="!#$&'()*+,-./:;<=>?@[]^_`{|}~").encode()
    assert decode_header(encoded) == text


@pytest.mark.parametrize("value", [b"%FF", b"\xff", b'"%C3"'])
def test_a_value_that_is_not_utf_8_is_malformed(value: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_header(value)


@pytest.mark.parametrize(
    ("mode", "body"),
    [
        (Mode.STRUCTURED, b""),
        (Mode.STRUCTURED, b"{"),
        (Mode.STRUCTURED, b"[]"),
        (Mode.STRUCTURED, b'"text"'),
        (Mode.STRUCTURED, b'{"a": NaN}'),
        (Mode.STRUCTURED, b'{"a": "\xff"}'),
        (Mode.STRUCTURED, b"[" * 5000 + b"]" * 5000),
        (Mode.BATCH, b"{}"),
        (Mode.BATCH, b"nonsense"),
        (Mode.BINARY, b""),
    ],
)
def test_what_is_no_cloud_event_is_malformed(mode: Mode, body: bytes) -> None:
    with pytest.raises(MalformedError):
        read_events(mode, BINARY, body)


@given(st.binary(max_size=200), st.sampled_from(list(Mode)))
def test_no_body_can_do_worse_than_be_malformed(body: bytes, mode: Mode) -> None:
    with suppress(MalformedError):
        assert isinstance(read_events(mode, BINARY, body), list)


def test_what_is_told_of_a_malformed_body_does_not_repeat_it() -> None:
    with pytest.raises(MalformedError) as caught:
        read_events(Mode.STRUCTURED, BINARY, b'{"name": planted')
    assert "planted" not in str(caught.value)
