import { GENERATION_STATUSES, type GenerationStatus } from './lifecycle.ts';

/** A move of a generation's lifecycle, as the generation itself remembers it. */
export interface Move {
  /** Counted from 1 in each generation. */
  number: number;
  /** What the generation became. */
  status: GenerationStatus;
  /** Since when it was processed, as the move has left it. */
  startedAt?: Date;
}

/** How many of its latest moves a generation remembers: three attempts make six, and each worker that has to stop two more. */
export const REMEMBERED_MOVES = 16;

/**
 * Which state of a generation is meant. It follows from the generation alone, so that it is the same on every process and
 * after every restart, and states are in order by it.
 */
export interface StateVersion {
  /** That of the move that led to it; 0 before the first one. */
  number: number;
  status: GenerationStatus;
}

/** What states follow from. */
export interface Moving {
  status: GenerationStatus;
  moves?: readonly Move[];
}

export function versionOf({ status, moves = [] }: Moving): StateVersion {
  return { number: moves.at(-1)?.number ?? 0, status };
}

/** Whether `other` is a later state than `version`. A state that was reached without a move has the number of the one before. */
export function isLater(other: StateVersion, version: StateVersion): boolean {
  return other.number === version.number ? other.status !== version.status : other.number > version.number;
}

/** @example versionText({ number: 2, status: 'completed' }); // '2-completed' */
export function versionText({ number, status }: StateVersion): string {
  return `${number}-${status}`;
}

/** What {@link versionText} has made, or null for any other text. */
export function parseVersion(text: string): StateVersion | null {
  const [, digits, word] = /^(0|[1-9]\d{0,8})-([a-z]+)$/.exec(text) ?? [];
  const status = GENERATION_STATUSES.find((known) => known === word);
  return status && digits !== undefined ? { number: Number(digits), status } : null;
}
