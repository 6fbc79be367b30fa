"""What the ledger says of the rules that were considered, with what stopped those that did not match."""

from collections.abc import Mapping, Sequence

from schemas.vocabulary import Role
from services.routing.condition_text import facts_used
from services.routing.decision import AgencyVerdict, RuleConsidered, Verdict
from services.routing.facts import FactSheet
from services.routing.handlers.detail import DecisionDetail
from services.routing.handlers.explanation import ExplainedAgency, ExplainedPart, ExplainedRule
from services.routing.rules import PackSet
from services.routing.stopping import find_stopping


def explain_rules(
    detail: DecisionDetail, packs: PackSet, *, hashes: Mapping[str, str], agency: str | None
) -> list[ExplainedRule]:
    """Every rule considered; with an agency, those that it was judged under, and those that did not match.

    `hashes` is the content of each pack, by its label, that decided.
    """
    return [
        ExplainedRule(
            rule=rule.rule,
            pack=rule.pack,
            verdict=rule.verdict,
            role=rule.role,
            county=rule.county,
            would_tell=_find_roles(rule, packs),
            stopped_by=_find_stopping_parts(rule, detail.sheets, packs, hashes),
            agencies=[_explain_agency(each) for each in rule.agencies if agency in {None, each.agency}],
        )
        for rule in detail.considered
        if agency is None
        or rule.verdict is Verdict.NOT_MATCHED
        or any(each.agency == agency for each in rule.agencies)
    ]


def _find_roles(rule: RuleConsidered, packs: PackSet) -> list[Role]:
    ready = packs.find_rule(rule.pack, rule.rule)
    targets = () if ready is None else ready.targets
    named = [role for target in targets for role in (target.role, target.alternate) if role is not None]
    return list(dict.fromkeys(named))


def _find_stopping_parts(
    rule: RuleConsidered, sheets: Sequence[FactSheet], packs: PackSet, hashes: Mapping[str, str]
) -> list[ExplainedPart] | None:
    """By the text and the facts that decided, judged again; None where one of them is not here."""
    version = packs.find_version(rule.pack)
    if rule.verdict is not Verdict.NOT_MATCHED or version is None:
        return None
    condition = version.find_condition(rule.rule)
    sheet = next((each for each in sheets if each.zone == version.zone.key), None)
    if condition is None or sheet is None or hashes.get(rule.pack) != version.sha256:
        return None
    if not facts_used(condition) <= sheet.values.keys():
        return None
    parts = find_stopping(condition, sheet.values)
    return [ExplainedPart(condition=part.text, facts=part.facts) for part in parts]


def _explain_agency(agency: AgencyVerdict) -> ExplainedAgency:
    return ExplainedAgency(
        agency=agency.agency,
        verdict=agency.verdict,
        disclosed=sorted(agency.disclosed),
        removed=dict(sorted(agency.removed.items())),
        role=agency.role,
        consents={group: sorted(ids) for group, ids in sorted(agency.consents.items())},
    )
