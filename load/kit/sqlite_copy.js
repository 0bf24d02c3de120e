// Copies the seeded rows from PostgreSQL into an SQLite database that the server made, in the server's own spelling:
// UUIDs are blobs, JSON is text, times are text in UTC.
import { join } from "node:path";
import { output } from "./shell.js";

// Parents before children.
const TABLES = ["tenants", "users", "boards", "board_members", "generations"];

export async function copyToSqlite(bench, file) {
  const rows = join(bench.scratch, "rows.sql");
  const queries = [];
  for (const table of TABLES) queries.push("-c", await insertsOf(bench.database, file, table));
  await output("psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-o", rows, bench.database.url, ...queries]);
  await output("sqlite3", ["-bail", file, "BEGIN", `.read ${rows}`, "COMMIT"]);
}

/** A query that returns an INSERT for each row. The default tenant is there already. */
async function insertsOf(database, file, table) {
  const here = (await output("sqlite3", [file, `SELECT name FROM pragma_table_info('${table}')`])).trim().split("\n");
  const types = await database.sql(`SELECT column_name, data_type FROM information_schema.columns
     WHERE table_schema = current_schema() AND table_name = '${table}'`);
  const columns = types
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([name]) => here.includes(name));
  const names = columns.map(([name]) => name).join(", ");
  const values = columns.map(([name, type]) => `coalesce(${literal(name, type)}, 'NULL')`).join(" || ',' || ");
  return `SELECT 'INSERT OR IGNORE INTO ${table} (${names}) VALUES (' || ${values} || ');' FROM ${table}`;
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
