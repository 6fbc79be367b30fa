"""The directory that a stack starts with."""

from pathlib import Path

import pytest

from schemas.directory import find_directory_errors
from schemas.vocabulary import Role, Rung
from services.devstack.directory import build_sample, complete_keys, read_directory, settle_directory
from services.devstack.errors import DirectoryRefusedError
from services.devstack.keys import Keys, with_directory
from services.runtime.crypto import hash_api_key, new_signing_key, new_webhook_secret
from services.runtime.ed25519 import SigningKey

COUNTY = ["06029"]


@pytest.fixture
def keys() -> Keys:
    return complete_keys(Keys(operator="tco_operator"))


def write(folder: Path, text: str) -> Path:
    path = folder / "directory.yaml"
    path.write_text(text)
    return path


def test_the_sample_is_the_registry_of_the_packs(keys: Keys) -> None:
    sample = {agency.id: agency for agency in read_directory(None, keys).agencies}
    assert len(sample) == 27
    assert sample["ag-kern-so"].roles == [Role.LEA_LEAD]
    assert sample["ag-bpd"].counties == COUNTY
    assert sample["ag-kern-tfc"].counties == ["06029", "06019", "06107"]
    assert sample["ag-us-fbi"].counties == "*"
    assert {name for name, agency in sample.items() if agency.external} == {
        "ext-otip",
        "ext-orr",
        "ext-ncmec",
        "ext-hotline",
    }


def test_the_sample_says_on_its_face_that_it_is_one(keys: Keys) -> None:
    agencies = read_directory(None, keys).agencies
    assert all(agency.name.endswith("(sample)") for agency in agencies)
    assert all(contact.email.endswith(".example") for agency in agencies for contact in agency.contacts)


def test_every_member_of_the_sample_can_be_reached_emit_and_pull(keys: Keys) -> None:
    sample = read_directory(None, keys)
    members = [agency for agency in sample.agencies if not agency.external]
    assert all({contact.rung for contact in agency.contacts} == set(Rung) for agency in members)
    assert all(agency.keys == [keys.agencies[agency.id]] for agency in members)
    assert {source.agency for source in sample.sources} == {agency.id for agency in members}
    assert {source.key for source in sample.sources} == set(keys.sources.values())
    assert "urn:tocsin:agency:ag-bpd:cad" in keys.sources


def test_the_sample_has_no_contradictions(keys: Keys) -> None:
    sample = read_directory(None, keys)
    assert list(find_directory_errors(sample.agencies, sample.sources, sample.operators)) == []


def test_the_sample_has_two_operators_each_with_the_key_that_is_in_the_keys(keys: Keys) -> None:
    public = {operator.id: operator.public_key for operator in read_directory(None, keys).operators}
    assert len(set(public.values())) == 2
    assert public == {name: SigningKey.parse(pem).public for name, pem in keys.operators.items()}


def test_of_the_operators_keys_those_stay_that_the_directory_knows(keys: Keys) -> None:
    sample = read_directory(None, keys)
    ana = sample.model_copy(update={"operators": sample.operators[:1]})
    assert with_directory(keys, sample).operators == keys.operators
    assert list(with_directory(keys, ana).operators) == [sample.operators[0].id]


def test_a_stack_whose_directory_names_no_operator_gets_one_and_keeps_it(tmp_path: Path) -> None:
    file = write(tmp_path, "agencies: [{id: ag-one, name: One, roles: [LEA_LEAD], counties: '*'}]")
    directory, keys = settle_directory(file, Keys(operator="tco_operator"))
    [operator] = directory.operators
    assert (operator.id, operator.public_key) == (
        "op-local",
        SigningKey.parse(keys.operators["op-local"]).public,
    )
    kept = with_directory(keys, directory)
    assert list(kept.operators) == ["op-local"]
    assert settle_directory(file, kept)[0] == directory


def test_a_directory_that_names_operators_is_taken_as_it_is(tmp_path: Path, keys: Keys) -> None:
    public_key = SigningKey.generate().public
    named = f"agencies: []\noperators: [{{id: ana, name: Ana, public_key: '{public_key}'}}]"
    for file in (None, write(tmp_path, named)):
        directory, settled = settle_directory(file, keys)
        assert directory == read_directory(file, keys)
        assert "op-local" not in settled.operators


def test_keys_once_made_stay(keys: Keys) -> None:
    assert complete_keys(keys) == keys
    assert build_sample(complete_keys(keys)) == build_sample(keys)


def test_keys_of_agencies_that_the_sample_does_not_know_are_kept_too() -> None:
    others = Keys(operator="tco_operator", agencies={"ag-one": "tca_one"}, sources={"urn:one": "tcs_one"})
    completed = complete_keys(others)
    assert (completed.agencies["ag-one"], completed.sources["urn:one"]) == ("tca_one", "tcs_one")


