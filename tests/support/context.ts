import { createLog } from '@/config/log.ts';
import type { Store } from '@/models/store.ts';
import type { Context } from '@/workflows/context.ts';

const silent = createLog({ level: 'silent', write() {} });

/** A context whose settlement and worker are the test's to call. */
export function contextOf<S extends Store>(store: S): S & Context {
  return Object.assign(Object.create(store), {
    log: silent,
    settler: { notice() {} },
    queue: { wake() {} },
    alertQuota() {},
  });
}
