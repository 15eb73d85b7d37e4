/** Preferred numbers (manual: reference/operator/aggregation/bucketAuto, "Granularity"). */
export interface Series {
  /** The greatest number of the series below the value; 0 for 0. */
  below(value: number): number;
  /** The least number of the series above the value. */
  above(value: number): number;
}

function preferred(numbers: readonly number[]): Series {
  const around = (value: number): number[] => {
    const power = Math.floor(Math.log10(value / (numbers[0] as number)));
    return [power - 1, power, power + 1].flatMap((exponent) =>
      numbers.map((number) => (exponent < 0 ? number / 10 ** -exponent : number * 10 ** exponent)),
    );
  };
  return {
    below: (value) => (value === 0 ? 0 : (around(value).findLast((number) => number < value) ?? 0)),
    above: (value) =>
      value === 0 ? (numbers[0] as number) : (around(value).find((number) => number > value) ?? value),
  };
}

const POWERS_OF_TWO: Series = {
  below(value) {
    if (value === 0) return 0;
    const power = 2 ** Math.floor(Math.log2(value));
    return power < value ? power : power / 2;
  },
  above: (value) => (value === 0 ? 0.5 : 2 ** (Math.floor(Math.log2(value)) + 1)),
};

/** The E series of IEC 60063; the smaller ones take every second value of E24, and of E192. */
const E24 = [
  1, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2, 2.2, 2.4, 2.7, 3, 3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6, 6.2, 6.8, 7.5, 8.2, 9.1,
];
const E192 = Array.from({ length: 192 }, (_, i) => (i === 185 ? 9.2 : Math.round(10 ** (i / 192) * 100) / 100));
const every = (list: readonly number[], step: number): number[] => list.filter((_, i) => i % step === 0);

/** The R series of ISO 3. */
const R80 = [
  1, 1.03, 1.06, 1.09, 1.12, 1.15, 1.18, 1.22, 1.25, 1.28, 1.32, 1.36, 1.4, 1.45, 1.5, 1.55, 1.6, 1.65, 1.7, 1.75, 1.8,
  1.85, 1.9, 1.95, 2, 2.06, 2.12, 2.18, 2.24, 2.3, 2.36, 2.43, 2.5, 2.58, 2.65, 2.72, 2.8, 2.9, 3, 3.07, 3.15, 3.25,
  3.35, 3.45, 3.55, 3.65, 3.75, 3.87, 4, 4.12, 4.25, 4.37, 4.5, 4.62, 4.75, 4.87, 5, 5.15, 5.3, 5.45, 5.6, 5.8, 6, 6.15,
  6.3, 6.5, 6.7, 6.9, 7.1, 7.3, 7.5, 7.75, 8, 8.25, 8.5, 8.75, 9, 9.25, 9.5, 9.75,
];

export const GRANULARITIES: ReadonlyMap<string, Series> = new Map([
  ['R5', preferred(every(R80, 16))],
  ['R10', preferred(every(R80, 8))],
  ['R20', preferred(every(R80, 4))],
  ['R40', preferred(every(R80, 2))],
  ['R80', preferred(R80)],
  ['1-2-5', preferred([1, 2, 5])],
  ['E6', preferred(every(E24, 4))],
  ['E12', preferred(every(E24, 2))],
  ['E24', preferred(E24)],
  ['E48', preferred(every(E192, 4))],
  ['E96', preferred(every(E192, 2))],
  ['E192', preferred(E192)],
  ['POWERSOF2', POWERS_OF_TWO],
]);
