// The PostgreSQL database that is measured on: made, seeded and dropped here.
import { fileURLToPath } from "node:url";
import { CREATED_TITLE, SCALE_USER, seedId } from "./seed.js";
import { output } from "./shell.js";

const SEEDS = ["seed.sql", "seed_scale.sql"].map((name) => fileURLToPath(new URL(`../${name}`, import.meta.url)));

export class Database {
  #admin;
  #made = false;
  #keep;
  name;
  url;

  /** `admin`: URL of a server where databases may be made. */
  constructor(admin, { name = `boards_load_${process.pid}`, keep }) {
    this.#admin = admin;
    this.#keep = keep;
    this.name = name;
    const url = new URL(admin);
    url.pathname = `/${name}`;
    this.url = url.href;
  }

  /** Makes, migrates and seeds it, as far as that has not been done. */
  async prepare(boards) {
    const there = await psql(this.#admin, `SELECT count(*) FROM pg_database WHERE datname = '${this.name}'`);
    if (there === "0") {
      await psql(this.#admin, `CREATE DATABASE ${this.name}`);
      this.#made = true;
    }
    const seeded = !this.#made && (await this.#isSeeded());
    await output(boards, ["migrate"], { env: { BOARDS_DATABASE_URL: this.url } });
    if (!seeded) for (const seed of SEEDS) await output("psql", [...QUIET, this.url, "-f", seed]);
    await this.removeCreated();
    await this.sql("VACUUM (ANALYZE)");
  }

  /** What a query returns, without headings. */
  sql(text) {
    return psql(this.url, text);
  }

  // Measurements delete rows: somebody's own database is not measured on.
  async #isSeeded() {
    if ((await this.sql("SELECT to_regclass('users')")) === "") return false;
    const [users, seeds] = (
      await this.sql(`SELECT count(*), count(*) FILTER (WHERE id = '${seedId(SCALE_USER)}') FROM users`)
    ).split("|");
    if (users !== "0" && seeds === "0") throw new Error(`the database ${this.name} holds users other than the seed's`);
    return seeds === "1";
  }

  /** Takes away what measurements wrote, so that the next one meets the same tables. */
  async removeCreated() {
    await this.sql(`DELETE FROM boards WHERE title = '${CREATED_TITLE}'; DELETE FROM audit_events`);
    for (const table of ["boards", "audit_events"]) await this.sql(`VACUUM (ANALYZE) ${table}`);
  }

  /** Drops it, if this run made it and was not asked to keep it. */
  async end() {
    if (this.#made && !this.#keep) await psql(this.#admin, `DROP DATABASE ${this.name} WITH (FORCE)`);
  }
}

const QUIET = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"];

async function psql(url, text) {
  return (await output("psql", [...QUIET, url, "-c", text])).trim();
}
