"""The client against the sandbox: every kind lives a whole life, under every switch and fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, product

import pytest

from reconciler.chekt import Assertion, ClientSecret, Connection, Credentials, DealerKeys, connect
from reconciler.chekt.arming import Command, partition_states, send, site_state
from reconciler.chekt.client import Client
from reconciler.errors import AuthError, RemoteError
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Address, JsonValue, LiveObject, Surface
from reconciler.redaction import Redactor
from reconciler.sandbox import (
    AUDIENCE,
    CLIENT_ID,
    CLIENT_SECRET,
    DEALER_ID,
    Fault,
    Sandbox,
    Switches,
    dealer_key,
    generate_key,
    transport,
)
from reconciler.writes import Write, WriteResult

NUMBERS = count()
DEALER = str(DEALER_ID)
URL = "http://127.0.0.1"
SECRET_FLOW = ClientSecret(f"{URL}/oauth/token", AUDIENCE, CLIENT_ID, CLIENT_SECRET)

FIELDS: Mapping[str, dict[str, JsonValue]] = {
    "monitoring_station": {"name": "Central", "prefix": "CH", "linecard": "1"},
    "site": {"name": "HQ", "timezone": "Asia/Seoul", "account_number": "12", "address1": "Road 1"},
    "device": {
        "device_type": "camera",
        "zone_number": "001",
        "additional_zone_numbers": ["002", "003"],
        "name": "Door",
        "mac": "001A2B3C4D5E",
    },
    "contact": {"first_name": "John", "last_name": "Doe", "phone_number": "+821012345678"},
    "app": {"name": "Verifier", "permissions": ["events:read"], "ip_allow_list": ["203.0.113.0/24"]},
    "webhook": {"url": "https://hooks.example.com/a", "events": ["site.armed"], "secret": "hook-secret"},
    "schedule": {"windows": [{"days": ["mon"], "arm": "18:00", "disarm": "08:00", "mode": "away"}]},
    "calendar": {"holidays": "KR", "closed": "away"},
}
CHANGES: Mapping[str, dict[str, JsonValue]] = {
    "monitoring_station": {"name": "West", "prefix": None},
    "site": {"name": "HQ 2", "address1": None},
    "device": {"name": "Gate", "additional_zone_numbers": ["004"], "mac": None},
    "contact": {"last_name": "Roe", "phone_number": None},
    "app": {"permissions": ["devices:read", "events:read"]},
    "webhook": {"events": ["site.armed", "site.disarmed"]},
    "schedule": {"windows": []},
    "calendar": {"closed": "night"},
}
SWITCHES: list[dict[str, JsonValue]] = [
    {},
    {"id_form": "string"},
    {"cleared": "null"},
    {"cleared": "empty"},
    {"clear_by": "null"},
    {"delete_answer": "no_content"},
    {"delete_soft": True},
    {"bulk_limit": 1},
    {"bulk_item": "nested"},
    {"bulk_flag": "number"},
    {"bulk_partial_status": 207},
    {"bulk_partial_status": 400},
    {"bulk_key": "device_id"},
    {"bulk_key": "external_device_id"},
    {"update_semantics": "merge"},
    {"validation_status": 422},
    {"duplicate": "422"},
    {"error_shape": "concepts"},
    {"error_shape": "bare"},
]


@dataclass
class Bench:
    """A sandbox, and clients on it."""

    sandbox: Sandbox

    def client(
        self, surface: Surface = "partner", credentials: Credentials | None = None, **changes: object
    ) -> Client:
        if credentials is None:
            keys = DealerKeys(None, {DEALER: dealer_key(DEALER_ID)})
            credentials = SECRET_FLOW if surface == "partner" else keys
        return connect(
            Connection(URL, surface, credentials, **changes),  # type: ignore[arg-type]
            surfaces(surface, sandbox=True),
            redactor=Redactor(),
            transport=transport(self.sandbox),
            sleep=lambda _seconds: None,
        )


@pytest.fixture
def bench() -> Iterator[Bench]:
    sandbox = Sandbox()
    yield Bench(sandbox)
    sandbox.close()


def a_write(operation: str, kind: str, parents: tuple[str, ...], name: str = "one", **more: object) -> Write:
    external = str(FIELDS["webhook"]["url"]) if kind == "webhook" else name
    payload = FIELDS[kind] if operation == "create" else {}
    values: dict[str, object] = {
        "operation": operation,
        "address": Address(kind, ("acme", name)),
        "parent_ids": parents,
        "remote_id": None,
        "external_id": external,
        "payload": payload,
        "idempotency_key": f"{operation}-{kind}-{name}-{parents}-{next(NUMBERS)}",
    }
    return Write(**{**values, **more})  # type: ignore[arg-type]


def done(client: Client, *writes: Write) -> list[LiveObject | None]:
    results = client.write(writes)
    assert [result.error for result in results] == [None] * len(writes)
    return [result.live for result in results]


def new_site(client: Client, name: str = "hq", dealer: str = DEALER) -> str:
    (live,) = done(client, a_write("create", "site", (dealer,), name))
    assert live is not None
    return live.remote_id


def parents_of(kind: str, client: Client, dealer: str) -> tuple[str, ...]:
    parent = REGISTRY[kind].parent
    if parent == "site":
        return (dealer, new_site(client, dealer=dealer))
    return (dealer,) if parent == "dealer" else ()


def visible(kind: str, fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What can be read back: set fields, no secrets."""
    return {n: v for n, v in fields.items() if v is not None and n not in REGISTRY[kind].secret}


