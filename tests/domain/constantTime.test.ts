import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constantTimeEqual } from '@/domain/constantTime.ts';

describe('comparing secrets', () => {
  it('finds a secret equal to itself and to nothing else, whatever the lengths', async () => {
    const secret = fc.string({ unit: 'binary', maxLength: 64 });
    await fc.assert(
      fc.asyncProperty(secret, secret, async (left, right) => {
        expect(await constantTimeEqual(left, right)).toBe(left === right);
        expect(await constantTimeEqual(left, left)).toBe(true);
        expect(await constantTimeEqual(left, `${left}x`)).toBe(false);
      }),
      { seed: 20261124 },
    );
  });

  it('tells a secret from one that differs in its last bit, from its beginning, and from none', async () => {
    expect(await constantTimeEqual('tokenA', 'token@')).toBe(false);
    expect(await constantTimeEqual('tokenA', 'token')).toBe(false);
    expect(await constantTimeEqual('tokenA', '')).toBe(false);
  });
});
