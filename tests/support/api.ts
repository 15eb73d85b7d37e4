import type { Hono } from 'hono';
import { z } from 'zod';
import { createLog } from '../../src/config/log.ts';
import type { TrustedProxy } from '../../src/domain/clientAddress.ts';
import { perMinute } from '../../src/domain/rateLimit.ts';
import type { EdgeEnv } from '../../src/middleware/context.ts';
import { createEdge } from '../../src/middleware/edge.ts';
import { memoryLimiter } from '../../src/middleware/memoryLimiter.ts';
import { problemSchema } from '../../src/middleware/problemSchema.ts';

export type LogLine = z.output<typeof logLine>;
const logLine = z.looseObject({ level: z.string(), time: z.iso.datetime(), msg: z.string() });

/** A log that keeps what it is told, parsed. */
export function keptLog() {
  const lines: LogLine[] = [];
  const log = createLog({ level: 'debug', write: (line) => lines.push(logLine.parse(JSON.parse(line))) });
  return { log, lines };
}

/** Without them: the pages of one application, no proxy, and more requests than any test sends. */
export interface EdgeOptions {
  corsOrigins?: readonly string[];
  trustedProxy?: TrustedProxy;
  addressPerMinute?: number;
}

/** The real edge with the routes that a test gives it, and the lines that it logs. */
export function edgeWith(mount: (edge: Hono<EdgeEnv>) => void, options: EdgeOptions = {}) {
  const { log, lines } = keptLog();
  const app = createEdge({
    log,
    requestAnswered() {},
    corsOrigins: options.corsOrigins ?? ['https://app.example.com'],
    trustedProxy: options.trustedProxy ?? 'none',
    addressLimiter: memoryLimiter(perMinute(options.addressPerMinute ?? 1_000_000)),
  });
  mount(app);
  return { app, lines };
}

/** The problem that an answer carries; fails where the answer is none, or says another status in its body. */
export async function problemOf(response: Response): Promise<z.output<typeof problemSchema>> {
  const problem = problemSchema.parse(await response.json());
  if (response.headers.get('Content-Type') !== 'application/problem+json') {
    throw new Error(`Expected application/problem+json, got ${response.headers.get('Content-Type')}`);
  }
  if (problem.status !== response.status) {
    throw new Error(`The body says ${problem.status}, the status line ${response.status}`);
  }
  return problem;
}

/** A request with a JSON body. */
export function jsonRequest(
  body: unknown,
  init: { method?: string; headers?: Record<string, string> } = {},
): RequestInit {
  return {
    method: init.method ?? 'POST',
    headers: { 'Content-Type': 'application/json', ...init.headers },
    body: JSON.stringify(body),
  };
}
