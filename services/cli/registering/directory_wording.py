"""The words for the directory in force. Pure: a view in, lines out."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.explanation.wording import clock

View = Mapping[str, Any]
"""The directory as routing's `GET /v1/directory` shows it."""


def select(view: View, *, agency: str | None) -> View:
    """With `agency`, of the agencies that one alone."""
    if agency is None:
        return view
    return {**view, "agencies": [each for each in view["agencies"] if each["id"] == agency]}


def render_directory(view: View, *, only_exercises: bool) -> Iterator[str]:
    """Who is told, and by which paths; with `only_exercises`, of an exercise."""
    yield f"Directory version {view['version']}, in force since {clock(view['applied_at'])}"
    for agency in view["agencies"]:
        yield f"{agency['id']}: {agency['name']}"
        yield f"  {', '.join(agency['roles'])} in {_name_counties(agency)}{_render_standing(agency)}"
        yield from _render_paths(agency, only_exercises=only_exercises)


def _render_paths(agency: View, *, only_exercises: bool) -> Iterator[str]:
    contacts = [path for path in agency["contacts"] if path["exercises"] or not only_exercises]
    endpoints = [path for path in agency["endpoints"] if path["exercises"] or not only_exercises]
    yield from map(_render_contact, contacts)
    yield from map(_render_endpoint, endpoints)
    if not (contacts or endpoints):
        yield f"  {_explain_silence(agency, only_exercises=only_exercises)}"


def _name_counties(agency: View) -> str:
    counties = agency["counties"]
    return "every county" if counties == "*" else ", ".join(counties)


def _render_standing(agency: View) -> str:
    if agency["external"]:
        return "; external body"
    if agency["status"] != "active":
        return f"; {agency['status']}"
    until = agency.get("agreement_until")
    return f"; agreement until {clock(until)}" if until else "; no agreement"


def _render_contact(contact: View) -> str:
    return f"  {contact['rung']} contact: {contact['email']}{_mark(contact)}"


def _render_endpoint(endpoint: View) -> str:
    shown = f"{endpoint['url']}, {endpoint['content']}{_mark(endpoint)}"
    key = endpoint.get("public_key")
    return f"  endpoint {endpoint['endpoint_id']}: {shown}" + (f", verified by {key}" if key else "")


def _mark(path: View) -> str:
    return ", exercises too" if path["exercises"] else ""


def _explain_silence(agency: View, *, only_exercises: bool) -> str:
    if agency["external"]:
        return "told by whoever holds the duty"
    return "hears of no exercise" if only_exercises else "no path: it only learns what it asks for"
