import type { Env } from '../config/env.ts';
import type { Log } from '../config/log.ts';

/** Says at the start what a server without keys does. Production does not start without them. */
export function tellOfClearData(env: Env, log: Log): void {
  if (env.fieldEncryptionKeys.length > 0) return;
  log.warn('FIELD_ENCRYPTION_KEYS is not set: subscription data is stored in the clear');
}
