// Runs wrk on a list of requests.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { output, requireCommand } from "./shell.js";

const SCRIPT = fileURLToPath(new URL("../wrk.lua", import.meta.url));

export function requireWrk() {
  return requireCommand("wrk", "apt-get install wrk, or https://github.com/wg/wrk");
}

/** Requests in a file of the scratch folder, which any run of wrk may send in turn. */
export class Requests {
  /** Its path. */
  file;

  /** `list`: {method, path, headers, body}. */
  constructor(bench, list) {
    this.file = join(bench.scratch, `requests-${Requests.#count++}.lua`);
    writeFileSync(this.file, `return {${list.map(luaTable).join(",\n")}}\n`);
  }

  static #count = 0;

  /**
   * {rate, requests, p50, p99, max} with times in milliseconds. Fails where anything was not answered with 200.
   * With `check` every answer is read and its errors fail too, which costs speed.
   */
  async measured(url, { connections, seconds, check = false }) {
    const result = await this.sent(url, { connections, seconds, check });
    const failed = ["status", "lost", "timeouts", "bad"].filter((kind) => result[kind] > 0);
    if (failed.length > 0) throw new Error(`not all was answered: ${JSON.stringify(result)}`);
    if (result.requests === 0) throw new Error(`nothing was answered within ${seconds} s: more --seconds`);
    return result;
  }

  /** As `measured`; what went wrong is counted: {status, lost, timeouts, bad} and an `example`. */
  async sent(url, { connections, seconds, check }) {
    const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", SCRIPT, url];
    const printed = await output("wrk", args, { env: { REQUESTS: this.file, CHECK: check ? "1" : "0" } });
    const [, json] = /^RESULT (.*)$/m.exec(printed) ?? [];
    if (json === undefined) throw new Error(`wrk has no result:\n${printed}`);
    return JSON.parse(json);
  }
}

/** What the server is sent for an operation. */
export function serverRequest(bench, operation) {
  return { method: "POST", path: "/graphql", headers: bench.headers(operation.caller), body: operation.body };
}

export function floorRequest(operation) {
  return { method: "GET", path: operation.floor, headers: {} };
}

function luaTable({ method, path, headers, body }) {
  const fields = Object.entries(headers).map(([name, value]) => `[${luaString(name)}]=${luaString(value)}`);
  const rest = body === undefined ? "" : `, body=${luaString(body)}`;
  return `{method=${luaString(method)}, path=${luaString(path)}, headers={${fields.join(", ")}}${rest}}`;
}

// JSON's escapes are Lua's too, for what stands in requests: there are no control characters.
function luaString(text) {
  return JSON.stringify(text);
}
