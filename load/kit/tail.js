// How much slower the slowest hundredth is than the middle, at 64 connections.
import { say } from "./bench.js";
import { chosenOperations } from "./operations.js";
import { below, markdownTable, median, section } from "./report.js";
import { Requests, requireWrk, serverRequest } from "./wrk.js";

const CONNECTIONS = 64;
const LIMIT = 5;
const WARM_UP_SECONDS = 2;

/** `load/run tail`. */
export async function tail(bench) {
  await requireWrk();
  const server = await bench.server();
  const rows = [];
  for (const operation of chosenOperations(bench.options.query)) {
    const done = await rounds(bench, server, operation);
    const ratio = median(done.map(({ p50, p99 }) => p99 / p50));
    say(`${operation.name}: ${ratio.toFixed(1)}`);
    const figures = ["p50", "p99", "max"].map((figure) => median(done.map((result) => result[figure])).toFixed(2));
    rows.push([operation.name, median(done.map(({ rate }) => rate)).toFixed(0), ...figures, below(ratio, LIMIT)]);
  }
  await server.stop();
  const headings = ["query", "requests/s", "p50 ms", "p99 ms", "longest ms", "p99 : p50"];
  return section("tail", `Tail at ${CONNECTIONS} connections`, markdownTable(headings, rows));
}

async function rounds(bench, server, operation) {
  const { seconds, rounds: count } = bench.options;
  const requests = new Requests(bench, [serverRequest(bench, operation)]);
  const measured = async (how) => {
    const result = await requests.measured(server.url, { connections: CONNECTIONS, ...how });
    if (operation.writes) await bench.database.removeCreated();
    return result;
  };
  await measured({ seconds: Math.min(WARM_UP_SECONDS, seconds), check: true });
  const done = [];
  for (let n = 0; n < count; n++) done.push(await measured({ seconds }));
  return done;
}
