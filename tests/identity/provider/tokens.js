// What an application does at an identity provider: signs people in, gets tokens of its own, gives tokens back.
import { createHash, randomBytes } from "node:crypto";
import { APIS, REDIRECT_URI, secretOf } from "./people-and-clients.js";

/** Follows redirects as a browser does, with its cookies, until one leads back to the application. */
async function browse(address) {
  const cookies = new Map();
  for (let hops = 0; hops < 10 && !address.href.startsWith(REDIRECT_URI); hops += 1) {
    const response = await fetch(address, {
      redirect: "manual",
      headers: { Cookie: [...cookies].map((cookie) => cookie.join("=")).join("; ") },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      cookies.set(name, value);
    }
    const location = response.headers.get("Location");
    if (location === null) throw new Error(`no redirect at ${address.pathname}: ${await response.text()}`);
    address = new URL(location, address);
  }
  return address.searchParams;
}

async function post(issuer, path, form, headers = {}) {
  const response = await fetch(new URL(path, issuer), { method: "POST", headers, body: new URLSearchParams(form) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${text}`);
  return text === "" ? {} : JSON.parse(text);
}

function basic(clientId) {
  const encoded = [clientId, secretOf(clientId)].map(encodeURIComponent).join(":");
  return { Authorization: `Basic ${Buffer.from(encoded).toString("base64")}` };
}

/**
 * Signs somebody in at the application boards-web: authorization code with PKCE (RFC 7636). Returns what the token
 * endpoint answers, `access_token` and `id_token` among it.
 */
export async function signIn(issuer, account, { api = APIS.boards, scope = "" } = {}) {
  const verifier = randomBytes(32).toString("base64url");
  const state = randomBytes(16).toString("base64url");
  const authorize = new URL("/auth", issuer);
  authorize.search = new URLSearchParams({
    client_id: "boards-web",
    response_type: "code",
    redirect_uri: REDIRECT_URI,
    scope: `openid ${scope}`.trim(),
    resource: api.resource,
    login_hint: account,
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const answer = await browse(authorize);
  if (answer.has("error")) throw new Error(`${answer.get("error")}: ${answer.get("error_description")}`);
  if (answer.get("state") !== state || answer.get("iss") !== issuer) throw new Error("an answer to something else");
  return post(issuer, "/token", {
    grant_type: "authorization_code",
    client_id: "boards-web",
    redirect_uri: REDIRECT_URI,
    code: answer.get("code"),
    code_verifier: verifier,
    resource: api.resource,
  });
}

/** An access token of the program boards-robot, by client credentials (RFC 6749, section 4.4). */
export async function robotToken(issuer, { api = APIS.boards, scope = "" } = {}) {
  const form = { grant_type: "client_credentials", resource: api.resource, ...(scope && { scope }) };
  const { access_token: token } = await post(issuer, "/token", form, basic("boards-robot"));
  return token;
}

/** The access token of somebody who signs in. */
export async function personToken(issuer, account = "ada", options = {}) {
  const { access_token: token } = await signIn(issuer, account, options);
  return token;
}

/** Gives back a token that somebody got through boards-web (RFC 7009). */
export async function revoke(issuer, token) {
  await post(issuer, "/token/revocation", { client_id: "boards-web", token });
}
