/**
 * Whose word on the address of a client is taken.
 *
 * - `none`: nobody's; it is the other end of the socket.
 * - `cloudflare`: that of Cloudflare, which sets `CF-Connecting-IP` itself and lets no client set it.
 * - a number: that of so many proxies of ours, each of which appends the other end of its socket to `X-Forwarded-For`. What stands
 *   before those entries was written by the client, and counts for nothing.
 */
export type TrustedProxy = 'none' | 'cloudflare' | number;

/**
 * The client's address as limits count it: an IPv6 network of 64 bits is one client, since whoever has one address of it has all.
 *
 * @param peer the other end of the socket, where the runtime knows it
 * @param field reads a field of the request
 */
export function clientAddress(
  trust: TrustedProxy,
  peer: string | undefined,
  field: (name: string) => string | undefined,
): string {
  return networkOf(saidAddress(trust, field) ?? peer ?? UNKNOWN);
}

/** Those of whom nothing is known share one limit. */
const UNKNOWN = 'unknown';

function saidAddress(trust: TrustedProxy, field: (name: string) => string | undefined): string | undefined {
  if (trust === 'none') return undefined;
  const said =
    trust === 'cloudflare' ? field('CF-Connecting-IP') : field('X-Forwarded-For')?.split(',').at(-trust)?.trim();
  return said && ADDRESS.test(said) ? said : undefined;
}

/** What an address is made of, be it of version 4 or 6; no longer than one with a zone. */
const ADDRESS = /^[0-9A-Fa-f:.]{2,45}(?:%\w{1,16})?$/;

/** https://www.rfc-editor.org/rfc/rfc4291#section-2.5 */
function networkOf(address: string): string {
  const plain = address.replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped) return mapped;
  if (!plain.includes(':') || !URL.canParse(`http://[${plain}]`)) return plain;
  // The address in its one canonical spelling (RFC 5952), which may leave out one run of zeros.
  const canonical = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const [left = '', right] = canonical.split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const [before, after] = [groups(left), groups(right)];
  const zeros = Array<string>(Math.max(8 - before.length - after.length, 0)).fill('0');
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`;
}
