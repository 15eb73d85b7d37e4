import type { IndexPlan } from './planner.ts';

/** Beyond this many keys two indexes are not told apart by counting. */
const MOST_COUNTED = 100;
/** Plans whose keys are about as few are equals: then an order that saves sorting decides. */
const ABOUT = 10;

/**
 * The best of several plans. MongoDB lets them race for their first results (manual: core/query-plans); here the keys
 * that each would read are counted up to a small number. Which one is chosen depends on the data alone.
 */
export function bestOf(plans: readonly IndexPlan[]): IndexPlan | undefined {
  if (plans.length < 2) return plans[0];
  let most = MOST_COUNTED;
  const counted = plans.map((plan) => {
    const keys = countKeys(plan, most);
    // Nobody needs to know how many more the others would read.
    most = Math.min(most, keys * 2 + ABOUT + 1);
    return { plan, keys, score: scoreOf(plan) };
  });
  const few = Math.min(...counted.map(({ keys }) => keys));
  const equals = counted.filter(({ keys }) => keys <= few * 2 + ABOUT);
  return equals.reduce((best, other) => (other.score > best.score ? other : best)).plan;
}

function countKeys({ index, bounds }: IndexPlan, most: number): number {
  // To look for keys that are not there costs as well.
  if (bounds.ranges.length > MOST_COUNTED) return most;
  let keys = 0;
  for (const { from, to } of bounds.ranges) {
    for (const [key] of index.tree.entries(from)) {
      if (key >= to) break;
      keys += 1;
      if (keys >= most) return keys;
    }
  }
  return keys;
}

/** Equalities count most, then an order that saves sorting, then a range, then keys that save reading documents. */
function scoreOf({ bounds, sorted, index, covers }: IndexPlan): number {
  const range = bounds.bounded > bounds.points ? 4 : 0;
  const tie = index.fields.length === bounds.bounded ? 1 : 0;
  return bounds.points * 20 + range + (sorted ? 8 : 0) + (covers ? 2 : 0) + tie;
}
