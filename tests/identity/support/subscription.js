// A subscription over the protocol graphql-transport-ws.
import { once } from "node:events";
import WebSocket from "ws";

export class Subscription {
  #socket;
  #messages = [];

  /** Opens a connection with a token and subscribes on it. */
  static async open(context, boards, token, query) {
    const subscription = new Subscription();
    const address = boards.url.replace(/^http/, "ws");
    const socket = (subscription.#socket = new WebSocket(`${address}/graphql`, "graphql-transport-ws"));
    context.after(() => socket.terminate());
    socket.on("message", (data) => subscription.#messages.push(JSON.parse(data.toString())));
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "connection_init", payload: { Authorization: `Bearer ${token}` } }));
    socket.send(JSON.stringify({ type: "subscribe", id: "1", payload: { query } }));
    return subscription;
  }

  /** What the first event says; undefined until there is one. */
  get firstEvent() {
    return this.#messages.find((message) => message.type === "next")?.payload.data;
  }

  /** Whether the server has ended the subscription, or the connection with it. */
  get ended() {
    return (
      this.#socket.readyState === WebSocket.CLOSED ||
      this.#messages.some((message) => message.type === "complete" || message.type === "error")
    );
  }
}
