// Whether the kit still fits the server: the same rows as the floor, and no error while some connections ask at once.
// Judges no speed, and fails for no number of statements: what a loader does together depends on timing, and
// tests/it/statements.rs counts them.
import { fromServer, requireAgreement } from "./answers.js";
import { chosenOperations } from "./operations.js";
import { atMost, markdownTable, section } from "./report.js";
import { fewestStatementsOf } from "./statements.js";

const CONNECTIONS = 16;

/** `load/run check`. */
export async function check(bench) {
  const operations = chosenOperations(bench.options.query);
  const [server, floor] = [await bench.server(), await bench.floor()];
  for (const operation of operations) {
    await requireAgreement(bench, server, floor, operation);
    await Promise.all(Array.from({ length: CONNECTIONS }, () => fromServer(bench, server, operation)));
  }
  await Promise.all([server.stop(), floor.stop()]);
  const fewest = await fewestStatementsOf(bench, operations);
  const rows = operations.map(({ name, statements }) => {
    const count = fewest.get(name);
    return [name, "same rows", statements === undefined ? count : atMost(count, statements)];
  });
  return section("check", "Server and floor agree", markdownTable(["query", "answers", "fewest statements"], rows));
}
