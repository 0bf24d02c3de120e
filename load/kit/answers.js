// Whether server and floor answer the same, so that nobody measures errors.
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/** Asks both once and fails unless rows, ids and values agree and are as many as the seed makes them. */
export async function requireAgreement(bench, server, floor, operation) {
  const [ours, theirs] = [await fromServer(bench, server, operation), await fromFloor(floor, operation)];
  const problem =
    wrongRows(operation, ours) ?? difference(withoutNewIds(operation, ours), withoutNewIds(operation, theirs));
  if (problem !== undefined) throw new Error(`${operation.name}: server and floor differ: ${problem}`);
}

/** The server's `data`; fails on any error. */
export async function fromServer(bench, server, operation) {
  const headers = bench.headers(operation.caller);
  return data(await fetch(`${server.url}/graphql`, { method: "POST", headers, body: operation.body }), operation);
}

async function fromFloor(floor, operation) {
  return data(await fetch(floor.url + operation.floor), operation);
}

async function data(response, operation) {
  const text = await response.text();
  const answer = response.ok ? JSON.parse(text) : {};
  if (answer.data == null || answer.errors !== undefined) {
    throw new Error(`${operation.name}: ${response.url} answered ${response.status} ${text.slice(0, 500)}`);
  }
  return answer.data;
}

function wrongRows({ rows = {} }, answer) {
  for (const [path, count] of Object.entries(rows)) {
    const list = path.split(".").reduce((value, name) => value?.[name], answer);
    if (list?.length !== count) return `${path} has ${list?.length} rows, not ${count}`;
  }
  return undefined;
}

/** What is created has an id of its own on each side. */
function withoutNewIds({ writes }, answer) {
  return writes ? JSON.parse(JSON.stringify(answer, (name, value) => (name === "id" ? undefined : value))) : answer;
}

/** Where two JSON values differ first; the order of keys and the spelling of times and numbers do not count. */
export function difference(left, right, path = "data") {
  if (isComposite(left) && isComposite(right) && Array.isArray(left) === Array.isArray(right)) {
    const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
    for (const name of names) {
      const found = difference(left[name], right[name], `${path}.${name}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return scalar(left) === scalar(right) ? undefined : `${path}: ${JSON.stringify(left)} and ${JSON.stringify(right)}`;
}

function isComposite(value) {
  return typeof value === "object" && value !== null;
}

function scalar(value) {
  return typeof value === "string" && TIME.test(value) ? new Date(value).toISOString() : value;
}
