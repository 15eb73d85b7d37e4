import { type Env, structured } from './shape.ts';
import { variables } from './variables.ts';

export type { Env };

/** Thrown for a bad environment. The message has one line per variable; entry points print it and end. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

type Source = Readonly<Record<string, string | undefined>>;

/**
 * Reads and checks the whole environment. Nothing else in the product reads it. An empty value counts as none.
 *
 * @example
 * const env = readEnv(process.env);
 * @throws {EnvironmentError} naming every variable that is bad or missing.
 */
export function readEnv(source: Source): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = variables.safeParse(given);
  const problems = new Map<string, string>();
  for (const { path, message } of parsed.error?.issues ?? []) {
    problems.set(String(path[0]), message);
  }
  for (const [name, message] of contradictions(given)) {
    if (!problems.has(name)) {
      problems.set(name, message);
    }
  }
  if (!parsed.success || problems.size > 0) {
    throw new EnvironmentError([...problems].map(([name, message]) => `${name} ${message}`).join('\n'));
  }
  return frozen(structured(parsed.data));
}

/** Is this the environment of production? Answered without judging the rest, for tools that refuse to run there. */
export function isProduction(source: Source): boolean {
  return source['NODE_ENV'] === 'production';
}

const NEEDED_IN_PRODUCTION: Readonly<Record<string, string>> = {
  MONGODB_URI: 'the embedded database is for development',
  CLERK_PUBLISHABLE_KEY: 'it names the issuer that tokens must carry',
  CLERK_SECRET_KEY: 'it asks Clerk for the e-mail address and name of a new user',
  CLERK_JWT_KEY: 'it verifies tokens without a network call; without it the development key would be trusted',
  CLERK_WEBHOOK_SIGNING_SECRET: "Clerk's events are checked with it",
  STRIPE_SECRET_KEY: 'subscriptions are read and changed with it',
  STRIPE_WEBHOOK_SECRET: "Stripe's events are checked with it",
  STRIPE_PRICE_PLUS: 'Checkout sells it',
  STRIPE_PRICE_PRO: 'Checkout sells it',
  WORKER_TOKEN: 'outside workers show it',
  FIELD_ENCRYPTION_KEYS: 'subscription data is encrypted at rest',
};

/** What no variable shows by itself. */
function* contradictions(given: Record<string, unknown>): Generator<[string, string]> {
  if (given['NODE_ENV'] === 'production') {
    for (const [name, why] of Object.entries(NEEDED_IN_PRODUCTION)) {
      if (given[name] === undefined) {
        yield [name, `is missing: production needs it (${why})`];
      }
    }
    if (given['WEBHOOK_ALLOW_LOOPBACK'] === 'on') {
      yield ['WEBHOOK_ALLOW_LOOPBACK', 'is on: production must not send what it knows to its own network'];
    }
    if (given['ARTIFEX_CLOCK_OFFSET'] !== undefined) {
      yield ['ARTIFEX_CLOCK_OFFSET', 'is set: production must leave it unset, its clock is not to be moved'];
    }
  }
  if (given['STRIPE_PRICE_PRO'] !== undefined && given['STRIPE_PRICE_PRO'] === given['STRIPE_PRICE_PLUS']) {
    yield ['STRIPE_PRICE_PRO', 'is that of STRIPE_PRICE_PLUS: what is paid has to tell the tier'];
  }
  if (given['IMAGE_PROVIDER'] === 'openai' && given['OPENAI_API_KEY'] === undefined) {
    yield ['OPENAI_API_KEY', 'is missing: IMAGE_PROVIDER=openai needs it'];
  }
}

function frozen<Value extends object>(value: Value): Value {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) {
      frozen(part);
    }
  }
  return Object.freeze(value);
}
