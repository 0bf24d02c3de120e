// What the command line says.
import { parseArgs } from "node:util";

export const USAGE = `usage: load/run COMMAND [options]

  check       server and floor answer the same rows, without an error; no speed, no wrk
  table       requests per second beside the floor, p50, p99, memory, statements
  statements  the SQL that one request of each operation sends
  serve       a seeded server and the floor, until Ctrl-C, and the commands that load them; for profilers
  tail        p99 beside p50 at 64 connections
  burst       2,000 connections at once
  sockets     memory of 1,000 idle WebSocket subscriptions
  memory      resident memory, idle and under load
  start       time from the start to the first answer
  sqlite      the same operations on SQLite, 64 connections, one write in ten
  all         table, tail, burst, sockets, memory, start and sqlite, one after the other

  --query NAME,…      only these operations (check, table, statements, serve, tail)
  --rounds N          rounds of each measurement, of which the median counts (3)
  --seconds N         length of a measurement (8)
  --connections N     connections of the table (16)
  --starts N          starts of each kind (20)
  --sockets N         subscriptions (1000)
  --burst N           connections at once (2000)
  --algorithm NAME    HS256 or RS256: how tokens are signed (HS256)
  --profile NAME      release or dev: how the server is built (release)
  --server PATH       this server; nothing is built for it
  --floor PATH        this floor; nothing is built for it
  --set NAME=VALUE    a setting of the server, such as BOARDS_DATABASE_MAX_CONNECTIONS=8; may be repeated
  --database NAME     a database of this name: made and seeded if it is not there, used as it is if it is
  --keep              a database that this run made stays
  --write             the sections of load/RESULTS.md that this command measures are written anew

BOARDS_LOAD_DATABASE_URL names a PostgreSQL server where databases may be made
(postgres://postgres@127.0.0.1:5432/postgres).`;

const OPTIONS = {
  query: { type: "string" },
  rounds: { type: "string", default: "3" },
  seconds: { type: "string", default: "8" },
  connections: { type: "string", default: "16" },
  starts: { type: "string", default: "20" },
  sockets: { type: "string", default: "1000" },
  burst: { type: "string", default: "2000" },
  algorithm: { type: "string", default: "HS256" },
  profile: { type: "string", default: "release" },
  server: { type: "string" },
  floor: { type: "string" },
  set: { type: "string", multiple: true, default: [] },
  database: { type: "string" },
  keep: { type: "boolean", default: false },
  write: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
};
const NUMBERS = ["rounds", "seconds", "connections", "starts", "sockets", "burst"];
const CHOICES = { algorithm: ["HS256", "RS256"], profile: ["release", "dev"] };

/** The command and its options; throws a message for the terminal where they make no sense. */
export function readCommandLine(args) {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  for (const name of NUMBERS) {
    values[name] = Number(values[name]);
    if (!Number.isInteger(values[name]) || values[name] < 1) throw new Error(`--${name} must be a whole number from 1`);
  }
  for (const [name, choices] of Object.entries(CHOICES)) {
    if (!choices.includes(values[name])) throw new Error(`--${name} must be one of ${choices.join(", ")}`);
  }
  if (values.database !== undefined && !/^[a-z_][a-z0-9_]*$/.test(values.database)) {
    throw new Error("--database must be lower-case letters, digits and _");
  }
  values.set = Object.fromEntries(values.set.map(setting));
  return { command: positionals.length === 1 ? positionals[0] : undefined, options: values };
}

function setting(text) {
  const [, name, value] = /^(BOARDS_[A-Z_]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`--set ${text}: must be BOARDS_NAME=VALUE`);
  return [name, value];
}
