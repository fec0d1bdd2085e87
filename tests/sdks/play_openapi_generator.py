"""A drop, played with the client that openapi-generator generated for Python; see `test_drop.py`."""

import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from clorp_sdk import (
    ApiClient,
    BoardApi,
    ClaimBody,
    Configuration,
    Entry,
    Estimate,
    Job,
    JobsApi,
    Named,
    PostedJob,
    RunBody,
    SignUp,
    UploadsApi,
    UsersApi,
    WalletApi,
)
from clorp_sdk.exceptions import ForbiddenException

READS_MAX = 20


def client(url: str, key: str | None = None) -> ApiClient:
    return ApiClient(Configuration(host=url, access_token=key))


def signed_up(url: str, names: list[str]) -> list[str]:
    users = UsersApi(client(url))
    return [users.sign_up(SignUp(name=name)).api_key for name in names]


def brought(user: ApiClient, path: Path) -> Named:
    stored = UploadsApi(user).upload(file=(path.name, path.read_bytes()))
    return Named(key=str(stored.key), name=stored.name, size=stored.size)


def fetched(user: ApiClient, key: UUID, path: Path) -> None:
    path.write_bytes(UploadsApi(user).download(key))


def verified(jobs: JobsApi, job_id: UUID) -> Job:
    for _ in range(READS_MAX):
        job = jobs.read(job_id, wait=25)
        if job.status == "verified":
            return job
    raise AssertionError(f"the drop is {job.status}")


def refused(jobs: JobsApi, job_id: UUID, text: str) -> str:
    try:
        jobs.submit(job_id, Entry(text=text))
    except ForbiddenException as error:
        return error.data.code
    raise AssertionError("a sender handed in an entry")


def played(url: str, keys: list[str], folder: Path, prompt: str, text: str) -> dict[str, Any]:
    ada, bob = (client(url, key) for key in keys)
    sender, competitor = JobsApi(ada), JobsApi(bob)
    brief = brought(ada, folder / "brief.bin")
    estimate = sender.run(RunBody(prompt=prompt, price_cents=100))
    assert isinstance(estimate, Estimate)
    terms = RunBody(prompt=prompt, price_cents=100, time_limit_seconds=1, attachments=[brief], confirmed=True)
    job = sender.run(terms)
    assert isinstance(job, PostedJob)
    board = [row.id for row in BoardApi(bob).joinable().board]
    claimed = competitor.claim(job.id, claim_body=ClaimBody())
    fetched(bob, competitor.read(job.id).attachments[0].key, folder / "brief.fetched")
    own = refused(sender, job.id, text)
    files = [brought(bob, folder / name) for name in ("out.md", "out.json")]
    competitor.submit(job.id, Entry(text=text, files=files))
    job = verified(sender, job.id)
    for file in job.output_attachments:
        fetched(ada, file.key, folder / f"{file.name}.fetched")
    return {
        "estimated": estimate.estimated_price_cents,
        "on_the_board": job.id in board,
        "claimed": claimed.job_id == job.id,
        "refused": own,
        "text": job.output_text,
        "ranks": [row.rank for row in sender.submissions(job.id).submissions],
        "balance": WalletApi(bob).balance().balance_cents,
    }


task = json.load(sys.stdin)
if task["keys"]:
    print(json.dumps(played(task["url"], task["keys"], Path(task["folder"]), task["prompt"], task["text"])))
else:
    print(json.dumps(signed_up(task["url"], task["names"])))
