// A WebSocket client, as much of RFC 6455 as graphql-transport-ws needs. Node.js 20 has none.
import { randomBytes } from "node:crypto";
import { request } from "node:http";

const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
const FINAL = 0x80;
const MASKED = 0x80;

export class GraphqlSocket {
  #stream;
  #bytes;
  #waiting = [];
  /** Messages that nobody has waited for. */
  messages = [];
  closed = false;

  /** Connects, sends the headers of a caller as `connection_init` has them, and waits until they are accepted. */
  static async open(url, headers) {
    const [stream, head] = await upgraded(url);
    const socket = new GraphqlSocket(stream, head);
    socket.send({ type: "connection_init", payload: headers });
    await socket.next("connection_ack");
    return socket;
  }

  constructor(stream, head) {
    this.#stream = stream.setNoDelay(true);
    this.#bytes = head;
    stream.on("data", (chunk) => this.#push(chunk));
    stream.on("error", () => {}); // Its close follows.
    stream.on("close", () => this.#end());
    this.#push(Buffer.alloc(0));
  }

  send(message) {
    this.#frame(TEXT, Buffer.from(JSON.stringify(message)));
  }

  /** The next message, which must be of this type. */
  async next(type) {
    const message = this.messages.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    if (message?.type !== type) throw new Error(`the server sent ${JSON.stringify(message) ?? "the end"}, not ${type}`);
    return message;
  }

  close() {
    this.#stream.destroy();
  }

  #push(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (let frame = firstFrame(this.#bytes); frame !== undefined; frame = firstFrame(this.#bytes)) {
      this.#bytes = this.#bytes.subarray(frame.end);
      if (frame.kind === TEXT) this.#take(JSON.parse(frame.payload.toString("utf8")));
      else if (frame.kind === PING) this.#frame(PONG, frame.payload);
      else if (frame.kind === CLOSE) this.close();
    }
  }

  #take(message) {
    if (message.type === "ping") return this.send({ type: "pong" });
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.messages.push(message);
    else waiting(message);
  }

  #end() {
    this.closed = true;
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
  }

  #frame(kind, payload) {
    const length =
      payload.length < 126
        ? Buffer.from([MASKED | payload.length])
        : Buffer.from([MASKED | 126, payload.length >> 8, payload.length & 0xff]);
    const mask = randomBytes(4);
    const masked = Buffer.from(payload.map((byte, index) => byte ^ mask[index % 4]));
    this.#stream.write(Buffer.concat([Buffer.from([FINAL | kind]), length, mask, masked]));
  }
}

function upgraded(url) {
  return new Promise((resolve, reject) => {
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Protocol": "graphql-transport-ws",
    };
    const asked = request(url, { headers, agent: false });
    asked.on("upgrade", (response, stream, head) => resolve([stream, head]));
    asked.on("response", (response) =>
      reject(new Error(`the server answered the upgrade with ${response.statusCode}`)),
    );
    asked.on("error", reject);
    asked.end();
  });
}

/** {kind, payload, end} of the first frame, undefined while it is not whole. Servers do not mask, and do not split here. */
function firstFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const header = { 126: 4, 127: 10 }[short] ?? 2;
  if (bytes.length < header) return undefined;
  const length = { 126: () => bytes.readUInt16BE(2), 127: () => Number(bytes.readBigUInt64BE(2)) }[short]?.() ?? short;
  const end = header + length;
  return bytes.length < end ? undefined : { kind: bytes[0] & 0x0f, payload: bytes.subarray(header, end), end };
}
