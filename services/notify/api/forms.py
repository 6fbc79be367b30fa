"""What a browser sends: a small form, from our own page, with the cookie of a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from services.notify.callers import Networks, find_address, is_from_own_page

MOST_BYTES: Final = 16 * 1024
MOST_FIELDS: Final = 20
MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class FormRefusedError(Exception):
    """It is no form of ours, or was sent by another site."""


@dataclass(frozen=True, slots=True)
class Browser:
    """How this notify is seen from outside, and what follows for its cookies."""

    base_url: str
    trusted_proxies: Networks

    @property
    def is_secure(self) -> bool:
        """Not without TLS, but on this machine, where the stack is for trying."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "https" or parts.hostname not in _LOOPBACK

    @property
    def cookie(self) -> str:
        # With the prefix a browser takes it from us alone: Secure, for no other host, for every path.
        return "__Host-tocsin-session" if self.is_secure else "tocsin-session"

    def find_token(self, request: Request) -> str | None:
        return request.cookies.get(self.cookie)

    def keep_token(self, response: Response, token: str) -> None:
        # Lax and not Strict: from a webmail's page the link would open as if nobody were signed in. A GET
        # changes nothing, and a POST of another site carries no cookie under either.
        response.set_cookie(
            self.cookie, token, path="/", secure=self.is_secure, httponly=True, samesite="lax"
        )

    def drop_token(self, response: Response) -> None:
        response.delete_cookie(self.cookie, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def find_address(self, request: Request) -> str:
        peer = "" if request.client is None else request.client.host
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        return find_address(peer, forwarded, trusted=self.trusted_proxies)

    async def read_form(self, request: Request) -> Mapping[str, str]:
        """The last of each field. Raises FormRefusedError."""
        if not is_from_own_page(request.headers, base_url=self.base_url):
            raise FormRefusedError
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise FormRefusedError
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                raise FormRefusedError
        try:
            pairs = parse_qsl(
                body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
            )
        except ValueError as error:
            raise FormRefusedError from error
        return dict(pairs)
