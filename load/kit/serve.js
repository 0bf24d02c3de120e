// A seeded server and the floor, left running for whoever wants to look at them under load.
import { fileURLToPath } from "node:url";
import { chosenOperations } from "./operations.js";
import { Requests, floorRequest, serverRequest } from "./wrk.js";

const SCRIPT = fileURLToPath(new URL("../wrk.lua", import.meta.url));

/** `load/run serve`: prints the commands that load each of them, and waits for Ctrl-C. */
export async function serve(bench) {
  const [server, floor] = [await bench.server(), await bench.floor()];
  const { connections, seconds } = bench.options;
  const command = (url, request) =>
    `REQUESTS=${new Requests(bench, [request]).file} wrk -t1 -c${connections} -d${seconds}s -s ${SCRIPT} ${url}`;
  console.log(`server ${server.url} pid ${server.pid}\nfloor  ${floor.url} pid ${floor.pid}\n`);
  for (const operation of chosenOperations(bench.options.query)) {
    console.log(`# ${operation.name}: server, floor`);
    console.log(command(server.url, serverRequest(bench, operation)));
    console.log(command(floor.url, floorRequest(operation)));
  }
  await new Promise(() => {}); // Ctrl-C ends it.
}
