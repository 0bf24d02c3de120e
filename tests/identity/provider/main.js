// npm start: a local identity provider until Ctrl-C, and what to set for Boards to stand behind it.
import { IdentityProvider } from "./identity-provider.js";
import { APIS } from "./people-and-clients.js";

const identityProvider = await IdentityProvider.start(Number(process.env.PORT ?? 9400));
console.log(`The identity provider is ready at ${identityProvider.issuer}

  BOARDS_AUTH_PROVIDER=oidc
  BOARDS_AUTH_ISSUER=${identityProvider.issuer}
  BOARDS_AUTH_AUDIENCE=${APIS.boards.resource}

Its keys are made anew at each start. Ctrl-C stops it.`);
