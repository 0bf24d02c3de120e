// Copies the seeded rows from PostgreSQL into an SQLite database that the server made, in the server's own spelling:
// UUIDs are blobs, JSON is text, times are text in UTC.
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { output } from "./shell.js";

// Parents before children.
const TABLES = ["tenants", "users", "boards", "board_members", "generations"];

/** Rows that are inserted with one call. */
const ROWS_AT_ONCE = 500;

export async function copyToSqlite(bench, file) {
  const { Database } = await sqlite();
  const database = new Database(file);
  try {
    // Before anything else: without shared memory it can use the server's journal only alone.
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec("PRAGMA synchronous = OFF");
    database.exec("BEGIN");
    for (const table of TABLES) {
      const rows = join(bench.scratch, `${table}.sql`);
      const query = await insertsOf(bench.database, database, table);
      await output("psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-o", rows, "-c", query, bench.database.url]);
      await insertAll(database, rows);
    }
    database.exec("COMMIT");
  } finally {
    database.close();
  }
}

/** Of its own, since the one that distributions have may be older than the server's and not know its full-text tables. */
async function sqlite() {
  try {
    return (await import("node-sqlite3-wasm")).default;
  } catch {
    await output("npm", ["ci", "--no-audit", "--no-fund", "--prefix", fileURLToPath(new URL("..", import.meta.url))]);
    return (await import("node-sqlite3-wasm")).default;
  }
}

async function insertAll(database, file) {
  let statements = [];
  const flush = () => database.exec(statements.splice(0).join("\n"));
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    statements.push(line);
    if (statements.length >= ROWS_AT_ONCE && line.endsWith(");")) flush();
  }
  flush();
}

/** The names of a table's columns. */
function columnsOf(database, table) {
  return database.all(`SELECT name FROM pragma_table_info('${table}')`).map(({ name }) => name);
}

/** A query that returns an INSERT for each row. The default tenant is there already. */
async function insertsOf(source, database, table) {
  const here = columnsOf(database, table);
  const types = await source.sql(`SELECT column_name, data_type FROM information_schema.columns
     WHERE table_schema = current_schema() AND table_name = '${table}'`);
  const columns = types
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([name]) => here.includes(name));
  const names = columns.map(([name]) => name).join(", ");
  const values = columns.map(([name, type]) => `coalesce(${literal(name, type)}, 'NULL')`).join(" || ',' || ");
  return `SELECT 'INSERT OR IGNORE INTO ${table} (${names}) VALUES (' || ${values} || ');' FROM ${table}`;
}

/** How many rows a query of the embedded database counts. */
export async function countIn(file, query) {
  const { Database } = await sqlite();
  const database = new Database(file);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    return Object.values(database.get(query))[0];
  } finally {
    database.close();
  }
}

function literal(name, type) {
  switch (type) {
    case "uuid":
      return `'X''' || replace(${name}::text, '-', '') || ''''`;
    case "boolean":
      return `${name}::int::text`;
    case "numeric":
    case "integer":
    case "bigint":
      return `${name}::text`;
    case "timestamp with time zone":
      return `to_char(${name} AT TIME ZONE 'UTC', '''YYYY-MM-DD"T"HH24:MI:SS"+00:00"''')`;
    default:
      return `'''' || replace(${name}::text, '''', '''''') || ''''`;
  }
}
