// The command line: which measurement, and the end in good order however it comes.
import { Bench, say } from "./bench.js";
import { burst } from "./burst.js";
import { check } from "./check.js";
import { origin } from "./machine.js";
import { memory } from "./memory.js";
import { USAGE, readCommandLine } from "./options.js";
import { rendered, write } from "./report.js";
import { serve } from "./serve.js";
import { sockets } from "./sockets.js";
import { sqlite } from "./sqlite.js";
import { start } from "./start.js";
import { statements } from "./statements.js";
import { table } from "./table.js";
import { tail } from "./tail.js";

const MEASUREMENTS = { table, tail, burst, sockets, memory, start, sqlite };
const COMMANDS = { ...MEASUREMENTS, check, statements, serve };

async function run(args) {
  const { command, options } = readCommandLine(args);
  const chosen =
    command === "all" ? Object.entries(MEASUREMENTS) : Object.entries(COMMANDS).filter(([name]) => name === command);
  if (options.help || chosen.length === 0) {
    console.log(USAGE);
    return options.help;
  }
  const bench = new Bench(options);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => bench.end().finally(() => process.exit(130)));
  try {
    await bench.prepare();
    const from = await origin(bench, args);
    let good = true;
    for (const [name, measure] of chosen) good = (await reported(bench, name, measure, from)) && good;
    return good;
  } finally {
    await bench.end();
  }
}

/** Whether the measurement came to its end: the others are made even if it did not. */
async function reported(bench, name, measure, from) {
  try {
    const part = await measure(bench);
    console.log(rendered(part, from));
    if (bench.options.write && name in MEASUREMENTS) write(part, from);
    return true;
  } catch (error) {
    say(`load/run ${name}: ${error.message}`);
    return false;
  } finally {
    await bench.stopPrograms();
  }
}

run(process.argv.slice(2)).then(
  (good) => (process.exitCode = good ? 0 : 1),
  (error) => {
    say(`load/run: ${error.message}`);
    process.exitCode = 1;
  },
);
