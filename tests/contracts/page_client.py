"""A client that knows the public page of the API and nothing else: standard library, forty lines."""

import json
import urllib.error
import urllib.request


class Refused(Exception):
    def __init__(self, status: int, answer: dict) -> None:
        self.status, self.answer = status, answer


class PageClient:
    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.load(error)) from None

    def post_drop(self, prompt: str, **terms: object) -> dict:
        body = {"prompt": prompt, **terms}
        if self.call("POST", "/jobs/run", body)["needs_confirmation"]:
            body["confirmed"] = True
        return self.call("POST", "/jobs/run", body)

    def enter(self, job_id: str, text: str) -> dict:
        self.call("POST", f"/jobs/{job_id}/claim", {})
        return self.call("POST", f"/jobs/{job_id}/submit", {"text": text, "files": []})["submission"]

    def entries(self, job_id: str) -> list[tuple[int, str, str, str]]:
        rows = self.call("GET", f"/jobs/{job_id}/submissions")["submissions"]
        return [(row["rank"], row["grade"], row["rationale"], row["output_text"]) for row in rows]

    def feed(self) -> list[tuple[str, str, str, str]]:
        rows = self.call("GET", "/feed")["feed"]
        return [(row["id"], row["prompt"], row["grade"], row["grade_rationale"]) for row in rows]

    def cancel(self, job_id: str) -> dict:
        return self.call("POST", f"/jobs/{job_id}/cancel")
