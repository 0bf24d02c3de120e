// What one request of each operation asks of the database.
import { fromServer } from "./answers.js";
import { say } from "./bench.js";
import { chosenOperations } from "./operations.js";
import { section } from "./report.js";
import { Wire } from "./wire.js";

const REQUESTS = 21;

/** By operation: {statements, roundTrips} of a request on a server that has prepared its statements. */
export async function statementsOf(bench, operations) {
  say("counting statements");
  const wire = await Wire.open(bench.database.url);
  const server = await bench.server({ BOARDS_DATABASE_URL: wire.url });
  try {
    const counted = new Map();
    for (const operation of operations) counted.set(operation.name, await ofOneRequest(bench, server, wire, operation));
    return counted;
  } finally {
    await server.stop();
    wire.close();
    if (operations.some((operation) => operation.writes)) await bench.database.removeCreated();
  }
}

// The usual request of some: now and then a statement of a background task falls into one.
async function ofOneRequest(bench, server, wire, operation) {
  await Promise.all(Array.from({ length: 50 }, () => fromServer(bench, server, operation)));
  const seen = new Map();
  for (let n = 0; n < REQUESTS; n++) {
    wire.take();
    await fromServer(bench, server, operation);
    const taken = wire.take();
    const key = JSON.stringify(taken);
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  const [usual] = [...seen].sort(([, left], [, right]) => right - left);
  return JSON.parse(usual[0]);
}

/** `load/run statements`. */
export async function statements(bench) {
  const operations = chosenOperations(bench.options.query);
  const counted = await statementsOf(bench, operations);
  const blocks = operations.map(({ name }) => {
    const { statements: list, roundTrips } = counted.get(name);
    return `${name}: ${list.length} statements, ${roundTrips} round trips\n\n${list.map((sql) => `    ${sql}`).join("\n\n")}`;
  });
  return section("statements", "SQL of one request", blocks.join("\n\n"));
}
