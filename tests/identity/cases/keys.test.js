// The key set: read once, read again for a key that is not in it, and then believed as it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IdentityProvider } from "../provider/identity-provider.js";
import { personToken } from "../provider/tokens.js";
import { Boards } from "../support/boards.js";
import { byKeys } from "../support/trust.js";

async function providerFor(context) {
  const provider = await IdentityProvider.start();
  context.after(() => provider.front.close());
  return provider;
}

/** Calls `work` with 0 to count - 1, at most 50 at a time, and returns what came of each. */
async function many(count, work) {
  const results = [];
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      results[index] = await work(index);
    }
  };
  await Promise.all(Array.from({ length: 50 }, lane));
  return results;
}

/** The token with another key id in its header, which makes its signature wrong as well. */
function withKeyId(token, kid) {
  const [header, ...rest] = token.split(".");
  const fields = JSON.parse(Buffer.from(header, "base64url").toString());
  return [Buffer.from(JSON.stringify({ ...fields, kid })).toString("base64url"), ...rest].join(".");
}

test("1,000 requests read the key set once, even if the provider would rather have it read each time", async (context) => {
  const provider = await providerFor(context);
  provider.front.addHeader("/jwks", "Cache-Control", "no-cache, max-age=0");
  const boards = await Boards.start(context, byKeys(provider));
  const token = await personToken(provider.issuer);
  const subjects = await many(1000, () => boards.judge(token));
  assert.deepEqual([...new Set(subjects)], ["ada"]);
  assert.equal(provider.front.count("/jwks"), 1);
  assert.equal(provider.front.count("/.well-known/openid-configuration"), 1);
});

test("a new key beside the old one is noticed by nobody", async (context) => {
  const provider = await providerFor(context);
  const boards = await Boards.start(context, byKeys(provider));
  const old = await personToken(provider.issuer);
  assert.equal(await boards.judge(old), "ada");
  provider.signWith(provider.publishKey());
  const fresh = await personToken(provider.issuer, "grace");
  const subjects = await many(100, (index) => boards.judge(index % 2 ? old : fresh));
  assert.deepEqual(new Set(subjects), new Set(["ada", "grace"]));
  assert.equal(provider.front.count("/jwks"), 2);
});

test("a key that was taken away stops working when the key set is read again", async (context) => {
  const provider = await providerFor(context);
  const boards = await Boards.start(context, byKeys(provider));
  const leaked = provider.signingKey;
  const stolen = await personToken(provider.issuer);
  assert.equal(await boards.judge(stolen), "ada");
  provider.signWith(provider.publishKey());
  provider.removeKey(leaked);
  assert.equal(await boards.judge(await personToken(provider.issuer, "grace")), "grace");
  assert.equal(await boards.judge(stolen), "UNAUTHENTICATED");
  assert.equal(provider.front.count("/jwks"), 2);
});

test("a flood of key ids that nobody has reads the key set once, and keeps nobody out", async (context) => {
  const provider = await providerFor(context);
  // A flood from one address is refused before it asks for keys; this one comes from many.
  const boards = await Boards.start(context, byKeys(provider, { BOARDS_RATE_LIMIT: "off" }));
  const token = await personToken(provider.issuer);
  assert.equal(await boards.judge(token), "ada");
  const answers = await many(500, (index) => boards.judge(withKeyId(token, `key-${index}`)));
  assert.deepEqual([...new Set(answers)], ["UNAUTHENTICATED"]);
  assert.equal(provider.front.count("/jwks"), 2);
  assert.equal(await boards.judge(token), "ada");
});
