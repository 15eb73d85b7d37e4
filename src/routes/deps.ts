import type { Billing } from '../billing/billing.ts';
import type { RateLimiter } from '../domain/rateLimit.ts';
import type { Reach } from '../domain/webhookUrl.ts';
import type { SessionTrust } from '../identity/sessionTrust.ts';
import type { PictureStorage } from '../storage/port.ts';
import type { GenerationWatch } from '../workflows/followGeneration.ts';
import type { EventApplier } from '../workflows/inbox.ts';
import type { Maintenance } from '../workflows/maintenance.ts';
import type { SignIn } from '../workflows/signIn.ts';
import type { StreamTimes } from './eventStream.ts';

/** What the routes under `/v1` work with. */
export interface RouteDeps extends SignIn {
  sessions: SessionTrust;
  storage: PictureStorage;
  watch: GenerationWatch;
  /** Counts what a user asks of the quota. */
  quotaLimiter: RateLimiter;
  maintenance: Maintenance;
  inbox: EventApplier;
  billing: Pick<Billing, 'checkout' | 'portal' | 'change'>;
  /** What outside workers show; undefined: there are none. */
  workerToken: string | undefined;
  /** Which addresses users may have events sent to. */
  webhooks: Reach;
  /** What this runtime wants otherwise than others. */
  streamTimes?: Partial<StreamTimes>;
}
