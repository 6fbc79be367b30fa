"""Who can be told under a rule: role and county, never the emitter, only the eligible, else the alternate."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from schemas.vocabulary import CountyFips, Reason, Role
from services.routing.decision import AgencyVerdict, Member, Verdict
from services.routing.rules import Target
from services.routing.situation import Circumstances

REASON_ORDER: Final = (
    Reason.CONFLICT,
    Reason.OFFBOARDED,
    Reason.AGREEMENT_EXPIRED,
    Reason.NO_AGENCY,
    Reason.CONSENT_REQUIRED,
)
"""Of several reasons the first of these is the one told (DOMAIN 6.0.1 point 10)."""

_REASON_OF: Final = {
    Verdict.CONFLICT: Reason.CONFLICT,
    Verdict.OFFBOARDED: Reason.OFFBOARDED,
    Verdict.AGREEMENT_EXPIRED: Reason.AGREEMENT_EXPIRED,
}


class Recipients(NamedTuple):
    """Who is told under one role in one county; `reason` when its holders could not be.

    `role` is the one they are told under: the alternate's when it stepped in. `only_self` when the emitter
    alone holds the role, so that there is nobody to tell and nothing to complain of.
    """

    role: Role
    eligible: tuple[Member, ...]
    refused: tuple[AgencyVerdict, ...]
    reason: Reason | None = None
    only_self: bool = False


def find_recipients(
    target: Target, county: CountyFips, around: Circumstances, *, mandated: bool
) -> Recipients:
    """Resolve one role in one county (DOMAIN 6.0 steps 4 to 6, 6.0.1 points 4 and 10)."""
    holders = around.directory.holders(target.role, county)
    eligible, refused = _sort_out(holders, around, mandated=mandated)
    if eligible:
        return Recipients(target.role, eligible, refused)
    if len(holders) == 1 and holders[0].id == around.emitter_id:
        return Recipients(target.role, (), refused, only_self=True)
    reason = first_reason([*_reasons(refused), Reason.NO_AGENCY])
    if target.alternate is None:
        return Recipients(target.role, (), refused, reason)
    stand_ins = around.directory.holders(target.alternate, county)
    eligible, refused_too = _sort_out(stand_ins, around, mandated=mandated)
    return Recipients(target.alternate, eligible, refused + refused_too, reason)


def find_obstacle(member: Member, around: Circumstances, *, mandated: bool) -> Verdict | None:
    """Why an agency may not be told, in the order of DOMAIN 6.0 steps 4 and 5; None when it may."""
    if member.id == around.emitter_id:
        return Verdict.SELF
    if member.id in around.conflicts:
        return Verdict.CONFLICT
    if member.offboarded:
        return Verdict.OFFBOARDED
    if mandated or member.has_agreement_at(around.now):
        return None
    return Verdict.AGREEMENT_EXPIRED


def first_reason(reasons: Iterable[Reason]) -> Reason:
    """The one of several reasons that is told."""
    return min(reasons, key=REASON_ORDER.index)


def _sort_out(
    members: Iterable[Member], around: Circumstances, *, mandated: bool
) -> tuple[tuple[Member, ...], tuple[AgencyVerdict, ...]]:
    eligible: list[Member] = []
    refused: list[AgencyVerdict] = []
    for member in members:
        verdict = find_obstacle(member, around, mandated=mandated)
        if verdict is None:
            eligible.append(member)
        else:
            refused.append(AgencyVerdict(member.id, verdict))
    return tuple(eligible), tuple(refused)


def _reasons(refused: Iterable[AgencyVerdict]) -> Iterator[Reason]:
    for entry in refused:
        if entry.verdict in _REASON_OF:
            yield _REASON_OF[entry.verdict]
