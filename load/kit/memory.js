// Resident memory of the server, idle and under load.
import { setTimeout as pause } from "node:timers/promises";
import { OPERATIONS } from "./operations.js";
import { MIB, below, markdownTable, section } from "./report.js";
import { Requests, requireWrk, serverRequest } from "./wrk.js";

const CONNECTIONS = [16, 64];
const IDLE_MS = 5000;
const IDLE_LIMIT_MIB = 60;
const LOAD_LIMIT_MIB = 150;

/** `load/run memory`. */
export async function memory(bench) {
  await requireWrk();
  const rows = [["idle on SQLite, empty", await idle(bench, { BOARDS_DATABASE_URL: undefined }), IDLE_LIMIT_MIB]];
  const server = await bench.server();
  await pause(IDLE_MS);
  rows.push(["idle on PostgreSQL", server.memory.resident, IDLE_LIMIT_MIB]);
  for (const connections of CONNECTIONS)
    rows.push([
      `most, all queries with ${connections} connections`,
      await underLoad(bench, server, connections),
      LOAD_LIMIT_MIB,
    ]);
  await pause(IDLE_MS);
  rows.push(["after the load", server.memory.resident, LOAD_LIMIT_MIB]);
  await server.stop();
  const lines = rows.map(([what, bytes, limit]) => [what, below(bytes / MIB, limit, 1, " MiB")]);
  return section("memory", "Resident memory", markdownTable(["", "VmRSS, most: VmHWM"], lines));
}

async function idle(bench, settings) {
  const server = await bench.server(settings);
  await pause(IDLE_MS);
  const { resident } = server.memory;
  await server.stop();
  return resident;
}

/** The peak after each operation has run for a while, and so have all of them mixed. */
async function underLoad(bench, server, connections) {
  const { seconds } = bench.options;
  const sent = OPERATIONS.map((operation) => serverRequest(bench, operation));
  for (const list of [...sent.map((one) => [one]), sent]) {
    await new Requests(bench, list).measured(server.url, { connections, seconds });
  }
  await bench.database.removeCreated();
  return server.memory.peak;
}
