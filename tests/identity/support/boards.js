// A Boards server of its own for a test: the binary, on SQLite in a scratch folder, at a free port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../../target", import.meta.url));
const binary = process.env.BOARDS_BINARY ?? join(target, "debug", "boards");

export class Boards {
  #child;
  #folder;
  #log = "";
  url;

  /**
   * Starts one and waits until it says that it is ready. `settings` are environment variables; there are no others.
   * `file` is its boards.toml. It is stopped when the test `context` ends.
   */
  static async start(context, settings, file) {
    const boards = new Boards();
    boards.#folder = await mkdtemp(join(tmpdir(), "boards-identity-"));
    context.after(() => boards.#stop());
    if (file !== undefined) await writeFile(join(boards.#folder, "boards.toml"), file);
    boards.#child = spawn(binary, [], {
      cwd: boards.#folder,
      env: { BOARDS_API_PORT: "0", BOARDS_WORKER_ENABLED: "false", ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    boards.#child.stderr.setEncoding("utf8").on("data", (text) => (boards.#log += text));
    boards.url = await boards.#address();
    return boards;
  }

  /** What the server has logged. */
  get log() {
    return this.#log;
  }

  /** Sends an operation with a token, if there is one. `status`, `headers` and `body`, and the time that it took. */
  async graphql(query, { token, variables } = {}) {
    const started = performance.now();
    const response = await fetch(new URL("/graphql", this.url), {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query, variables }),
    });
    const body = await response.json();
    return { status: response.status, headers: response.headers, body, milliseconds: performance.now() - started };
  }

  /** What comes of asking with this token who one is: the subject, or the code of the error. */
  async judge(token) {
    const { body } = await this.graphql("{ me { authSubject } }", { token });
    return body.errors?.[0].extensions.code ?? body.data.me.authSubject;
  }

  async #address() {
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const [, address] = /ready at (\S+)/.exec(line) ?? [];
      if (address !== undefined) {
        this.#child.stdout.resume();
        return address;
      }
    }
    throw new Error(`the server did not start:\n${this.#log}`);
  }

  async #stop() {
    if (this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await exit;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
