import type { SubscriptionTier } from '../../src/domain/tiers.ts';
import { BULK_PREFIX } from '../people.ts';
import { Random } from './random.ts';

/** Somebody with a history, who is the same at every run. */
export interface BulkPerson {
  /** From 1. */
  number: number;
  clerkUserId: string;
  email: string;
  name: string;
  subscriptionTier: SubscriptionTier;
  /** Days since they signed up. */
  age: number;
  /** Hours that their clocks are ahead of UTC. */
  offset: number;
  /** Whether their latest request is still under way. */
  ending: 'pending' | 'processing' | null;
  /** What the rest of their history follows from. */
  random: Random;
}

const GIVEN = [
  'Ada',
  'Bruno',
  'Chidi',
  'Dana',
  'Emeka',
  'Freya',
  'Goran',
  'Hana',
  'Ivo',
  'Jun',
  'Kemal',
  'Lucia',
] as const;
const FAMILY = ['Almeida', 'Berg', 'Costa', 'Dube', 'Eriksen', 'Fischer', 'Garcia', 'Haddad', 'Ito', 'Jansen'] as const;
const OFFSETS = [-8, -6, -5, -5, -3, 0, 0, 1, 1, 1, 2, 3, 5.5, 5.5, 8, 9, 10] as const;

/** Most try it, some pay, a few live on it. */
const TIERS: readonly [SubscriptionTier, ...SubscriptionTier[]] = [
  'free',
  'plus',
  'free',
  'free',
  'pro',
  'free',
  'plus',
  'free',
];

const FIRST_AGE_DAYS = 2;
const LAST_AGE_DAYS = 365;

export function bulkPerson(number: number): BulkPerson {
  const random = new Random(Math.imul(number, 0x9e3779b1));
  const age = random.between(FIRST_AGE_DAYS, LAST_AGE_DAYS);
  return {
    number,
    clerkUserId: `${BULK_PREFIX}${number}`,
    email: `bulk.user.${number}@example.com`,
    name: `${random.pick(GIVEN)} ${random.pick(FAMILY)}`,
    subscriptionTier: TIERS[(number - 1) % TIERS.length] ?? 'free',
    age,
    offset: random.pick(OFFSETS),
    ending: number % 40 === 2 ? 'pending' : number % 40 === 5 ? 'processing' : null,
    random,
  };
}
