import { z } from 'zod';
import {
  ASPECT_RATIOS,
  GENERATION_DEFAULTS,
  GENERATION_LIMITS,
  IMAGE_GENERATION_TYPES,
  IMAGE_QUALITIES,
  needsSourceImage,
} from '../domain/generation.ts';
import { LEDGER_KINDS } from '../domain/ledger.ts';
import { GENERATION_STATUSES } from '../domain/lifecycle.ts';
import { type Quota, quotaOf } from '../domain/quota.ts';
import { SUBSCRIPTION_TIERS } from '../domain/tiers.ts';
import type { GenerationSnapshot } from '../models/ImageGeneration.ts';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import { THEMES, type User } from '../models/User.ts';
import { readable, represent, writable } from './permitted.ts';
import { instantSchema } from './schemas.ts';

/** How documents look from outside: what is not named here, and allowed by the table of permissions, never leaves. */

const credits = z.int().nonnegative();

export const quotaSchema = readable(
  {
    resource: 'Quota',
    by: 'self',
    id: 'Quota',
    example: { tier: 'free', limit: 10, used: 3, remaining: 7, resetsAt: '2026-04-10T09:00:00.000Z' },
  },
  {
    tier: z.enum(SUBSCRIPTION_TIERS),
    limit: credits.describe("The tier's quota and what was granted in this period."),
    used: credits,
    remaining: credits,
    resetsAt: instantSchema,
  },
);

export function quotaOut({ resetsAt, ...quota }: Quota): z.input<typeof quotaSchema> {
  return represent(quotaSchema, { ...quota, resetsAt: resetsAt.toISOString() });
}

const preferences = {
  theme: z.enum(THEMES),
  language: z.string(),
  defaultStyle: z.string(),
  defaultAspectRatio: z.enum(ASPECT_RATIOS),
  defaultQuality: z.enum(IMAGE_QUALITIES),
};
const settings = { emailNotifications: z.boolean(), quotaAlerts: z.boolean() };
export const preferencesSchema = readable({ resource: 'Preferences', by: 'self', id: 'Preferences' }, preferences);
export const settingsSchema = readable({ resource: 'Settings', by: 'self', id: 'Settings' }, settings);

export const userSchema = readable(
  { resource: 'User', by: 'self', id: 'User' },
  {
    id: z.string(),
    clerkUserId: z.string(),
    email: z.string(),
    name: z.string(),
    subscriptionTier: z.enum(SUBSCRIPTION_TIERS),
    quota: quotaSchema,
    totalImagesGenerated: z.int().nonnegative(),
    preferences: preferencesSchema,
    settings: settingsSchema,
    createdAt: instantSchema,
  },
);

/** https://tc39.es/ecma402/#sec-isstructurallyvalidlanguagetag */
function isLanguageTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

/** What is left out stays as it is. */
export const userChangesSchema = writable(
  { resource: 'User', by: 'self', id: 'UserChanges', example: { name: 'Ada', preferences: { theme: 'dark' } } },
  {
    name: z.string().trim().min(1).max(200).exactOptional(),
    preferences: writable(
      { resource: 'Preferences', by: 'self', id: 'PreferenceChanges' },
      {
        theme: preferences.theme.exactOptional(),
        language: z
          .string()
          .min(2)
          .max(35)
          .refine(isLanguageTag, 'Invalid input: expected a language tag such as en or pt-BR')
          .exactOptional()
          .describe('BCP 47.'),
        defaultStyle: z.string().min(1).max(GENERATION_LIMITS.maxNameLength).exactOptional(),
        defaultAspectRatio: preferences.defaultAspectRatio.exactOptional(),
        defaultQuality: preferences.defaultQuality.exactOptional(),
      },
    ).exactOptional(),
    settings: writable(
      { resource: 'Settings', by: 'self', id: 'SettingChanges' },
      { emailNotifications: z.boolean().exactOptional(), quotaAlerts: z.boolean().exactOptional() },
    ).exactOptional(),
  },
);

