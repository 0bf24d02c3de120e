// Subscriptions that are open when their token ends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { IdentityProvider } from "../provider/identity-provider.js";
import { APIS } from "../provider/people-and-clients.js";
import { personToken, revoke } from "../provider/tokens.js";
import { Boards } from "../support/boards.js";
import { eventually } from "../support/eventually.js";
import { Subscription } from "../support/subscription.js";
import { byIntrospection, byKeys } from "../support/trust.js";

async function providerFor(context) {
  const provider = await IdentityProvider.start();
  context.after(() => provider.front.close());
  return provider;
}

/** Subscribes to a new board, and waits until the first event is there. */
async function follow(context, boards, token) {
  const { body } = await boards.graphql('mutation { createBoard(input: { title: "Engines" }) { id } }', { token });
  const query = `subscription { boardUpdated(boardId: "${body.data.createBoard.id}") { title } }`;
  const subscription = await Subscription.open(context, boards, token, query);
  await eventually(5, () => assert.deepEqual(subscription.firstEvent, { boardUpdated: { title: "Engines" } }));
  assert.ok(!subscription.ended);
  return subscription;
}

// Side by side: most of the time they wait.
describe("subscriptions", { concurrency: 6 }, () => {
  test("a subscription ends with its token, and others go on", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byKeys(provider, { BOARDS_AUTH_LEEWAY_SECONDS: "0" }));
    const lasting = await follow(context, boards, await personToken(provider.issuer));
    provider.lifetime = 6;
    const brief = await follow(context, boards, await personToken(provider.issuer));
    await eventually(12, () => assert.ok(brief.ended));
    assert.ok(!lasting.ended);
  });

  test("a subscription ends when its opaque token does", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider, { BOARDS_AUTH_LEEWAY_SECONDS: "0" }));
    provider.lifetime = 6;
    const token = await personToken(provider.issuer, "ada", { api: APIS.boardsOpaque });
    const subscription = await follow(context, boards, token);
    await eventually(12, () => assert.ok(subscription.ended));
  });

  test("a subscription ends when its token is revoked at the provider", async (context) => {
    const provider = await providerFor(context);
    const boards = await Boards.start(context, byIntrospection(provider));
    const token = await personToken(provider.issuer, "ada", { api: APIS.boardsOpaque });
    const subscription = await follow(context, boards, token);
    await revoke(provider.issuer, token);
    await eventually(40, () => assert.ok(subscription.ended));
  });
});
