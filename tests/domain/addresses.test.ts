import { describe, expect, it } from 'vitest';
import { isLoopbackAddress, isPublicAddress } from '@/domain/addresses.ts';
import { isReachable, webhookUrlProblem } from '@/domain/webhookUrl.ts';

/** By what they are: the first and the last of each, where it has such. */
const REFUSED: Record<string, string[]> = {
  'this network': ['0.0.0.0', '0.255.255.255'],
  'private (RFC 1918)': [
    '10.0.0.0',
    '10.255.255.255',
    '172.16.0.0',
    '172.31.255.255',
    '192.168.0.0',
    '192.168.255.255',
  ],
  'shared, behind carriers (RFC 6598)': ['100.64.0.0', '100.127.255.255'],
  loopback: ['127.0.0.0', '127.255.255.255', '::1'],
  'link-local': ['169.254.0.0', '169.254.255.255', 'fe80::1', 'febf:ffff::1'],
  'metadata of clouds': ['169.254.169.254', '168.63.129.16', '100.100.100.200', 'fd00:ec2::254'],
  'protocol assignments': ['192.0.0.0', '192.0.0.255', '2001::1', '2001:1ff:ffff::1'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.255', '2001:db8::1', '3fff::1'],
  benchmarking: ['198.18.0.0', '198.19.255.255', '2001:2::1'],
  '6to4 relay': ['192.88.99.1'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  'reserved and broadcast': ['240.0.0.0', '255.255.255.254', '255.255.255.255'],
  unspecified: ['::'],
  'IPv4-mapped (RFC 4291)': ['::ffff:10.0.0.1', '::ffff:a00:1', '::ffff:93.184.216.34', '0:0:0:0:0:FFFF:7F00:1'],
  'IPv4-compatible': ['::10.0.0.1', '::7f00:1'],
  'NAT64 (RFC 6052, RFC 8215)': ['64:ff9b::10.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::a00:1'],
  '6to4 (RFC 3056)': ['2002:a00:1::1', '2002:7f00:1::', '2002:ffff:ffff::'],
  Teredo: ['2001:0:4136:e378:8000:63bf:3fff:fdd2'],
  'unique local (RFC 4193)': ['fc00::1', 'fd00::1', 'fdff:ffff::1'],
  'site-local': ['fec0::1'],
  discard: ['100::1'],
  'no address': [
    '',
    'localhost',
    '10.0.0',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4000',
    ':::',
    '1::2::3',
    'fe80::1%eth0',
    '12345::',
  ],
};

const PUBLIC = [
  ...['1.1.1.1', '9.255.255.255', '11.0.0.0', '93.184.216.34', '100.63.255.255', '100.128.0.0', '126.255.255.255'],
  ...['128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0'],
  ...['198.17.255.255', '198.20.0.0', '223.255.255.255', '168.63.129.15'],
  ...['2001:200::1', '2001:4860:4860::8888', '2003::1', '2606:2800:220:1:248:1893:25c8:1946', '2a00:1450::1'],
];

describe('of the addresses that a name can have', () => {
  it.each(Object.entries(REFUSED).flatMap(([kind, all]) => all.map((address) => [address, kind])))(
    '%s (%s) is not called',
    (address) => {
      expect(isPublicAddress(address)).toBe(false);
      expect(isReachable(address, { allowLoopback: false })).toBe(false);
    },
  );

  it.each(PUBLIC)('%s is of the public internet', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it('those of this machine alone are called besides, where that is allowed', () => {
    const reachable = Object.values(REFUSED)
      .flat()
      .filter((address) => isReachable(address, { allowLoopback: true }));
    expect(reachable.sort()).toEqual((REFUSED['loopback'] ?? []).toSorted());
    expect(reachable.every(isLoopbackAddress)).toBe(true);
  });
});

describe('where this machine may be called', () => {
  const problem = (url: string) => webhookUrlProblem(url, { allowLoopback: true });

  it.each(['http://localhost:3000/', 'http://127.0.0.1/', 'https://[::1]/', 'https://hooks.example.com/'])(
    '%s is an address of an endpoint',
    (url) => {
      expect(problem(url)).toBeNull();
    },
  );

  it.each(['http://hooks.example.com/', 'http://10.0.0.1/', 'https://10.0.0.1/', 'http://[::ffff:127.0.0.1]/'])(
    '%s is none',
    (url) => {
      expect(problem(url)).not.toBeNull();
    },
  );
});
