import { z } from 'zod';
import { GENERATION_LIMITS, IMAGE_GENERATION_TYPES } from '../domain/generation.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import type { Leased } from '../repositories/queue.ts';
import { readable, represent, writable } from './permitted.ts';
import { GENERATION_EXAMPLE, generationFields, generationValues, outputImageFields } from './representations.ts';

/** What workers say, and what a generation looks like to them. */

const {
  minLeaseSeconds,
  maxLeaseSeconds,
  defaultLeaseSeconds,
  maxCount,
  maxUrlLength,
  maxErrorMessageLength,
  maxFilenameLength,
  maxContentTypeLength,
  maxWorkerIdLength,
  maxPixels,
  maxProcessingSeconds,
} = GENERATION_LIMITS;

const TOKEN_EXAMPLE = '2f1c9a4e-7b0d-4c55-9e1a-6d1f0c3b8a27';

const leaseToken = z.string().min(1).max(128).describe('What the claim was answered with.');

export const claimSchema = writable(
  {
    resource: 'Claim',
    by: 'worker',
    id: 'Claim',
    example: { workerId: 'gpu-1', leaseSeconds: 120, types: ['text-to-image'] },
  },
  {
    workerId: z
      .string()
      .min(1)
      .max(maxWorkerIdLength)
      .regex(/^[\x21-\x7e]+$/, 'Invalid input: expected printable ASCII characters without blanks')
      .describe('Your own name for the worker, for people who look after it.'),
    leaseSeconds: z
      .int()
      .min(minLeaseSeconds)
      .max(maxLeaseSeconds)
      .default(defaultLeaseSeconds)
      .describe('Seconds without a heartbeat after which the worker counts as dead.'),
    types: z
      .array(z.enum(IMAGE_GENERATION_TYPES))
      .min(1)
      .max(IMAGE_GENERATION_TYPES.length)
      .exactOptional()
      .describe('What the worker can do; without it, everything.'),
  },
);

export const heartbeatSchema = writable(
  { resource: 'ImageGeneration', by: 'worker', id: 'Heartbeat', example: { leaseToken: TOKEN_EXAMPLE } },
  { leaseToken },
);

const pixels = z.int().min(1).max(maxPixels).exactOptional().describe('Pixels.');

const madeImageSchema = writable(
  { resource: 'OutputImage', by: 'worker', id: 'MadeImage' },
  {
    url: z
      .url({ protocol: /^https$/, error: 'Invalid input: expected an https address' })
      .max(maxUrlLength)
      .refine(isWithoutCredentials, 'Invalid input: an address with credentials would show them to everybody')
      .describe('Has to open without a token; choose one that nobody can guess.'),
    filename: z
      .string()
      .min(1)
      .max(maxFilenameLength)
      .refine((name) => !/[\p{Cc}/\\]/u.test(name), 'Invalid input: expected a name without a path'),
    size: z.int().min(0).describe('Bytes.'),
    width: pixels,
    height: pixels,
    contentType: z
      .string()
      .max(maxContentTypeLength)
      .regex(/^image\/[a-z0-9][a-z0-9.+-]*$/, 'Invalid input: expected the media type of a picture')
      .exactOptional(),
  },
);

export const completionSchema = writable(
  {
    resource: 'ImageGeneration',
    by: 'worker',
    id: 'Completion',
    example: {
      leaseToken: TOKEN_EXAMPLE,
      outputImages: [
        {
          url: 'https://pictures.example.com/5f8c0a51-2d7e-4b0e-9d6b-0a4c7f1f2e3d.png',
          filename: 'a-lighthouse-at-sunset.png',
          size: 183_204,
          width: 1344,
          height: 768,
          contentType: 'image/png',
        },
      ],
      processingTime: 3.2,
    },
  },
  {
    leaseToken,
    outputImages: z.array(madeImageSchema).min(1).max(maxCount).describe('No more than `count`.'),
    processingTime: z
      .number()
      .min(0)
      .max(maxProcessingSeconds)
      .exactOptional()
      .describe('Seconds; without it, the time since the claim.'),
  },
);

export const failureSchema = writable(
  {
    resource: 'Failure',
    by: 'worker',
    id: 'Failure',
    example: { leaseToken: TOKEN_EXAMPLE, errorMessage: 'The model is out of memory.', retryable: true },
  },
  {
    leaseToken,
    errorMessage: z.string().min(1).max(maxErrorMessageLength).describe('For the user, if no attempt is left.'),
    retryable: z.boolean().default(false).describe('Whether another attempt may succeed; there are three at most.'),
  },
);

const workerImageSchema = readable({ resource: 'OutputImage', by: 'worker', id: 'WorkerImage' }, outputImageFields);

const workerFields = { ...generationFields, outputImages: z.array(workerImageSchema) };

export const workerGenerationSchema = readable(
  { resource: 'ImageGeneration', by: 'worker', id: 'WorkerGeneration', example: GENERATION_EXAMPLE },
  workerFields,
);

export const claimedSchema = readable(
  {
    resource: 'ImageGeneration',
    by: 'worker',
    id: 'ClaimedGeneration',
    example: {
      ...GENERATION_EXAMPLE,
      status: 'processing',
      processingTime: null,
      outputImages: [],
      completedAt: null,
      sourceImageUrl: null,
      leaseToken: TOKEN_EXAMPLE,
    },
  },
  {
    ...workerFields,
    sourceImageUrl: z.string().nullable().describe('What every type but `text-to-image` starts from.'),
    leaseToken: z.string().describe('Shown with everything that this worker says of the generation.'),
  },
);

export function workerGenerationOut(
  generation: ImageGeneration,
  origin: string,
): z.input<typeof workerGenerationSchema> {
  return represent(workerGenerationSchema, generationValues(generation, origin));
}

export function claimedOut(claimed: Leased, origin: string): z.input<typeof claimedSchema> {
  const sourceImageUrl = claimed.sourceImageUrl ?? null;
  return represent(claimedSchema, {
    ...generationValues(claimed, origin),
    sourceImageUrl,
    leaseToken: claimed.lease.token,
  });
}

function isWithoutCredentials(address: string): boolean {
  if (!URL.canParse(address)) return true;
  const { username, password } = new URL(address);
  return username === '' && password === '';
}
