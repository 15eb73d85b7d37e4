import type { Actor } from '../domain/audit.ts';
import type { Cleanup } from './cleanup.ts';

/** Jobs that an administrator may have done out of turn, under the same lease as on their schedule. */
export interface Maintenance {
  /**
   * @returns what this run has done until its end or its limit of time; another one goes on from there
   * @throws {ArtifexError} `conflict` while another process runs it, `unavailable` where this process cannot
   */
  cleanup(actor: Actor): Promise<Cleanup>;
  /** Likewise. */
  resetQuotas(actor: Actor): Promise<{ usersReset: number }>;
}
