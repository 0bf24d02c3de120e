// People who sign in by PKCE, programs with client credentials, and tokens that were meant for somebody else.
import assert from "node:assert/strict";
import { before, after, test } from "node:test";
import { IdentityProvider } from "../provider/identity-provider.js";
import { APIS } from "../provider/people-and-clients.js";
import { personToken, robotToken, signIn } from "../provider/tokens.js";
import { Boards } from "../support/boards.js";
import { eventually } from "../support/eventually.js";
import { byKeys } from "../support/trust.js";

let provider;
before(async () => (provider = await IdentityProvider.start()));
after(() => provider.front.close());

const ME = "{ me { id authSubject displayName email } }";

test("somebody who signs in is a user with a name and an email, the same one the next time", async (context) => {
  const boards = await Boards.start(context, byKeys(provider));
  const first = await boards.graphql(ME, { token: await personToken(provider.issuer, "ada") });
  assert.equal(first.body.errors, undefined, JSON.stringify(first.body));
  const { id, ...profile } = first.body.data.me;
  assert.deepEqual(profile, { authSubject: "ada", displayName: "Ada Lovelace", email: "ada@example.com" });
  const again = await boards.graphql(ME, { token: await personToken(provider.issuer, "ada") });
  assert.equal(again.body.data.me.id, id);
  const grace = await boards.graphql(ME, { token: await personToken(provider.issuer, "grace") });
  assert.notEqual(grace.body.data.me.id, id);
});

test("a program with client credentials is a user too", async (context) => {
  const boards = await Boards.start(context, byKeys(provider));
  assert.equal(await boards.judge(await robotToken(provider.issuer)), "boards-robot");
});

test("an explicit address of the key set needs no discovery", async (context) => {
  const before = provider.front.count("/.well-known/openid-configuration");
  const boards = await Boards.start(context, byKeys(provider, { BOARDS_AUTH_JWKS_URL: `${provider.issuer}/jwks` }));
  assert.equal(await boards.judge(await personToken(provider.issuer)), "ada");
  assert.equal(provider.front.count("/.well-known/openid-configuration"), before);
});

test("keys of each kind sign", async (context) => {
  const kinds = await IdentityProvider.start();
  context.after(() => kinds.front.close());
  const keys = ["RS256", "ES256", "EdDSA"].map((algorithm) => kinds.publishKey(algorithm));
  const boards = await Boards.start(context, byKeys(kinds));
  for (const key of keys) {
    kinds.signWith(key);
    assert.equal(await boards.judge(await personToken(kinds.issuer)), "ada");
  }
});

test("what is not an access token for this API is refused, by public fields too", async (context) => {
  const boards = await Boards.start(context, byKeys(provider));
  const { access_token: good, id_token: identity } = await signIn(provider.issuer, "ada");
  const refused = {
    "for another API": await personToken(provider.issuer, "ada", { api: APIS.other }),
    "a program's for another API": await robotToken(provider.issuer, { api: APIS.other }),
    "opaque": await personToken(provider.issuer, "ada", { api: APIS.boardsOpaque }),
    "an ID token": identity,
    "with another signature": `${good.slice(0, good.lastIndexOf("."))}.${identity.slice(identity.lastIndexOf(".") + 1)}`,
  };
  for (const [name, token] of Object.entries(refused)) {
    assert.equal(await boards.judge(token), "UNAUTHENTICATED", name);
    const { body } = await boards.graphql("{ publicBoards { id } }", { token });
    assert.equal(body.errors?.[0].extensions.code, "UNAUTHENTICATED", name);
  }
  assert.equal(await boards.judge(good), "ada");
});

test("a provider that nobody trusts is refused and not asked", async (context) => {
  const stranger = await IdentityProvider.start();
  context.after(() => stranger.front.close());
  const boards = await Boards.start(context, byKeys(provider));
  const token = await personToken(stranger.issuer);
  const before = stranger.front.total;
  assert.equal(await boards.judge(token), "UNAUTHENTICATED");
  assert.equal(stranger.front.total, before);
});

test("a token ends when it says so", async (context) => {
  const brief = await IdentityProvider.start();
  context.after(() => brief.front.close());
  const boards = await Boards.start(context, byKeys(brief, { BOARDS_AUTH_LEEWAY_SECONDS: "0" }));
  brief.lifetime = 5;
  const token = await personToken(brief.issuer);
  assert.equal(await boards.judge(token), "ada");
  await eventually(10, async () => assert.equal(await boards.judge(token), "UNAUTHENTICATED"));
});

test("where ID tokens have the API's audience, at+jwt tells them from access tokens", async (context) => {
  const confusing = { BOARDS_AUTH_AUDIENCE: "boards-web" };
  const { id_token: identity } = await signIn(provider.issuer, "ada");
  const careless = await Boards.start(context, byKeys(provider, confusing));
  assert.equal(await careless.judge(identity), "ada");
  const careful = await Boards.start(context, byKeys(provider, { ...confusing, BOARDS_AUTH_TOKEN_TYPE: "at+jwt" }));
  assert.equal(await careful.judge(identity), "UNAUTHENTICATED");
});

test("without an audience the server does not start, and says so", async (context) => {
  const { BOARDS_AUTH_AUDIENCE: _, ...settings } = byKeys(provider);
  await assert.rejects(Boards.start(context, settings), /AUTH_AUDIENCE/);
});
