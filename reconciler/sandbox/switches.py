"""What the documents leave open, one typed field each (chekt-api/README.md sections 11 to 13).

The defaults are the advice of section 11. A client should pass under every value of every field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Literal

from reconciler.model import JsonObject
from reconciler.sandbox.credentials import AUDIENCE, SCOPES

Flaw = Literal[
    "any_code",
    "arms_open",
    "local_times",
    "logs_repeats",
    "no_entry_delay",
    "no_exit_delay",
    "no_retry",
    "no_user",
    "one_mode",
    "restamps",
    "silent_field",
    "tells_overtaken",
]
"""``any_code``: a wrong user code arms and disarms. ``arms_open``: arms although a zone is open.
``local_times``: the times of changes are the site's own, written as UTC. ``logs_repeats``: the same report
again is another change. ``no_entry_delay``, ``no_exit_delay``: there is none. ``no_retry``: a delivery that
was not taken is lost. ``no_user``: who did it is not kept. ``one_mode``: whatever the mode, it is away.
``restamps``: a report holds from when it arrives. ``silent_field``: only what the API did is told by
webhook. ``tells_overtaken``: a change that was called off is told all the same."""


@dataclass(frozen=True, slots=True)
class Switches:
    """How this sandbox behaves where CHeKT's documents do not say or contradict each other.

    Surfaces and shapes
        ``shape``: of ``/ext/v1``, as the live clients see it or as the pages show it.
        ``error_shape``: of section 3.4; ``surface`` gives each surface its own.
        ``id_form``: partner ids as numbers or as strings of digits.
        ``arming_states``: live arming status as ``armed`` or with its mode, ``armed_away``.
        ``partition_envelope``: of the live partition list.

    Writes
        ``validation_status``: of a refused body. ``unknown_fields``: refuse or ignore them.
        ``max_text``: longest text, characters. ``duplicate``: answer to a known external id.
        ``external_id_change``: whether an update may change it. ``update_semantics``: PATCH merges and
        PUT replaces, or both do one of them. ``clear_by``: which value clears an optional field.
        ``cleared``: how an unset field is answered. ``unknown_station``: status for a station that does
        not exist. ``company_name``: CHeKT's registered name wins, or the sent one.
        ``security_type_strict``: refuse a type that the installed devices do not suit.
        ``new_site_security_type``: its value on a new site. ``new_site_partitions``: how many
        partitions a new site has, 0 for none. ``zone_unique``: one device a zone in a site.
        ``single_device_writes``: PATCH, PUT and DELETE on one device.

    Deletes
        ``delete_answer``: 200 with ``{}``, or 204. ``delete_soft``: still read and listed, with
        ``is_deleted`` 1. ``dependents``: what a delete does while children or references exist.

    Bulk
        ``bulk_limit``: most entries of one request, 0 for no limit. ``bulk_item``: fields beside
        ``is_successful``, or under ``device``. ``bulk_flag``: its type. ``bulk_partial_status``: of a
        partly failed batch, 0 for the usual one. ``bulk_key``: what names a device.

    Lists
        ``list_page_limit``: most entries of one answer (``page``, ``per_page``, ``limit`` and ``offset``
        go on), 0 for all. ``list_delay``: seconds until a write shows in lists.

    Arming
        ``arming_delay``: seconds between a command and the new state. ``arming_in_progress``: show that
        state meanwhile. ``exit_delay``: seconds in that state before a site is armed. ``entry_delay``:
        seconds between the opening of an entry zone and the alarm. ``user_codes``: take any, or those of
        the site only. ``open_zone``: refuse the command (409), or accept it and fail to arm.
        ``arming_model``: of the account; state reports are for ``partner_triggered`` ones (4.7).
        ``invalid_transition``: answer to a report of a state that cannot follow. ``stale_report``: to one
        older than what is known. ``report_offsets``: times of reports in UTC only, or with any offset.
        ``report_ahead``: seconds by which they may lie ahead of the clock.

    Verifications
        ``second_answer``: refuse it, or record it too. ``verification_event``: what a delivery tells, the
        UUID alone or the number of the path too.

    Events (section 4.10)
        ``event_uploads``: how many upload URLs the answer carries. ``upload_form``: as texts or as objects.

    Credentials
        ``token_lifetime``: seconds. ``token_scopes``: of a machine token. ``audience``: accepted by the
        token endpoint. ``refresh_rotation``: a refresh replaces the refresh token.

    Rates (section 3.6) and idempotency (3.5)
        ``rate_limits``: whether they apply; ``rate_headers``: whether answers other than 429 tell them.
        ``*_per_minute`` sustained, ``*_burst`` bucket size.
        ``app_tier``: of every app. ``idempotency``: whether keys are honoured.
        ``idempotency_stores``: which answers are replayed. ``idempotency_hours``: for how long.

    Webhooks
        ``deliveries``: keep them only, or post those to loopback addresses.
        ``signature_encoding``: of the signature of an app's delivery; ``signature_time``: its time is that
        of the attempt, or of the event for all of them. ``event_id_header``, ``delivery_id_header``,
        ``trace_id_header``: the three headers for tracing and de-duplication, whose names are not known;
        an empty one is not sent. ``retry_first``: seconds before the second attempt, doubled each time.

    ``flaws``: rules that this account breaks, so that whatever checks them can be seen to fail (``Flaw``).
    """

    shape: Literal["live", "page"] = "live"
    error_shape: Literal["surface", "structured", "concepts", "live", "bare"] = "surface"
    id_form: Literal["integer", "string"] = "integer"
    arming_states: Literal["simple", "modes"] = "simple"
    partition_envelope: Literal["array", "partitions", "data"] = "array"

    validation_status: Literal[400, 422] = 400
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    max_text: int = 255
    duplicate: Literal["409", "400", "422", "accept"] = "409"
    external_id_change: Literal["refuse", "accept"] = "refuse"
    update_semantics: Literal["by_method", "merge", "replace"] = "by_method"
    clear_by: Literal["either", "null", "empty"] = "either"
    cleared: Literal["absent", "null", "empty"] = "absent"
    unknown_station: Literal[400, 404] = 400
    company_name: Literal["registered", "sent"] = "registered"
    security_type_strict: bool = False
    new_site_security_type: Literal[1, 2, 3, 4] = 3
    new_site_partitions: int = 0
    zone_unique: bool = False
    single_device_writes: bool = False

    delete_answer: Literal["empty_object", "no_content"] = "empty_object"
    delete_soft: bool = False
    dependents: Literal["refuse", "cascade"] = "refuse"

    bulk_limit: int = 0
    bulk_item: Literal["flat", "nested"] = "flat"
    bulk_flag: Literal["boolean", "number"] = "boolean"
    bulk_partial_status: int = 0
    bulk_key: Literal["either", "device_id", "external_device_id"] = "either"

    list_page_limit: int = 0
    list_delay: float = 0.0

    arming_delay: float = 0.8
    arming_in_progress: bool = False
    exit_delay: float = 0.0
    entry_delay: float = 30.0
    user_codes: Literal["any", "known"] = "any"
    open_zone: Literal["error", "failure"] = "error"
    arming_model: Literal["chekt_triggered", "partner_triggered"] = "chekt_triggered"
    invalid_transition: Literal["409", "422", "ignore", "accept"] = "409"
    stale_report: Literal["409", "422", "ignore", "accept"] = "409"
    report_offsets: Literal["utc", "any"] = "utc"
    report_ahead: float = 60.0

    second_answer: Literal["400", "accept"] = "400"
    verification_event: Literal["uuid", "both"] = "both"
    event_uploads: int = 1
    upload_form: Literal["urls", "objects"] = "urls"

    token_lifetime: int = 3600
    token_scopes: tuple[str, ...] = SCOPES
    audience: str = AUDIENCE
    refresh_rotation: bool = True

    rate_limits: bool = True
    rate_headers: bool = True
    partner_per_minute: int = 5000
    partner_burst: int = 500
    dealer_per_minute: int = 1000
    dealer_burst: int = 100
    app_tier: Literal["free", "pro", "enterprise"] = "pro"

    idempotency: bool = True
    idempotency_stores: Literal["success", "client_errors", "all"] = "client_errors"
    idempotency_hours: float = 24.0

    deliveries: Literal["recorded", "loopback"] = "recorded"
    signature_encoding: Literal["hex", "base64"] = "hex"
    signature_time: Literal["attempt", "event"] = "attempt"
    event_id_header: str = "X-CHeKT-Event-Id"
    delivery_id_header: str = "X-CHeKT-Delivery-Id"
    trace_id_header: str = "X-CHeKT-Trace-Id"
    retry_first: float = 1.0

    flaws: tuple[Flaw, ...] = ()

    def to_json(self) -> JsonObject:
        """Every switch by name."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Switches:
        """The switches named in ``values``, the rest at their defaults. Raises ValueError."""
        return cls().changed(values)

    def changed(self, values: Mapping[str, object]) -> Switches:
        """These switches with those of ``values`` set. Raises ValueError for an unknown name or value."""
        known = {field.name for field in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"no switch is called {unknown[0]!r}; there are {', '.join(sorted(known))}")
        checked: Switches = _adapter().validate_json(json.dumps({**self.to_json(), **values}), strict=True)
        return checked


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only needed when switches come as JSON

    return TypeAdapter(Switches)
