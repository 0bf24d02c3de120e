// The same operations on SQLite, one write in ten: nothing may fail for a lock.
import { join } from "node:path";
import { fromServer, requireAgreement } from "./answers.js";
import { say } from "./bench.js";
import { OPERATIONS, operationNamed } from "./operations.js";
import { MIB, judged, markdownTable, median, section } from "./report.js";
import { copyToSqlite, countIn } from "./sqlite_copy.js";
import { Requests, requireWrk, serverRequest } from "./wrk.js";

const CONNECTIONS = 64;
const REQUESTS_ALONE = 9;
const EMBEDDED = { BOARDS_DATABASE_URL: undefined };

/** `load/run sqlite`. */
export async function sqlite(bench) {
  await requireWrk();
  const folder = bench.folder();
  const file = join(folder, "data", "boards.db");
  await (await bench.server(EMBEDDED, folder)).stop(); // Makes the tables.
  say("copying the rows to SQLite");
  await copyToSqlite(bench, file);
  const [server, floor] = [await bench.server(EMBEDDED, folder), await bench.floor()];
  const reads = OPERATIONS.filter((operation) => !operation.writes);
  const alone = [];
  for (const operation of reads) {
    await requireAgreement(bench, server, floor, operation);
    alone.push(`${operation.name} ${(await medianTime(bench, server, operation)).toFixed(1)}`);
  }
  await floor.stop();
  const result = await load(bench, server, reads);
  const { peak } = server.memory;
  await server.stop();
  const written = await countIn(file, "SELECT count(*) FROM boards WHERE title = 'bench'");
  return section(
    "sqlite",
    `SQLite, ${CONNECTIONS} connections, one write in ten`,
    figures(result, { alone, peak, written, log: server.log }),
  );
}

/** Milliseconds of a request while there is no other. */
async function medianTime(bench, server, operation) {
  const times = [];
  for (let n = 0; n < REQUESTS_ALONE; n++) {
    const started = performance.now();
    await fromServer(bench, server, operation);
    times.push(performance.now() - started);
  }
  return median(times);
}

/** Every answer is read: an error in it counts. */
function load(bench, server, reads) {
  const operations = [...reads, operationNamed("create_board"), operationNamed("me")];
  const requests = new Requests(
    bench,
    operations.map((operation) => serverRequest(bench, operation)),
  );
  const seconds = bench.options.seconds * bench.options.rounds;
  return requests.sent(server.url, { connections: CONNECTIONS, seconds, check: true });
}

function figures(result, { alone, peak, written, log }) {
  const locks = log.split("\n").filter((line) => /\b(locked|busy)\b/i.test(line)).length;
  const none = (count) => judged(count === 0, count, "0");
  const rows = [
    ["requests, of them boards created", `${result.requests}, ${written}`],
    ["requests/s", result.rate.toFixed(0)],
    ["p50, p99, longest", `${result.p50.toFixed(1)}, ${result.p99.toFixed(1)}, ${result.max.toFixed(0)} ms`],
    ["each query alone, ms", alone.join(", ")],
    ["answers with errors", none(result.bad) + (result.bad > 0 ? `, such as \`${result.example}\`` : "")],
    ["connections lost, timeouts", none(result.lost + result.timeouts)],
    ["lines of the log that tell of a lock", none(locks)],
    ["resident memory at most", `${(peak / MIB).toFixed(0)} MiB`],
  ];
  return markdownTable(["", "figure"], rows);
}
