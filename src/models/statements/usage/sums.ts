import { IMAGE_GENERATION_TYPES } from '../../../domain/generation.ts';
import { GENERATION_STATUSES } from '../../../domain/lifecycle.ts';
import { emptyUsage, type Usage } from '../../../domain/usage.ts';

/** What {@link sumsOf} gives for each group. */
export type Sums = Readonly<Record<string, unknown>>;

const statusField = (status: string) => `status ${status}`;
const typeField = (type: string) => `type ${type}`;

/** The accumulators of `$group` that add up the usage under `path`. */
export function sumsOf(path: string) {
  const sum = (field: string) => ({ $sum: `$${path}.${field}` });
  return {
    total: sum('total'),
    credits: sum('credits'),
    seconds: sum('seconds'),
    timed: sum('timed'),
    ...Object.fromEntries(GENERATION_STATUSES.map((status) => [statusField(status), sum(`byStatus.${status}`)])),
    ...Object.fromEntries(IMAGE_GENERATION_TYPES.map((type) => [typeField(type), sum(`byType.${type}`)])),
  };
}

/** The usage that those accumulators found. */
export function usageFrom(sums: Sums): Usage {
  const found = (field: string): number => {
    const number = sums[field];
    return typeof number === 'number' ? number : 0;
  };
  const usage: Usage = {
    ...emptyUsage(),
    total: found('total'),
    credits: found('credits'),
    seconds: found('seconds'),
    timed: found('timed'),
  };
  for (const status of GENERATION_STATUSES) {
    const number = found(statusField(status));
    if (number > 0) usage.byStatus[status] = number;
  }
  for (const type of IMAGE_GENERATION_TYPES) {
    const number = found(typeField(type));
    if (number > 0) usage.byType[type] = number;
  }
  return usage;
}

/** The latest of these instants; null when there is none. */
export function newest(instants: readonly (Date | null)[]): Date | null {
  return instants.reduce((latest, at) => (latest === null || (at !== null && at > latest) ? at : latest), null);
}
