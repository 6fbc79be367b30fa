import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.directory import DirectoryFile
from schemas.pointer import locate, pointer


def unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def located(document: dict[str, object]) -> set[str]:
    with pytest.raises(ValidationError) as refusal:
        DirectoryFile.model_validate(document)
    return {locate(document, error) for error in refusal.value.errors()}


def test_the_whole_document_is_the_empty_pointer() -> None:
    assert pointer(()) == ""


@given(st.lists(st.text(), min_size=1))
def test_every_key_comes_back_from_its_pointer(keys: list[str]) -> None:
    assert [unescape(part) for part in pointer(keys).split("/")[1:]] == keys


def test_the_branches_of_a_union_are_not_places() -> None:
    agency = {"id": "ag-bpd", "name": "Police", "roles": ["LEA_LOCAL"], "counties": ["6029"]}
    assert located({"agencies": [agency]}) == {"/agencies/0/counties", "/agencies/0/counties/0"}


def test_a_missing_key_is_named_where_it_should_be() -> None:
    agency = {"id": "ag-bpd", "name": "Police", "roles": ["LEA_LOCAL"]}
    assert located({"agencies": [agency]}) == {"/agencies/0/counties"}


def test_an_unknown_key_is_named_where_it_is() -> None:
    agency = {"id": "a", "name": "P", "roles": ["LEA_LOCAL"], "counties": "*", "a/b": 1}
    assert located({"agencies": [agency]}) == {"/agencies/0/a~1b"}
