import { APIConnectionError, APIError } from 'openai';
import { ProviderError } from '../port.ts';

/** Words by which endpoints say, in a code or type, that they refuse what the prompt asks for. */
const REFUSAL_CODE = /content.?policy|content.?filter|moderation|safety|responsible.?ai|image_generation_user_error/i;
/** The same in prose, for endpoints that send no code. */
const REFUSAL_TEXT = /safety system|content.?policy|content management policy|content.?filter|moderation/i;
/** The operator's account is empty or capped: waiting does not help. */
const BILLING_CODE = /insufficient_quota|billing/i;

const SET_UP_WRONG = 'The image service is not set up correctly on this server. Please tell its operator.';
const BUSY = 'The image service is overloaded or out of order. Please try again later.';

/** The prompt asks for something that the model will not draw. */
export function refusal(cause?: unknown): ProviderError {
  return new ProviderError(
    'The image model refused this prompt under its content policy. Please reword the prompt and try again.',
    { retryable: false, cause },
  );
}

/** The endpoint answered with something that is not the pictures that were asked for. */
export function malformed(cause?: unknown): ProviderError {
  return new ProviderError('The image service gave an answer that holds no picture. Please try again.', {
    retryable: true,
    cause,
  });
}

function ofStatus(status: number, error: APIError): ProviderError {
  const code = `${error.code ?? ''} ${error.type ?? ''}`;
  const isRefusal = REFUSAL_CODE.test(code) || ((status === 400 || status === 422) && REFUSAL_TEXT.test(error.message));
  if (isRefusal && status < 500 && status !== 429) return refusal(error);
  if (status === 401 || status === 403 || status === 404 || BILLING_CODE.test(code)) {
    return new ProviderError(SET_UP_WRONG, { retryable: false, cause: error });
  }
  if (status >= 500 || status === 429 || status === 408 || status === 409) {
    return new ProviderError(BUSY, { retryable: true, cause: error });
  }
  return new ProviderError(
    'The image model did not accept this request. Please shorten or reword the prompt, or choose another quality or aspect ratio.',
    { retryable: false, cause: error },
  );
}

/**
 * What an error of the client means to the caller. The endpoint's own words stay in `cause`, for the log: they may name
 * keys, accounts and hosts.
 */
export function toProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const name = error instanceof Error ? error.name : '';
  if (error instanceof APIConnectionError || name === 'TimeoutError' || name === 'AbortError') {
    return new ProviderError('The image service was not reached, or did not answer in time. Please try again later.', {
      retryable: true,
      cause: error,
    });
  }
  if (error instanceof APIError && typeof error.status === 'number') return ofStatus(error.status, error);
  return malformed(error);
}
