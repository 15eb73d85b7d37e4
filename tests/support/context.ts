import type { Store } from '@/repositories/store.ts';
import type { Context } from '@/workflows/context.ts';

/** A context whose settlement and worker are the test's to call. */
export function contextOf<S extends Store>(store: S): S & Context {
  return Object.assign(Object.create(store), { settler: { notice() {} }, queue: { wake() {} } });
}
