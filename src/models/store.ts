import type { Clock } from '../domain/clock.ts';
import type { Models } from './index.ts';

/** What every repository function works with. */
export interface Store {
  models: Models;
  clock: Clock;
}
