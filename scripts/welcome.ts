import { SEED_PEOPLE } from '../seeds/people.ts';
import type { Env } from '../src/config/env.ts';
import { openDevelopmentKey, signSessionToken } from '../src/identity/developmentKey.ts';

const TOKEN_LIFETIME_SECONDS = 24 * 60 * 60;

/** What a developer reads first: where it serves, a token, and lines to paste. */
export async function welcome(env: Env, url: string): Promise<string> {
  const lines = ['', `Artifex serves at ${url}`, `Reference:       ${url}/docs`, ''];
  if (env.clerk.jwtKey !== undefined) {
    return [...lines, 'Session tokens come from Clerk: CLERK_JWT_KEY is set.', ''].join('\n');
  }
  const person = SEED_PEOPLE.find(({ subscriptionTier }) => subscriptionTier === 'pro');
  if (!person) return lines.join('\n');
  const { clerkUserId, email, name } = person;
  const key = await openDevelopmentKey(env.dataDir);
  const token = await signSessionToken(key, { clerkUserId, email, name, lifetimeSeconds: TOKEN_LIFETIME_SECONDS });
  const body = JSON.stringify({ type: 'text-to-image', prompt: 'A lighthouse at sunset', style: 'watercolor' });
  return [
    ...lines,
    `Session token of ${clerkUserId}, for a day:`,
    token,
    '',
    'Create an image:',
    `curl -s -X POST ${url}/v1/generations -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '${body}'`,
    '',
    'See it (the address of the picture is in outputImages):',
    `curl -s '${url}/v1/generations?limit=1' -H 'Authorization: Bearer ${token}'`,
    '',
  ].join('\n');
}