export function userOut(user: User, now: Date): z.input<typeof userSchema> {
  return represent(userSchema, {
    id: user._id.toHexString(),
    clerkUserId: user.clerkUserId,
    email: user.email,
    name: user.name,
    subscriptionTier: user.subscriptionTier,
    quota: quotaOut(quotaOf(user, now)),
    totalImagesGenerated: user.totalImagesGenerated,
    preferences: represent(preferencesSchema, user.preferences),
    settings: represent(settingsSchema, user.settings),
    createdAt: user.createdAt.toISOString(),
  });
}

export const ledgerEntrySchema = readable(
  {
    resource: 'LedgerEntry',
    by: 'self',
    id: 'LedgerEntry',
    example: {
      id: '69afe0c5a1b2c3d4e5f60718',
      kind: 'charge',
      credits: 2,
      balance: 8,
      generationId: '69afe0c5a1b2c3d4e5f60719',
      at: '2026-03-10T09:00:00.000Z',
    },
  },
  {
    id: z.string(),
    kind: z.enum(LEDGER_KINDS),
    credits: z.int().positive().describe('Always positive; the kind tells the direction.'),
    balance: credits.describe('What remained afterwards.'),
    generationId: z.string().optional(),
    at: instantSchema,
  },
);

export function ledgerEntryOut(entry: LedgerEntry): z.input<typeof ledgerEntrySchema> {
  return represent(ledgerEntrySchema, {
    id: entry._id.toHexString(),
    kind: entry.kind,
    credits: entry.credits,
    balance: entry.balance,
    ...(entry.generationId && { generationId: entry.generationId.toHexString() }),
    at: entry.at.toISOString(),
  });
}

const { maxPromptLength, maxNegativePromptLength, maxNameLength, maxUrlLength, minCount, maxCount } = GENERATION_LIMITS;

/** With its defaults filled in: leaving one out and sending it are the same request. */
export const generationRequestSchema = writable(
  {
    resource: 'ImageGeneration',
    by: 'self',
    id: 'GenerationRequest',
    example: {
      type: 'text-to-image',
      prompt: 'A lighthouse at sunset',
      aspectRatio: '16:9',
      quality: 'standard',
      count: 1,
    },
  },
  {
    type: z.enum(IMAGE_GENERATION_TYPES),
    prompt: z.string().min(1).max(maxPromptLength),
    negativePrompt: z
      .string()
      .max(maxNegativePromptLength)
      .exactOptional()
      .describe('What the images are not to show.'),
    style: z
      .string()
      .min(1)
      .max(maxNameLength)
      .default(GENERATION_DEFAULTS.style)
      .describe('Any word that the model knows, such as `watercolor`.'),
    aspectRatio: z.enum(ASPECT_RATIOS).default(GENERATION_DEFAULTS.aspectRatio),
    quality: z
      .enum(IMAGE_QUALITIES)
      .default(GENERATION_DEFAULTS.quality)
      .describe('`standard` costs 1 credit an image, `hd` 2.'),
    model: z.string().min(1).max(maxNameLength).default(GENERATION_DEFAULTS.model),
    count: z.int().min(minCount).max(maxCount).default(GENERATION_DEFAULTS.count).describe('Images.'),
    sourceImageUrl: z
      .url({ protocol: /^https$/, error: 'Invalid input: expected an https address' })
      .max(maxUrlLength)
      .exactOptional()
      .describe('Required for every type but `text-to-image`.'),
  },
).refine(({ type, sourceImageUrl }) => !needsSourceImage(type) || sourceImageUrl !== undefined, {
  path: ['sourceImageUrl'],
  error: 'Required for every type but text-to-image',
});

