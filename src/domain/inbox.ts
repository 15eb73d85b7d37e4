/** Who sends webhooks. */
export const WEBHOOK_SOURCES = ['stripe', 'clerk'] as const;
export type WebhookSource = (typeof WEBHOOK_SOURCES)[number];

/** An event as a sender tells of it. */
export interface ToldEvent {
  source: WebhookSource;
  /** The sender's own. */
  id: string;
  type: string;
  /** By the sender's clock. */
  occurredAt: Date;
  /** Whom it is about, in the sender's words: a Stripe customer, a Clerk user. */
  subject?: string;
  /** What applying it needs beside that; nothing else of what was sent is kept. */
  facts: Record<string, unknown>;
}

/** How long an event waits for a user who is not known yet, from when it was received. */
export const USER_WAIT_MS = 3 * 24 * 60 * 60 * 1000;

/** How long an event is remembered when it has come to its end: longer than any sender repeats it. */
export const EVENT_RETENTION_MS = 30 * 24 * 60 * 60 * 1000;

/** From so many attempts on, an event counts as stuck: somebody should look at it. It is tried on. */
export const STUCK_ATTEMPTS = 12;

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
const STUCK_DELAY_MS = 10 * 60 * 1000;

/**
 * How long to wait before the next attempt. What hangs on a service that is out of reach is never left for longer than
 * {@link LONGEST_DELAY_MS}, so that it is applied within a minute of the return; what fails by itself is tried ever more rarely.
 *
 * @param attempts made so far, 1 or more
 * @param chance 0 to 1, so that what failed together does not come back together
 */
export function retryDelayMs(attempts: number, isUnavailable: boolean, chance: number): number {
  const grown = FIRST_DELAY_MS * 2 ** Math.min(attempts - 1, 20);
  const limit = !isUnavailable && attempts >= STUCK_ATTEMPTS ? STUCK_DELAY_MS : LONGEST_DELAY_MS;
  return Math.min(grown, limit) * (0.5 + chance / 2);
}

/** `open`: to be applied; `stuck`: tried often in vain, and still tried; `waiting`: for a user to appear; `ended`: applied, or given up. */
export const INBOX_STATES = ['open', 'stuck', 'waiting', 'ended'] as const;
export type InboxState = (typeof INBOX_STATES)[number];

/** Of what has not come to its end. */
export const UNENDED_STATES = ['open', 'stuck', 'waiting'] as const satisfies readonly InboxState[];
export type UnendedState = (typeof UNENDED_STATES)[number];

/** How the events of one source stand that are in one state. */
export interface InboxDepth {
  source: WebhookSource;
  state: UnendedState;
  events: number;
  /** For how long the oldest of them has been here; 0 when there is none. */
  oldestSeconds: number;
}

export const stateAfter = (attempts: number): InboxState => (attempts >= STUCK_ATTEMPTS ? 'stuck' : 'open');
