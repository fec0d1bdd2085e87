"""Every setting of clorp: its name, default and reason. Nothing else reads the environment.

Values come from the environment, a `.env` file and `/run/secrets`, in that order.
"""

import os
import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from models import crash, validation

SECRET_MIN = 16  # characters: of 60 guesses a minute none comes near, even where they are of one case

_SECRETS = Path("/run/secrets")
_PREFIX = "CLORP_"
# Of those who speak to a server, and of the tests; no settings of a server.
_OTHERS = ("CLORP_API_KEY", "CLORP_API_URL", "CLORP_PROFILE", "CLORP_TEST_", "CLORP_FUZZ_")


def _default_data() -> Path:
    # PostgreSQL refuses to run as root, and its own user cannot enter root's home.
    return Path("/var/lib/clorp") if os.geteuid() == 0 else Path.home() / ".clorp" / "data"


class Settings(BaseSettings):
    """One instance serves web, workers and command; read it through `settings()`."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    database_url: str | None = Field(
        None, description="PostgreSQL to use, `postgresql://…`. Unset: an embedded server in `CLORP_DATA`."
    )
    database_direct_url: str | None = Field(
        None,
        description="PostgreSQL itself, where `CLORP_DATABASE_URL` is a pooler in transaction mode: "
        "`clorp backup` and `clorp restore` need sessions of their own.",
    )
    redis_url: str | None = Field(
        None, description="Redis or Valkey to use, `redis://…`. Unset: an embedded server in `CLORP_DATA`."
    )
    data: Path = Field(
        default_factory=_default_data,
        description="Folder of the embedded servers, uploads and generated secrets; `~/.clorp/data`, "
        "for root `/var/lib/clorp`, which PostgreSQL's own user can enter.",
    )
    uploads: str | None = Field(
        None,
        pattern=r"^s3://[^/\s]+(/\S*)?$",
        description="Bucket for uploaded files, `s3://bucket/prefix`, with `AWS_…` variables as obstore "
        "reads them (`AWS_ENDPOINT` for a server of your own, `AWS_ALLOW_HTTP=true` if it has no TLS) and "
        "the extra `s3` installed. Unset: the folder `uploads` in `CLORP_DATA`.",
    )
    database_pool: int = Field(
        20,
        ge=1,
        description="Database connections one process keeps at most; web runs 128 threads on them, of which "
        "64 may wait or stream, without one.",
    )
    encryption_keys: str | None = Field(
        None,
        description="Comma list of Fernet keys for `envVars`; the first encrypts, all decrypt, so keys can "
        "rotate. `clorp up` makes one.",
    )
    cron_secret: str | None = Field(
        None,
        validation_alias="CRON_SECRET",
        repr=False,
        description="Bearer secret of `/api/cron/enforce-deadlines`, of at least 16 characters; unset, the "
        "route answers 503.",
    )

    max_claims: int = Field(5, ge=1, le=50, description="Slots of a drop; frozen on it when it is created.")
    claim_ttl_seconds: int = Field(
        300, ge=1, description="How long a claim holds its slot without an entry; never past the window."
    )
    time_limit_default_seconds: int = Field(300, ge=1, description="Window when the sender names none.")
    time_limit_min_seconds: int = Field(30, ge=1, description="Shorter windows are raised to this.")
    time_limit_max_seconds: int = Field(3600, ge=1, description="Longer windows are lowered to this.")
    price_min_cents: int = Field(50, ge=1, description="Smaller bounties are raised to this.")
    price_max_cents: int = Field(100_000, ge=1, description="Larger bounties are lowered to this.")
    platform_fee_bps: int = Field(
        0, ge=0, le=10_000, description="Fee in hundredths of a percent; frozen at creation."
    )
    platform_fee_flat_cents: int = Field(0, ge=0, description="Flat part of the fee; frozen at creation.")
    revision_cooldown_seconds: int = Field(
        10, ge=0, description="Pause between two revisions of one entry; the first entry never waits."
    )
    max_idle_claims: int = Field(
        3, ge=1, description="Live claims without an entry one user may hold, so that slots are not hoarded."
    )
    max_pending_drops: int = Field(20, ge=1, description="Unpaid drops one sender may keep.")
    unpaid_files_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days after its end for which the files of a drop that ended without a payout, and of "
        "its entries, are kept; then their bytes are removed, and until then they count for their owners' "
        "quota.",
    )
    no_show_limit: int = Field(
        3, ge=0, description="No-shows within an hour that bring a pause of ten minutes; 0 switches it off."
    )
    signup: bool = Field(
        True, description="Whether anybody may make a user over HTTP; off, only `clorp admin user` does."
    )
    sweep_seconds: float = Field(
        1.0, gt=0, description="How often beat looks for owed work; a lost message costs about this long."
    )

    judge: Literal["local", "llm", "unruly"] = Field(
        "local",
        description="Who ranks and grades: `local` needs no network; `llm` asks a model; `unruly` is `local` "
        "with faults on demand, for `clorp torture`.",
    )
    judge_seconds: float = Field(
        120.0,
        gt=0,
        description="How long a judge without a model may take for one ballot; then it is given up and asked "
        "anew.",
    )
    judge_concurrency: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Ballots one judge worker casts at once. Unset: 8; with `llm` 128, for it is waited for.",
    )
    llm_dialect: Literal["openai", "anthropic"] = Field(
        "openai",
        description="What the server speaks: chat completions with a JSON schema, or messages.",
    )
    llm_base_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Where the model is asked, up to and with `/v1`. Unset: OpenAI's or Anthropic's.",
    )
    llm_api_key: str | None = Field(
        None, repr=False, description="Key for the model's server; a server of your own may need none."
    )
    llm_model: str | None = Field(None, description="The model that casts ballots; `llm` needs it.")
    llm_fallback_model: str | None = Field(
        None,
        description="A second model on the same server: for drops on whose winner the ballots disagree, and "
        "for those that the first one did not get done.",
    )
    llm_timeout_seconds: float = Field(
        30.0, gt=0, le=600, description="How long one call may take; it is tried up to three times."
    )
    llm_input_cents_per_million: float = Field(
        0.0, ge=0, description="Price of a million tokens read; of the dearer one of two models."
    )
    llm_output_cents_per_million: float = Field(0.0, ge=0, description="Price of a million tokens written.")
    llm_cents_per_drop_max: float | None = Field(
        None,
        gt=0,
        description="What judging one drop may cost; then the local judge decides. Wants prices.",
    )
    llm_cents_per_day_max: float | None = Field(
        None, gt=0, description="What all judging of a day, in UTC, may cost; likewise."
    )

    rate_limits: bool = Field(
        True,
        description="Whether requests are counted and limited; `off` is for load tests.",
    )
    reads_per_minute: int = Field(
        600, ge=1, description="GET requests of one user, or of one address on public routes."
    )
    writes_per_minute: int = Field(
        120, ge=1, description="Requests that change something, of one user or one address."
    )
    streams_per_minute: int = Field(
        60, ge=1, description="Event streams opened by one user or one address; each holds a thread."
    )
    signups_per_hour: int = Field(
        5, ge=1, description="New users from one address, so that names and wallets are not mass-produced."
    )
    drops_per_hour: int = Field(
        240, ge=1, description="Drops that one user posts: the row of a drop stays, whatever becomes of it."
    )
    strangers_per_minute: int = Field(
        60,
        ge=1,
        description="Requests with a wrong key or none from one address, so that keys are not guessed; "
        "counted apart, those to routes with a bearer secret, whatever they bear.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        description="Proxies in front, each of which sets `X-Forwarded-For` and `-Proto`: these headers are "
        "believed then, and no other ever. With none, anybody could invent an address. Behind one proxy, set "
        "1: else all its clients share one limit.",
    )
    log: Literal["text", "json"] = Field(
        "text",
        description="`text` for people, without a time: `clorp up`, Docker and journald add one; "
        "`json` for machines.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = Field(
        None,
        description="With `INFO` each request and task has a line. Unset: `INFO` in `json`, else `WARNING`.",
    )
    metrics_token: str | None = Field(
        None,
        repr=False,
        description="Bearer secret of `/metrics`, of at least 16 characters; unset, everybody may read it: "
        "it has numbers, no names.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    payments: Literal["sandbox", "stripe"] = Field(
        "sandbox",
        description="Rail of top-ups and withdrawals: `sandbox` (play money, at once) or `stripe`.",
    )
    stripe_secret_key: str | None = Field(
        None,
        validation_alias="STRIPE_SECRET_KEY",
        repr=False,
        description="Stripe's API key; without it what needs Stripe answers 503.",
    )
    stripe_webhook_secret: str | None = Field(
        None,
        validation_alias="STRIPE_WEBHOOK_SECRET",
        repr=False,
        description="Secret of the Stripe endpoint `/api/stripe/webhook`; only what it signed is believed.",
    )
    stripe_api_url: str | None = Field(
        None, description="Another address of Stripe's API, such as a local double. Unset: Stripe's own."
    )
    public_url: str | None = Field(
        None,
        description="Where people reach this server, with the path that a proxy takes away: every link in "
        "an answer begins with it, and Stripe sends people back there. Unset: links are relative; `clorp up` "
        "takes its own address, so set it behind any proxy.",
    )

    crash_at: str | None = Field(
        None,
        description="For tests: where a process of web or workers dies as by SIGKILL, the first time it "
        "comes there, with `:N` the N-th; a wrong name is answered with the list.",
    )

    @field_validator("crash_at")
    @classmethod
    def _point(cls, planned: str | None) -> str | None:
        if planned:
            crash.read(planned)
        return planned

    @field_validator("encryption_keys")
    @classmethod
    def _fernet(cls, keys: str | None) -> str | None:
        if keys is None:
            return None
        kept = [key.strip() for key in keys.split(",") if key.strip()]
        for key in kept:
            try:
                Fernet(key)
            except ValueError:
                raise ValueError(
                    "each key has to be 32 bytes in URL-safe base64, as Fernet makes them"
                ) from None
        return ",".join(kept) or None

    @field_validator("public_url")
    @classmethod
    def _prefix(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://localhost")
        plain = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        if not plain or any(sign in '<>"' or not sign.isprintable() for sign in url or ""):
            raise ValueError("no address to begin links with: write it as https://market.example/clorp")
        return url and url.rstrip("/")

    @field_validator("llm_api_key", "cron_secret", "metrics_token")
    @classmethod
    def _header(cls, key: str | None) -> str | None:
        key = key and key.strip()  # a file that holds it may well end in a newline
        if key and not (key.isascii() and key.isprintable()):
            raise ValueError("a key is printable ASCII on one line: this one has other characters in it")
        return key or None

    @field_validator("cron_secret", "metrics_token")
    @classmethod
    def _unguessable(cls, secret: str | None) -> str | None:
        if secret and len(secret) < SECRET_MIN:
            raise ValueError(
                f"a secret of fewer than {SECRET_MIN} characters can be guessed: take a longer one, as "
                "`openssl rand -hex 16` makes it"
            )
        return secret

    @field_validator("llm_base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        try:
            parts = urlsplit(url or "http://localhost")
            sound = bool(parts.hostname and parts.hostname.encode("idna")) and parts.port != 0
        except ValueError:  # of which UnicodeError is one: a name that is none, a port beyond all ports
            sound = False
        if not sound:
            raise ValueError("no address that can be asked: it needs a host, as http://127.0.0.1:8080/v1 has")
        if parts.query or parts.fragment:
            raise ValueError("what is asked is added at its end: leave out everything from ? or # on")
        return url

    @model_validator(mode="after")
    def _judge(self) -> "Settings":
        if self.judge == "llm" and not self.llm_model:
            raise ValueError("CLORP_JUDGE is llm: set CLORP_LLM_MODEL to the model to be asked")
        capped = self.llm_cents_per_drop_max or self.llm_cents_per_day_max
        if capped and not self.priced:
            raise ValueError(
                "a cap on cents wants prices: set CLORP_LLM_INPUT_CENTS_PER_MILLION and "
                "CLORP_LLM_OUTPUT_CENTS_PER_MILLION"
            )
        return self

    @property
    def priced(self) -> bool:
        """Whether it is known what a model costs."""
        return bool(self.llm_input_cents_per_million or self.llm_output_cents_per_million)

    @property
    def ballots_at_once(self) -> int:
        """How many ballots one judge worker casts at once."""
        return self.judge_concurrency or (128 if self.judge == "llm" else 8)

    @property
    def models(self) -> tuple[str, ...]:
        """Who is asked for ballots: none, a model, or a first and a second one."""
        if self.judge != "llm" or not self.llm_model:
            return ()
        return (self.llm_model, self.llm_fallback_model) if self.llm_fallback_model else (self.llm_model,)

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _postgresql(cls, url: str | None) -> str | None:
        if url and not re.match(r"postgres(ql)?(\+psycopg2)?://", url):
            raise ValueError("no address of a PostgreSQL: it has to begin with postgresql://")
        # Hosting services hand out postgres://, which SQLAlchemy does not know.
        return url and url.replace("postgres://", "postgresql://", 1)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: str | None) -> str | None:
        if url and not re.match(r"rediss?://", url):
            raise ValueError("no address of a Redis or Valkey: it has to begin with redis:// or rediss://")
        return url


class BucketClient(BaseSettings):
    """The variables `AWS_…` that say how the bucket of `CLORP_UPLOADS` is spoken to, by obstore's names.

    Each is text that obstore reads. What others say of the bucket and its keys obstore finds by itself.
    """

    model_config = SettingsConfigDict(env_prefix="AWS_", env_ignore_empty=True, extra="ignore", frozen=True)

    allow_http: str | None = None
    allow_invalid_certificates: str | None = None
    connect_timeout: str | None = None
    default_content_type: str | None = None
    http1_only: str | None = None
    http2_keep_alive_interval: str | None = None
    http2_keep_alive_timeout: str | None = None
    http2_keep_alive_while_idle: str | None = None
    http2_max_frame_size: str | None = None
    http2_only: str | None = None
    pool_idle_timeout: str | None = None
    pool_max_idle_per_host: str | None = None
    proxy_ca_certificate: str | None = None
    proxy_excludes: str | None = None
    proxy_url: str | None = None
    randomize_addresses: str | None = None
    read_timeout: str | None = None
    timeout: str | None = None
    user_agent: str | None = None


class SettingsError(ValueError):
    """Settings that cannot be used: a line for each, which never shows the value."""


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once; `settings.cache_clear()` reads them anew.

    Raises:
        SettingsError: some cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(map(_complaint, error.errors(include_input=False)))) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{Path('.env').absolute()} is no text in UTF-8: save it as that.") from None


def env_name(field: str) -> str:
    """What a setting is called in the environment."""
    return str(Settings.model_fields[field].validation_alias or f"{_PREFIX}{field.upper()}")


def misspelt() -> list[str]:
    """A sentence for each `CLORP_…` in the environment or `.env` that nothing reads.

    Raises:
        SettingsError: settings that are known cannot be used; first things first.
    """
    settings()  # a file that cannot be read is told of there
    known = [env_name(field) for field in Settings.model_fields]
    sources = EnvSettingsSource(Settings), DotEnvSettingsSource(Settings)
    given = {name.upper() for source in sources for name in source.env_vars}
    ours = {name for name in given if name.startswith(_PREFIX) and not name.startswith(_OTHERS)}
    return [_unknown(name, get_close_matches(name, known, 1, 0.8)) for name in sorted(ours - set(known))]


def _unknown(name: str, close: list[str]) -> str:
    return f"{name} is no setting" + (f": did you mean {close[0]}?" if close else "")


def _complaint(error: ErrorDetails) -> str:
    if not error["loc"]:  # of several together
        return error["msg"].removeprefix("Value error, ") + "."
    field = str(error["loc"][0])
    name = env_name(field) if field in Settings.model_fields else field
    return f"{name}: {validation.message(error)}."
