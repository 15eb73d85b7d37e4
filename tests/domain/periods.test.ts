import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMonths, periodAt } from '@/domain/periods.ts';

const at = (text: string) => new Date(text);
const instants = fc.date({ min: at('2000-01-01T00:00:00Z'), max: at('2100-01-01T00:00:00Z'), noInvalidDate: true });

describe('addMonths', () => {
  it.each([
    ['2027-01-31T18:30:00.000Z', 1, '2027-02-28T18:30:00.000Z'],
    ['2028-01-31T18:30:00.000Z', 1, '2028-02-29T18:30:00.000Z'],
    ['2027-01-31T18:30:00.000Z', 2, '2027-03-31T18:30:00.000Z'],
    ['2027-05-31T00:00:00.000Z', 1, '2027-06-30T00:00:00.000Z'],
    ['2026-12-15T23:59:59.999Z', 1, '2027-01-15T23:59:59.999Z'],
    ['2028-02-29T12:00:00.000Z', 12, '2029-02-28T12:00:00.000Z'],
    ['2027-03-31T12:00:00.000Z', -1, '2027-02-28T12:00:00.000Z'],
    ['2027-01-15T12:00:00.000Z', -1, '2026-12-15T12:00:00.000Z'],
  ])('takes %s on by %i months to %s', (anchor, months, expected) => {
    expect(addMonths(at(anchor), months).toISOString()).toBe(expected);
  });
});

describe('periodAt', () => {
  it('remembers the day of sign-up through a shorter month', () => {
    const signedUp = at('2027-01-31T10:00:00Z');
    expect(periodAt(signedUp, at('2027-02-10T00:00:00Z')).end).toEqual(at('2027-02-28T10:00:00Z'));
    expect(periodAt(signedUp, at('2027-03-10T00:00:00Z')).end).toEqual(at('2027-03-31T10:00:00Z'));
  });

  it('begins the next period at the very instant at which the last one ends', () => {
    const signedUp = at('2027-01-31T10:00:00Z');
    const end = at('2027-02-28T10:00:00Z');
    expect(periodAt(signedUp, new Date(end.getTime() - 1)).end).toEqual(end);
    expect(periodAt(signedUp, end).start).toEqual(end);
  });

  it('always holds the instant, and meets its neighbours without gap or overlap', () => {
    fc.assert(
      fc.property(instants, instants, (anchor, now) => {
        const { start, end } = periodAt(anchor, now);
        expect(start <= now && now < end).toBe(true);
        expect(periodAt(anchor, end).start).toEqual(end);
        expect(periodAt(anchor, new Date(start.getTime() - 1)).end).toEqual(start);
      }),
    );
  });

  it('gives every sign-up day of a common and a leap year ten years of months that end on its day or the last of the month', () => {
    for (
      let day = at('2027-01-01T09:30:00Z');
      day < at('2029-01-01T00:00:00Z');
      day = new Date(day.getTime() + 86_400_000)
    ) {
      let { end } = periodAt(day, day);
      for (let month = 1; month <= 120; month += 1) {
        const lastOfMonth = new Date(Date.UTC(end.getUTCFullYear(), end.getUTCMonth() + 1, 0)).getUTCDate();
        const expectedMonth = (day.getUTCMonth() + month) % 12;
        if (end.getUTCMonth() !== expectedMonth || end.getUTCDate() !== Math.min(day.getUTCDate(), lastOfMonth)) {
          throw new Error(`${day.toISOString()} + ${month} months ended at ${end.toISOString()}`);
        }
        end = periodAt(day, end).end;
      }
    }
  });
});
