import { z } from 'zod';
import { startProcess } from './processes.ts';

/** The four of `npm run start:RUNTIME`. */
export const RUNTIMES = ['bun', 'node', 'deno', 'worker'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** Workerd needs seconds to come up, and more beside other tests. */
export const START_PATIENCE_MS = 90_000;

const listening = z.object({ msg: z.literal('listening'), url: z.string() });
const ending = z.object({ msg: z.literal('ending') });

export interface RunningRuntime {
  runtime: RuntimeName;
  url: string;
  output: readonly string[];
  /** When it has begun to end. */
  ending: Promise<unknown>;
  /** When it and whatever it has started are gone. */
  closed: Promise<unknown>;
  /** Sends the signal to the command alone, and resolves with its exit status. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** `npm run start:RUNTIME` as a person runs it, but for npm, on a free port. Resolves when it has reached the database. */
export async function startRuntime(
  runtime: RuntimeName,
  env: Record<string, string | undefined>,
): Promise<RunningRuntime> {
  const started = startProcess('node', ['scripts/run.mjs', `start:${runtime}`], env);
  const url = await started.waitFor((line) => listening.safeParse(parsedJson(line)).data?.url);
  // Printed when the database is reached and seeded.
  await started.waitFor((line) => (line.startsWith('Artifex serves at') ? line : undefined));
  return {
    runtime,
    url,
    output: started.output,
    get ending() {
      return started.waitFor((line) => (ending.safeParse(parsedJson(line)).success ? line : undefined));
    },
    closed: started.closed,
    async end(signal = 'SIGTERM') {
      started.child.kill(signal);
      await started.closed;
      return started.child.exitCode;
    },
  };
}

function parsedJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
