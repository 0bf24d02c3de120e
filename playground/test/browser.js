// Tries the playground of a running server in headless Chromium, as a newcomer would use it:
//
//     npm test -- http://127.0.0.1:8088 [TOKEN] [TENANT] [--screenshot FILE] [--cdn]
//
// Without a token the server must run with BOARDS_AUTH_PROVIDER=none. --cdn is for a server without the embedded bundle:
// what its page asks of the CDN is answered from node_modules, with the hashes and the policy of the page in force.
// CHROMIUM names the browser, /usr/bin/chromium by default. Exits 1 with the first thing that is not as it should be.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    screenshot: { type: "string" },
    cdn: { type: "boolean", default: false },
  },
});
if (positionals.length < 1 || positionals.length > 3) {
  console.error("usage: npm test -- URL [TOKEN] [TENANT] [--screenshot FILE] [--cdn]");
  process.exit(2);
}
const address = new URL(positionals[0]);
const givenToken = positionals[1];
const tenant = positionals[2] ?? "default";
const cdn = "https://cdn.jsdelivr.net/npm/";
const patience = 20_000;

/** What went wrong in the page without anybody asking: foreign requests, console errors, policy violations. */
const complaints = [];
/** What the page sent: headers and body of each POST, the first message of each WebSocket. */
const posts = [];
const greetings = [];

function watch(page) {
  page.on("request", (request) => {
    const url = new URL(request.url());
    const allowed = url.origin === address.origin || url.protocol === "data:" || (options.cdn && request.url().startsWith(cdn));
    if (!allowed) complaints.push(`request to ${request.url()}`);
    if (request.method() === "POST") posts.push({ headers: request.headers(), body: request.postDataJSON() });
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== address.host) complaints.push(`WebSocket to ${socket.url()}`);
    socket.on("framesent", ({ payload }) => {
      const message = JSON.parse(payload);
      if (message.type === "connection_init") greetings.push(message.payload);
    });
  });
}

async function serveCdnFromPackages(page) {
  await page.route(`${cdn}**`, async (route) => {
    const [, name, path] = /^([^@]+)@[^/]+\/(.+)$/.exec(route.request().url().slice(cdn.length));
    await route.fulfill({
      body: await readFile(new URL(`../node_modules/${name}/${path}`, import.meta.url)),
      contentType: path.endsWith(".css") ? "text/css" : "text/javascript",
      headers: { "access-control-allow-origin": "*" },
    });
  });
}

/** Types over all the text of one of GraphiQL's editors. */
async function type(page, editor, text) {
  await page.locator(editor).locator(".CodeMirror-scroll:visible").click();
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(text);
  const read = await page.locator(`${editor} .CodeMirror:visible`).evaluate((element) => element.CodeMirror.getValue());
  assert.equal(read, text, `${editor} does not hold what was typed`);
}

async function typeTool(page, tool, values) {
  await page.locator(".graphiql-editor-tools").getByText(tool, { exact: true }).click();
  await type(page, ".graphiql-editor-tool:not(.hidden)", JSON.stringify(values, null, 2));
}

async function openTab(page, name) {
  await page.locator(".graphiql-tab-button", { hasText: name }).click();
}

/** Presses the button, picks the operation if the tab has several, and waits for an answer that `accept` takes. */
async function execute(page, accept, operation) {
  const answer = ".graphiql-response .result-window .CodeMirror";
  await page.locator(answer).evaluate((element) => element.CodeMirror.setValue(""));
  // The button becomes a menu a moment after a tab with several operations has been opened.
  await page.locator(`.graphiql-execute-button${operation ? "[aria-haspopup=menu]" : ":not([aria-haspopup])"}`).click();
  if (operation) await page.getByRole("menuitem", { name: operation, exact: true }).click();
  let last = "";
  const end = Date.now() + patience;
  while (Date.now() < end) {
    last = await page.locator(answer).evaluate((element) => element.CodeMirror.getValue());
    try {
      const parsed = JSON.parse(last);
      if (parsed.errors) break;
      if (accept(parsed.data)) return parsed.data;
    } catch {
      // Not an answer yet.
    }
    await page.waitForTimeout(50);
  }
  throw new Error(`${operation ?? "the operation"} answered: ${last || "nothing"}`);
}

