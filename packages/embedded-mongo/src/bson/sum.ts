import { add } from './arithmetic.ts';
import { Decimal } from './decimal.ts';
import { Double, isNumeric, type Numeric, toDouble, type Value } from './values.ts';

/** Sums without losing the small parts of doubles: an exact integer part, and Neumaier's compensation. */
export class Sum {
  private total: Numeric = 0;
  private compensation = 0;
  count = 0;

  add(value: Value | undefined): void {
    if (!isNumeric(value)) return;
    this.count += 1;
    if (value instanceof Double && !(this.total instanceof Decimal)) {
      const before = toDouble(this.total);
      const after = before + value.value;
      if (Number.isFinite(after)) {
        const bigger = Math.abs(before) >= Math.abs(value.value);
        this.compensation += bigger ? before - after + value.value : value.value - after + before;
      }
      this.total = new Double(after);
      return;
    }
    this.total = add(this.total, value);
  }

  get value(): Numeric {
    return this.total instanceof Double ? new Double(this.total.value + this.compensation) : this.total;
  }
}
