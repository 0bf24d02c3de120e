// What a command works with: the binaries, the database, the servers, a scratch folder. All of it ends with `end`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtBinaries } from "./build.js";
import { Database } from "./database.js";
import { Program, freePort } from "./program.js";
import { TENANT } from "./seed.js";
import { requireCommand } from "./shell.js";
import { Signer } from "./tokens.js";

const ADMIN_URL = process.env.BOARDS_LOAD_DATABASE_URL ?? "postgres://postgres@127.0.0.1:5432/postgres";

export class Bench {
  #programs = [];
  #signer;
  #tokens = new Map();
  #folders = 0;
  options;
  database;
  scratch = mkdtempSync(join(tmpdir(), "boards-load-"));

  constructor(options) {
    this.options = options;
    this.#signer = new Signer(options.algorithm);
    this.database = new Database(ADMIN_URL, { name: options.database, keep: options.keep });
  }

  async prepare() {
    await requireCommand("psql", "apt-get install postgresql-client");
    this.binaries = await builtBinaries(this.options);
    say(`preparing database ${this.database.name}`);
    await this.database.prepare(this.binaries.server);
  }

  /** A running server on PostgreSQL, unless the settings say otherwise; `folder` is where it runs. */
  async server(settings = {}, folder = this.folder()) {
    return this.spawnServer(settings, folder, await freePort()).answers("/ready");
  }

  /** A server that may not answer yet. */
  spawnServer(settings, folder, port) {
    const env = {
      BOARDS_API_PORT: String(port),
      BOARDS_DATABASE_URL: this.database.url,
      BOARDS_MULTI_TENANT_MODE: "true",
      BOARDS_RATE_LIMIT: "off",
      BOARDS_WORKER_ENABLED: "false",
      ...this.#signer.settings,
      ...this.options.set,
      ...settings,
    };
    return this.#started(new Program(this.binaries.server, env, folder, port));
  }

  async floor() {
    const port = await freePort();
    const env = { FLOOR_DATABASE_URL: this.database.url, FLOOR_PORT: String(port) };
    return this.#started(new Program(this.binaries.floor, env, this.folder(), port)).answers("/health");
  }

  /** A new folder in the scratch folder. */
  folder() {
    this.#folders += 1;
    return join(this.scratch, String(this.#folders));
  }

  /** The headers of a caller: the subject of the token, or null for none. */
  headers(caller) {
    const headers = { "Content-Type": "application/json", "X-Tenant": TENANT };
    return caller === null ? headers : { ...headers, Authorization: `Bearer ${this.#token(caller)}` };
  }

  /** Whatever a measurement left running. */
  async stopPrograms() {
    await Promise.all(this.#programs.splice(0).map((program) => program.stop()));
  }

  async end() {
    await this.stopPrograms();
    await this.database.end();
    rmSync(this.scratch, { recursive: true, force: true });
  }

  #started(program) {
    this.#programs.push(program);
    return program;
  }

  #token(subject) {
    if (!this.#tokens.has(subject)) this.#tokens.set(subject, this.#signer.token(subject));
    return this.#tokens.get(subject);
  }
}

/** Progress, beside the results on standard output. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}
