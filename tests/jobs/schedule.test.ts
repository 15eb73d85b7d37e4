import { describe, expect, it } from 'vitest';
import { scheduleOf } from '@/jobs/schedule.ts';

const at = (text: string) => new Date(text);

describe('a schedule', () => {
  it.each([
    ['30 3 * * *', '2026-03-10T09:00:00.000Z', '2026-03-10T03:30:00.000Z', '2026-03-11T03:30:00.000Z'],
    ['30 3 * * *', '2026-03-10T03:30:00.000Z', '2026-03-10T03:30:00.000Z', '2026-03-11T03:30:00.000Z'],
    ['30 3 * * *', '2026-03-10T03:29:59.999Z', '2026-03-09T03:30:00.000Z', '2026-03-10T03:30:00.000Z'],
    ['* * * * *', '2026-12-31T23:59:59.999Z', '2026-12-31T23:59:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['*/10 * * * * *', '2026-03-10T09:00:10.001Z', '2026-03-10T09:00:10.000Z', '2026-03-10T09:00:20.000Z'],
    ['30 2 * * *', '2026-03-29T02:30:00.500Z', '2026-03-29T02:30:00.000Z', '2026-03-30T02:30:00.000Z'],
  ])('%s at %s was due at %s, and is due next at %s', (pattern, now, latest, next) => {
    const schedule = scheduleOf(pattern);
    expect(schedule.latest(at(now))).toEqual(at(latest));
    expect(schedule.next(at(now))).toEqual(at(next));
  });

  it('that cannot be read is refused', () => {
    expect(() => scheduleOf('every night')).toThrow(TypeError);
  });
});
