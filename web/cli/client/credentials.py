"""Whom the commands speak for, and to which server: the environment, else a profile of those stored.

A profile is a server and a key for it under a name, in `~/.clorp/credentials.json`. A key is sent to the
server that it was stored for and to no other.
"""

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from pathlib import Path
from uuid import uuid4

import click

from web.client import DEFAULT_URL

DEFAULT = "default"  # the profile that counts until another one is chosen
NAME_MAX = 64  # characters of the name of a profile
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@-]{{0,{NAME_MAX - 1}}}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._@-]+")


@dataclass(frozen=True)
class Profile:
    """A server and the key of a user there; without a key only what is public can be read.

    `name`: empty where the key is that of CLORP_API_KEY.
    """

    name: str
    api_url: str
    api_key: str | None = None
    user: str | None = None

    @property
    def key_of(self) -> str:
        """Where the key is from, in words that follow "the key"."""
        return f"of the profile {self.name}" if self.name else "in CLORP_API_KEY"

    def at(self, api_url: str) -> "Profile":
        """Return this profile on a server: without its key where that is another server."""
        if same(api_url) == same(self.api_url):
            return self
        return Profile(self.name, api_url)


@dataclass(frozen=True)
class Stored:
    """What the file holds: the profile that counts, and every profile by its name."""

    current: str
    profiles: dict[str, Profile]


def current(profile: str | None = None, api_url: str | None = None) -> Profile:
    """Return the profile that counts.

    Args:
        profile: its name; else that of CLORP_PROFILE, else the one that was chosen last.
        api_url: the server; else that of CLORP_API_URL, else the profile's. CLORP_API_KEY replaces its key.

    Raises:
        UsageError: a profile was named that is not stored.
    """
    named = profile or os.environ.get("CLORP_PROFILE")
    stored = read()
    if named and named not in stored.profiles and not os.environ.get("CLORP_API_KEY"):
        have = ", ".join(sorted(stored.profiles)) or "none yet"
        raise click.UsageError(
            f"There is no profile {named!r}; stored are: {have}. Make it: clorp login --profile {named}"
        )
    found = stored.profiles.get(named or stored.current, Profile(named or stored.current, DEFAULT_URL))
    server = api_url or os.environ.get("CLORP_API_URL")
    found = found.at(server) if server else found
    key = os.environ.get("CLORP_API_KEY", "").strip()
    return Profile("", found.api_url, key) if key else found


def named(profile: str | None, api_url: str | None) -> Profile:
    """Return the profile that a login fills: one that is stored, or a new one without a key.

    A new one is at the server of the profile that counts, unless another one is named.

    Raises:
        UsageError: the name cannot be one.
    """
    stored = read()
    name = profile or os.environ.get("CLORP_PROFILE") or stored.current
    if not NAME.fullmatch(name):
        raise click.UsageError(
            f"{name!r} cannot name a profile: use up to {NAME_MAX} letters, digits and . _ @ - in it."
        )
    server = api_url or os.environ.get("CLORP_API_URL")
    known = stored.profiles.get(name)
    known = known or stored.profiles.get(stored.current)
    return Profile(name, server or (known.api_url if known else DEFAULT_URL))


def free_name(user: str) -> str:
    """Return a name for a new profile: as near to the user's as one may be, and not taken."""
    plain = _NOT_IN_NAMES.sub("-", user).strip("-._@")[: NAME_MAX - len("-99")] or "user"
    taken = read().profiles
    choices = chain([plain], (f"{plain}-{number}" for number in count(2)))
    return next(name for name in choices if name not in taken)


def completed(_ctx: click.Context, _param: click.Parameter, beginning: str) -> list[str]:
    """Return the stored profiles that begin so, for a shell that completes."""
    with suppress(click.ClickException, OSError):
        return [name for name in read().profiles if name.startswith(beginning)]
    return []


def keep(profile: Profile) -> None:
    """Store a profile in place of any of its name. The first one stored is the one that counts."""
    stored = read()
    profiles = {**stored.profiles, profile.name: profile}
    counts = stored.current if stored.current in profiles else profile.name
    _write(Stored(counts, profiles))


def use(name: str) -> None:
    """Make a stored profile the one that counts.

    Raises:
        UsageError: it is not stored.
    """
    current(name)
    _write(replace(read(), current=name))


def forget(name: str) -> Profile | None:
    """Delete a profile and its key. Return it; None where none of that name is stored."""
    stored = read()
    found = stored.profiles.pop(name, None)
    if found:
        _write(Stored(DEFAULT if stored.current == name else stored.current, stored.profiles))
    return found


def path() -> Path:
    """Return where profiles are stored."""
    return Path("~/.clorp/credentials.json").expanduser()


def same(api_url: str) -> str:
    """Return an address in the one form in which two of the same server are equal."""
    return api_url.strip().rstrip("/").removesuffix("/api")


def read() -> Stored:
    """Return what is stored.

    Raises:
        ClickException: the file is damaged.
    """
    try:
        text = path().read_text()
    except FileNotFoundError:
        return Stored(DEFAULT, {})
    try:
        document = json.loads(text)
        profiles = {name: Profile(name, **fields) for name, fields in document["profiles"].items()}
        return Stored(str(document["current"]), profiles)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise click.ClickException(
            f"{path()} is damaged. Move it away, it may hold the only copy of a key, and `clorp login` again."
        ) from None


def _write(stored: Stored) -> None:
    """Replace the file whole, so that no half of it is ever read, and only its owner reads it."""
    profiles = {
        name: {field: value for field, value in asdict(profile).items() if field != "name"}
        for name, profile in stored.profiles.items()
    }
    folder = path().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(folder.stat().st_mode & 0o711)  # PostgreSQL's own user may have to pass to the data in it
    unfinished = folder / f".credentials.{uuid4().hex}"
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"current": stored.current, "profiles": profiles}, file, indent=2)
        unfinished.replace(path())
    finally:
        unfinished.unlink(missing_ok=True)