def test_a_file_may_extend_the_sample_field_by_field(tmp_path: Path, keys: Keys) -> None:
    file = write(
        tmp_path, "extends: sample\nagencies: [{id: ag-bpd, agreement_until: 2026-01-01T00:00:00-08:00}]\n"
    )
    agencies = {agency.id: agency for agency in read_directory(file, keys).agencies}
    assert len(agencies) == 27
    assert agencies["ag-bpd"].roles == [Role.LEA_LOCAL]
    assert agencies["ag-bpd"].agreement_until is not None
    assert agencies["ag-bpd"].agreement_until.isoformat() == "2026-01-01T00:00:00-08:00"


def test_what_a_file_says_twice_is_refused_before_it_is_merged(tmp_path: Path, keys: Keys) -> None:
    twice = "{id: ag-kern-cw, counties: ['06029']}, {id: ag-bpd}, {id: ag-kern-cw, counties: ['06019']}"
    with pytest.raises(DirectoryRefusedError, match="/agencies/2/id: this appears twice"):
        read_directory(write(tmp_path, f"extends: sample\nagencies: [{twice}]\n"), keys)


def test_the_keys_of_an_applied_file_are_those_it_gives_out(tmp_path: Path, keys: Keys) -> None:
    secret = "whsec_" + "A" * 40
    file = write(
        tmp_path,
        f"""
agencies:
  - id: ag-one
    name: One
    roles: [LEA_LEAD]
    counties: "*"
    keys: [tca_0123456789abcdef]
    endpoints: [{{url: "http://127.0.0.1:1/", secret: {secret}}}]
sources: [{{source: "urn:tocsin:agency:ag-one:cms", key: tcs_0123456789abcdef, types: ["*"]}}]
""",
    )
    given = with_directory(keys, read_directory(file, keys))
    assert given.operator == keys.operator
    assert given.sources == {"urn:tocsin:agency:ag-one:cms": "tcs_0123456789abcdef"}
    assert given.agencies == {"ag-one": "tca_0123456789abcdef"}
    assert given.endpoints == {"ag-one": [secret]}


FOREIGN_SOURCE = """
agencies: []
sources: [{source: "urn:tocsin:agency:ag-x:y", key: tcs_0123456789abcdef, types: ["*"]}]
"""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("agencies: [", "line 1, column 12"),
        ("- just\n- a list", "mapping"),
        ("agencies: [{id: ag-one, name: Zanthorpe, roles: [NOBODY], counties: '*'}]", "/agencies/0/roles/0"),
        (FOREIGN_SOURCE, "/sources/0/source"),
    ],
)
def test_a_refused_file_names_the_place(tmp_path: Path, keys: Keys, text: str, named: str) -> None:
    with pytest.raises(DirectoryRefusedError, match=named):
        read_directory(write(tmp_path, text), keys)


MANY_FAULTS = """
agencies:
  - {id: ag-cw, name: CW, roles: [CHILD_WELFARE], counties: "*"}
  - id: ag-vsp
    name: Advocate
    roles: [VICTIM_SERVICES]
    counties: "*"
    confidentiality: standard
    endpoints: [{url: "https://vsp.example/", secret: whsec_short}]
    contacts: [{rung: primary, email: a@vsp.example}, {rung: primary, email: b@vsp.example}]
  - {id: ag-cw, name: CW again, roles: [CHILD_WELFARE], counties: "*"}
sources:
  - {source: "urn:tocsin:agency:ag-vsp:cms", key: short, types: ["*"]}
  - {source: "urn:tocsin:agency:ag-nobody:cms", key: tcs_0123456789abcdef, types: ["*"]}
operators: [{id: deployment, name: Nobody, public_key: "ed25519:short"}, {id: ana}]
"""


def named_places(file: Path, keys: Keys) -> list[str]:
    with pytest.raises(DirectoryRefusedError) as refused:
        read_directory(file, keys)
    return sorted(line.split(": ")[0].strip() for line in str(refused.value).splitlines()[1:])


def test_every_fault_is_named_at_once_of_shape_and_of_meaning(tmp_path: Path, keys: Keys) -> None:
    assert named_places(write(tmp_path, MANY_FAULTS), keys) == [
        "/agencies/1/confidentiality",
        "/agencies/1/contacts",
        "/agencies/1/endpoints/0/secret",
        "/agencies/2/id",
        "/operators/0/public_key",
        "/operators/1/name",
        "/operators/1/public_key",
        "/sources/0/key",
        "/sources/1/source",
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        # The agency that the source names may be the one whose id does not read.
        (MANY_FAULTS.replace("id: ag-vsp", "id: AG"), {"/agencies/1/id", "/agencies/2/id", "/sources/0/key"}),
        ("agencies: 7\nsources: [8]\n", {"/agencies", "/sources/0"}),
        ("agencies: [7]\n", {"/agencies/0"}),
        ("extends: sample\nagencies: [7]\nsources: 8\n", {"/agencies/0", "/sources"}),
    ],
)
def test_what_cannot_be_judged_is_not_judged(tmp_path: Path, keys: Keys, text: str, places: set[str]) -> None:
    named = named_places(write(tmp_path, text), keys)
    assert places <= set(named)
    assert "/sources/1/source" not in named
    assert len(named) == len(set(named))


