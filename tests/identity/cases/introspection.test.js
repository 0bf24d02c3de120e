// Opaque tokens, about which the provider is asked (RFC 7662), and their revocation (RFC 7009).
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FAULTS } from "../provider/front.js";
import { IdentityProvider } from "../provider/identity-provider.js";
import { APIS } from "../provider/people-and-clients.js";
import { personToken, revoke, robotToken } from "../provider/tokens.js";
import { Boards } from "../support/boards.js";
import { eventually } from "../support/eventually.js";
import { byIntrospection } from "../support/trust.js";

const INTROSPECTION = "/token/introspection";
/** Seconds after which somebody who waits would have gone. */
const PATIENCE = 15;
/** Most seconds that an answer of the provider is believed. */
const LONGEST_BELIEF = 30;
const MOST_BYTES = 16 * 1024 * 1024;

async function providerFor(context) {
  const provider = await IdentityProvider.start();
  context.after(() => provider.front.close());
  return provider;
}

function opaqueToken(provider, options = {}) {
  return personToken(provider.issuer, "ada", { api: APIS.boardsOpaque, ...options });
}

// Side by side: most of the time they wait.
describe("opaque tokens", { concurrency: 6 }, () => {
  test("somebody with an opaque token is a user with a name and an email, and the provider is asked once", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider));
    const token = await opaqueToken(provider);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => boards.graphql("{ me { authSubject displayName email } }", { token })),
    );
    for (const { body } of answers) {
      assert.deepEqual(body, {
        data: { me: { authSubject: "ada", displayName: "Ada Lovelace", email: "ada@example.com" } },
      });
    }
    assert.equal(provider.front.count(INTROSPECTION), 1);
  });

  test("a token that is revoked at the provider is refused within 30 seconds", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider));
    const [revoked, kept] = [await opaqueToken(provider), await opaqueToken(provider)];
    assert.deepEqual([await boards.judge(revoked), await boards.judge(kept)], ["ada", "ada"]);
    await revoke(provider.issuer, revoked);
    await eventually(LONGEST_BELIEF + 5, async () => assert.equal(await boards.judge(revoked), "UNAUTHENTICATED"));
    assert.equal(await boards.judge(kept), "ada");
  });

  test("a token is not believed beyond its end, however fresh the answer about it is", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider, { BOARDS_AUTH_LEEWAY_SECONDS: "0" }));
    provider.lifetime = 5;
    const token = await opaqueToken(provider);
    assert.equal(await boards.judge(token), "ada");
    await eventually(10, async () => assert.equal(await boards.judge(token), "UNAUTHENTICATED"));
  });

  test("a token that the provider does not know is refused, and soon not asked about again", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider));
    const answers = await Promise.all(Array.from({ length: 50 }, () => boards.judge("never-issued-by-anybody")));
    assert.deepEqual([...new Set(answers)], ["UNAUTHENTICATED"]);
    assert.equal(provider.front.count(INTROSPECTION), 1);
  });

  test("a token for another API is refused", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider));
    assert.equal(await boards.judge(await opaqueToken(provider, { api: APIS.otherOpaque })), "UNAUTHENTICATED");
  });

  // oidc-provider names no subject of a client's own opaque tokens (it is optional in RFC 7662, section 2.2).
  test("an opaque token of nobody is refused", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider));
    assert.equal(await boards.judge(await robotToken(provider.issuer, { api: APIS.boardsOpaque })), "UNAUTHENTICATED");
  });

  for (const [method, scheme] of [["basic", "Basic"], ["post", undefined]]) {
    test(`the server says who it is by client_secret_${method}`, async (context) => {
      const provider = await providerFor(context);
      const boards = await Boards.start(context, byIntrospection(provider, { BOARDS_AUTH_CLIENT_METHOD: method }));
      assert.equal(await boards.judge(await opaqueToken(provider)), "ada");
      const [headers] = provider.front.requests(INTROSPECTION);
      assert.equal(headers.authorization?.split(" ")[0], scheme);
    });
  }

  test("a wrong client secret is the server's fault, not the token's", async (context) => {
    const provider = await providerFor(context);
    const secret = "not the secret that the provider knows";
    const boards = await Boards.start(context, byIntrospection(provider, { BOARDS_AUTH_CLIENT_SECRET: secret }));
    assert.equal(await boards.judge(await opaqueToken(provider)), "AUTH_UNAVAILABLE");
    assert.ok(!boards.log.includes(secret));
  });

  test("down, and back again", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider));
    const [asked, notAsked] = [await opaqueToken(provider), await opaqueToken(provider)];
    assert.equal(await boards.judge(asked), "ada");
    await provider.front.close();
    assert.equal(await boards.judge(notAsked), "AUTH_UNAVAILABLE");
    await provider.front.listen();
    await eventually(LONGEST_BELIEF, async () => assert.equal(await boards.judge(notAsked), "ada"));
  });

  for (const fault of Object.keys(FAULTS)) {
    test(`introspection is at fault: ${fault}`, async (context) => {
      const provider = await providerFor(context);
      const token = await opaqueToken(provider);
      provider.front.fail(INTROSPECTION, fault);
      const boards = await Boards.start(context, byIntrospection(provider));
      const { body, milliseconds } = await boards.graphql("{ me { id } }", { token });
      assert.equal(body.errors?.[0].extensions.code, "AUTH_UNAVAILABLE");
      assert.ok(milliseconds < PATIENCE * 1000, `${milliseconds} ms`);
      assert.equal(provider.front.detours, 0, "no redirect is followed: it would take the token and the secret along");
      assert.ok(provider.front.poured < MOST_BYTES, `${provider.front.poured} bytes were read`);
      assert.ok(!boards.log.includes(token), "the log holds no token");
    });
  }
});
