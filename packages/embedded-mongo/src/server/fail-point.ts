import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue } from '../errors.ts';

/** One fail point that has been set: what it does, and when (manual: none; MongoDB's command `configureFailPoint`). */
export class FailPoint {
  readonly data: Doc;
  private times: number;
  private skip: number;
  private readonly probability: number;

  /** `mode` is `'alwaysOn'`, `{times: n}`, `{skip: n}` or `{activationProbability: p}`. */
  constructor(mode: Value | undefined, data: Value | undefined) {
    const limit = mode instanceof Doc ? mode : Doc.EMPTY;
    const [kind] = limit.keys;
    if (mode !== 'alwaysOn' && (limit.size !== 1 || !['times', 'skip', 'activationProbability'].includes(kind ?? ''))) {
      throw badValue("mode has to be 'alwaysOn', 'off', {times: n}, {skip: n} or {activationProbability: p}");
    }
    const value = count(limit.values[0]);
    if (value < 0 || (kind === 'activationProbability' && value > 1)) throw badValue(`${kind} cannot be ${value}`);
    this.times = kind === 'times' ? value : Number.POSITIVE_INFINITY;
    this.skip = kind === 'skip' ? value : 0;
    this.probability = kind === 'activationProbability' ? value : 1;
    this.data = data instanceof Doc ? data : Doc.EMPTY;
  }

  get isSpent(): boolean {
    return this.times <= 0;
  }

  /** Meets the fail point so many times at once; whether it acts on any of them. */
  hit(times = 1): boolean {
    const skipped = Math.min(this.skip, times);
    this.skip -= skipped;
    const acting = Math.min(times - skipped, this.times);
    if (acting <= 0 || (this.probability < 1 && Math.random() >= this.probability)) return false;
    this.times -= acting;
    return true;
  }
}

export function count(value: Value | undefined): number {
  return isNumeric(value) ? toDouble(value) : 0;
}
