// Signs tokens as an identity provider would, and says how the server is told to believe them.
import { createHmac, createSign, generateKeyPairSync, randomBytes } from "node:crypto";

const HOURS_6 = 6 * 3600;

export class Signer {
  #algorithm;
  #secret = randomBytes(32).toString("hex");
  #keys = generateKeyPairSync("rsa", { modulusLength: 2048 });

  /** `algorithm`: HS256 or RS256. */
  constructor(algorithm) {
    this.#algorithm = algorithm;
  }

  /** The server's settings. */
  get settings() {
    const key =
      this.#algorithm === "HS256"
        ? { BOARDS_JWT_SECRET: this.#secret }
        : { BOARDS_JWT_PUBLIC_KEY: this.#keys.publicKey.export({ type: "spki", format: "pem" }) };
    return { BOARDS_AUTH_PROVIDER: "jwt", BOARDS_JWT_ALGORITHM: this.#algorithm, ...key };
  }

  /** Without profile claims: the seed's users stay as they are. */
  token(subject) {
    const now = Math.floor(Date.now() / 1000);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: this.#algorithm, typ: "JWT" })}.${part({ sub: subject, iat: now, exp: now + HOURS_6 })}`;
    return `${signed}.${this.#signature(signed)}`;
  }

  #signature(signed) {
    return this.#algorithm === "HS256"
      ? createHmac("sha256", this.#secret).update(signed).digest("base64url")
      : createSign("RSA-SHA256").update(signed).sign(this.#keys.privateKey, "base64url");
  }
}
