import { IMAGE_GENERATION_TYPES, type ImageGenerationType } from './generation.ts';
import { GENERATION_STATUSES, type GenerationStatus } from './lifecycle.ts';

/** What is counted of any number of generations. All of it can be added up. */
export interface Usage {
  /** Requests. */
  total: number;
  byStatus: Partial<Record<GenerationStatus, number>>;
  byType: Partial<Record<ImageGenerationType, number>>;
  /** Credits that were taken and not given back. */
  credits: number;
  /** Processing time of the completed, in seconds, and of how many it is known. */
  seconds: number;
  timed: number;
}

/** What a generation adds to the usage. */
export interface Countable {
  status: GenerationStatus;
  type: ImageGenerationType;
  credits?: number;
  processingTime?: number | null;
}

/** The words in which usage is told. */
export interface UsageSummary {
  totalGenerations: number;
  byStatus: Record<GenerationStatus, number>;
  byType: Record<ImageGenerationType, number>;
  creditsUsed: number;
  /** Mean seconds over the completed; 0 when there are none. */
  averageProcessingTime: number;
  /** Completed of those that succeeded or failed, 0 to 1; 0 when there are none. */
  successRate: number;
}

/** Whoever failed or was cancelled has been given back. */
const REFUNDED: ReadonlySet<GenerationStatus> = new Set<GenerationStatus>(['failed', 'cancelled']);

export function emptyUsage(): Usage {
  return { total: 0, byStatus: {}, byType: {}, credits: 0, seconds: 0, timed: 0 };
}

/** Counts one generation more. */
export function count(usage: Usage, { status, type, credits = 0, processingTime }: Countable): void {
  usage.total += 1;
  usage.byStatus[status] = (usage.byStatus[status] ?? 0) + 1;
  usage.byType[type] = (usage.byType[type] ?? 0) + 1;
  if (!REFUNDED.has(status)) usage.credits += credits;
  if (status !== 'completed' || typeof processingTime !== 'number') return;
  usage.seconds += processingTime;
  usage.timed += 1;
}

/** Adds `more` to `usage`. */
export function add(usage: Usage, more: Usage): void {
  addTimes(1, usage, more);
}

function addTimes(times: 1 | -1, usage: Usage, more: Usage): void {
  usage.total += times * more.total;
  for (const status of GENERATION_STATUSES) {
    const number = more.byStatus[status];
    if (number) usage.byStatus[status] = (usage.byStatus[status] ?? 0) + times * number;
  }
  for (const type of IMAGE_GENERATION_TYPES) {
    const number = more.byType[type];
    if (number) usage.byType[type] = (usage.byType[type] ?? 0) + times * number;
  }
  usage.credits += times * more.credits;
  usage.seconds += times * more.seconds;
  usage.timed += times * more.timed;
}

/** What is left of `usage` without `parts` of it. */
export function without(usage: Usage, parts: Iterable<Usage>): Usage {
  const left = emptyUsage();
  add(left, usage);
  for (const part of parts) addTimes(-1, left, part);
  return left;
}

export function summaryOf({ total, byStatus, byType, credits, seconds, timed }: Usage): UsageSummary {
  const { completed = 0, failed = 0 } = byStatus;
  return {
    totalGenerations: total,
    byStatus: { pending: 0, processing: 0, completed: 0, failed: 0, cancelled: 0, ...byStatus },
    byType: {
      'text-to-image': 0,
      'image-to-image': 0,
      inpainting: 0,
      outpainting: 0,
      upscale: 0,
      variation: 0,
      ...byType,
    },
    creditsUsed: credits,
    averageProcessingTime: timed === 0 ? 0 : seconds / timed,
    successRate: completed === 0 ? 0 : completed / (completed + failed),
  };
}
