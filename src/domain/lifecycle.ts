export const GENERATION_STATUSES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;
export type GenerationStatus = (typeof GENERATION_STATUSES)[number];

/** Every legal move; a move that is not here is refused and changes nothing. */
const LEGAL_MOVES: Readonly<Record<GenerationStatus, readonly GenerationStatus[]>> = Object.freeze({
  pending: ['processing', 'cancelled', 'failed'],
  processing: ['completed', 'failed', 'pending'],
  completed: [],
  failed: [],
  cancelled: [],
});

export function canMove(from: GenerationStatus, to: GenerationStatus): boolean {
  return LEGAL_MOVES[from].includes(to);
}

/** The statuses from which `to` may be reached: what the guard of a write asks for. */
export function sourcesOf(to: GenerationStatus): GenerationStatus[] {
  return GENERATION_STATUSES.filter((from) => canMove(from, to));
}

/** A final status never changes again. */
export function isFinal(status: GenerationStatus): boolean {
  return LEGAL_MOVES[status].length === 0;
}

export const FINAL_STATUSES: readonly GenerationStatus[] = GENERATION_STATUSES.filter(isFinal);
