"""Routing over HTTP, for operators: requests into handlers, answers into responses, and its OpenAPI."""

from services.routing.api.endpoints import Desk, RoutingApi
from services.routing.api.routes import build_app, build_document

__all__ = ["Desk", "RoutingApi", "build_app", "build_document"]
