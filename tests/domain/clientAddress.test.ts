import { describe, expect, it } from 'vitest';
import { clientAddress, type TrustedProxy } from '@/domain/clientAddress.ts';

const PEER = '10.0.0.1';

function addressOf(trust: TrustedProxy, fields: Record<string, string>, peer: string | undefined = PEER): string {
  return clientAddress(trust, peer, (name) => fields[name]);
}

describe('the address of a client', () => {
  it('is the other end of the socket, whatever the client says, where no proxy is trusted', () => {
    const said = { 'X-Forwarded-For': '203.0.113.9', 'CF-Connecting-IP': '203.0.113.9', Forwarded: 'for=203.0.113.9' };
    expect(addressOf('none', said)).toBe(PEER);
  });

  it.each([
    [1, '203.0.113.9', '203.0.113.9'],
    [1, '198.51.100.7, 203.0.113.9', '203.0.113.9'],
    [2, '198.51.100.7, 203.0.113.9, 10.0.0.2', '203.0.113.9'],
    [2, '198.51.100.7,203.0.113.9 ,10.0.0.2', '203.0.113.9'],
  ] as const)('is what the outermost of %i trusted proxies has seen, of %j', (trust, list, address) => {
    expect(addressOf(trust, { 'X-Forwarded-For': list })).toBe(address);
  });

  it.each([
    [1, {}],
    [2, { 'X-Forwarded-For': '203.0.113.9' }],
    [1, { 'X-Forwarded-For': 'unknown' }],
    [1, { 'X-Forwarded-For': '<script>' }],
    [1, { 'X-Forwarded-For': '1'.repeat(100) }],
    [1, { 'CF-Connecting-IP': '203.0.113.9' }],
    ['cloudflare', { 'X-Forwarded-For': '203.0.113.9' }],
  ] as const)('is the other end of the socket where %j proxies have said nothing of use in %j', (trust, fields) => {
    expect(addressOf(trust, fields)).toBe(PEER);
  });

  it('is what Cloudflare says, behind Cloudflare', () => {
    expect(addressOf('cloudflare', { 'CF-Connecting-IP': '203.0.113.9' })).toBe('203.0.113.9');
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['203.0.113.9', '203.0.113.9'],
    [':::::', ':::::'],
  ])('counts %s as %s', (peer, network) => {
    expect(addressOf('none', {}, peer)).toBe(network);
  });

  it('is one for all of whom nothing is known', () => {
    expect(clientAddress('none', undefined, () => undefined)).toBe('unknown');
  });
});
