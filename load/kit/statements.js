// What one request of each operation asks of the database.
import { fromServer } from "./answers.js";
import { say } from "./bench.js";
import { chosenOperations } from "./operations.js";
import { judged, median, section } from "./report.js";
import { Wire } from "./wire.js";

const REQUESTS_ALONE = 21;
const REQUESTS_FOR_FEWEST = 5;
const CONNECTIONS = 16;
const REQUESTS_EACH = 8;
/** Written by a task, for many requests together. */
const OF_NO_REQUEST = /\baudit_events\b/;
/** Statements of a background task now and then fall among the requests'. */
const STRAY = 0.05;

/**
 * By operation, on a server that has prepared its statements: `sql` of a request that had the most, `least` and `most`
 * of requests that were alone, `mean` of requests on 16 connections at once, `roundTrips` of the middle one.
 */
export function statementsOf(bench, operations) {
  return onTheWire(bench, operations, async (server, wire, operation) => {
    const mean = await meanTogether(bench, server, wire, operation);
    const seen = await alone(bench, server, wire, operation, REQUESTS_ALONE);
    // Not the last: a stray statement may be in it.
    const { sql } = seen.at(-2);
    const roundTrips = median(seen.map((request) => request.roundTrips));
    return { mean, sql, least: seen[0].sql.length, most: sql.length, roundTrips };
  });
}

/** By operation: the fewest statements that one of a few requests had. */
export function fewestStatementsOf(bench, operations) {
  return onTheWire(bench, operations, async (server, wire, operation) => {
    const [fewest] = await alone(bench, server, wire, operation, REQUESTS_FOR_FEWEST);
    return fewest.sql.length;
  });
}

async function onTheWire(bench, operations, count) {
  say("counting statements");
  const wire = await Wire.open(bench.database.url);
  const server = await bench.server({ BOARDS_DATABASE_URL: wire.url });
  try {
    const counted = new Map();
    for (const operation of operations) counted.set(operation.name, await count(server, wire, operation));
    return counted;
  } finally {
    await server.stop();
    wire.close();
    if (operations.some((operation) => operation.writes)) await bench.database.removeCreated();
  }
}

/** As a cell: a range where requests differ, since what a loader does together depends on timing. */
export function statementsCell({ least, most, mean }, budget) {
  const figure = `${least === most ? most : `${least}–${most}`}, ${mean.toFixed(1)} together`;
  return budget === undefined ? figure : judged(most <= budget && mean <= budget + STRAY, figure, `≤ ${budget}`);
}

async function meanTogether(bench, server, wire, operation) {
  await together(() => fromServer(bench, server, operation)); // Each connection to the database prepares its statements.
  wire.take();
  await together(async () => {
    for (let n = 0; n < REQUESTS_EACH; n++) await fromServer(bench, server, operation);
  });
  return ofRequests(wire.take()).length / (CONNECTIONS * REQUESTS_EACH);
}

function together(act) {
  return Promise.all(Array.from({ length: CONNECTIONS }, act));
}

/** {sql, roundTrips} of requests that come one after the other; those with the fewest statements first. */
async function alone(bench, server, wire, operation, requests) {
  const seen = [];
  for (let n = 0; n < requests; n++) {
    wire.take();
    await fromServer(bench, server, operation);
    const taken = wire.take();
    seen.push({ sql: ofRequests(taken), roundTrips: taken.roundTrips });
  }
  return seen.sort((left, right) => left.sql.length - right.sql.length);
}

function ofRequests({ statements }) {
  return statements.filter((sql) => !OF_NO_REQUEST.test(sql));
}

/** `load/run statements`. */
export async function statements(bench) {
  const operations = chosenOperations(bench.options.query);
  const counted = await statementsOf(bench, operations);
  const blocks = operations.map(({ name, statements: budget }) => {
    const { sql, roundTrips, ...counts } = counted.get(name);
    const lines = sql.map((statement) => `    ${statement}`).join("\n\n");
    return `${name}: ${statementsCell(counts, budget)}, ${roundTrips} round trips\n\n${lines}`;
  });
  return section("statements", "SQL of one request", blocks.join("\n\n"));
}
