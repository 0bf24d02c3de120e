// Several providers at once, each believed for its own tokens alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IdentityProvider } from "../provider/identity-provider.js";
import { APIS, secretOf } from "../provider/people-and-clients.js";
import { personToken } from "../provider/tokens.js";
import { Boards } from "../support/boards.js";

function listed(name, provider) {
  return `
[[auth_issuers]]
name = "${name}"
provider = "oidc"
issuer = "${provider.issuer}"
audience = "${APIS.boards.resource}"
`;
}

function listedForOpaqueTokens(name, provider) {
  return `
[[auth_issuers]]
name = "${name}"
provider = "introspection"
issuer = "${provider.issuer}"
audience = "${APIS.boardsOpaque.resource}"
introspection_url = "${provider.issuer}/token/introspection"
client_id = "boards-api"
client_secret = "${secretOf("boards-api")}"
`;
}

async function providerFor(context) {
  const provider = await IdentityProvider.start();
  context.after(() => provider.front.close());
  return provider;
}

async function user(boards, token) {
  const { body } = await boards.graphql("{ me { id authProvider authSubject } }", { token });
  assert.equal(body.errors, undefined, JSON.stringify(body));
  return body.data.me;
}

test("the same subject at two providers is two people, and at a third one more", async (context) => {
  const [work, school, club] = [await providerFor(context), await providerFor(context), await providerFor(context)];
  const file = listed("work", work) + listed("school", school) + listedForOpaqueTokens("club", club);
  const boards = await Boards.start(context, {}, file);
  const users = [
    await user(boards, await personToken(work.issuer)),
    await user(boards, await personToken(school.issuer)),
    await user(boards, await personToken(club.issuer, "ada", { api: APIS.boardsOpaque })),
  ];
  assert.deepEqual(users.map((someone) => someone.authProvider), ["work", "school", "club"]);
  assert.deepEqual([...new Set(users.map((someone) => someone.authSubject))], ["ada"]);
  assert.equal(new Set(users.map((someone) => someone.id)).size, 3);
  assert.equal(work.front.count("/jwks"), 1);
  assert.equal(school.front.count("/jwks"), 1);
});

test("one that is down keeps nobody out who comes from another", async (context) => {
  const [work, school] = [await providerFor(context), await providerFor(context)];
  const [workToken, schoolToken] = [await personToken(work.issuer), await personToken(school.issuer)];
  // Before the server starts: it reads the keys at once.
  await work.front.close();
  const boards = await Boards.start(context, {}, listed("work", work) + listed("school", school));
  assert.equal(await boards.judge(workToken), "AUTH_UNAVAILABLE");
  assert.equal(await boards.judge(schoolToken), "ada");
});
