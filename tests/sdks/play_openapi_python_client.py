"""A drop, played with the client that openapi-python-client generated; see `test_drop.py`."""

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from clorp_sdk import AuthenticatedClient, Client
from clorp_sdk.api.board import joinable
from clorp_sdk.api.jobs import claim, read, run, submissions, submit
from clorp_sdk.api.uploads import download, upload
from clorp_sdk.api.users import sign_up
from clorp_sdk.api.wallet import balance
from clorp_sdk.models import (
    ClaimBody,
    Entry,
    Estimate,
    Named,
    PostedJob,
    Problem,
    RunBody,
    SignUp,
    StoredFile,
    UploadBody,
)
from clorp_sdk.types import File

READS_MAX = 20


def signed_up(url: str, names: list[str]) -> list[str]:
    client = Client(base_url=url)
    return [sign_up.sync(client=client, body=SignUp(name=name)).api_key for name in names]


def brought(client: AuthenticatedClient, path: Path, content_type: str) -> Named:
    file = File(BytesIO(path.read_bytes()), path.name, content_type)
    stored = upload.sync(client=client, body=UploadBody(file=file))
    assert isinstance(stored, StoredFile)
    return Named(key=str(stored.key), name=stored.name, size=stored.size)


def fetched(client: AuthenticatedClient, key: UUID, path: Path) -> None:
    file = download.sync(key, client=client)
    assert isinstance(file, File)
    path.write_bytes(file.payload.read())


def verified(client: AuthenticatedClient, job_id: UUID) -> Any:
    for _ in range(READS_MAX):
        job = read.sync(job_id, client=client, wait=25)
        if job.status == "verified":
            return job
    raise AssertionError(f"the drop is {job.status}")


def played(url: str, keys: list[str], folder: Path, prompt: str, text: str) -> dict[str, Any]:
    ada, bob = (AuthenticatedClient(base_url=url, token=key) for key in keys)
    brief = brought(ada, folder / "brief.bin", "application/octet-stream")
    estimate = run.sync(client=ada, body=RunBody(prompt=prompt, price_cents=100))
    assert isinstance(estimate, Estimate)
    body = RunBody(prompt=prompt, price_cents=100, time_limit_seconds=1, attachments=[brief], confirmed=True)
    job = run.sync(client=ada, body=body)
    assert isinstance(job, PostedJob)
    board = [row.id for row in joinable.sync(client=bob).board]
    claimed = claim.sync(job.id, client=bob, body=ClaimBody())
    fetched(bob, read.sync(job.id, client=bob).attachments[0].key, folder / "brief.fetched")
    own = submit.sync(job.id, client=ada, body=Entry(text=text))
    assert isinstance(own, Problem)
    files = [
        brought(bob, folder / "out.md", "text/markdown"),
        brought(bob, folder / "out.json", "application/json"),
    ]
    submit.sync(job.id, client=bob, body=Entry(text=text, files=files))
    job = verified(ada, job.id)
    for file in job.output_attachments:
        fetched(ada, file.key, folder / f"{file.name}.fetched")
    rows = submissions.sync(job.id, client=ada).submissions
    return {
        "estimated": estimate.estimated_price_cents,
        "on_the_board": job.id in board,
        "claimed": claimed.job_id == job.id,
        "refused": own.code,
        "text": job.output_text,
        "ranks": [row.rank for row in rows],
        "balance": balance.sync(client=bob).balance_cents,
    }


task = json.load(sys.stdin)
if task["keys"]:
    print(json.dumps(played(task["url"], task["keys"], Path(task["folder"]), task["prompt"], task["text"])))
else:
    print(json.dumps(signed_up(task["url"], task["names"])))
