// The settings with which a server trusts a local identity provider.
import { APIS, secretOf } from "../provider/people-and-clients.js";

/** Judges signed tokens with the provider's keys. */
export function byKeys(identityProvider, settings = {}) {
  return {
    BOARDS_AUTH_PROVIDER: "oidc",
    BOARDS_AUTH_ISSUER: identityProvider.issuer,
    BOARDS_AUTH_AUDIENCE: APIS.boards.resource,
    ...settings,
  };
}

/** Asks the provider about each token. */
export function byIntrospection(identityProvider, settings = {}) {
  return {
    BOARDS_AUTH_PROVIDER: "introspection",
    BOARDS_AUTH_ISSUER: identityProvider.issuer,
    BOARDS_AUTH_AUDIENCE: APIS.boardsOpaque.resource,
    BOARDS_AUTH_INTROSPECTION_URL: `${identityProvider.issuer}/token/introspection`,
    BOARDS_AUTH_CLIENT_ID: "boards-api",
    BOARDS_AUTH_CLIENT_SECRET: secretOf("boards-api"),
    ...settings,
  };
}
