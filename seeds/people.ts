import type { ImageGenerationType, ImageQuality } from '../src/domain/generation.ts';
import type { GenerationStatus } from '../src/domain/lifecycle.ts';
import type { SubscriptionStatus } from '../src/domain/subscription.ts';
import type { SubscriptionTier } from '../src/domain/tiers.ts';

export interface SeedGeneration {
  type: ImageGenerationType;
  prompt: string;
  style: string;
  quality: ImageQuality;
  count: number;
  status: GenerationStatus;
  errorMessage?: string;
}

export interface SeedPerson {
  clerkUserId: string;
  email: string;
  name: string;
  subscriptionTier: SubscriptionTier;
  /** Days since this period began. */
  periodAge: number;
  subscription?: { status: SubscriptionStatus; trialDays?: number };
  generations: SeedGeneration[];
}

const SUBJECTS = [
  'A beautiful sunset over a quiet bay',
  'A majestic mountain landscape at dawn',
  'A lighthouse in a winter storm',
  'A forest path in autumn fog',
  'A desert under a sky full of stars',
  'A harbour town seen from the hills',
  'An island of flowers in a calm ocean',
  'A night market in the rain',
] as const;

const STYLES = ['realistic', 'watercolor', 'anime', 'oil', 'minimal', 'sketch'] as const;

/** The types in the order in which the history runs through them. */
const TYPES = ['text-to-image', 'text-to-image', 'variation', 'text-to-image', 'image-to-image', 'upscale'] as const;

const REFUSED = 'The prompt was refused. Change it and try again.';

/** `credits` credits' worth of finished generations, varied, the same at every run. */
function finished(credits: number): SeedGeneration[] {
  const generations: SeedGeneration[] = [];
  for (let left = credits, index = 0; left > 0; index += 1) {
    const quality: ImageQuality = index % 3 === 2 && left >= 2 ? 'hd' : 'standard';
    const count = Math.min(1 + (index % 4), Math.floor(left / (quality === 'hd' ? 2 : 1)));
    generations.push({ ...pictured(index), quality, count, status: 'completed' });
    left -= count * (quality === 'hd' ? 2 : 1);
  }
  return generations;
}

function pictured(index: number): Pick<SeedGeneration, 'type' | 'prompt' | 'style'> {
  return {
    type: pick(TYPES, index),
    prompt: pick(SUBJECTS, index),
    style: pick(STYLES, index),
  };
}

function pick<Item>(items: readonly [Item, ...Item[]], index: number): Item {
  return items[index % items.length] ?? items[0];
}

/** One credit's worth of a generation that ended, or has yet to end, in that status. */
function single(status: GenerationStatus, index: number): SeedGeneration {
  const ended = status === 'failed' ? { errorMessage: REFUSED } : {};
  return { ...pictured(index), quality: 'standard', count: 1, status, ...ended };
}

/**
 * The four people of the seeds. What failed or was cancelled is refunded, so that usage is what was finished and what is
 * under way: 5, 25, 150 and 3 credits.
 */
export const SEED_PEOPLE: readonly SeedPerson[] = [
  {
    clerkUserId: 'user_test_free_1',
    email: 'free.user@example.com',
    name: 'Free User',
    subscriptionTier: 'free',
    periodAge: 12,
    generations: [...finished(5), single('failed', 1)],
  },
  {
    clerkUserId: 'user_test_plus_1',
    email: 'plus.user@example.com',
    name: 'Plus User',
    subscriptionTier: 'plus',
    periodAge: 18,
    subscription: { status: 'active' },
    generations: [...finished(25), single('cancelled', 2), single('failed', 3)],
  },
  {
    clerkUserId: 'user_test_pro_1',
    email: 'pro.user@example.com',
    name: 'Pro User',
    subscriptionTier: 'pro',
    periodAge: 21,
    subscription: { status: 'active' },
    generations: [...finished(149), single('failed', 4), single('cancelled', 5), single('processing', 6)],
  },
  {
    clerkUserId: 'user_test_trial_1',
    email: 'trial.user@example.com',
    name: 'Trial User',
    subscriptionTier: 'plus',
    periodAge: 4,
    subscription: { status: 'trialing', trialDays: 14 },
    generations: [...finished(2), single('pending', 7)],
  },
];

/** People of large histories: `user_test_bulk_N`. */
export const BULK_PREFIX = 'user_test_bulk_';
