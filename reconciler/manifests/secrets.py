"""Secrets are written as references and looked up at the last moment (DESIGN section 4)."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from reconciler.errors import SecretError
from reconciler.manifests.files import NotTextError, read_bytes
from reconciler.model import SecretRef, SecretStore
from reconciler.redaction import SHORTEST

STORES: tuple[SecretStore, ...] = get_args(SecretStore)
MAX_BYTES = 65_536
"""Of a secret's file."""

WAY_OUT = "Write {env: NAME}, {file: PATH} or {keyring: SERVICE/NAME}."


def reference(value: object, folder: str) -> SecretRef:
    """The reference written as ``{env|file|keyring: name}``.

    ``folder``: project-relative folder of the manifest, which file references are relative to; the
    result's are relative to the project. Raises ValueError, never with the value in it: somebody may
    have written the secret itself.
    """
    if not isinstance(value, Mapping):
        raise ValueError("a secret is never written in a manifest, only where it is kept")  # noqa: TRY004
    if len(value) != 1:
        raise ValueError("a secret names one place where it is kept")
    ((store, name),) = value.items()
    if store not in STORES:
        raise ValueError("a secret is kept in env, file or keyring")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{store}: the name of the secret is missing or not a text")
    if store == "file":
        name = posixpath.normpath(posixpath.join(folder, name))
    if store == "keyring" and not all(name.partition("/")):
        raise ValueError("keyring: the name is not of the form SERVICE/NAME")
    return SecretRef(cast("SecretStore", store), name)


def resolve(ref: SecretRef, directory: Path, env: Mapping[str, str]) -> str:
    """The secret itself.

    ``directory``: the project's, for file references; ``env``: the environment variables. A file's
    trailing line breaks do not count. Raises SecretError, which names the reference, not the value.
    """
    named = f"{{{ref.store}: {ref.name}}}"
    if ref.store == "env":
        value = env.get(ref.name)
        hint = f"Set the environment variable {ref.name}."
    elif ref.store == "file":
        value = _from_file(directory / ref.name, named)
        hint = "Put the secret in the file."
    else:
        value = _from_keyring(ref.name, named)
        hint = f"Store it with: keyring set {ref.name.replace('/', ' ', 1)}"
    if not value:
        missing = "is not set" if value is None else "is empty"
        raise SecretError(f"the secret {named} {missing}", hint=hint)
    if len(value) < SHORTEST:
        raise SecretError(
            f"the secret {named} is shorter than {SHORTEST} characters", hint="Use a longer secret."
        )
    return value


def _from_file(path: Path, named: str) -> str:
    """The text of a file anywhere: unlike what a plan shows, a secret belongs outside the project."""
    try:
        return read_bytes(path, MAX_BYTES).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(
            f"the secret {named} cannot be read: the file is not UTF-8 text", hint="Store it as UTF-8 text."
        ) from None
    except NotTextError as exc:
        raise SecretError(
            f"the secret {named} cannot be read: {exc.message}",
            hint="Put nothing but the secret in a file of its own.",
        ) from exc
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise SecretError(
            f"the secret {named} cannot be read: {why}",
            hint="Create the file, and let this user read it.",
        ) from exc


def exposed(ref: SecretRef, directory: Path) -> str | None:
    """A warning where a secret's file may be read by everybody on this machine, else None."""
    if ref.store != "file":
        return None
    try:
        mode = (directory / ref.name).stat().st_mode
    except (OSError, ValueError):  # reading it says so
        return None
    if not mode & stat.S_IROTH:
        return None
    return f"the secret {{file: {ref.name}}} may be read by every user of this machine: chmod 600 {ref.name}"


def _from_keyring(name: str, named: str) -> str | None:
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to import
        import keyring.errors  # noqa: PLC0415
    except ImportError:
        raise SecretError(
            f"the secret {named} needs the keyring package",
            hint="Install it with: pip install 'chekt-reconciler[keyring]'",
        ) from None
    service, _, user = name.partition("/")
    try:
        value: str | None = keyring.get_password(service, user)
    except keyring.errors.KeyringError as exc:
        raise SecretError(
            f"the secret {named} cannot be read: {type(exc).__name__}",
            hint="Unlock or set up the system keyring, or keep the secret in a file or the environment.",
        ) from exc
    return value
