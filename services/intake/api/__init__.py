"""Intake over HTTP: requests into handlers, their answers into responses, and the OpenAPI document of it."""

from services.intake.api.endpoints import IntakeApi
from services.intake.api.routes import Front, build_app, build_document

__all__ = ["Front", "IntakeApi", "build_app", "build_document"]
