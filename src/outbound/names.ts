import { Resolver } from 'node:dns/promises';

/** All addresses of a name; empty when it has none. */
export type Resolve = (name: string) => Promise<string[]>;

const TIMEOUT_MS = 2_000;
const TRIES = 2;

/**
 * Asks the name servers of this machine. Not `dns.lookup`: that one occupies a thread of the few that files are read by, for as long as
 * a name server keeps silent, and knows local names (https://nodejs.org/api/dns.html#implementation-considerations).
 *
 * @param servers in place of the machine's
 */
export function nameServers(servers?: readonly string[]): Resolve {
  return async function resolve(name) {
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (servers) resolver.setServers([...servers]);
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    // A name that has no address of one kind is an error of that kind alone.
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  };
}
