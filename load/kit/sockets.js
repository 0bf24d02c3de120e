// What an idle subscription over WebSocket costs in resident memory.
import { setTimeout as pause } from "node:timers/promises";
import { fromServer } from "./answers.js";
import { say } from "./bench.js";
import { operationNamed } from "./operations.js";
import { MIB, below, judged, markdownTable, median, section } from "./report.js";
import { CREATED_TITLE, USER } from "./seed.js";
import { GraphqlSocket } from "./socket.js";

const BOARDS = 20;
const AT_ONCE = 50;
const WARM_UP = 10;
const LIMIT_KIB = 20;
const SETTLE_MS = 5000;
const SUBSCRIPTION = "subscription($id: UUID!) { boardUpdated(boardId: $id) { id title description } }";
const CHANGE = 'mutation($id: UUID!) { updateBoard(input: {id: $id, description: "changed"}) { id } }';

/** `load/run sockets`. */
export async function sockets(bench) {
  const server = await bench.server();
  try {
    return await measured(bench, server);
  } finally {
    await server.stop();
    await bench.database.removeCreated();
  }
}

async function measured(bench, server) {
  const count = bench.options.sockets;
  const boards = [];
  for (let n = 0; n < BOARDS; n++) {
    boards.push((await fromServer(bench, server, operationNamed("create_board"))).createBoard.id);
  }
  // What the first of them allocate for good is not part of what one more costs.
  const first = await opened(bench, server, boards, WARM_UP);
  for (const socket of first) socket.close();
  const before = await settled(server);
  const open = await opened(bench, server, boards, count);
  const after = await settled(server);
  const each = (after - before) / count / 1024;
  const alive = open.filter((socket) => !socket.closed).length;
  const told = await toldOfChange(bench, server, open, boards);
  for (const socket of open) socket.close();
  const rows = [
    [`resident before, after ${WARM_UP} came and went`, `${(before / MIB).toFixed(1)} MiB`],
    [`resident with ${count}`, `${(after / MIB).toFixed(1)} MiB`],
    ["one subscription", below(each, LIMIT_KIB, 1, " KiB")],
    [`open after ${SETTLE_MS / 1000} s`, judged(alive === count, alive, `all ${count}`)],
    ["told of a change of their board", judged(told.got === told.all, told.got, `all ${told.all}`)],
  ];
  return section("sockets", `${count} idle subscriptions`, markdownTable(["", "figure"], rows));
}

/** Each on a connection of its own, having received its first event. */
async function opened(bench, server, boards, count) {
  const sockets = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, async (_, index) => {
      const socket = await GraphqlSocket.open(`${server.url}/graphql`, bench.headers(USER));
      const id = boards[(sockets.length + index) % boards.length];
      socket.send({ type: "subscribe", id: "1", payload: { query: SUBSCRIPTION, variables: { id } } });
      const { payload } = await socket.next("next");
      if (payload.data?.boardUpdated.title !== CREATED_TITLE)
        throw new Error(`a subscription began with ${JSON.stringify(payload)}`);
      return socket;
    });
    sockets.push(...(await Promise.all(some)));
  }
  say(`${count} subscriptions are open`);
  return sockets;
}

/** Resident bytes once it is quiet: the median of five seconds. */
async function settled(server) {
  await pause(SETTLE_MS);
  const seen = [];
  for (let n = 0; n < 10; n++) {
    seen.push(server.memory.resident);
    await pause(SETTLE_MS / 10);
  }
  return median(seen);
}

/** Of those that follow the first board, how many hear of its change: what is idle must still work. */
async function toldOfChange(bench, server, open, boards) {
  const followers = open.filter((_, index) => index % boards.length === 0);
  const body = JSON.stringify({ query: CHANGE, variables: { id: boards[0] } });
  await fromServer(bench, server, { name: "updateBoard", caller: USER, body });
  await pause(SETTLE_MS);
  const changed = ({ type, payload }) => type === "next" && payload.data?.boardUpdated.description === "changed";
  return { all: followers.length, got: followers.filter((socket) => socket.messages.some(changed)).length };
}
