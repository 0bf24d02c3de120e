// A provider that is down, slow or out of its mind: nobody gets in by it, nobody is told that their token is bad, and
// whoever can be judged without it is.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FAULTS } from "../provider/front.js";
import { IdentityProvider } from "../provider/identity-provider.js";
import { personToken } from "../provider/tokens.js";
import { Boards } from "../support/boards.js";
import { eventually } from "../support/eventually.js";
import { byKeys } from "../support/trust.js";

const DISCOVERY = "/.well-known/openid-configuration";
/** Seconds after which somebody who waits would have gone. */
const PATIENCE = 15;
/** Most seconds until a provider that works again is asked again. */
const RECOVERY = 35;
/** Far more than a key set has, far less than a server has memory. */
const MOST_BYTES = 16 * 1024 * 1024;

async function providerFor(context) {
  const provider = await IdentityProvider.start();
  context.after(() => provider.front.close());
  return provider;
}

async function recovers(boards, token) {
  await eventually(RECOVERY, async () => assert.equal(await boards.judge(token), "ada"));
}

/** What a discovery document says instead of the truth. */
const LIES = {
  "another issuer": { issuer: "https://attacker.example" },
  "no issuer": { issuer: undefined },
  "keys without encryption elsewhere": { jwks_uri: "http://keys.example/jwks" },
  "keys in a file": { jwks_uri: "file:///etc/passwd" },
  "no keys": { jwks_uri: undefined },
};

/** Lets a provider's discovery document lie. */
async function lie(provider, changes) {
  const document = await (await fetch(new URL(DISCOVERY, provider.issuer))).json();
  provider.front.fail(DISCOVERY, (_request, response) => {
    response.setHeader("Content-Type", "application/json").end(JSON.stringify({ ...document, ...changes }));
  });
}

// Side by side: most of the time they wait.
describe("an identity provider that is out of order", { concurrency: 6 }, () => {
  test("down when the server starts", async (context) => {
    const provider = await providerFor(context);
    const token = await personToken(provider.issuer);
    await provider.front.close();
    const boards = await Boards.start(context, byKeys(provider));
    assert.equal(await boards.judge(token), "AUTH_UNAVAILABLE");
    const rest = await fetch(new URL("/api/sse/generations/0190a1b2-0000-7000-8000-000000000000/progress", boards.url), {
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.equal(rest.status, 503);
    assert.equal((await boards.graphql("{ generators { name } }")).body.errors, undefined, "nobody needs a provider for this");
    await provider.front.listen();
    await recovers(boards, token);
  });

  test("down later: known keys are enough, unknown ones must wait", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byKeys(provider));
    const known = await personToken(provider.issuer, "grace");
    assert.equal(await boards.judge(known), "grace");
    provider.signWith(provider.publishKey());
    const fresh = await personToken(provider.issuer);
    await provider.front.close();
    assert.equal(await boards.judge(fresh), "AUTH_UNAVAILABLE");
    assert.equal(await boards.judge(known), "grace");
    await provider.front.listen();
    await recovers(boards, fresh);
    assert.equal(await boards.judge(known), "grace");
  });

  for (const [path, what] of [["/jwks", "key set"], [DISCOVERY, "discovery"]]) {
    for (const fault of Object.keys(FAULTS)) {
      test(`the ${what} is at fault: ${fault}`, async (context) => {
        const provider = await providerFor(context);
        const token = await personToken(provider.issuer);
        provider.front.fail(path, fault);
        const boards = await Boards.start(context, byKeys(provider));
        const { body, milliseconds } = await boards.graphql("{ me { id } }", { token });
        assert.equal(body.errors?.[0].extensions.code, "AUTH_UNAVAILABLE");
        assert.ok(milliseconds < PATIENCE * 1000, `${milliseconds} ms`);
        assert.equal(provider.front.detours, 0, "no redirect is followed");
        assert.ok(provider.front.poured < MOST_BYTES, `${provider.front.poured} bytes were read`);
        assert.ok(!boards.log.includes(token), "the log holds no token");
      });
    }
  }

  for (const [name, changes] of Object.entries(LIES)) {
    test(`discovery names ${name}`, async (context) => {
      const provider = await providerFor(context);
      const token = await personToken(provider.issuer);
      await lie(provider, changes);
      const boards = await Boards.start(context, byKeys(provider));
      assert.equal(await boards.judge(token), "AUTH_UNAVAILABLE");
      assert.equal(provider.front.count("/jwks"), 0);
    });
  }

  test("a fault that is mended is forgotten", async (context) => {
    const provider = await providerFor(context);
    const token = await personToken(provider.issuer);
    provider.front.fail("/jwks", "garbage");
    const boards = await Boards.start(context, byKeys(provider));
    assert.equal(await boards.judge(token), "AUTH_UNAVAILABLE");
    provider.front.mend();
    await recovers(boards, token);
  });
});
