// Who can sign in at the local identity provider, for which applications, and to which APIs. All of it is public: nothing
// here protects anything.

/** People, by subject; what their access tokens say about them. */
export const ACCOUNTS = {
  ada: { name: "Ada Lovelace", email: "ada@example.com", email_verified: true },
  grace: { name: "Grace Hopper", email: "grace@example.com", email_verified: true },
};

/** APIs that tokens can be asked for (RFC 8707), and the kind of token that each gets. */
export const APIS = {
  boards: { resource: "http://127.0.0.1:8088", format: "jwt" },
  boardsOpaque: { resource: "http://127.0.0.1:8088/opaque", format: "opaque" },
  other: { resource: "https://other.example", format: "jwt" },
  otherOpaque: { resource: "https://other.example/opaque", format: "opaque" },
};

/** The scopes of Boards. */
export const SCOPES = [
  "boards:read",
  "boards:write",
  "members:write",
  "generations:read",
  "generations:write",
  "tags:write",
  "tokens:write",
  "tenant:admin",
  "access:check",
];

/** Where the browser of somebody who signs in is sent back to. Nothing listens there: the scripts read the address. */
export const REDIRECT_URI = "http://127.0.0.1:3033/callback";

export const CLIENTS = [
  {
    // A web application: people sign in with PKCE (RFC 7636).
    client_id: "boards-web",
    token_endpoint_auth_method: "none",
    redirect_uris: [REDIRECT_URI],
  },
  {
    // A program that acts for itself, by client credentials.
    client_id: "boards-robot",
    client_secret: "a secret of boards-robot that everybody knows",
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  },
  {
    // The server itself, which asks about opaque tokens (RFC 7662).
    client_id: "boards-api",
    client_secret: "a secret of boards-api that everybody knows",
    grant_types: [],
    redirect_uris: [],
    response_types: [],
  },
];

/** The client secret that belongs to a client id. */
export function secretOf(clientId) {
  return CLIENTS.find((client) => client.client_id === clientId).client_secret;
}
