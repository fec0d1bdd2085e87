/** A drop, played with the client that @hey-api/openapi-ts generated; see `test_drop.py`. */

import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { text as wholeText } from "node:stream/consumers";

import {
  balance, claim, download, joinable, read, run, signUp, submissions, submit, upload,
  type Job, type Named,
} from "./clorp_sdk";
import { createClient, createConfig, type Client } from "./clorp_sdk/client";

const READS_MAX = 20;

interface Task {
  url: string;
  names: string[];
  keys: [string, string] | null;
  folder: string;
  prompt: string;
  text: string;
}

const throwOnError = true;

async function signedUp(url: string, names: string[]): Promise<string[]> {
  const client = createClient(createConfig({ baseUrl: url }));
  const keys: string[] = [];
  for (const name of names) {
    keys.push((await signUp({ client, throwOnError, body: { name } })).data.api_key);
  }
  return keys;
}

async function brought(client: Client, path: string, type: string): Promise<Named> {
  const file = new File([new Uint8Array(await readFile(path))], basename(path), { type });
  return (await upload({ client, throwOnError, body: { file } })).data;
}

/** The type of the answer is the file's own: without `parseAs` this client would decode a text by itself. */
async function fetched(client: Client, key: string, path: string): Promise<void> {
  const { data } = await download({ client, throwOnError, path: { key }, parseAs: "blob" });
  await writeFile(path, new Uint8Array(await data.arrayBuffer()));
}

async function verified(client: Client, job_id: string): Promise<Job> {
  for (let count = 0; count < READS_MAX; count++) {
    const { data } = await read({ client, throwOnError, path: { job_id }, query: { wait: 25 } });
    if (data.status === "verified") return data;
  }
  throw new Error("the drop is not decided");
}

async function played(task: Task, keys: [string, string]) {
  const clientOf = (key: string) => createClient(createConfig({ baseUrl: task.url, auth: () => key }));
  const [ada, bob] = [clientOf(keys[0]), clientOf(keys[1])];
  const { folder, prompt, text } = task;

  const brief = await brought(ada, join(folder, "brief.bin"), "application/octet-stream");
  const terms = { prompt, price_cents: 100 };
  const estimate = (await run({ client: ada, throwOnError, body: terms })).data;
  if (!("needs_confirmation" in estimate)) throw new Error("that was no estimate");
  const posted = (await run({
    client: ada, throwOnError, body: { ...terms, time_limit_seconds: 1, attachments: [brief], confirmed: true },
  })).data;
  if ("needs_confirmation" in posted) throw new Error("that was an estimate");

  const path = { job_id: posted.id };
  const board = (await joinable({ client: bob, throwOnError })).data.board;
  const claimed = (await claim({ client: bob, throwOnError, path, body: {} })).data;
  const seen = (await read({ client: bob, throwOnError, path })).data;
  for (const file of seen.attachments) await fetched(bob, file.key, join(folder, "brief.fetched"));
  const own = await submit({ client: ada, path, body: { text } });
  const files = [
    await brought(bob, join(folder, "out.md"), "text/markdown"),
    await brought(bob, join(folder, "out.json"), "application/json"),
  ];
  await submit({ client: bob, throwOnError, path, body: { text, files } });

  const job = await verified(ada, posted.id);
  for (const file of job.output_attachments ?? []) await fetched(ada, file.key, join(folder, `${file.name}.fetched`));
  const entries = (await submissions({ client: ada, throwOnError, path })).data.submissions;
  return {
    estimated: estimate.estimated_price_cents,
    on_the_board: board.some((row) => row.id === job.id),
    claimed: claimed.job_id === job.id,
    refused: own.error?.code,
    text: job.output_text,
    ranks: entries.map((row) => row.rank),
    balance: (await balance({ client: bob, throwOnError })).data.balance_cents,
  };
}

async function main(): Promise<void> {
  const task = JSON.parse(await wholeText(process.stdin)) as Task;
  const answer = task.keys ? await played(task, task.keys) : await signedUp(task.url, task.names);
  console.log(JSON.stringify(answer));
}

void main();
