import { describe, expect, it } from 'vitest';
import { isLater, parseVersion, versionOf, versionText } from '@/domain/moves.ts';

describe('the version of a state', () => {
  it('is the number of the latest move and the status', () => {
    expect(versionOf({ status: 'pending' })).toEqual({ number: 0, status: 'pending' });
    const moves = [
      { number: 7, status: 'processing' },
      { number: 8, status: 'completed' },
    ] as const;
    expect(versionOf({ status: 'completed', moves })).toEqual({ number: 8, status: 'completed' });
  });

  it('is a text that gives it back', () => {
    const version = { number: 12, status: 'processing' } as const;
    expect(versionText(version)).toBe('12-processing');
    expect(parseVersion('12-processing')).toEqual(version);
  });

  it.each(['', '12', '12-', '-processing', '01-pending', '1.5-pending', '1-unknown', '1-pending ', '1-pending\n', 'x'])(
    'is nothing else: %j',
    (text) => {
      expect(parseVersion(text)).toBeNull();
    },
  );

  it('orders states by their number; a status that changed without a move is later than the one before', () => {
    const pending = { number: 1, status: 'pending' } as const;
    expect(isLater({ number: 2, status: 'processing' }, pending)).toBe(true);
    expect(isLater({ number: 0, status: 'pending' }, pending)).toBe(false);
    expect(isLater(pending, pending)).toBe(false);
    expect(isLater({ number: 1, status: 'completed' }, pending)).toBe(true);
  });
});
