"""The deployment files are what their readers take: Kubernetes' schemas, systemd's own check, our options."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from reconciler.cli.console import Console
from reconciler.cli.main import cli
from reconciler.fleet.worker import DEAD_AFTER
from reconciler.ledger.upkeep import LANES_STOP

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFESTS = sorted((EXAMPLES / "kubernetes").glob("*.yaml"))
UNITS = sorted((EXAMPLES / "systemd").glob("*.service"))


def documents() -> Iterator[Any]:
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def of_kind(kind: str) -> Any:
    [found] = [each for each in documents() if each["kind"] == kind]
    return found


def parsed(words: list[str]) -> None:
    """Fails where a command line has an option or an argument that is none; runs nothing."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        name = words.pop(0)
        if name == "enforce":
            words.insert(0, "run")
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    command.make_context(command.name, words, obj=Console())


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_LEDGER_URL", "postgresql://db.example.com/fleet")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
@pytest.mark.parametrize("version", ["1.29", "1.32"])
def test_kubernetes_takes_the_manifests(path: Path, version: str) -> None:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_mistake_in_a_manifest_would_be_seen() -> None:
    broken = of_kind("Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.32", strict=True)


def test_a_pod_has_the_time_that_a_drain_takes_and_a_probe_the_patience_that_the_fleet_has() -> None:
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > LANES_STOP
    [container] = pod["containers"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        file = container[probe]["exec"]["command"][3]
        assert str(Path(file).parent) in mounted
        assert file in container["args"]
    assert int(container["livenessProbe"]["exec"]["command"][5].rstrip("s")) > DEAD_AFTER


def test_no_secret_stands_in_a_manifest() -> None:
    for document in documents():
        assert document["kind"] != "Secret"
    [container] = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        assert "valueFrom" in variable or variable["name"] == "XDG_STATE_HOME"


@pytest.mark.usefixtures("_quiet")
def test_the_command_lines_are_ours() -> None:
    lines = []
    for document in documents():
        for pod in (document["spec"].get("template"), document["spec"].get("jobTemplate")):
            spec = pod and pod["spec"].get("template", pod)["spec"]
            for container in (spec or {}).get("containers", ()):
                lines.append(list(container["args"]))
                probes = [value for name, value in container.items() if name.endswith("Probe")]
                lines += [probe["exec"]["command"][1:] for probe in probes]
    for path in UNITS:
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(path.read_text(encoding="utf-8"))
        lines.append(shlex.split(unit["Service"]["ExecStart"])[1:])
    assert len(lines) == 7
    for words in lines:
        parsed(words)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_units(path: Path, tmp_path: Path) -> None:
    name = path.name.replace("@.", "@1.")
    text = path.read_text(encoding="utf-8").replace("/usr/local/bin/reconciler", shutil.which("true") or "")
    (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in done.stderr, done.stderr
