"""The test message of an endpoint that is being added."""

from typing import Final, Literal

from pydantic import AwareDatetime

from schemas.base import WireModel
from schemas.vocabulary import AgencyId

TEST_TYPE: Final = "org.tocsin.test.v1"


class EndpointTest(WireModel):
    """`data` of `org.tocsin.test.v1`: which endpoint is tried; nothing has happened."""

    agency: AgencyId
    endpoint_id: str


class WebhookTest(WireModel):
    """The body of every probe: to be answered 2xx when it is signed, and refused (401) when it is not."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: Literal["org.tocsin.test.v1"] = TEST_TYPE
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: EndpointTest