export const GENERATION_EXAMPLE = {
  id: '69afe0c5a1b2c3d4e5f60719',
  type: 'text-to-image',
  prompt: 'A lighthouse at sunset',
  negativePrompt: null,
  style: 'realistic',
  aspectRatio: '16:9',
  quality: 'standard',
  model: 'default',
  count: 1,
  status: 'completed',
  credits: 1,
  processingTime: 3.2,
  outputImages: [
    {
      url: 'https://api.example.com/images/rYbV7Z4lgC3wBjZpvGkI1ENy.png',
      filename: '69afe0c5a1b2c3d4e5f60719-1.png',
      size: 362_426,
      width: 832,
      height: 468,
      contentType: 'image/png',
    },
  ],
  errorMessage: null,
  createdAt: '2026-03-10T09:00:00.000Z',
  startedAt: '2026-03-10T09:00:01.000Z',
  completedAt: '2026-03-10T09:00:04.200Z',
  failedAt: null,
};

export const outputImageFields = {
  url: z.url().describe('Opens without a token, and cannot be guessed.'),
  filename: z.string(),
  size: z.int().describe('Bytes.'),
  width: z.int().nullable().describe('Pixels.'),
  height: z.int().nullable().describe('Pixels.'),
  contentType: z.string().nullable(),
};

const outputImageSchema = readable({ resource: 'OutputImage', by: 'self', id: 'OutputImage' }, outputImageFields);

/** What everybody who may see a generation is shown of it, but for its pictures. */
export const generationFields = {
  id: z.string(),
  type: z.enum(IMAGE_GENERATION_TYPES),
  prompt: z.string(),
  negativePrompt: z.string().nullable(),
  style: z.string(),
  aspectRatio: z.enum(ASPECT_RATIOS),
  quality: z.enum(IMAGE_QUALITIES),
  model: z.string(),
  count: z.int().min(minCount).max(maxCount).describe('Images that were asked for.'),
  status: z.enum(GENERATION_STATUSES).describe('`completed`, `failed` and `cancelled` are final.'),
  credits: z.int().positive().describe('What it costs; given back when it fails or is cancelled.'),
  processingTime: z.number().nullable().describe('Seconds.'),
  errorMessage: z.string().nullable().describe('Why it failed.'),
  createdAt: instantSchema,
  startedAt: instantSchema.nullable(),
  completedAt: instantSchema.nullable(),
  failedAt: instantSchema.nullable(),
};

export const generationSchema = readable(
  { resource: 'ImageGeneration', by: 'self', id: 'Generation', example: GENERATION_EXAMPLE },
  { ...generationFields, outputImages: z.array(outputImageSchema) },
);

/** @param origin where this server was reached, for the addresses of pictures that it keeps itself */
export function generationOut(generation: GenerationSnapshot, origin: string): z.input<typeof generationSchema> {
  return represent(generationSchema, generationValues(generation, origin));
}

export function generationValues(generation: GenerationSnapshot, origin: string) {
  return {
    id: generation._id.toHexString(),
    type: generation.type,
    prompt: generation.prompt,
    negativePrompt: generation.negativePrompt ?? null,
    style: generation.style,
    aspectRatio: generation.aspectRatio,
    quality: generation.quality,
    model: generation.model,
    count: generation.count,
    status: generation.status,
    credits: generation.credits,
    processingTime: generation.processingTime ?? null,
    outputImages: generation.outputImages.map((image) =>
      represent(outputImageSchema, {
        url: new URL(image.url, origin).href,
        filename: image.filename,
        size: image.size,
        width: image.width ?? null,
        height: image.height ?? null,
        contentType: image.contentType ?? null,
      }),
    ),
    errorMessage: generation.errorMessage ?? null,
    createdAt: generation.createdAt.toISOString(),
    startedAt: generation.startedAt?.toISOString() ?? null,
    completedAt: generation.completedAt?.toISOString() ?? null,
    failedAt: generation.failedAt?.toISOString() ?? null,
  };
}
