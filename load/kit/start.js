// How long it takes from starting the process to its first answer to an operation.
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { say } from "./bench.js";
import { freePort } from "./program.js";
import { below, markdownTable, median, section } from "./report.js";

const SQLITE_LIMIT_MS = 150;
const POSTGRES_LIMIT_MS = 300;
const BETWEEN_TRIES_MS = 1;
const PATIENCE_MS = 30_000;
/** Needs no rows, but the whole way: the token's absence is judged, the tenant and the boards are read. */
const FIRST = JSON.stringify({ query: "{ publicBoards(limit: 1) { id } }" });
const HEADERS = { "Content-Type": "application/json", "X-Tenant": "default", "Content-Length": FIRST.length };

/** `load/run start`. */
export async function start(bench) {
  const onSqlite = { BOARDS_DATABASE_URL: undefined };
  const used = bench.folder();
  await timed(bench, onSqlite, used);
  const kinds = [
    ["SQLite", SQLITE_LIMIT_MS, onSqlite, () => used],
    ["SQLite, first start in an empty folder", SQLITE_LIMIT_MS, onSqlite, () => bench.folder()],
    ["PostgreSQL", POSTGRES_LIMIT_MS, {}, () => bench.folder()],
  ];
  const rows = [];
  for (const [name, limit, settings, folder] of kinds) {
    const times = [];
    for (let n = 0; n < bench.options.starts; n++) times.push(await timed(bench, settings, folder()));
    say(`${name}: ${median(times).toFixed(0)} ms`);
    rows.push([
      name,
      times.length,
      below(median(times), limit, 0, " ms"),
      `${Math.min(...times).toFixed(0)} ms`,
      `${Math.max(...times).toFixed(0)} ms`,
    ]);
  }
  const headings = ["database", "starts", "median", "shortest", "longest"];
  return section("start", "Start to first answer", markdownTable(headings, rows));
}

async function timed(bench, settings, folder) {
  const port = await freePort();
  const started = performance.now();
  const server = bench.spawnServer(settings, folder, port);
  while (!(await answers(port))) {
    if (!server.running || performance.now() - started > PATIENCE_MS) throw new Error(`no answer:\n${server.log}`);
    await pause(BETWEEN_TRIES_MS);
  }
  const milliseconds = performance.now() - started;
  await server.stop();
  return milliseconds;
}

function answers(port) {
  return new Promise((resolve) => {
    const asked = request({
      host: "127.0.0.1",
      port,
      path: "/graphql",
      method: "POST",
      headers: HEADERS,
      agent: false,
    });
    asked.on("error", () => resolve(false));
    asked.on("response", async (response) => {
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      resolve(response.statusCode === 200 && Array.isArray(JSON.parse(text).data?.publicBoards));
    });
    asked.end(FIRST);
  });
}