LIVES = [
    (70_000 + number, kind, switches)
    for number, (kind, switches) in enumerate(product(FIELDS, SWITCHES))
    if kind == "device" or not any(name.startswith("bulk") for name in switches)
]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Bench, Client]]:
    """One sandbox and one token for many lives, each with a dealer of its own."""
    sandbox = Sandbox()
    bench = Bench(sandbox)
    with bench.client() as client:
        yield bench, client
    sandbox.close()


@pytest.mark.parametrize(("number", "kind", "switches"), LIVES, ids=str)
def test_a_whole_life(
    shared: tuple[Bench, Client], number: int, kind: str, switches: dict[str, JsonValue]
) -> None:
    bench, client = shared
    bench.sandbox.switches = Switches().changed(switches)
    bench.sandbox.seed_dealer(number)
    parents = parents_of(kind, client, str(number))
    (made,) = done(client, a_write("create", kind, parents))
    assert made is not None
    (listed,) = client.list(kind, parents)
    assert listed == client.read(kind, (*parents, made.remote_id))
    assert visible(kind, listed.fields).items() >= visible(kind, FIELDS[kind]).items()

    done(client, a_write("update", kind, parents, remote_id=made.remote_id, payload=CHANGES[kind]))
    (listed,) = client.list(kind, parents)
    wanted = {**FIELDS[kind], **CHANGES[kind]}
    assert visible(kind, listed.fields).items() >= visible(kind, wanted).items()
    assert all(listed.fields.get(name) is None for name, value in wanted.items() if value is None)

    done(client, a_write("delete", kind, parents, remote_id=made.remote_id))
    assert client.list(kind, parents) == ()
    assert client.read(kind, (*parents, made.remote_id)) is None


@pytest.mark.parametrize("clear_by", ["null", "empty"])
def test_fields_are_cleared_as_the_environment_says(bench: Bench, clear_by: str) -> None:
    bench.sandbox.switches = Switches().changed({"clear_by": clear_by})
    with bench.client(clear=clear_by) as client:
        site_id = new_site(client)
        change = a_write("update", "site", (DEALER,), "hq", remote_id=site_id, payload={"address1": None})
        done(client, change)
        (live,) = client.list("site", (DEALER,))
    assert live.fields.get("address1") is None


def test_a_contact_on_the_dealer_surface(bench: Bench) -> None:
    with bench.client() as partner:
        site_id = new_site(partner)
    parents = (DEALER, site_id)
    fields = {**FIELDS["contact"], "sms_alarm_enabled": True, "title": "Manager"}
    with bench.client("dealer") as client:
        (made,) = done(client, a_write("create", "contact", parents, payload=fields))
        assert made is not None
        change = a_write(
            "update",
            "contact",
            parents,
            remote_id=made.remote_id,
            payload={"title": None},
            before=made.fields,
        )
        done(client, change)
        (listed,) = client.list("contact", parents)
        assert visible("contact", listed.fields) == {**FIELDS["contact"], "sms_alarm_enabled": True} | {
            name: listed.fields[name] for name in ("email_alarm_enabled",)
        }
        done(client, a_write("delete", "contact", parents, remote_id=made.remote_id))
        assert client.list("contact", parents) == ()


