// Many connections that all come at the same moment, each with a request, and with a second one once all are open.
import { Agent, request } from "node:http";
import { readFileSync } from "node:fs";
import { operationNamed } from "./operations.js";
import { judged, markdownTable, median, section } from "./report.js";

const OPERATIONS = ["me", "public_boards", "board"];
const PATIENCE_MS = 60_000;
/** Files that server and client have open besides the connections. */
const SPARE_FILES = 200;

/** `load/run burst`. */
export async function burst(bench) {
  const { burst: connections, rounds } = bench.options;
  requireOpenFiles(connections);
  const server = await bench.server();
  const rows = [];
  for (const operation of OPERATIONS.map(operationNamed)) {
    for (let round = 1; round <= rounds; round++) {
      const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
      const send = () => outcome(bench, server, operation, agent);
      const waves = [await wave(send, connections), await wave(send, connections)];
      agent.destroy();
      for (const [index, { good, bad, milliseconds }] of waves.entries()) {
        const what = `${operation.name}, ${index === 0 ? "connecting" : "again on the open connections"}`;
        rows.push([
          what,
          round,
          judged(bad.size === 0, good, `all ${connections}`),
          listed(bad),
          median(milliseconds).toFixed(0),
          Math.max(...milliseconds).toFixed(0),
        ]);
      }
    }
  }
  await server.stop();
  const headings = ["query", "round", "answered well", "else", "median ms", "longest ms"];
  return section("burst", `${connections} connections at once`, markdownTable(headings, rows));
}

/** {good, bad: what went wrong, by how often, milliseconds}. */
async function wave(send, connections) {
  const outcomes = await Promise.all(Array.from({ length: connections }, send));
  const bad = new Map();
  for (const { problem } of outcomes) if (problem) bad.set(problem, (bad.get(problem) ?? 0) + 1);
  const milliseconds = outcomes.map((one) => one.milliseconds);
  return { good: outcomes.filter((one) => one.problem === undefined).length, bad, milliseconds };
}

function outcome(bench, server, operation, agent) {
  const started = performance.now();
  return new Promise((resolve) => {
    const end = (problem) => resolve({ problem, milliseconds: performance.now() - started });
    const headers = { ...bench.headers(operation.caller), "Content-Length": Buffer.byteLength(operation.body) };
    const asked = request(`${server.url}/graphql`, { method: "POST", agent, headers, timeout: PATIENCE_MS });
    asked.on("timeout", () => asked.destroy(Object.assign(new Error(), { code: "no answer" })));
    asked.on("error", (error) => end(error.code ?? error.message));
    asked.on("response", async (response) => {
      try {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        end(problemOf(response.statusCode, text));
      } catch (error) {
        end(error.code ?? error.message);
      }
    });
    asked.end(operation.body);
  });
}

function problemOf(status, text) {
  const errors = text.startsWith("{") ? JSON.parse(text).errors : undefined;
  const code = errors?.[0]?.extensions?.code;
  return status === 200 && errors === undefined ? undefined : [status, code].filter(Boolean).join(" ");
}

function listed(bad) {
  return [...bad].map(([problem, count]) => `${count} × ${problem}`).join(", ") || "–";
}

/** Both ends of each connection are files; the server inherits the limit. */
function requireOpenFiles(connections) {
  const [, limit] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  if (Number(limit) < connections + SPARE_FILES) {
    throw new Error(
      `${limit} open files are too few for ${connections} connections: ulimit -n ${connections + SPARE_FILES}`,
    );
  }
}
