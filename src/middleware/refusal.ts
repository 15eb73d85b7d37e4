import { ArtifexError, type ErrorCode } from '../domain/errors.ts';

/**
 * A refusal whose answer carries header fields of its own: `Allow`, `WWW-Authenticate`, `Retry-After`.
 *
 * @example
 * throw new Refusal('rate_limited', 'Wait a moment, then repeat.', { 'Retry-After': '12' });
 */
export class Refusal extends ArtifexError {
  override readonly name = 'Refusal';
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, headers: Readonly<Record<string, string>>) {
    super(code, message);
    this.headers = headers;
  }
}
