import { createLog } from '@/config/log.ts';
import { LEISURE_MS } from '@/domain/ledger.ts';
import { generationsOf } from '@/models/collections.ts';
import type { Store } from '@/models/store.ts';
import { admitWaiting } from '@/repositories/admission.ts';
import { chargingAlone } from '@/repositories/charging.ts';
import type { Context } from '@/workflows/context.ts';

const silent = createLog({ level: 'silent', write() {} });

/** A context whose settlement and worker are the test's to call; whoever claims lets in what waits first. */
export function contextOf<S extends Store>(store: S): S & Context {
  return Object.assign(Object.create(store), {
    log: silent,
    charging: chargingAlone(store),
    settler: { notice() {} },
    queue: {
      notice() {},
      async entered() {
        await admitAll(store);
        return true;
      },
      wake() {},
      leasesLost() {},
    },
    announcer: { notice() {} },
    courier: { wake() {} },
  });
}

/** Lets in whatever may enter the queue, whoever's it is. */
export async function admitAll(store: Store): Promise<number> {
  return admitWaiting(store, await generationsOf(store).distinct('userId', { waitingSince: { $exists: true } }));
}

/** The grace of a sweep that takes everything, also what was left to somebody's leisure a moment ago. Milliseconds. */
export const NO_GRACE = -LEISURE_MS;
