// Whether the kit still fits the server: the same rows as the floor, statements within the budgets, and no error while
// some connections ask at once. Judges no speed.
import { fromServer, requireAgreement } from "./answers.js";
import { chosenOperations } from "./operations.js";
import { atMost, markdownTable, section } from "./report.js";
import { statementsOf } from "./statements.js";

const CONNECTIONS = 16;
const REQUESTS_EACH = 5;

/** `load/run check`. */
export async function check(bench) {
  const operations = chosenOperations(bench.options.query);
  const [server, floor] = [await bench.server(), await bench.floor()];
  for (const operation of operations) {
    await requireAgreement(bench, server, floor, operation);
    await Promise.all(Array.from({ length: CONNECTIONS }, () => repeatedly(bench, server, operation)));
  }
  await Promise.all([server.stop(), floor.stop()]);
  const counted = await statementsOf(bench, operations);
  const over = operations.filter((operation) => counted.get(operation.name).statements.length > operation.statements);
  if (over.length > 0) throw new Error(`more statements than the budget: ${over.map((operation) => operation.name).join(", ")}`);
  const rows = operations.map(({ name, statements }) => {
    const { length } = counted.get(name).statements;
    return [name, "same rows", statements === undefined ? length : atMost(length, statements)];
  });
  return section("check", "Server and floor agree", markdownTable(["query", "answers", "statements"], rows));
}

async function repeatedly(bench, server, operation) {
  for (let n = 0; n < REQUESTS_EACH; n++) await fromServer(bench, server, operation);
}