@pytest.mark.parametrize("shape", ["live", "page"])
def test_the_dealer_surface_shows_what_the_partner_made(bench: Bench, shape: str) -> None:
    with bench.client() as partner:
        site_ids = [new_site(partner, f"s{n:03}") for n in range(45)]
        done(partner, a_write("create", "device", (DEALER, site_ids[0])))
        done(partner, a_write("create", "contact", (DEALER, site_ids[0])))
    bench.sandbox.switches = Switches().changed(
        {"shape": shape, "list_page_limit": 20 if shape == "page" else 0}
    )
    with bench.client("dealer", dialect=shape) as client:
        sites = client.list("site", (DEALER,))
        assert [site.external_id for site in sites] == [f"s{n:03}" for n in range(45)]
        parents = (DEALER, sites[0].remote_id)
        (contact,) = client.list("contact", parents)
        assert contact.fields["phone_number"] == "+821012345678"
        assert client.read("contact", (*parents, contact.remote_id)) == contact
        devices = client.list("device", parents)
    assert [device.fields["device_type"] for device in devices] == ["camera"]


@pytest.mark.parametrize(("length", "requests"), [(7, 1), (9, 2), (40, 5)])
def test_a_list_cut_in_silence_is_read_to_its_end(bench: Bench, length: int, requests: int) -> None:
    with bench.client() as client:
        for number in range(length):
            new_site(client, f"s{number}")
    bench.sandbox.switches = Switches().changed({"list_page_limit": 9})
    with bench.client(page_sizes=frozenset({9})) as client:
        assert len(client.list("site", (DEALER,))) == length
    assert client.requests.reads == requests


def test_a_security_type_has_an_endpoint_of_its_own(bench: Bench) -> None:
    with bench.client() as client:
        site_id = new_site(client)
        change = a_write(
            "update",
            "site",
            (DEALER,),
            "hq",
            remote_id=site_id,
            part="arming_settings",
            payload={"security_type": "alarm_com"},
        )
        done(client, change)
        part = client.read_part("site", "arming_settings", (DEALER, site_id))
    assert part == {"security_type": "alarm_com"}


def test_a_dealer_is_read_and_updated(bench: Bench) -> None:
    with bench.client() as client:
        change = Write(
            "update",
            Address("dealer", ("acme",)),
            (),
            DEALER,
            "adc-67890",
            {"company_email": "hello@example.com"},
            "k",
        )
        done(client, change)
        live = client.read("dealer", (DEALER,))
        assert client.read("dealer", ("999",)) is None
    assert live is not None
    assert live.fields["company_email"] == "hello@example.com"


def batch(client: Client, site_id: str) -> list[WriteResult]:
    writes = [
        a_write(
            "create",
            "device",
            (DEALER, site_id),
            name,
            payload={"device_type": "camera", "zone_number": f"{number:03}"},
        )
        for number, name in enumerate(("d0", "d1", "d2", "d3"), 1)
    ]
    return list(client.write(writes))


@pytest.mark.parametrize("item", ["flat", "nested"])
@pytest.mark.parametrize("status", [0, 207, 400, 422])
def test_a_batch_that_fails_in_part_and_comes_back_in_another_order(
    bench: Bench, item: str, status: int
) -> None:
    with bench.client() as client:
        site_id = new_site(client)
        bench.sandbox.switches = Switches().changed({"bulk_item": item, "bulk_partial_status": status})
        bench.sandbox.add_fault(Fault("bulk_item", index=1, status=409))
        results = batch(client, site_id)
        assert [(bool(r.error), r.ambiguous) for r in results] == [
            (False, False),
            (True, False),
            (False, False),
            (False, False),
        ]
        bench.sandbox.add_fault(Fault("shuffle", method="DELETE"))
        made = [result for result in results if result.live is not None]
        deletes = [
            a_write("delete", "device", (DEALER, site_id), r.write.external_id, remote_id=r.live.remote_id)
            for r in made
            if r.live is not None
        ]
        done(client, *deletes)
        assert client.list("device", (DEALER, site_id)) == ()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop", method="POST", when="after"),
        Fault("timeout", method="POST", when="after"),
        Fault("status", method="POST", when="after", status=500),
        Fault("truncate", method="POST"),
        Fault("drop", method="POST"),
    ],
    ids=lambda fault: f"{fault.action}-{fault.when}",
)
def test_after_an_ambiguous_create_nothing_is_sent_again(bench: Bench, fault: Fault) -> None:
    with bench.client() as client:
        site_id = new_site(client)
        sent = client.requests.writes
        bench.sandbox.add_fault(fault)
        results = batch(client, site_id)
        assert all(result.ambiguous for result in results)
        assert client.requests.writes == sent + 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_read_outlives_a_fault(bench: Bench, status: int) -> None:
    with bench.client() as client:
        new_site(client)
        bench.sandbox.add_fault(Fault("status", method="GET", status=status, count=2))
        assert len(client.list("site", (DEALER,))) == 1


