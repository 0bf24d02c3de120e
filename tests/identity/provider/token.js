// npm run token -- NAME [SCOPE …]: signs somebody in at the local identity provider and prints the access token. The name
// `robot` gets the token of a program, by client credentials.
import { ACCOUNTS } from "./people-and-clients.js";
import { personToken, robotToken } from "./tokens.js";

const [name, ...scopes] = process.argv.slice(2);
const names = [...Object.keys(ACCOUNTS), "robot"];
if (!names.includes(name)) {
  console.error(`usage: npm run token -- ${names.join("|")} [SCOPE …]`);
  process.exit(2);
}
const issuer = `http://127.0.0.1:${process.env.PORT ?? 9400}`;
const scope = scopes.join(" ");
console.log(await (name === "robot" ? robotToken(issuer, { scope }) : personToken(issuer, name, { scope })));