async function tabNames(page) {
  return page.locator(".graphiql-tab-button").evaluateAll((buttons) => buttons.map((button) => button.firstChild.textContent));
}

/**
 * A tab is named after the operation that ran last in it. GraphiQL stores its tabs, and beside them what stands in the
 * editors, half a second after a change; while the two differ, a reload takes the editors for a tab of their own.
 */
async function reloadKeepsTabs(page, names) {
  const settled = (wanted) => {
    const stored = (name) => window.sessionStorage.getItem(`graphiql:${name}`);
    const state = JSON.parse(stored("tabState") ?? '{"tabs":[]}');
    const active = state.tabs[state.activeTabIndex];
    const same = (name) => (stored(name) ?? "") === (active[name] ?? "");
    return state.tabs.map((tab) => tab.title).join() === wanted.join() && ["query", "variables", "headers"].every(same);
  };
  await page.waitForFunction(settled, names);
  await page.reload();
  await page.locator(".graphiql-execute-button").waitFor();
  assert.deepEqual(await tabNames(page), names, "after a reload");
}

async function story(page) {
  await page.goto(address.href);
  assert.equal(await page.title(), "Boards");
  await page.locator(".graphiql-execute-button").waitFor({ timeout: patience });
  assert.deepEqual(await tabNames(page), ["Me", "CreateBoard", "GenerationUpdated"]);
  await reloadKeepsTabs(page, ["Me", "CreateBoard", "GenerationUpdated"]);

  if (!givenToken) {
    await execute(page, (data) => data.me?.id && Array.isArray(data.myBoards));
    const sent = posts.at(-1).headers;
    assert.equal(sent["x-tenant"], "default");
    assert.equal(sent.authorization, undefined, "the placeholder was sent as a token");
  }

  const token = givenToken ?? "any-text";
  await typeTool(page, "Headers", { Authorization: `Bearer ${token}`, "X-Tenant": tenant, "X-Request-Id": "playground" });
  await execute(page, (data) => data.me?.id && Array.isArray(data.myBoards));
  const sent = posts.at(-1).headers;
  assert.equal(sent.authorization, `Bearer ${token}`);
  assert.equal(sent["x-tenant"], tenant);
  assert.equal(sent["x-request-id"], "playground");
  if (options.screenshot) await page.screenshot({ path: options.screenshot });

  await openTab(page, "CreateBoard");
  const board = await execute(page, (data) => data.createBoard?.id, "CreateBoard");
  assert.equal(posts.at(-1).headers.authorization, `Bearer ${token}`, "the tab did not take over the headers");
  const inputParams = { prompt: "a calm sea at dawn", width: 512, height: 512 };
  await typeTool(page, "Variables", { title: "x", boardId: board.createBoard.id, inputParams });
  const made = await execute(page, (data) => data.createGeneration?.id, "CreateGeneration");

  await openTab(page, "GenerationUpdated");
  await typeTool(page, "Variables", { id: made.createGeneration.id });
  const seen = await execute(page, (data) => data.generationUpdated?.status === "COMPLETED");
  assert.deepEqual(greetings.at(-1), { Authorization: `Bearer ${token}`, "X-Tenant": tenant });
  if (options.screenshot) await page.screenshot({ path: options.screenshot.replace(/(\.png)?$/, "-subscription.png") });

  assert.equal(await page.evaluate(() => window.localStorage.length), 0, "something stays in localStorage");
  await reloadKeepsTabs(page, ["Me", "CreateGeneration", "GenerationUpdated"]);

  // GET /graphql is the same page to a browser.
  await page.goto(new URL("graphql", address).href);
  await page.locator(".graphiql-execute-button").waitFor({ timeout: patience });
  return seen.generationUpdated;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  page.setDefaultTimeout(patience);
  watch(page);
  if (options.cdn) await serveCdnFromPackages(page);
  const generation = await story(page).catch(async (error) => {
    if (options.screenshot) await page.screenshot({ path: options.screenshot });
    throw error;
  });
  assert.deepEqual(complaints, []);
  console.log(`playground: all well at ${address.href}; generation ${generation.id} ended ${generation.status}`);
} catch (error) {
  console.error(`playground: ${error.message}`);
  for (const complaint of complaints) console.error(`  ${complaint}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