def test_a_repeated_answer_is_not_taken_for_a_new_object(bench: Bench) -> None:
    with bench.client() as client:
        new_site(client, "first")
        bench.sandbox.add_fault(Fault("replay", method="POST"))
        (result,) = client.write([a_write("create", "site", (DEALER,), "second")])
    assert result.ambiguous


def test_a_duplicate_is_refused_with_the_servers_reason(bench: Bench) -> None:
    with bench.client() as client:
        new_site(client)
        (result,) = client.write([a_write("create", "site", (DEALER,), "hq", idempotency_key="other")])
    assert not result.ambiguous
    assert "409" in (result.error or "")


def test_an_assertion_opens_the_account(bench: Bench) -> None:
    pair = generate_key("key-7")
    bench.sandbox.register_key(pair.kid, pair.public_pem)
    credentials = Assertion(f"{URL}/oauth/token", AUDIENCE, CLIENT_ID, pair.private_pem, pair.kid)
    with bench.client(credentials=credentials) as client:
        assert client.list("site", (DEALER,)) == ()


def test_a_wrong_secret_and_a_wrong_key_are_auth_errors(bench: Bench) -> None:
    wrong = ClientSecret(f"{URL}/oauth/token", AUDIENCE, CLIENT_ID, "planted-wrong-secret")
    with bench.client(credentials=wrong) as client, pytest.raises(AuthError) as caught:
        client.list("site", (DEALER,))
    assert "planted" not in str(caught.value.to_json())
    with bench.client("dealer", DealerKeys("planted-key")) as client, pytest.raises(AuthError):
        client.list("site", (DEALER,))


def test_a_token_that_expires_during_a_run_is_renewed(bench: Bench) -> None:
    bench.sandbox.switches = Switches().changed({"token_lifetime": 1})
    with bench.client() as client:
        new_site(client)
        bench.sandbox.tokens.clear()
        assert len(client.list("site", (DEALER,))) == 1


def test_the_sandbox_sees_one_trace_id_and_a_key_a_write(bench: Bench) -> None:
    with bench.client() as client:
        site_id = new_site(client)
        batch(client, site_id)
        client.list("device", (DEALER, site_id))
    log = [record for record in bench.sandbox.requests() if record.path.startswith("/partner")]
    assert {record.trace_id for record in log} == {client.trace_id}
    assert [record.idempotency_key is not None for record in log] == [True, True, False]
    assert (client.requests.writes, client.requests.reads, client.requests.tokens) == (2, 1, 1)


@pytest.mark.parametrize("shape", ["live", "page"])
@pytest.mark.parametrize("states", ["simple", "modes"])
def test_a_site_is_armed_and_disarmed(bench: Bench, shape: str, states: str) -> None:
    bench.sandbox.switches = Switches().changed(
        {"shape": shape, "arming_states": states, "arming_delay": 0.0}
    )
    with bench.client() as partner:
        site_id = new_site(partner)
    with bench.client("dealer", dialect=shape) as client:
        assert site_state(client, DEALER, site_id).status == "disarmed"
        result = send(client, DEALER, site_id, Command("arm", "reconciler:test@1", "k1"))
        assert result.error is None
        assert result.server_time is not None
        armed = site_state(client, DEALER, site_id)
        assert armed.status == ("armed" if (shape, states) == ("live", "simple") else "armed_away")
        assert armed.server_time is not None
        assert send(client, DEALER, site_id, Command("disarm", "reconciler:test@1", "k2")).error is None
        assert site_state(client, DEALER, site_id).status == "disarmed"


@pytest.mark.parametrize("envelope", ["array", "partitions", "data"])
@pytest.mark.parametrize("shape", ["live", "page"])
def test_partitions_are_armed_one_by_one(bench: Bench, envelope: str, shape: str) -> None:
    bench.sandbox.switches = Switches().changed(
        {"shape": shape, "partition_envelope": envelope, "new_site_partitions": 2, "arming_delay": 0.0}
    )
    with bench.client() as partner:
        site_id = new_site(partner)
    with bench.client("dealer", dialect=shape) as client:
        first, second = partition_states(client, DEALER, site_id)
        assert (first.status, second.status) == ("disarmed", "disarmed")
        assert second.partition_id is not None
        command = Command("arm", "reconciler:test@1", "k1", partition_ids=(second.partition_id,))
        assert send(client, DEALER, site_id, command).error is None
        first, second = partition_states(client, DEALER, site_id)
        assert first.status == "disarmed"
        assert second.status.startswith("armed")


def test_an_unknown_site_is_an_error(bench: Bench) -> None:
    with bench.client("dealer") as client, pytest.raises(RemoteError, match="404"):
        site_state(client, DEALER, "999")
