// An OpenID Connect provider on this machine: oidc-provider, with two people, three clients and three APIs, and keys that
// can be added and taken away while it runs. People are signed in without a page, as the request's login_hint says.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import Provider from "oidc-provider";
import { createMemoryAdapter } from "oidc-provider/lib/adapters/memory_adapter.js";
import { Front } from "./front.js";
import { ACCOUNTS, APIS, CLIENTS, SCOPES } from "./people-and-clients.js";

const KEY_PAIRS = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

function makeKey(algorithm) {
  const { privateKey } = KEY_PAIRS[algorithm]();
  return { ...privateKey.export({ format: "jwk" }), alg: algorithm, use: "sig", kid: randomBytes(8).toString("hex") };
}

export class IdentityProvider {
  /** Seconds that access tokens live which are issued from now on. */
  lifetime = 600;
  #keys = [];
  #signingKey;
  #provider;
  // The codes, grants and opaque tokens that were issued. oidc-provider reads its keys once, so each change of them needs
  // another instance, which must know what the last one issued.
  #adapter = createMemoryAdapter();
  #cookieKey = randomBytes(32).toString("hex");

  /** Starts one at a port of 127.0.0.1, a free one by default. */
  static async start(port) {
    const identityProvider = new IdentityProvider();
    await identityProvider.front.listen(port);
    identityProvider.signWith(identityProvider.publishKey());
    return identityProvider;
  }

  constructor() {
    /** What stands between the world and the provider: counts requests, and fails when told to. */
    this.front = new Front((request, response) => this.#answer(request, response));
  }

  get issuer() {
    return this.front.origin;
  }

  /** Puts a new key into the key set, and returns its id. Tokens are signed with it after `signWith`. */
  publishKey(algorithm = "RS256") {
    const key = makeKey(algorithm);
    this.#keys.push(key);
    this.#renew();
    return key.kid;
  }

  /** Signs access tokens with this key from now on. */
  signWith(kid) {
    this.#signingKey = this.#keys.find((key) => key.kid === kid);
  }

  get signingKey() {
    return this.#signingKey.kid;
  }

  /** Takes a key out of the key set. */
  removeKey(kid) {
    this.#keys = this.#keys.filter((key) => key.kid !== kid);
    this.#renew();
  }

  async #answer(request, response) {
    const [, interaction] = /^\/interaction\/([\w-]+)$/.exec(request.url) ?? [];
    if (interaction === undefined) return this.#provider.callback()(request, response);
    const { params } = await this.#provider.interactionDetails(request, response);
    const result =
      params.login_hint in ACCOUNTS
        ? { login: { accountId: params.login_hint } }
        : { error: "access_denied", error_description: "nobody of the name in login_hint" };
    return this.#provider.interactionFinished(request, response, result);
  }

  #renew() {
    this.#provider = new Provider(this.issuer, {
      adapter: this.#adapter,
      jwks: { keys: this.#keys },
      clients: CLIENTS,
      findAccount: (_context, subject) =>
        subject in ACCOUNTS
          ? { accountId: subject, claims: () => ({ sub: subject, ...ACCOUNTS[subject] }) }
          : undefined,
      extraTokenClaims: (_context, token) => ACCOUNTS[token.accountId],
      loadExistingGrant: grantEverything,
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: (_context, client) => client.clientId === "boards-api" },
        revocation: { enabled: true, allowedPolicy: (_context, client, token) => client.clientId === token.clientId },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context, resource) => this.#api(resource),
        },
      },
      interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
      cookies: { keys: [this.#cookieKey] },
      pkce: { required: () => true },
      ttl: {
        AccessToken: () => this.lifetime,
        ClientCredentials: () => this.lifetime,
        Grant: 3600,
        IdToken: 600,
        Interaction: 60,
        Session: 3600,
      },
    });
    this.#provider.on("server_error", (_context, error) => console.error(error));
  }

  #api(resource) {
    const format = Object.values(APIS).find((api) => api.resource === resource)?.format;
    if (format === undefined) throw new Provider.errors.InvalidTarget();
    return {
      scope: SCOPES.join(" "),
      audience: resource,
      accessTokenFormat: format,
      jwt: { sign: { alg: this.#signingKey.alg, kid: this.#signingKey.kid } },
    };
  }
}

/** Consents to whatever is asked, so that there is no page to press a button on. */
async function grantEverything({ oidc }) {
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope("openid email profile");
  for (const { resource } of Object.values(APIS)) grant.addResourceScope(resource, SCOPES.join(" "));
  await grant.save();
  return grant;
}
