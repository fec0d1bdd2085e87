"""docker-compose.yml, the Dockerfile and the locks hold together, said without a Docker to try them."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import celeryconfig
from models.settings import Settings
from tests.workers.processes import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
PARTS = {"postgres", "redis", "migrate", "web", "worker-judge", "worker-money", "beat"}
OURS = PARTS - {"postgres", "redis"}
ONE_SHOT = {"migrate"}

# Which of the variables that our containers get mean something to other programs than ours.
FOREIGN = {"PGPASSWORD", "REMAP_SIGTERM"}

services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
dockerfile = (ROOT / "Dockerfile").read_text()


def _check_schema(file: Path) -> subprocess.CompletedProcess[str]:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*checker, str(file)], capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def _option(service: str, name: str) -> str | None:
    words = shlex.split(services[service].get("command", ""))
    return words[words.index(name) + 1] if name in words else None


def _queues(service: str) -> set[str]:
    return set((_option(service, "--queues") or "").split(",")) - {""}


def _settings_names() -> set[str]:
    fields = Settings.model_fields.items()
    return {str(field.validation_alias or f"CLORP_{name.upper()}") for name, field in fields}


def _pins(lock: str) -> list[str]:
    pins = re.findall(r"^(\S+==\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    assert pins
    return pins


def test_it_follows_the_compose_specification():
    result = _check_schema(COMPOSE)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("right", "wrong"), [("healthcheck:", "helthcheck:"), ("init: true", "init: [yes]"), ("tmpfs:", "tmpf:")]
)
def test_the_specification_refuses_a_mistake(tmp_path: Path, right: str, wrong: str):
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text().replace(right, wrong))
    assert _check_schema(broken).returncode == 1


def test_every_part_is_a_service_of_its_own():
    assert set(services) == PARTS


def test_every_queue_is_consumed_and_no_other():
    consumed = [queue for service in services for queue in _queues(service)]
    assert sorted(consumed) == sorted(queue.name for queue in celeryconfig.task_queues)


def test_workers_neither_gossip_nor_mingle():
    for service in services:
        if _queues(service):
            assert {"--without-gossip", "--without-mingle"} <= set(services[service]["command"].split())


def test_exactly_one_beat():
    beats = [name for name in services if " beat" in services[name].get("command", "")]
    assert beats == ["beat"]
    assert services["beat"].get("deploy", {}).get("replicas", 1) == 1


def test_only_web_has_a_port_and_only_on_this_machine():
    assert [name for name in services if "ports" in services[name]] == ["web"]
    assert services["web"]["ports"] == ["${LISTEN:-127.0.0.1:8000}:8000"]


def test_every_service_but_web_can_be_scaled():
    for name, service in services.items():
        assert not {"container_name", "hostname", "network_mode"} & set(service), name


@pytest.mark.parametrize("name", sorted(PARTS - ONE_SHOT))
def test_who_stays_has_a_health_check_and_comes_back(name: str):
    assert services[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert services[name]["restart"] == "unless-stopped"


def test_who_ends_does_not_come_back():
    assert services["migrate"]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(OURS - ONE_SHOT))
def test_ours_wait_for_the_schema_and_for_redis(name: str):
    assert services[name]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "redis": {"condition": "service_healthy"},
    }


def test_the_migration_waits_for_postgres():
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_may_do_nothing_but_their_work(name: str):
    service = services[name]
    assert service["build"] == "."
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service  # the image's own
    assert not {"privileged", "cap_add"} & set(service)


def test_ours_write_nothing_but_uploads_and_all_who_touch_them_share_one_folder():
    written = {name: services[name]["volumes"] for name in OURS if "volumes" in services[name]}
    assert written == {name: ["uploads:/data/uploads"] for name in ("web", "worker-judge", "worker-money")}
    assert all(services[name]["environment"]["CLORP_DATA"] == "/data" for name in written)
    assert "--owner clorp --group clorp --mode 700 /data /data/uploads" in dockerfile


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_stop_leaves_time_to_hand_work_back(name: str):
    service = services[name]
    assert service["init"] is True
    assert service["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert int(service["stop_grace_period"].removesuffix("s")) > celeryconfig.worker_soft_shutdown_timeout


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_are_told_only_settings_that_exist(name: str):
    told = set(services[name]["environment"])
    assert told - FOREIGN <= _settings_names()
    assert told >= {"CLORP_DATABASE_URL", "CLORP_REDIS_URL", "CLORP_ENCRYPTION_KEYS", "CRON_SECRET"}


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "CLORP_ENCRYPTION_KEYS"])
def test_what_must_be_secret_has_no_default(name: str):
    uses = re.findall(rf"\$\{{{name}(..)", COMPOSE.read_text())
    assert uses
    assert set(uses) == {":?"}


def test_redis_loses_nothing_it_was_given():
    assert _option("redis", "--appendonly") == "yes"
    assert _option("redis", "--appendfsync") == "everysec"
    assert _option("redis", "--maxmemory-policy") == "noeviction"


@pytest.mark.parametrize(("name", "folder"), [("postgres", "/var/lib/postgresql"), ("redis", "/data")])
def test_data_outlives_its_container(name: str, folder: str):
    assert services[name]["volumes"] == [f"{name}:{folder}"]


def test_images_of_others_are_held_to_a_major_version():
    images = [services[name]["image"] for name in PARTS - OURS]
    stages = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert stages
    for image in [*images, *stages]:
        assert re.fullmatch(r"[a-z]+:\d+(\.\d+)*(-[a-z]+)?", image), image


def test_the_image_runs_as_a_fixed_ordinary_user():
    last_stage = dockerfile.rpartition("\nFROM ")[2]
    users = re.findall(r"^USER (\d+):(\d+)$", last_stage, re.MULTILINE)
    assert users
    assert int(users[-1][0]) >= 1000
    assert int(users[-1][1]) >= 1000


def test_the_image_installs_only_what_is_locked():
    installs = re.findall(r"pip (?:--python \S+ )?install (.+)", dockerfile)
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes -r requirements-" in install or install == "--no-deps dist/*.whl"


def test_the_locks_agree_and_name_no_registry():
    everything = set(_pins("requirements.lock"))
    assert everything >= {*_pins("requirements-server.lock"), *_pins("requirements-build.lock")}
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text(), lock.name


@pytest.mark.parametrize("extra", ["s3", "stripe"])
def test_the_image_can_do_whatever_its_settings_say(extra: str):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split("[^a-z0-9-]", need)[0] for need in project["optional-dependencies"][extra]}
    assert wanted
    assert wanted <= {pin.partition("==")[0] for pin in _pins("requirements-server.lock")}
    (target,) = re.findall(r"compile ([^;]*)-o requirements-server.lock", (ROOT / "Makefile").read_text())
    assert f"--extra {extra} " in target


def test_nothing_secret_reaches_the_image():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    assert {f"!{source}" for sources in copied for source in sources.split()} == {
        line for line in ignored if line.startswith("!")
    }
