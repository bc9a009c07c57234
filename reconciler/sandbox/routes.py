"""Every operation of the sandbox, gathered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.sandbox.admin import admin_routes
from reconciler.sandbox.apps import app_routes
from reconciler.sandbox.bulk import bulk_routes
from reconciler.sandbox.dealer import dealer_routes
from reconciler.sandbox.equipment import equipment_routes
from reconciler.sandbox.logs import log_routes
from reconciler.sandbox.media import media_routes
from reconciler.sandbox.oauth import AuthorizationServer
from reconciler.sandbox.panel import arming_routes
from reconciler.sandbox.partner import collections
from reconciler.sandbox.reports import report_routes
from reconciler.sandbox.routing import Route
from reconciler.sandbox.singletons import part_routes, partner_routes

if TYPE_CHECKING:
    from reconciler.sandbox.app import Sandbox


def all_routes(sandbox: Sandbox) -> Iterator[Route]:
    """The routes of all surfaces; of two with one path, the first wins."""
    served = collections()
    by_kind = {each.kind.name: each for each in served if not each.shape.provisional}
    yield from AuthorizationServer(sandbox.tokens).routes()
    for collection in served:
        yield from collection.routes()
        yield from bulk_routes(collection)
        yield from part_routes(collection)
    yield from partner_routes(by_kind["dealer"], by_kind["site"])
    yield from dealer_routes()
    yield from arming_routes()
    yield from equipment_routes()
    yield from log_routes()
    yield from media_routes()
    yield from app_routes()
    yield from report_routes()
    yield from admin_routes(sandbox)
