import { Types } from 'mongoose';
import { createTokenIssuer } from './tokens.ts';

/** Somebody who signs tokens, and what a server has to know to believe them. */
export async function createPeople() {
  const issuer = await createTokenIssuer();
  return {
    issuer,
    /** The environment of a server that trusts the tokens. */
    env: { CLERK_JWT_KEY: issuer.publicKeyPem, CLERK_PUBLISHABLE_KEY: issuer.publishableKey },
    /** The `Authorization` of somebody new, for ten minutes. */
    async newcomer(): Promise<{ Authorization: string }> {
      const sub = `user_${new Types.ObjectId().toHexString()}`;
      return { Authorization: `Bearer ${await issuer.sign({ sub, exp: inTenMinutes() })}` };
    },
  };
}

export type People = Awaited<ReturnType<typeof createPeople>>;

const inTenMinutes = () => Math.floor(Date.now() / 1000) + 600;
