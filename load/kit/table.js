// Requests per second of server and floor, measured in turn on the same database.
import { requireAgreement } from "./answers.js";
import { say } from "./bench.js";
import { chosenOperations, operationNamed } from "./operations.js";
import { MIB, atLeast, below, markdownTable, median, section } from "./report.js";
import { statementsCell, statementsOf } from "./statements.js";
import { Requests, floorRequest, requireWrk, serverRequest } from "./wrk.js";

const WARM_UP_SECONDS = 2;
const RESIDENT_LIMIT_MIB = 150;

/** `load/run table`. */
export async function table(bench) {
  await requireWrk();
  const operations = chosenOperations(bench.options.query);
  const [server, floor] = [await bench.server(), await bench.floor()];
  const rows = [];
  for (const operation of operations) {
    const measured = await new Comparison(bench, server, floor, operation).run();
    say(`${operation.name}: ${measured.ratio.toFixed(2)}`);
    rows.push({ operation, ...measured });
  }
  const memory = { server: server.memory, floor: floor.memory };
  await Promise.all([server.stop(), floor.stop()]);
  const counted = await statementsOf(bench, operations);
  return section("table", "Server beside floor", `${rates(rows, counted)}\n\n${residents(memory)}`);
}

/** Rounds of one operation: the server, the floor, and the operation whose rate this one must come near. */
class Comparison {
  #bench;
  #operation;
  #server;
  #floor;
  #sides;

  constructor(bench, server, floor, operation) {
    this.#bench = bench;
    this.#operation = operation;
    this.#server = server;
    this.#floor = floor;
    this.#sides = [
      { name: "server", url: server.url, requests: new Requests(bench, [serverRequest(bench, operation)]) },
      { name: "floor", url: floor.url, requests: new Requests(bench, [floorRequest(operation)]) },
    ];
    if (operation.beside !== undefined) {
      const beside = serverRequest(bench, operationNamed(operation.beside));
      this.#sides.push({ name: "beside", url: server.url, requests: new Requests(bench, [beside]) });
    }
  }

  /** The medians: {ratio, share, server, floor}. */
  async run() {
    await requireAgreement(this.#bench, this.#server, this.#floor, this.#operation);
    const { connections, seconds, rounds } = this.#bench.options;
    await this.#each({ connections, seconds: Math.min(WARM_UP_SECONDS, seconds), check: true });
    const done = [];
    for (let n = 0; n < rounds; n++) done.push(await this.#each({ connections, seconds }));
    const middle = (figure) => median(done.map(figure));
    const side = (name) =>
      Object.fromEntries(["rate", "p50", "p99"].map((figure) => [figure, middle((round) => round[name][figure])]));
    return {
      ratio: middle((round) => round.server.rate / round.floor.rate),
      share: this.#operation.beside && middle((round) => round.server.rate / round.beside.rate),
      server: side("server"),
      floor: side("floor"),
    };
  }

  async #each(how) {
    const results = {};
    for (const { name, url, requests } of this.#sides) {
      results[name] = await requests.measured(url, how);
      if (this.#operation.writes) await this.#bench.database.removeCreated();
    }
    return results;
  }
}

function rates(rows, counted) {
  const headings = [
    "query",
    "server/s",
    "floor/s",
    "server : floor",
    "server p50, p99 ms",
    "floor p50, p99 ms",
    "statements",
    "round trips",
  ];
  const lines = rows.map(({ operation, ratio, share, server, floor }) => {
    const { roundTrips, ...counts } = counted.get(operation.name);
    const budget = operation.ratio === undefined ? ratio.toFixed(2) : atLeast(ratio, operation.ratio);
    return [
      operation.name,
      server.rate.toFixed(0),
      floor.rate.toFixed(0),
      share === undefined ? budget : `${budget}; of ${operation.beside} ${atLeast(share, operation.share)}`,
      `${server.p50.toFixed(2)}, ${server.p99.toFixed(2)}`,
      `${floor.p50.toFixed(2)}, ${floor.p99.toFixed(2)}`,
      statementsCell(counts, operation.statements),
      roundTrips,
    ];
  });
  return markdownTable(headings, lines);
}

function residents({ server, floor }) {
  const peak = below(server.peak / MIB, RESIDENT_LIMIT_MIB, 0, " MiB");
  return `Resident memory at most: server ${peak}, floor ${(floor.peak / MIB).toFixed(0)} MiB.`;
}
