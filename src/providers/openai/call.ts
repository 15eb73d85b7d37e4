import type OpenAI from 'openai';
import { APIError } from 'openai';
import type { ImageGenerateParamsNonStreaming } from 'openai/resources/images';
import { z } from 'zod';
import type { Parameters } from './dialect.ts';
import { malformed, refusal } from './failures.ts';
import type { PictureReference } from './picture.ts';

/** Parameters that a picture can do without, should the endpoint not know them. */
const DISPENSABLE = ['response_format', 'size', 'n'] as const;
type Dispensable = (typeof DISPENSABLE)[number];

const UNKNOWN_PARAMETER =
  /not supported|unsupported|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|extra/i;

const answerSchema = z.object({
  data: z.array(z.object({ b64_json: z.string().nullish(), url: z.string().nullish() })),
});

/** Asks for up to `count` pictures; gives one at least. */
export type Call = (
  ask: { prompt: string; count: number; parameters: Parameters },
  signal: AbortSignal,
) => Promise<PictureReference[]>;

/** The parameter, among those sent, that this error complains of not knowing. */
function unknownParameter(error: unknown, sent: ImageGenerateParamsNonStreaming): Dispensable | undefined {
  if (!(error instanceof APIError) || (error.status !== 400 && error.status !== 422)) return undefined;
  if (!UNKNOWN_PARAMETER.test(error.message)) return undefined;
  return DISPENSABLE.find(
    (name) => name in sent && (error.param === name || new RegExp(`\\b${name}\\b`).test(error.message)),
  );
}

/**
 * Calls `images.generate` of one endpoint. It remembers which optional parameters the endpoint has refused to know and
 * leaves them out from then on: servers that speak this API each know another part of it.
 */
export function createCall(client: OpenAI, model: string): Call {
  const refused = new Set<Dispensable>();

  async function generate(body: ImageGenerateParamsNonStreaming, signal: AbortSignal): Promise<unknown> {
    const sent = { ...body };
    for (const name of refused) delete sent[name];
    try {
      return await client.images.generate(sent, { signal });
    } catch (error) {
      const name = unknownParameter(error, sent);
      if (name === undefined) throw error;
      refused.add(name);
      return generate(body, signal);
    }
  }

  return async ({ prompt, count, parameters }, signal) => {
    const answer = answerSchema.safeParse(await generate({ model, prompt, n: count, ...parameters }, signal));
    if (!answer.success) throw malformed(answer.error);
    // Some services hold back a picture that their moderation dislikes, and answer 200 with none.
    if (answer.data.data.length === 0) throw refusal();
    return answer.data.data.slice(0, count);
  };
}
