import OpenAI from 'openai';
import { createCall } from './openai/call.ts';
import { dialectOf, promptOf } from './openai/dialect.ts';
import { toProviderError } from './openai/failures.ts';
import { fetchPicture, isHttpLoopback } from './openai/picture.ts';
import { type Fetch, limitedFetch, untilAborted } from './openai/transport.ts';
import { type GeneratedImage, type ImageProvider, type ImageRequest, ProviderError } from './port.ts';
import { drawingStopped } from './stopped.ts';

export interface OpenaiConfig {
  /** Where the API is, with its version: `https://api.openai.com/v1`. */
  baseURL: string;
  apiKey: string;
  /** The model that draws everything; callers cannot choose another at the operator's cost. */
  model: string;
  /** Milliseconds for one call, from the request to the last byte of the answer. */
  timeoutMs: number;
  /** Repetitions of a call that met 429, 5xx, a broken connection or a timeout. */
  maxRetries?: number;
  /** In place of the runtime's. */
  fetch?: Fetch | undefined;
}

function refuseUnsupported(request: ImageRequest, model: string): void {
  if (request.type !== 'text-to-image') {
    throw new ProviderError(
      `This server's image model draws from text only; it cannot do "${request.type}". Please use "text-to-image".`,
      { retryable: false },
    );
  }
  if (request.model !== 'default' && request.model !== model) {
    throw new ProviderError('This server draws with a model of its own. Please leave `model` out.', {
      retryable: false,
    });
  }
}

/**
 * Draws through any endpoint that speaks OpenAI's images API (`docs/providers.md` lists what is sent to which model).
 *
 * Only `text-to-image`: every other type would have this server fetch an address that a caller chose, from inside the
 * operator's network, and a check of the address before the fetch can be undone by its DNS before the connection.
 */
export function openaiProvider(config: OpenaiConfig): ImageProvider {
  const { baseURL, apiKey, model, timeoutMs, maxRetries = 2 } = config;
  const client = new OpenAI({
    baseURL,
    apiKey,
    maxRetries,
    timeout: timeoutMs,
    fetch: limitedFetch(timeoutMs, config.fetch),
    // Given, so that the client does not look for them in the environment by itself.
    organization: null,
    project: null,
    logLevel: 'off',
  });
  const call = createCall(client, model);
  const dialect = dialectOf(model);
  const allowLoopback = isHttpLoopback(new URL(baseURL));

  async function draw(request: ImageRequest, signal: AbortSignal): Promise<GeneratedImage[]> {
    const prompt = promptOf(request);
    const parameters = dialect.parametersOf(request.aspectRatio, request.quality);
    const images: GeneratedImage[] = [];
    // Each call adds one at least, so this ends; an endpoint that gives one at a time is asked as often as it takes.
    while (images.length < request.count) {
      const count = Math.min(request.count - images.length, dialect.maxCount);
      const references = await call({ prompt, count, parameters }, signal);
      images.push(
        ...(await Promise.all(
          references.map((reference) => fetchPicture(reference, { signal, timeoutMs, allowLoopback })),
        )),
      );
    }
    return images;
  }

  return {
    name: 'openai',
    async generate(request, { signal }) {
      refuseUnsupported(request, model);
      try {
        // The client hears the signal while it waits for an answer, but not while it sleeps before a retry.
        return await untilAborted(draw(request, signal), signal, () => drawingStopped(signal));
      } catch (error) {
        throw signal.aborted ? drawingStopped(signal) : toProviderError(error);
      }
    },
  };
}
