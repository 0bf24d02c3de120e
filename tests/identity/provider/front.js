// An HTTP server on 127.0.0.1 that hands requests on, counts them by path, and answers wrongly when it is told to.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

/** Ports that no system gives away by itself: whoever closes one finds it free again. */
const PORTS = [20_000, 30_000];

/** Where a redirect points. It leads to the right answer, so a client that follows it would be seen to work. */
const DETOUR = "/detour";

/** Wrong answers, by name. */
export const FAULTS = {
  slow() {},
  stalls(_request, response) {
    response.writeHead(200, { "Content-Type": "application/json" }).write('{"keys": [');
  },
  garbage(_request, response) {
    response.writeHead(200, { "Content-Type": "application/json" }).end("<html>Please sign in to the Wi-Fi</html>");
  },
  empty(_request, response) {
    response.writeHead(200, { "Content-Type": "application/json" }).end();
  },
  huge(_request, response, front) {
    response.writeHead(200, { "Content-Type": "application/json" }).write('{"keys": [], "padding": "');
    const padding = "x".repeat(64 * 1024);
    const pour = () => {
      do front.poured += padding.length;
      while (response.write(padding));
    };
    response.on("drain", pour);
    pour();
  },
  redirect(request, response) {
    response.writeHead(302, { Location: DETOUR + request.url }).end();
  },
  error(_request, response) {
    response.writeHead(500, { "Content-Type": "text/plain" }).end("out of order");
  },
  hangsUp(request) {
    request.socket.destroy();
  },
};

export class Front {
  /** Bytes that the fault `huge` has poured out, counting those that nobody has read yet. */
  poured = 0;
  #requests = new Map();
  #faults = new Map();
  #headers = new Map();
  #port;
  #server;

  /** `answer` is given requests and responses, as of node:http, where no fault is set. */
  constructor(answer) {
    this.#server = createServer((request, response) => {
      const path = new URL(request.url, this.origin).pathname;
      this.#requests.set(path, [...this.requests(path), request.headers]);
      const fault = this.#faults.get(path);
      if (fault !== undefined) return fault(request, response, this);
      if (request.url.startsWith(DETOUR)) request.url = request.url.slice(DETOUR.length);
      for (const [name, value] of this.#headers.get(path) ?? []) response.setHeader(name, value);
      return answer(request, response);
    });
    // Longer than any client keeps an idle connection, so that none is closed while a request is on its way.
    this.#server.keepAliveTimeout = 60_000;
  }

  /** Listens: at `port`, else where it has listened before, else anywhere. */
  async listen(port = this.#port) {
    for (;;) {
      const candidate = port ?? randomInt(...PORTS);
      try {
        await once(this.#server.listen(candidate, "127.0.0.1"), "listening");
        this.#port = candidate;
        return;
      } catch (error) {
        if (port !== undefined || error.code !== "EADDRINUSE") throw error;
      }
    }
  }

  /** Refuses connections, and ends those that there are. */
  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  get origin() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The headers of each request to this path. */
  requests(path) {
    return this.#requests.get(path) ?? [];
  }

  /** How many requests to this path there have been. */
  count(path) {
    return this.requests(path).length;
  }

  /** How many requests there have been. */
  get total() {
    return [...this.#requests.keys()].reduce((sum, path) => sum + this.count(path), 0);
  }

  /** How many requests have followed a redirect. */
  get detours() {
    return [...this.#requests.keys()].filter((path) => path.startsWith(DETOUR)).length;
  }

  /** Answers requests to a path wrongly from now on: a name of FAULTS, or a function of request and response. */
  fail(path, fault) {
    this.#faults.set(path, typeof fault === "function" ? fault : FAULTS[fault]);
  }

  /** Answers rightly again. */
  mend() {
    this.#faults.clear();
  }

  /** Sends a header with right answers to a path. */
  addHeader(path, name, value) {
    this.#headers.set(path, [...(this.#headers.get(path) ?? []), [name, value]]);
  }
}
