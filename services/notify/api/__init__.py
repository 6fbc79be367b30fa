"""Notify over HTTP: the agencies' API, the page behind an e-mail's link, and the OpenAPI document of both."""

from services.notify.api.page_routes import Reception
from services.notify.api.pages import Pages
from services.notify.api.routes import Door, build_app, build_document

__all__ = ["Door", "Pages", "Reception", "build_app", "build_document"]
