/**
 * Prints a session token of the development key: `npm run token -- CLERK_USER_ID [--email E] [--name N] [--admin]`.
 * The token alone goes to stdout, so that it can be used in `$(...)`.
 */
import { parseArgs } from 'node:util';
import { EnvironmentError, isProduction, readEnv } from '../src/config/env.ts';
import { requireWritableFolder } from '../src/config/folders.ts';
import { openDevelopmentKey, signSessionToken } from '../src/identity/developmentKey.ts';

const LIFETIME_DAYS = 30;
const USAGE = 'Usage: npm run token -- CLERK_USER_ID [--email E] [--name N] [--admin]';

/** A reason not to print a token; its message is the one line that says so. */
class TokenRefusal extends Error {}

async function main(): Promise<void> {
  const session = sessionOf(process.argv.slice(2));
  if (isProduction(process.env)) {
    throw new TokenRefusal('NODE_ENV is production: the development key is not trusted there. Sign in through Clerk.');
  }
  const env = readEnv(process.env);
  if (env.clerk.jwtKey !== undefined) {
    throw new TokenRefusal(
      'CLERK_JWT_KEY is set: the server trusts that key and not the development key. Unset it, or sign in through Clerk.',
    );
  }
  await requireWritableFolder('ARTIFEX_DATA_DIR', env.dataDir);
  const key = await openDevelopmentKey(env.dataDir);
  const token = await signSessionToken(key, { ...session, lifetimeSeconds: LIFETIME_DAYS * 24 * 60 * 60 });
  process.stdout.write(`${token}\n`);
  process.stderr.write(`A session token of ${session.clerkUserId} for ${LIFETIME_DAYS} days, for development alone.\n`);
}

function sessionOf(args: string[]) {
  const { values, positionals } = parsed(args);
  const [clerkUserId, ...rest] = positionals;
  if (clerkUserId === undefined || clerkUserId === '' || rest.length > 0) {
    throw new TokenRefusal(USAGE);
  }
  return { clerkUserId, email: values.email, name: values.name, isAdmin: values.admin };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { email: { type: 'string' }, name: { type: 'string' }, admin: { type: 'boolean', default: false } },
    });
  } catch (error) {
    throw new TokenRefusal(`${error instanceof Error ? error.message : 'Bad arguments'}\n${USAGE}`);
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof TokenRefusal) && !(error instanceof EnvironmentError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
