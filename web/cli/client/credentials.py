"""Which server a command asks, and with which key: the environment, else `~/.clorp/credentials.json`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from web.client import DEFAULT_URL


@dataclass(frozen=True)
class Account:
    """A server, and the key for it; None asks only what everybody may."""

    api_url: str
    api_key: str | None


def current(api_url: str | None = None) -> Account:
    """The account that counts: CLORP_API_URL and CLORP_API_KEY win over what was stored.

    Args:
        api_url: the server, where it was named.
    """
    kept = _read()
    named = api_url or os.environ.get("CLORP_API_URL") or kept["current"]
    key = os.environ.get("CLORP_API_KEY", "").strip()
    return Account(named, key or kept["servers"].get(_same(named), {}).get("api_key"))


def keep(account: Account, name: str) -> None:
    """Store the key for its server, which becomes the current one."""
    kept = _read()
    kept["servers"][_same(account.api_url)] = {"api_key": account.api_key, "name": name}
    _write({**kept, "current": account.api_url})


def forget(api_url: str) -> bool:
    """Forget the key for a server; gives whether there was one."""
    kept = _read()
    known = kept["servers"].pop(_same(api_url), None) is not None
    if known:
        _write(kept)
    return known


def path() -> Path:
    """Where the keys are stored."""
    return Path("~/.clorp/credentials.json").expanduser()


def _same(api_url: str) -> str:
    return api_url.strip().rstrip("/").removesuffix("/api")


def _read() -> dict[str, Any]:
    try:
        text = path().read_text()
    except FileNotFoundError:
        return {"current": DEFAULT_URL, "servers": {}}
    try:
        kept = json.loads(text)
        return {
            "current": str(kept["current"]),
            "servers": {url: dict(one) for url, one in kept["servers"].items()},
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise click.ClickException(f"{path()} is damaged. Delete it, and `clorp login` again.") from None


def _write(kept: dict[str, Any]) -> None:
    """Replace the file whole, so that nobody ever reads half of it, and nobody else reads it at all."""
    folder = path().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(folder.stat().st_mode & 0o711)  # PostgreSQL's own user may have to pass to the data in it
    unfinished = folder / f".credentials.{uuid4().hex}"
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(kept, file, indent=2)
        unfinished.replace(path())
    finally:
        unfinished.unlink(missing_ok=True)
