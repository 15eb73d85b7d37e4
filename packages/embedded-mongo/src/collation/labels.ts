import BTreeModule from 'sorted-btree';
import type { StringOrder } from '../bson/compare.ts';

const BTree = ('default' in BTreeModule ? BTreeModule.default : BTreeModule) as typeof BTreeModule;

/** Units of a label lie between these, both left out: none of them needs care when it becomes part of a key. */
const LOW = 1;
const HIGH = 0xd7ff;
/** Room that is left between neighbours, so that strings that come in order get short labels. */
const STEP = 16;

/**
 * Gives each class of strings that a collation takes for equal a label, so that labels order by their code units as the
 * strings do by the collation. `Intl.Collator` compares but gives no sort keys, which is what an index would need. A
 * label never changes; a new string gets one between those of its neighbours. Labels live as long as the process.
 */
export class Labels {
  private readonly known: InstanceType<typeof BTree<string, string>>;
  private readonly recent = new Map<string, string>();

  constructor(order: StringOrder) {
    this.known = new BTree<string, string>(undefined, order);
  }

  of(text: string): string {
    const recent = this.recent.get(text);
    if (recent !== undefined) return recent;
    let label = this.known.get(text);
    if (label === undefined) {
      label = between(this.known.nextLowerPair(text)?.[1], this.known.nextHigherPair(text)?.[1]);
      this.known.set(text, label);
    }
    if (this.recent.size >= 10_000) this.recent.clear();
    this.recent.set(text, label);
    return label;
  }
}

/** A label above `low` and below `high`. No label ends in {@link LOW}, so that there is always room below it. */
function between(low: string | undefined, high: string | undefined): string {
  let prefix = '';
  for (let i = 0; ; i++) {
    const from: number = low === undefined || i >= low.length ? LOW : low.charCodeAt(i);
    const to: number = high === undefined || i >= high.length ? HIGH : high.charCodeAt(i);
    if (to - from > 1) return prefix + String.fromCharCode(chosen(from, to, low !== undefined, high !== undefined));
    prefix += String.fromCharCode(from);
    // Once a unit is below the upper label's, whatever follows is below it as well.
    if (from < to) high = undefined;
  }
}

function chosen(from: number, to: number, hasLow: boolean, hasHigh: boolean): number {
  const middle = from + ((to - from) >> 1);
  if (hasLow === hasHigh) return hasLow && to - from > 2 * STEP ? from + STEP : middle;
  return hasLow ? Math.min(from + STEP, middle) : Math.max(to - STEP, middle);
}
