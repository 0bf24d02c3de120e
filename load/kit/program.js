// The server and the floor as processes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { bareEnvironment } from "./shell.js";

const START_LIMIT_MS = 30_000;

/** A port that nothing listens on now. */
export async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

export class Program {
  #child;
  #log;
  url;

  /** `folder` becomes the working directory and gets `log`: what the process prints. */
  constructor(binary, env, folder, port) {
    mkdirSync(folder, { recursive: true });
    this.#log = join(folder, "log");
    const log = openSync(this.#log, "a");
    this.#child = spawn(binary, [], {
      cwd: folder,
      env: { ...bareEnvironment(), ...env },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child.on("error", () => {}); // Told by `answers`: it never answers.
    this.url = `http://127.0.0.1:${port}`;
  }

  get log() {
    return readFileSync(this.#log, "utf8");
  }

  get pid() {
    return this.#child.pid;
  }

  get running() {
    return this.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until `path` answers well. */
  async answers(path) {
    const end = performance.now() + START_LIMIT_MS;
    while (this.running && performance.now() < end) {
      try {
        if ((await fetch(this.url + path)).ok) return this;
      } catch {
        // Not yet.
      }
      await pause(5);
    }
    await this.stop();
    throw new Error(`${this.#child.spawnfile} does not answer ${path}:\n${this.log.slice(-2000)}`);
  }

  /** Bytes: resident now, and the most since the start. */
  get memory() {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)[1]) * 1024;
    return { resident: bytes("VmRSS"), peak: bytes("VmHWM") };
  }

  async stop() {
    if (!this.running) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const patience = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await exit;
    clearTimeout(patience);
  }
}
