"""What an endpoint is signed with, from version to version of a directory: kept, replaced, never undone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from schemas.directory import (
    Endpoint,
    EndpointRecord,
    RetiringSecret,
    endpoint_id,
    endpoint_key_context,
    endpoint_seal_context,
)
from services.runtime.crypto import (
    Cipher,
    SealError,
    keyed_digest,
    new_signing_key,
    new_webhook_secret,
    public_key_of,
)

OVERLAP: Final = timedelta(hours=24)
"""How long what a directory file replaces goes on signing."""
MOST_REPLACED: Final = 100


class SecretKind(StrEnum):
    """`secret` signs `v1` and is the receiver's too; `signing_key` signs `v1a` and is ours alone."""

    SECRET = "secret"  # noqa: S105 -- a kind, not one
    SIGNING_KEY = "signing_key"


class SecretMissingError(Exception):
    """A new endpoint needs a secret."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """An endpoint in the next version; `stale` is what the file gave that was replaced long ago."""

    record: EndpointRecord
    stale: tuple[SecretKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Rotated:
    """An endpoint with a fresh secret. `shown` is what the agency gets: the secret, or the public key."""

    record: EndpointRecord
    shown: str


class SecretKeeper:
    """Seals under the directory's key and knows again what it sealed."""

    def __init__(self, directory_key: bytes) -> None:
        self._key = directory_key
        self._cipher = Cipher(directory_key)

    def renew(
        self, agency: str, endpoint: Endpoint, previous: EndpointRecord | None, *, now: datetime
    ) -> Renewed:
        """As the file says; what it does not give stays. Raises SecretMissingError and SigningKeyError."""
        if previous is None:
            return Renewed(self._create(agency, endpoint))
        record = _tidy(previous, now=now).model_copy(
            update={
                "content": endpoint.content,
                "limits": endpoint.limits,
                "exercises": endpoint.exercises,
                "added": False,
            }
        )
        stale = []
        for kind, given in (
            (SecretKind.SECRET, endpoint.secret),
            (SecretKind.SIGNING_KEY, endpoint.signing_key),
        ):
            if given is None or self._open(agency, record, kind) == given:
                continue
            if self._digest(record, given) in record.replaced:
                stale.append(kind)
            else:
                record = self._replace(agency, record, kind, given, until=now + OVERLAP)
        return Renewed(record, tuple(stale))

    def rotate(
        self, agency: str, record: EndpointRecord, kind: SecretKind, *, now: datetime, overlap: timedelta
    ) -> Rotated:
        """A fresh one; what was there signs beside it until the overlap ends."""
        fresh = _MAKERS[kind]()
        rotated = self._replace(agency, _tidy(record, now=now), kind, fresh, until=now + overlap)
        return Rotated(rotated, fresh if kind is SecretKind.SECRET else rotated.public_key or "")

    def _create(self, agency: str, endpoint: Endpoint) -> EndpointRecord:
        if endpoint.secret is None:
            raise SecretMissingError
        name = endpoint_id(agency=agency, url=endpoint.url)
        record = EndpointRecord(
            endpoint_id=name,
            url=endpoint.url,
            content=endpoint.content,
            exercises=endpoint.exercises,
            secret_sealed=self._seal(agency, name, SecretKind.SECRET, endpoint.secret),
        )
        signing_key = (
            {}
            if endpoint.signing_key is None
            else self._hold(agency, name, SecretKind.SIGNING_KEY, endpoint.signing_key)
        )
        return record.model_copy(update={"limits": endpoint.limits, **signing_key})

    def _replace(
        self, agency: str, record: EndpointRecord, kind: SecretKind, fresh: str, *, until: datetime
    ) -> EndpointRecord:
        sealed, old = _sealed(record, kind), self._open(agency, record, kind)
        # What does not open signs nothing: there is nothing to retire.
        retiring = [] if sealed is None or old is None else [RetiringSecret(sealed=sealed, until=until)]
        replaced = [] if old is None else [self._digest(record, old)]
        return record.model_copy(
            update={
                **self._hold(agency, record.endpoint_id, kind, fresh),
                "retiring": [*retiring, *record.retiring],
                "replaced": [*replaced, *record.replaced][:MOST_REPLACED],
            }
        )

    def _hold(self, agency: str, name: str, kind: SecretKind, plain: str) -> dict[str, object]:
        sealed = self._seal(agency, name, kind, plain)
        if kind is SecretKind.SECRET:
            return {"secret_sealed": sealed}
        return {"signing_key_sealed": sealed, "public_key": public_key_of(plain)}

    def _open(self, agency: str, record: EndpointRecord, kind: SecretKind) -> str | None:
        sealed = _sealed(record, kind)
        if sealed is None:
            return None
        context = _CONTEXTS[kind](agency=agency, endpoint=record.endpoint_id)
        try:
            return self._cipher.open(sealed, context=context).decode()
        except SealError:
            return None

    def _seal(self, agency: str, name: str, kind: SecretKind, plain: str) -> bytes:
        return self._cipher.seal(plain.encode(), context=_CONTEXTS[kind](agency=agency, endpoint=name))

    def _digest(self, record: EndpointRecord, plain: str) -> str:
        return keyed_digest(self._key, "replaced", record.endpoint_id, plain).hex()


_CONTEXTS: Final[dict[SecretKind, Callable[..., tuple[str, ...]]]] = {
    SecretKind.SECRET: endpoint_seal_context,
    SecretKind.SIGNING_KEY: endpoint_key_context,
}
_MAKERS: Final[dict[SecretKind, Callable[[], str]]] = {
    SecretKind.SECRET: new_webhook_secret,
    SecretKind.SIGNING_KEY: new_signing_key,
}


def _sealed(record: EndpointRecord, kind: SecretKind) -> bytes | None:
    return record.secret_sealed if kind is SecretKind.SECRET else record.signing_key_sealed


def _tidy(record: EndpointRecord, *, now: datetime) -> EndpointRecord:
    """Without what has retired."""
    return record.model_copy(update={"retiring": [kept for kept in record.retiring if kept.until > now]})
