/**
 * Which IP addresses belong to the public internet. Everything that IANA's registries of special-purpose addresses
 * (https://www.iana.org/assignments/iana-ipv4-special-registry, `.../iana-ipv6-special-registry`, RFC 6890) set apart is out, and
 * so is what only clouds answer from within: a server that calls addresses of its users' choosing must not reach its own network.
 */

const NOT_PUBLIC_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // The host of Azure's virtual machines answers its guests there; it is in no registry.
  '168.63.129.16/32',
].map(blockOf);

/** All that is allocated to the public internet (RFC 4291 section 2.4). Mapped, ULA, link-local, multicast and NAT64 lie outside. */
const GLOBAL_UNICAST = blockOf('2000::/3');

const NOT_PUBLIC_V6 = [
  // Protocol assignments, Teredo and ORCHID among them.
  '2001::/23',
  '2001:db8::/32',
  // 6to4 carries any IPv4 address.
  '2002::/16',
  '3fff::/20',
].map(blockOf);

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(blockOf);

interface Block {
  bytes: readonly number[];
  bits: number;
}

/** False for a text that is no address. */
export function isPublicAddress(address: string): boolean {
  const bytes = bytesOf(address);
  if (bytes === null) return false;
  if (bytes.length === 4) return !NOT_PUBLIC_V4.some((block) => holds(block, bytes));
  return holds(GLOBAL_UNICAST, bytes) && !NOT_PUBLIC_V6.some((block) => holds(block, bytes));
}

export function isLoopbackAddress(address: string): boolean {
  const bytes = bytesOf(address);
  return bytes !== null && LOOPBACK.some((block) => holds(block, bytes));
}

/** The address that the host of a URL is; null for a name. `URL` has written short, octal and hexadecimal forms out by then. */
export function addressOfHost(hostname: string): string | null {
  const address = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return bytesOf(address) === null ? null : address;
}

function holds({ bytes, bits }: Block, address: readonly number[]): boolean {
  if (bytes.length !== address.length) return false;
  return bytes.every((byte, index) => {
    const masked = Math.min(8, Math.max(0, bits - index * 8));
    const shift = 8 - masked;
    return byte >> shift === (address[index] ?? 0) >> shift;
  });
}

function blockOf(text: string): Block {
  const [address = '', bits = ''] = text.split('/');
  return { bytes: bytesOf(address) ?? [], bits: Number(bits) };
}

function bytesOf(address: string): number[] | null {
  return address.includes(':') ? bytesOfV6(address) : bytesOfV4(address);
}

function bytesOfV4(address: string): number[] | null {
  const parts = address.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return null;
  return parts.map(Number);
}

/** RFC 4291 section 2.2, with an IPv4 address as its end too; an address with a zone is of one link, and none here. */
function bytesOfV6(address: string): number[] | null {
  const dotted = /^(.*:)(\d[\d.]*)$/.exec(address);
  const end = dotted?.[2]?.includes('.') ? bytesOfV4(dotted[2]) : [];
  if (end === null) return null;
  const text = end.length > 0 ? (dotted?.[1] ?? '') : address;
  const sides = (end.length > 0 && !text.endsWith('::') ? text.slice(0, -1) : text).split('::');
  if (sides.length > 2) return null;
  const [left, right] = sides.map(groupsOf);
  if (left === undefined || left === null || right === null) return null;
  const missing = 16 - end.length - left.length - (right?.length ?? 0);
  const isWhole = right === undefined ? missing === 0 : missing >= 2;
  return isWhole ? [...left, ...Array<number>(missing).fill(0), ...(right ?? []), ...end] : null;
}

function groupsOf(side: string): number[] | null {
  if (side === '') return [];
  const groups = side.split(':');
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
}