def test_a_refusal_never_repeats_a_value(tmp_path: Path, keys: Keys) -> None:
    file = write(
        tmp_path,
        "agencies: [{id: ag-one, name: One, roles: [ZANTHORPE], counties: Zanthorpe, keys: [Zanthorpe]}]",
    )
    with pytest.raises(DirectoryRefusedError) as refused:
        read_directory(file, keys)
    assert "zanthorpe" not in str(refused.value).lower()


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path, keys: Keys) -> None:
    with pytest.raises(DirectoryRefusedError, match="cannot be read"):
        read_directory(tmp_path / "absent.yaml", keys)


def test_keys_do_not_print(keys: Keys) -> None:
    assert "tcs_" not in repr(keys)
    assert "tco_" not in repr(keys)


def test_an_error_is_where_the_file_has_it_not_where_the_merged_sample_has_it(
    keys: Keys, tmp_path: Path
) -> None:
    path = write(tmp_path, "extends: sample\nagencies: [{id: ag-kern-cw, counties: [6029]}]\n")
    with pytest.raises(DirectoryRefusedError) as refusal:
        read_directory(path, keys)
    assert "  /agencies/0/counties/0: " in str(refusal.value)


ENDPOINT = """
agencies:
  - id: ag-cw
    name: Child welfare
    roles: [CHILD_WELFARE]
    counties: ["06029"]
    key_hashes: [{key_hash}]
    endpoints:
      - {{url: "https://cw.example/", {given}}}
sources:
  - {{source: "urn:tocsin:agency:ag-cw:cms", key_hash: {key_hash}, types: ["*"]}}
"""


def test_secrets_may_lie_in_files_beside_the_directory_and_keys_be_given_by_hash(
    tmp_path: Path, keys: Keys
) -> None:
    secret, signing_key, key_hash = new_webhook_secret(), new_signing_key(), hash_api_key("tca_of_somebody")
    (tmp_path / "cw.secret").write_text(f"{secret}\n")
    (tmp_path / "cw.key").write_text(signing_key)
    given = "secret_file: cw.secret, signing_key_file: cw.key"
    file = write(tmp_path, ENDPOINT.format(given=given, key_hash=key_hash))
    directory = read_directory(file, keys)
    (agency,) = directory.agencies
    (endpoint,) = agency.endpoints
    assert (endpoint.secret, endpoint.signing_key) == (secret, signing_key)
    assert (endpoint.secret_file, endpoint.signing_key_file) == (None, None)
    assert (agency.key_hashes, directory.sources[0].hash) == ([key_hash], key_hash)
    assert with_directory(keys, directory).endpoints == {"ag-cw": [secret]}
    assert with_directory(keys, directory).sources == {}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("secret_file: nowhere", "/agencies/0/endpoints/0/secret_file"),
        ("secret_file: .", "/agencies/0/endpoints/0/secret_file"),
        ("secret_file: bad.secret", "/agencies/0/endpoints/0/secret"),
        ("secret_file: bad.secret, secret: {secret}", "/agencies/0/endpoints/0/secret_file"),
        ("signing_key: whsk_c2hvcnQ=", "/agencies/0/endpoints/0/signing_key"),
    ],
)
def test_a_secret_that_cannot_be_had_is_refused_by_its_place(
    tmp_path: Path, keys: Keys, given: str, path: str
) -> None:
    (tmp_path / "bad.secret").write_text("open sesame")
    secret = new_webhook_secret()
    file = write(tmp_path, ENDPOINT.format(given=given.format(secret=secret), key_hash="a" * 64))
    with pytest.raises(DirectoryRefusedError) as refused:
        read_directory(file, keys)
    assert path in str(refused.value)
    assert not [word for word in ("open sesame", secret) if word in str(refused.value)]


def test_an_unknown_key_is_called_one(tmp_path: Path, keys: Keys) -> None:
    with pytest.raises(DirectoryRefusedError, match="/agencies/0/endpoints/0/colour: unknown key"):
        read_directory(write(tmp_path, ENDPOINT.format(given="colour: red", key_hash="a" * 64)), keys)


def test_a_source_has_a_key_or_its_hash_and_not_both(tmp_path: Path, keys: Keys) -> None:
    text = ENDPOINT.format(given="content: pointer", key_hash="a" * 64)
    both = text.replace("key_hash: aaaa", "key: tcs_0123456789abcdef, key_hash: aaaa")
    neither = text.replace(f"key_hash: {'a' * 64}, types", "types")
    for wrong in (both, neither):
        with pytest.raises(DirectoryRefusedError, match="/sources/0/key"):
            read_directory(write(tmp_path, wrong), keys)
