// Counts the statements that a server sends to PostgreSQL, by standing between them and reading the frontend's messages
// (PostgreSQL manual, "Frontend/Backend Protocol"). Exact, and needs no rights on the database.
import { once } from "node:events";
import { connect, createServer } from "node:net";

const TRANSACTION_CONTROL = /^\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b/i;
const DEFAULT_PORT = 5432;

export class Wire {
  #listener;
  #sockets = new Set();
  /** What has passed: {sql, control} for a statement, {roundTrip} for a request to answer. */
  passed = [];
  url;

  /** Between whoever uses its `url` and the database at `url`. */
  static async open(url) {
    const wire = new Wire();
    const there = new URL(url);
    wire.#listener = createServer((client) => wire.#join(client, there)).listen(0, "127.0.0.1");
    await once(wire.#listener, "listening");
    const here = new URL(url);
    here.hostname = "127.0.0.1";
    here.port = String(wire.#listener.address().port);
    here.searchParams.set("sslmode", "disable"); // Encrypted messages could not be counted.
    wire.url = here.href;
    return wire;
  }

  /** What passed since the last call: statements without transaction control, and round trips. */
  take() {
    const passed = this.passed.splice(0);
    return {
      statements: passed
        .filter((message) => message.sql !== undefined && !message.control)
        .map((message) => message.sql),
      roundTrips: passed.filter((message) => message.roundTrip).length,
    };
  }

  close() {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client, { hostname, port }) {
    const database = connect({ host: hostname, port: Number(port) || DEFAULT_PORT });
    const messages = new FrontendMessages((message) => this.passed.push(message));
    client.on("data", (chunk) => messages.push(chunk));
    for (const [from, to] of [
      [client, database],
      [database, client],
    ]) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => this.#sockets.delete(from) && to.destroy());
    }
  }
}

class FrontendMessages {
  #bytes = Buffer.alloc(0);
  #started = false;
  #prepared = new Map();
  #portals = new Map();
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  push(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      // The first message has no type.
      const header = this.#started ? 1 : 0;
      if (this.#bytes.length < header + 4) return;
      const length = header + this.#bytes.readInt32BE(header);
      if (this.#bytes.length < length) return;
      const body = this.#bytes.subarray(header + 4, length);
      if (this.#started) this.#read(String.fromCharCode(this.#bytes[0]), body);
      this.#started = true;
      this.#bytes = this.#bytes.subarray(length);
    }
  }

  #read(type, body) {
    const [first, second] = strings(body);
    if (type === "P") this.#prepared.set(first, second);
    else if (type === "B") this.#portals.set(first, this.#prepared.get(second));
    else if (type === "E") this.#statement(this.#portals.get(first));
    else if (type === "Q") this.#statement(first);
    if (type === "Q" || type === "S") this.#tell({ roundTrip: true });
  }

  #statement(sql) {
    this.#tell({ sql, control: TRANSACTION_CONTROL.test(sql) });
  }
}

/** The two strings, each ended by a zero, that Parse (name, SQL) and Bind (portal, name) begin with. */
function strings(body) {
  const end = body.indexOf(0);
  return [body.toString("utf8", 0, end), body.toString("utf8", end + 1, body.indexOf(0, end + 1))];
}
