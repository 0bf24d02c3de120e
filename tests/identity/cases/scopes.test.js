// What a token may do is what the provider granted.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { IdentityProvider } from "../provider/identity-provider.js";
import { APIS } from "../provider/people-and-clients.js";
import { personToken, robotToken } from "../provider/tokens.js";
import { Boards } from "../support/boards.js";
import { byIntrospection, byKeys } from "../support/trust.js";

let provider;
before(async () => (provider = await IdentityProvider.start()));
after(() => provider.front.close());

const READ = "{ myBoards { title } }";
const WRITE = 'mutation { createBoard(input: { title: "Engines" }) { title } }';

async function allowed(boards, query, token) {
  const { body } = await boards.graphql(query, { token });
  assert.equal(body.errors, undefined, JSON.stringify(body));
}

async function lacks(boards, query, token, scope) {
  const { body } = await boards.graphql(query, { token });
  assert.equal(body.errors?.[0].extensions.code, "FORBIDDEN", JSON.stringify(body));
  assert.deepEqual(body.errors[0].extensions.requiredScopes, [scope]);
}

test("a signed token that may read does not write", async (context) => {
  const boards = await Boards.start(context, byKeys(provider));
  for (const get of [(options) => personToken(provider.issuer, "ada", options), (options) => robotToken(provider.issuer, options)]) {
    const reader = await get({ scope: "boards:read" });
    await allowed(boards, READ, reader);
    await lacks(boards, WRITE, reader, "boards:write");
    const writer = await get({ scope: "boards:write" });
    await allowed(boards, WRITE, writer);
    await lacks(boards, READ, writer, "boards:read");
    const both = await get({ scope: "boards:read boards:write" });
    await allowed(boards, READ, both);
    await allowed(boards, WRITE, both);
  }
});

test("nor does an opaque one", async (context) => {
  const boards = await Boards.start(context, byIntrospection(provider));
  const token = await personToken(provider.issuer, "ada", { api: APIS.boardsOpaque, scope: "boards:read" });
  await allowed(boards, READ, token);
  await lacks(boards, WRITE, token, "boards:write");
});

test("a token without scopes may what its user may, unless scopes are required", async (context) => {
  const token = await personToken(provider.issuer, "ada");
  const trusting = await Boards.start(context, byKeys(provider));
  await allowed(trusting, READ, token);
  await allowed(trusting, WRITE, token);
  const strict = await Boards.start(context, byKeys(provider, { BOARDS_SCOPES: "required" }));
  await lacks(strict, READ, token, "boards:read");
  await lacks(strict, WRITE, token, "boards:write");
});

test("REST names the scope that is missing as RFC 6750 does", async (context) => {
  const boards = await Boards.start(context, byKeys(provider));
  const token = await personToken(provider.issuer, "ada", { scope: "boards:write" });
  const { body } = await boards.graphql('mutation { createBoard(input: { title: "Engines" }) { id } }', { token });
  const form = new FormData();
  form.set("board_id", body.data.createBoard.id);
  form.set("artifact_type", "text");
  form.set("file", new Blob(["the first program"], { type: "text/plain" }), "notes.txt");
  // In one piece: the answer may come, and the connection end, before a stream has been sent.
  const encoded = new Response(form);
  const response = await fetch(new URL("/api/uploads/artifact", boards.url), {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": encoded.headers.get("Content-Type") },
    body: await encoded.arrayBuffer(),
  });
  assert.equal(response.status, 403);
  assert.match(response.headers.get("WWW-Authenticate"), /^Bearer\b.*error="insufficient_scope".*scope="generations:write"/);
});
