"""What a refusal says of each fault: what was expected there, and never what was sent."""

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from services.notify.api.onboarding import EndpointRequest
from services.notify.api.operations import RedriveRequest
from services.notify.api.people import InviteRequest
from services.notify.api.refusals import describe_invalid
from services.notify.api.refusing import RefuseRequest

SENT = "Wrong-Marker-4711"
WHO = {"person": "J. Ortiz", "role": "duty supervisor"}
ENDPOINT = {"url": "https://cw.example/tocsin", "secret": f"whsec_{'A' * 32}"}


def refuse(model: type[BaseModel], body: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    details = [{**detail, "loc": ("body", *detail["loc"])} for detail in caught.value.errors()]
    return {error.path: error.message for error in describe_invalid(RequestValidationError(details)).errors}


@pytest.mark.parametrize(
    ("model", "body", "path", "message"),
    [
        (RefuseRequest, {**WHO, "reason": SENT}, "/reason", "'wrong_agency', 'no_capacity'"),
        (InviteRequest, {"rung": SENT}, "/rung", "must be 'primary' or 'backup'"),
        (RedriveRequest, {}, "", "say which: delivery_ids, agency, endpoint_id, since or until"),
        (RedriveRequest, {"since": SENT}, "/since", "must be an RFC 3339 date-time with its zone"),
        (RedriveRequest, {"agency": f"{SENT} x"}, "/agency", "must match"),
        (RedriveRequest, {"delivery_ids": [SENT]}, "/delivery_ids/0", "must be an id, such as"),
        (EndpointRequest, {**ENDPOINT, "secret": SENT}, "/secret", "must match ^whsec_"),
        (EndpointRequest, {**ENDPOINT, "url": SENT}, "/url", "must match"),
        (EndpointRequest, {**ENDPOINT, "content": SENT}, "/content", "must be 'pointer' or 'disclosed'"),
        (EndpointRequest, {**ENDPOINT, "limits": {"most_at_once": 0}}, "/limits/most_at_once", "at least 1"),
        (EndpointRequest, {**ENDPOINT, SENT[:5]: 1}, f"/{SENT[:5]}", "unknown key"),
        # What curl sends when nobody gives it a content type.
        (RefuseRequest, f'{{"person": "{SENT}"}}', "", "`Content-Type: application/json`"),
    ],
)
def test_a_fault_says_what_was_expected_in_its_place(
    model: type[BaseModel], body: object, path: str, message: str
) -> None:
    faults = refuse(model, body)
    assert message in faults[path]
    assert SENT not in " ".join(faults.values())
