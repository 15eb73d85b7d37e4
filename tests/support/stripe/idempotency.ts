import { DAY } from './calendar.ts';
import { Refusal } from './refusals.ts';

export interface Answer {
  status: number;
  body: unknown;
}

/**
 * Answers by idempotency key: whatever was answered after work had begun is answered again for a day, errors of the server too; another
 * request under the same key is refused (https://docs.stripe.com/api/idempotent_requests).
 */
export class Idempotency {
  readonly #answers = new Map<string, { request: string; answer: Answer; at: number }>();

  /**
   * @param now seconds
   * @throws {Refusal} for a key that came with another request
   */
  recall(key: string, request: string, now: number): Answer | null {
    const known = this.#answers.get(key);
    if (!known || now - known.at >= DAY) return null;
    if (known.request === request) return known.answer;
    throw new Refusal(400, {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
    });
  }

  remember(key: string, request: string, answer: Answer, now: number): void {
    this.#answers.set(key, { request, answer, at: now });
  }
}
