import { parseArgs } from 'node:util';

export const PARTS = ['start', 'http', 'streams', 'webhooks', 'workerd', 'charges', 'growth'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  parts: readonly Part[];
  /** How often every contender has its turn; the table shows medians. */
  rounds: number;
  /** How long each turn of a contender lasts. */
  seconds: number;
  /** How many generations the larger database of `growth` holds. */
  generations: number;
}

/** What `growth` compares the larger database with. */
export const FEW_GENERATIONS = 10_000;

export const USAGE = `Usage: npm run bench -- [PART ...] [--rounds N] [--seconds S] [--generations N]

  start     from nothing but installed packages to the first 201
  http      requests beside handlers that one would write without Artifex, on Bun, Node and Deno
  streams   1,000 open event streams and 500 requests a second on one process
  webhooks  500 webhooks of Stripe a second for 30 seconds, and requests beside them, on one process
  workerd   connections held by Durable Objects beside one for each request
  charges   a charge beside what one would write without Artifex
  growth    what is read often, at ${FEW_GENERATIONS} and at more generations
  data      charges and growth

  --rounds N        turns of each contender in http, workerd and charges (3)
  --seconds S       length of a turn, such as 0.5 (0.4)
  --generations N   the larger database of growth (100000)`;

/** @throws {Error} that names what is wrong */
export function parseOptions(args: string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '0.4' },
      generations: { type: 'string', default: '100000' },
    },
  });
  const generations = numberFrom('generations', values.generations, /^[1-9]\d{4,8}$/);
  if (generations <= FEW_GENERATIONS) throw new Error(`--generations takes more than ${FEW_GENERATIONS}.`);
  return {
    parts: positionals.length === 0 ? PARTS : partsFrom(positionals),
    rounds: numberFrom('rounds', values.rounds, /^[1-9]\d{0,2}$/),
    seconds: numberFrom('seconds', values.seconds, /^(?:[1-9]\d{0,2}(?:\.\d)?|0\.[1-9])$/),
    generations,
  };
}

function partsFrom(names: readonly string[]): Part[] {
  const wanted = new Set(names.flatMap((name) => (name === 'data' ? ['charges', 'growth'] : [name])));
  const unknown = [...wanted].filter((name) => !PARTS.some((part) => part === name));
  if (unknown.length > 0) throw new Error(`Unknown part: ${unknown.join(', ')}`);
  return PARTS.filter((part) => wanted.has(part));
}

function numberFrom(name: string, text: string, form: RegExp): number {
  if (!form.test(text)) throw new Error(`--${name} does not take '${text}'.`);
  return Number(text);
}
