import { EnvironmentError } from '../config/env.ts';

type Address = { host: string; port: number };

/** What the error of a socket that cannot be opened says about the environment, by its code (errno(3), getaddrinfo(3)). */
const FAULTS: ReadonlyMap<string, (address: Address) => string> = new Map([
  ['EADDRINUSE', ({ port }) => `PORT is ${port}: it is in use; end the other process, or choose another port`],
  ['EACCES', ({ port }) => `PORT is ${port}: this user may not listen there; choose a port above 1023`],
  ...['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'ENOTFOUND', 'EAI_AGAIN'].map(
    (code) => [code, ({ host }: Address) => `HOST is ${host}: it is no address of this machine`] as const,
  ),
]);

/** An {@link EnvironmentError} where the environment is to blame that nobody can listen there, else the error itself. */
export function listenFailure(error: unknown, address: Address): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const fault = FAULTS.get(code);
  return fault ? new EnvironmentError(fault(address)) : error;
}
