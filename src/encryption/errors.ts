import { ArtifexError } from '../domain/errors.ts';

/**
 * - `unknown_key`: sealed under a key that this ring lacks. Whoever has it can open the value: it is safe to repeat.
 * - `not_authentic`: the key is there, but this is not what it sealed for this place: changed, moved, or another key
 *   under the same id.
 * - `malformed`: not of the form that {@link Keyring.seal} writes.
 */
export type DecryptionFailure = 'unknown_key' | 'not_authentic' | 'malformed';

/** A sealed value that cannot be opened. It never carries the value, a key, or any part of either. */
export class DecryptionError extends ArtifexError {
  override readonly name = 'DecryptionError';
  readonly reason: DecryptionFailure;

  constructor(reason: DecryptionFailure, message: string) {
    super(reason === 'unknown_key' ? 'unavailable' : 'internal', message);
    this.reason = reason;
  }
}
