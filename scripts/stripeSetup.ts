/**
 * `npm run stripe:setup -- [--url https://HOST] [--plus CENTS] [--pro CENTS] [--currency usd] [--live]` makes what Artifex needs in an account of
 * Stripe, or finds it. The variables for the environment go to stdout, what was done to stderr; nothing is written to disk.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { type Setup, setUpStripe, stripeFailure } from '../src/billing/setup/setUp.ts';
import { createStripe } from '../src/billing/stripe.ts';
import { EnvironmentError, readEnv } from '../src/config/env.ts';

const USAGE =
  'Usage: npm run stripe:setup -- [--url https://HOST] [--plus CENTS] [--pro CENTS] [--currency usd] [--live]';

/** A reason to ask Stripe for nothing; its message is the one line that says so. */
class SetupRefusal extends Error {}

const amount = z
  .string()
  .regex(/^[1-9]\d{0,7}$/, { error: "must be a whole number of the currency's smallest unit, such as 900 for 9.00" })
  .transform(Number)
  .optional();

const optionsSchema = z.object({
  url: z
    .string()
    .refine((url) => URL.canParse(url) && new URL(url).protocol === 'https:' && !/[?#]/.test(url), {
      error: 'must be the https:// address of the API; for a machine of your own see `stripe listen`',
    })
    .transform((url) => url.replace(/\/+$/, ''))
    .optional(),
  plus: amount,
  pro: amount,
  currency: z
    .string()
    .regex(/^[a-z]{3}$/, { error: 'must be three small letters, such as usd' })
    .optional(),
  live: z.boolean(),
});

async function main(): Promise<void> {
  const { url, plus, pro, currency, live } = optionsOf(process.argv.slice(2));
  const { secretKey, apiBase } = keyOf(live);
  const setup: Setup = { prices: { plus: { amount: plus, currency }, pro: { amount: pro, currency } }, host: url };
  const variables = await setUpStripe(createStripe({ secretKey, apiBase }), setup, (line) => console.error(line));
  if (url === undefined)
    console.error(
      'Without --url no webhook endpoint was looked at: on your own machine `stripe listen` prints the STRIPE_WEBHOOK_SECRET.',
    );
  console.error('\nFor the environment:');
  for (const [name, value] of variables) console.log(`${name}=${value}`);
}

function optionsOf(args: string[]): z.output<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(valuesOf(args));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SetupRefusal(`--${String(issue?.path[0])} ${issue?.message}\n${USAGE}`);
}

function valuesOf(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    const options = {
      url: text,
      plus: text,
      pro: text,
      currency: text,
      live: { type: 'boolean', default: false },
    } as const;
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new SetupRefusal(`${error instanceof Error ? error.message : 'Bad arguments'}\n${USAGE}`);
  }
}

/** The rest of the environment may wait: this command makes some of it. */
function keyOf(isLive: boolean): { secretKey: string; apiBase: string | undefined } {
  const { STRIPE_SECRET_KEY, STRIPE_API_BASE } = process.env;
  const { secretKey, apiBase } = readEnv({ STRIPE_SECRET_KEY, STRIPE_API_BASE }).stripe;
  if (secretKey === undefined)
    throw new SetupRefusal('STRIPE_SECRET_KEY is not set: it is on the page of API keys in the dashboard of Stripe.');
  const isLiveKey = /^[sr]k_live_/.test(secretKey);
  if (isLiveKey && !isLive)
    throw new SetupRefusal('STRIPE_SECRET_KEY is of live mode, where prices cost money: say --live if you mean it.');
  if (isLive && !isLiveKey) throw new SetupRefusal('STRIPE_SECRET_KEY is of test mode: leave --live out.');
  return { secretKey, apiBase };
}

try {
  await main();
} catch (error) {
  const isRefusal = error instanceof SetupRefusal || error instanceof EnvironmentError;
  const line = isRefusal ? error.message : stripeFailure(error);
  if (line === null) throw error;
  console.error(line);
  process.exitCode = 1;
}
