import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarDays, DAY_MS, isTimeZone, QUARTER_HOUR_MS } from '@/domain/calendar.ts';

const ZONES = Intl.supportedValuesOf('timeZone');
const HOUR_MS = 4 * QUARTER_HOUR_MS;

/** The days as their dates and hours. */
function hoursOf(zone: string, count: number, now: string): string[] {
  return calendarDays(count, zone, new Date(now)).map(
    ({ date, start, end }) => `${date} ${(end.getTime() - start.getTime()) / HOUR_MS}`,
  );
}

describe('a time zone', () => {
  it('is a name of the IANA database', () => {
    for (const zone of ['UTC', 'Europe/Paris', 'Asia/Kolkata', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5']) {
      expect(isTimeZone(zone), zone).toBe(true);
    }
  });

  it('is no bare offset and no other word', () => {
    for (const zone of ['', '+05:30', '-03', 'Europe/Atlantis', 'Paris', '../UTC', 'UTC\n']) {
      expect(isTimeZone(zone), JSON.stringify(zone)).toBe(false);
    }
  });
});

describe('calendar days', () => {
  it('have 23 and 25 hours when the offset changes', () => {
    expect(hoursOf('Europe/Paris', 3, '2026-03-30T08:00:00Z')).toEqual([
      '2026-03-28 24',
      '2026-03-29 23',
      '2026-03-30 24',
    ]);
    expect(hoursOf('America/New_York', 2, '2026-11-02T12:00:00Z')).toEqual(['2026-11-01 25', '2026-11-02 24']);
    expect(hoursOf('Australia/Lord_Howe', 1, '2026-04-05T00:00:00Z')).toEqual(['2026-04-05 24.5']);
  });

  it('begin after midnight where midnight does not exist', () => {
    const [day] = calendarDays(1, 'Africa/Cairo', new Date('2026-04-24T12:00:00Z'));
    expect(day?.start.toISOString()).toBe('2026-04-23T22:00:00.000Z');
    expect(hoursOf('Africa/Cairo', 1, '2026-04-24T12:00:00Z')).toEqual(['2026-04-24 23']);
  });

  it('end with the day that it is in the zone', () => {
    const now = '2026-03-10T10:30:00Z';
    expect(hoursOf('Pacific/Kiritimati', 1, now)).toEqual(['2026-03-11 24']);
    expect(hoursOf('Pacific/Pago_Pago', 1, now)).toEqual(['2026-03-09 24']);
    expect(hoursOf('Asia/Kathmandu', 2, now)).toEqual(['2026-03-09 24', '2026-03-10 24']);
  });

  it('follow each other without a gap, hold now, and begin on a quarter of an hour, in every zone', () => {
    const instants = fc.date({ min: new Date('2024-01-01'), max: new Date('2030-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), instants, fc.integer({ min: 1, max: 365 }), (zone, now, count) => {
        const days = calendarDays(count, zone, now);
        expect(days).toHaveLength(count);
        const dateOf = (at: number) =>
          new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short' }).format(at);
        for (const [index, { date, start, end }] of days.entries()) {
          expect(start.getTime() % QUARTER_HOUR_MS).toBe(0);
          expect(dateOf(start.getTime())).toBe(date);
          expect(dateOf(start.getTime() - 1) < date).toBe(true);
          // Stations in Antarctica have moved their clocks by up to three hours at once.
          expect(end.getTime() - start.getTime()).toBeLessThanOrEqual(DAY_MS + 3 * HOUR_MS);
          if (index > 0) expect(start).toEqual(days[index - 1]?.end);
        }
        const today = days.at(-1);
        expect(today && now >= today.start && now < today.end).toBe(true);
      }),
      { numRuns: 20, ...(process.env['FC_SEED'] && { seed: Number(process.env['FC_SEED']) }) },
    );
  });
});
