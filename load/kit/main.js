// The command line: which measurement, and the end in good order however it comes.
import { Bench } from "./bench.js";
import { burst } from "./burst.js";
import { check } from "./check.js";
import { origin } from "./machine.js";
import { memory } from "./memory.js";
import { USAGE, readCommandLine } from "./options.js";
import { rendered, write } from "./report.js";
import { sockets } from "./sockets.js";
import { sqlite } from "./sqlite.js";
import { start } from "./start.js";
import { statements } from "./statements.js";
import { table } from "./table.js";
import { tail } from "./tail.js";

const MEASUREMENTS = { table, tail, burst, sockets, memory, start, sqlite };
const COMMANDS = { ...MEASUREMENTS, statements, check };

async function run(args) {
  const { command, options } = readCommandLine(args);
  const commands = command === "all" ? Object.values(MEASUREMENTS) : [COMMANDS[command]].filter(Boolean);
  if (options.help || commands.length === 0) return console.log(USAGE);
  const bench = new Bench(options);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => bench.end().finally(() => process.exit(130)));
  try {
    await bench.prepare();
    const from = await origin(bench, args);
    for (const measure of commands) {
      const part = await measure(bench);
      console.log(rendered(part, from));
      if (options.write) write([part], from);
    }
  } finally {
    await bench.end();
  }
}

run(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`load/run: ${error.message}\n`);
  process.exitCode = 1;
});
