// What is measured, and the budget of each operation.
import { readFileSync } from "node:fs";
import { SCALE_USER, TENANT, USER, seedId } from "./seed.js";

const user = seedId(USER);
const scaleUser = seedId(SCALE_USER);

/**
 * `caller`: subject of the token, null for none. `floor`: the floor's route. `rows`: how many the list in the answer has,
 * by the seed. `ratio`: server to floor, at least; `statements`: for each request, at most.
 * `beside`: another operation, of whose rate this one must reach `share`. `writes`: what it made must be taken away.
 */
export const OPERATIONS = [
  { name: "me", caller: USER, floor: `/me/${TENANT}/${USER}`, ratio: 0.6, statements: 1 },
  {
    name: "board",
    caller: USER,
    floor: `/board/${seedId("board-5")}/${user}`,
    rows: { "board.generations": 10, "board.members": 3 },
    ratio: 0.6,
    statements: 5,
  },
  {
    name: "my_boards",
    caller: USER,
    floor: `/my_boards/${user}`,
    rows: { myBoards: 50 },
    ratio: 0.6,
    statements: 5,
  },
  {
    name: "public_boards",
    caller: null,
    floor: `/public_boards/${TENANT}`,
    rows: { publicBoards: 20 },
    ratio: 0.6,
    statements: 4,
  },
  {
    name: "recent",
    caller: USER,
    floor: `/recent/${user}`,
    rows: { recentGenerations: 50 },
    ratio: 0.6,
    statements: 4,
  },
  {
    name: "search",
    caller: USER,
    floor: `/search/${user}`,
    rows: { searchBoards: 3 },
    ratio: 0.8,
    statements: 2,
  },
  {
    name: "board_big",
    caller: SCALE_USER,
    floor: `/board/${seedId("board-big")}/${scaleUser}`,
    rows: { "board.generations": 20, "board.members": 3 },
    beside: "board",
    share: 0.9,
  },
  {
    name: "my_boards_2000",
    caller: SCALE_USER,
    floor: `/my_boards/${scaleUser}`,
    rows: { myBoards: 50 },
    beside: "my_boards",
    share: 0.7,
  },
  {
    name: "create_board",
    caller: USER,
    floor: `/create_board/${user}`,
    ratio: 0.7,
    statements: 2,
    writes: true,
  },
].map((operation) => ({
  ...operation,
  body: readFileSync(new URL(`../queries/${operation.name}.json`, import.meta.url), "utf8").trim(),
}));

export function operationNamed(name) {
  const operation = OPERATIONS.find((candidate) => candidate.name === name);
  if (operation === undefined)
    throw new Error(`there is no query ${name}: ${OPERATIONS.map((o) => o.name).join(", ")}`);
  return operation;
}

/** Those that a comma-separated list names; all without a list. Writes come last. */
export function chosenOperations(names) {
  return names === undefined ? OPERATIONS : names.split(",").map(operationNamed);
}
