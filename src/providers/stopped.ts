import { ProviderError } from './port.ts';

/** What a provider throws when its caller gave the work up (shutdown, lost lease). Another attempt could succeed. */
export function drawingStopped(signal: AbortSignal): ProviderError {
  return new ProviderError('The drawing was stopped before it was finished.', {
    retryable: true,
    cause: signal.reason,
  });
}
